"""What earlier daemons left behind that the store knows nothing of: run directories, processes.

The rule kept here: a process that nobody knows is never ended, for its guest may be somebody's; it
is told, and its domain can not be started beside it. A directory without a process is removed.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from typing import TYPE_CHECKING

from virtory.driver.qemu.process import find_by_variable, start_time_of
from virtory.errors import OperationInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from virtory.driver.qemu.process import Identity
    from virtory.driver.qemu.table import DomainTable, Entry

_log = logging.getLogger(__name__)

MARK = "VIRTORY_RUN"
"""The variable in QEMU's environment that says whose it is: the plan's directory."""

_OURS = re.compile(r"[0-9]+-([0-9a-f]{8})")


class Strays:
    """The unknown processes of one instance, by the beginning of their domains' UUIDs."""

    def __init__(self) -> None:
        self._found: dict[str, Identity] = {}

    def sweep(self, run_directory: str, known: Iterable[str], table: DomainTable) -> None:
        """Look at every run directory that is not `known`; blocking: call it in a thread."""
        kept = set(known)
        for name in os.listdir(run_directory):
            path = os.path.join(run_directory, name)
            ours = _OURS.fullmatch(name)
            if ours is None or path in kept:
                continue
            identity = find_by_variable(f"{MARK}={path}")
            if identity is None:
                shutil.rmtree(path, ignore_errors=True)
                continue
            self._found[ours[1]] = identity
            names = [each.name for each in table if _beginning(each) == ours[1]]
            _log.error(
                "process %d is a guest of this instance that no record tells of%s: it is left "
                "alone. Save what it holds, then end it: kill %d",
                identity.pid,
                f", of domain '{names[0]}'" if names else "",
                identity.pid,
            )

    def refuse(self, entry: Entry) -> None:
        """OperationInvalid while a process of the domain runs that is not in our hands."""
        identity = self._found.get(_beginning(entry))
        if identity is None:
            return
        if start_time_of(identity.pid) != identity.start_time:
            del self._found[_beginning(entry)]
            return
        raise OperationInvalid(
            f"domain '{entry.name}' runs as process {identity.pid}, whose record was lost",
            cure=f"save what its guest holds, end it (kill {identity.pid}) and try again",
        )


def _beginning(entry: Entry) -> str:
    return entry.uuid.hex()[:8]
