"""Whole daemons under attack: as whoever runs the tests and, from root, as an ordinary user too.

The rule kept here: everything a daemon started ends with its test, whatever the test came to.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from daemon_process import DaemonProcess
from tests import lacking, shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ORDINARY = 64321
"""An uid that nobody else has."""


@pytest.fixture(scope="session")
def ordinary_user() -> int:
    """A user other than root that may run our interpreter."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    if reason := lacking.for_user(ORDINARY):
        pytest.skip(reason)
    return ORDINARY


@pytest.fixture
def places() -> Iterator[Callable[[], Path]]:
    """New directories with short names, which guests may pass through."""
    made: list[Path] = []

    def new() -> Path:
        made.append(Path(tempfile.mkdtemp(prefix="virtory-")))
        made[-1].chmod(0o711)
        return made[-1]

    yield new
    for path in made:
        shutil.rmtree(path)


@pytest.fixture
def make(places: Callable[[], Path]) -> Iterator[Callable[..., DaemonProcess]]:
    """Daemons that are not started yet, each with a directory of its own."""
    made: list[DaemonProcess] = []

    def new(*, user: int | None = None, config: str = "", **options: Any) -> DaemonProcess:
        if user is None:
            config += shared.configuration()
        made.append(DaemonProcess(places(), user=user, config=config, **options))
        return made[-1]

    yield new
    for daemon in made:
        print(daemon.said())  # shown when the test failed
        daemon.clear()


@pytest.fixture
def daemon(make: Callable[..., DaemonProcess]) -> DaemonProcess:
    """A daemon that serves."""
    return make().start()
