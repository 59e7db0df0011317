"""What a listing imports: as much as it needs, for imports are most of its time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import virtory

if TYPE_CHECKING:
    from daemon_thread import DaemonThread

SOURCE = Path(virtory.__file__).parents[1]

# Each of these takes a millisecond or more with what it brings along; `virsh list` takes eleven.
HEAVY = {
    "argparse", "ast", "asyncio", "click", "collections", "concurrent", "contextlib", "ctypes",
    "dataclasses", "datetime", "difflib", "enum", "functools", "importlib.metadata", "inspect",
    "json", "logging", "lxml", "pathlib", "pickle", "re", "rich", "selectors", "shlex", "shutil",
    "signal", "socket", "sqlite3", "ssl", "string", "subprocess", "tempfile", "textwrap",
    "threading", "traceback", "typing", "urllib", "uuid", "weakref",
}  # fmt: skip

# Isolated and without site, so that nothing but virtory imports anything.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from virtory.cli.main import main
status = main(sys.argv[2:])
sys.stdout.flush()
loaded = sorted(sys.modules)
import json
json.dump([status, loaded], sys.stderr)
"""


class Ran(NamedTuple):
    out: str
    status: int
    loaded: set[str]


def run(*words: str) -> Ran:
    """Run `virtory WORDS` in a process of its own; what it printed and what it had imported."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, str(SOURCE), *words],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    status, loaded = json.loads(done.stderr)
    return Ran(done.stdout, status, set(loaded))


@pytest.mark.parametrize(
    "words",
    [("list",), ("list", "--all"), ("domstate", "test"), ("suspend", "test"), ("dominfo", "test")],
    ids=" ".join,
)
def test_a_quick_verb_imports_nothing_heavy(daemon: DaemonThread, words: tuple[str, ...]) -> None:
    ran = run("-c", daemon.uri, *words)
    assert ran.status == 0
    assert ran.out
    assert ran.loaded & HEAVY == set()


def test_a_listing_loads_the_records_of_its_own_calls_only(daemon: DaemonThread) -> None:
    ran = run("-c", daemon.uri, "list", "--all")
    assert " 1    test   running" in ran.out
    records = {name for name in ran.loaded if name.startswith("virtory.wire.remote.")}
    assert records == {
        f"virtory.wire.remote.{name}"
        for name in ("auth", "connect", "domain", "domain_state", "limits", "types")
    }


def test_a_listing_loads_no_other_verbs(daemon: DaemonThread) -> None:
    ran = run("-c", daemon.uri, "list")
    verbs = {name for name in ran.loaded if name.startswith("virtory.cli.verbs.")}
    assert verbs == {"virtory.cli.verbs.domain_list"}


def test_importing_the_library_imports_none_of_its_parts() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import virtory; print(*sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(SOURCE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    ours = {name for name in done.stdout.split() if name.startswith("virtory")}
    assert ours == {"virtory", "virtory.lean"}
