"""Who may import whom: ARCHITECTURE.md's table, held against every import of the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "virtory"
ROW = re.compile(r"^\| `(?P<layer>\w+)` \|(?P<ours>[^|]*)\|(?P<never>[^|]*)\|")


def table() -> dict[str, tuple[set[str], set[str]]]:
    """Layer → (layers it may import, modules it may never import), read from ARCHITECTURE.md."""
    rows = {}
    for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines():
        if match := ROW.match(line):
            ours = set(re.findall(r"`(\w+)`", match["ours"]))
            never = set(re.findall(r"`([\w.]+)`", match["never"]))
            rows[match["layer"]] = (ours, never)
    return rows


LAYERS = table()
FILES = sorted(path for path in PACKAGE.rglob("*.py"))


def layer_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[int, str]]:
    """Every absolute module name that a file imports, type-checking imports too."""
    found = []
    package = ".".join(("virtory", *path.relative_to(PACKAGE).parent.parts))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            prefix = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                prefix = ".".join([*parts, *([node.module] if node.module else [])])
            found += [(node.lineno, f"{prefix}.{alias.name}") for alias in node.names]
    return found


def test_the_table_names_every_layer_there_is() -> None:
    there = {layer_of(path) for path in FILES} - {"__init__", "__main__"}
    assert there == set(LAYERS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_layer_may(path: Path) -> None:
    layer = layer_of(path)
    if layer in {"__init__", "__main__"}:
        return
    ours, never = LAYERS[layer]
    allowed = ours | {layer}
    wrong = []
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] == "virtory":
            if len(parts) > 1 and parts[1] not in allowed and parts[1] in LAYERS:
                wrong.append(f"line {line}: {name}")
        elif any(name == word or name.startswith(f"{word}.") for word in never):
            wrong.append(f"line {line}: {name}")
    assert wrong == []


def test_the_daemon_starts_without_what_is_slow_to_import_and_needed_late() -> None:
    """Each of these takes 2 ms or more, or brings what does; a start is some hundred."""
    late = {"email", "http", "ipaddress", "lxml", "random", "tempfile", "urllib", "xml"}
    code = "import sys, virtory.daemon.server, virtory.driver.qemu.driver; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert late & set(done.stdout.split()) == set()
