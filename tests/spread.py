"""How the suite is spread over several workers of pytest-xdist.

The rule kept here: tests that share what is made once (a daemon, a guest) stay together on one
worker, as do those that take ports of the host; all other slow tests go one by one to whoever is
free. What is long begins first and what is quick fills the end, so that no worker ends long before
the other.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
SLOW = ("tests/guests/", "tests/interop/")
PORTS = "the host's ports"
TAKE_PORTS = {
    "tests/driver/qemu/test_qemu_accepts.py",
    "tests/guests/test_at_once.py",
    "tests/guests/test_kinds.py",
    "tests/provision/test_machines.py",
}
SHARED, SINGLE, QUICK = range(3)


class Spread(LoadScopeScheduling):
    """Hands out units of work, in the order of `rank`, to workers that collected in that order."""

    def __init__(self, config: Any, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)


def unit(nodeid: str) -> str:
    """What a test is handed out with: its file, its purpose, or nothing but itself."""
    path = nodeid.partition("::")[0]
    if path in TAKE_PORTS:
        return PORTS
    return nodeid if path.startswith(SLOW) and not _shares(path) else path


def rank(nodeid: str) -> int:
    """When its unit is handed out."""
    scope = unit(nodeid)
    if scope == nodeid:
        return SINGLE
    return SHARED if scope == PORTS or scope.startswith(SLOW) else QUICK


@cache
def _shares(path: str) -> bool:
    """Whether the file makes something once for all its tests."""
    return 'scope="module"' in (ROOT / path).read_text()
