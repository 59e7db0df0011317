"""The limits of the house, counted: file and function lengths, banned names, machine paths."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PYTHON = SOURCES + TESTS
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
MOST_LINES = 600
MOST_FUNCTION_LINES = 50
LOOSE_ENDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError|pragma: no cover")


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


def test_there_are_sources_to_count() -> None:
    assert len(SOURCES) > 50
    assert len(TESTS) > 20


@pytest.mark.parametrize("path", named(PYTHON))
def test_a_file_is_short_enough_to_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", named(SOURCES))
def test_a_function_fits_on_a_screen(path: Path) -> None:
    too_long = [
        f"{node.name}: {length} lines"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > MOST_FUNCTION_LINES
    ]
    assert too_long == []


@pytest.mark.parametrize("path", named(SOURCES))
def test_a_module_says_what_it_is(path: Path) -> None:
    source = path.read_text()
    if source.strip():
        assert ast.get_docstring(ast.parse(source)), "no module docstring"


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [path for path in PYTHON if path.stem in BANNED_NAMES] == []


@pytest.mark.parametrize("path", named(SOURCES))
def test_no_loose_end_is_left_in_the_source(path: Path) -> None:
    found = [line for line in path.read_text().splitlines() if LOOSE_ENDS.search(line)]
    assert found == []


def test_the_project_names_no_machine_but_the_users() -> None:
    words = [re.escape(word) for word in ("/" + "work/", "/" + "farm/", ".py" + "env/")]
    machine = re.compile("|".join(words))
    texts = PYTHON + list(ROOT.glob("*.md")) + sorted((ROOT / "scripts").iterdir())
    assert [path for path in texts if path.is_file() and machine.search(path.read_text())] == []
