"""Answers as text like virsh's, and as JSON."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING

import pytest

from virtory.cli.output import (
    Data,
    Done,
    Field,
    Fields,
    Lines,
    Output,
    Table,
    Text,
    Together,
    broken,
    harmless,
    key_of,
    show,
)
from virtory.cli.parse import Usage
from virtory.cli.verbs.doctor import _at_once
from virtory.cli.verbs.domain_tune import kib
from virtory.cli.verbs.machine import next_steps

if TYPE_CHECKING:
    from pathlib import Path


def test_a_table_looks_as_virsh_draws_it() -> None:
    table = Table(["Id", "Name", "State"], [[1, "test", "running"]])
    assert table.text() == (" Id   Name   State\n----------------------\n 1    test   running\n\n")


def test_an_empty_table_still_has_its_head() -> None:
    assert (
        Table(["Id", "Name", "State"], []).text() == " Id   Name   State\n--------------------\n\n"
    )


def test_a_cell_that_is_not_there_is_a_dash_and_null() -> None:
    table = Table(["Id", "Name"], [[None, "off"]])
    assert " -    off" in table.text()
    assert table.data() == [{"id": None, "name": "off"}]


def test_fields_align_their_values_and_keep_raw_ones_for_programs() -> None:
    fields = Fields([Field("Max memory", "8388608 KiB", "max_memory_kib", 8388608)])
    assert fields.text() == "Max memory:     8388608 KiB\n\n"
    assert fields.data() == {"max_memory_kib": 8388608}


def test_a_label_becomes_a_key() -> None:
    assert key_of("CPU(s)") == "cpus"
    assert key_of("Core(s) per socket") == "cores_per_socket"


@pytest.mark.parametrize("output", [Done("Domain 'a' started"), Lines(["a"]), Text("<a/>")])
def test_text_ends_with_a_line_break(output: Output) -> None:
    assert output.text().endswith("\n")


def test_json_is_written_whole(capsys: pytest.CaptureFixture[str]) -> None:
    show(Done("gone", name="a"), as_json=True, quiet=False)
    assert json.loads(capsys.readouterr().out) == {"message": "gone", "name": "a"}


def test_quiet_drops_what_only_says_that_it_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    show(Done("gone"), as_json=False, quiet=True)
    show(Lines(["a"]), as_json=False, quiet=True)
    assert capsys.readouterr().out == "a\n\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2097152", 2097152), ("512M", 524288), ("2G", 2097152), ("1GiB", 1 << 20), ("1MB", 977)],
)
def test_a_size_takes_virshs_units(text: str, expected: int) -> None:
    assert kib(text) == expected


@pytest.mark.parametrize("text", ["", "much", "1X", "1Gbit", "-1"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Usage):
        kib(text)


def test_wide_letters_take_two_columns_as_on_a_terminal() -> None:
    table = Table(["Name", "State"], [["仮想", "a"], ["cafe\u0301", "b"], ["plain", "c"]])
    assert table.text().splitlines()[2:5] == [" 仮想    a", " cafe\u0301    b", " plain   c"]


def test_sentences_are_broken_between_words_below_their_label() -> None:
    text = (
        "Host here\n  KVM       emulated: it is slow\n            use something else\n"
        "cure: take a better one of them\n"
    )
    assert broken(text, 26) == (
        "Host here\n  KVM       emulated: it\n            is slow\n"
        "            use something\n            else\ncure: take a better one of\n      them\n"
    )


def test_several_answers_may_have_data_of_their_own() -> None:
    parts = Table(["Id"], [[1]]), Text("two")
    assert Together(*parts).data() == [[{"id": 1}], "two"]
    assert Together(*parts, data={"all": 1}).data() == {"all": 1}


class Screen(io.StringIO):
    """What a terminal was sent."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_is_commanded_by_no_guest() -> None:
    assert harmless("QEMU's\r\nlines\r") == "QEMU's\nlines\\x0d"
    title = "\x1b]0;pwned\x07\x9b2J\tno\n"
    assert harmless(title) == "\\x1b]0;pwned\\x07\\x9b2J\tno\n"
    for output in (Text(title), Fields([Field("Name", title)]), Table(["Name"], [[title]])):
        screen = Screen()
        with contextlib.redirect_stdout(screen):
            show(output, as_json=False, quiet=False)
        assert "pwned" in screen.getvalue()
        assert "\x1b]" not in screen.getvalue() and "\x9b" not in screen.getvalue()
    console = Screen()
    with contextlib.redirect_stdout(console):
        show(Data(title, {}, raw=True), as_json=False, quiet=False)
    assert console.getvalue() == title


def test_the_doctors_packages_are_installed_by_one_command() -> None:
    cures = ["Enable VT-d", "sudo apt install passt", "sudo apt install nftables", "sudo x y"]
    assert _at_once(cures) == "sudo apt install passt nftables"
    assert _at_once(cures[:2]) is None


def test_who_called_it_by_its_path_is_told_where_the_shell_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "with space"
    programs.mkdir()
    program = programs / "virtory"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "activate" not in next_steps("demo", str(program))
    (programs / "activate").touch()
    assert (
        f"Next:\n  . '{programs}/activate'   where virtory is\n  virtory ssh demo "
        in next_steps("demo", str(program))
    )
    monkeypatch.setenv("PATH", str(programs))
    assert "activate" not in next_steps("demo", str(program))
