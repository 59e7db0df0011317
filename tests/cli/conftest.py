"""The command line, called in this process, against a daemon of the test's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from virtory.cli.main import main

sys.path.insert(0, str(Path(__file__).parent))

from daemon_thread import DaemonThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = """<secret ephemeral='no' private='no'>
<uuid>11111111-2222-3333-4444-555555555555</uuid><description>of a test</description>
<usage type='volume'><volume>/var/lib/images/a.luks</volume></usage></secret>"""
SMALL = """\
<domain type='test'>
  <name>small</name>
  <uuid>11111111-2222-3333-4444-555555555555</uuid>
  <memory unit='KiB'>1024</memory>
  <vcpu>1</vcpu>
  <os><type>hvm</type></os>
</domain>
"""


class Ran(NamedTuple):
    """What one command line did."""

    status: int
    out: str
    err: str


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonThread]:
    with DaemonThread(tmp_path / "daemon") as daemon:
        yield daemon


@pytest.fixture
def virtory(daemon: DaemonThread, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run `virtory -c … WORDS`."""

    def run(*words: str) -> Ran:
        capsys.readouterr()
        status = main(["-c", daemon.uri, *words])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


@pytest.fixture
def small(tmp_path: Path) -> str:
    """The path of a small domain's XML; beside it `secret.xml`."""
    path = tmp_path / "small.xml"
    path.write_text(SMALL)
    (tmp_path / "secret.xml").write_text(SECRET)
    return str(path)
