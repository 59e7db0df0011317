"""How long something takes, less the time for which a busy host had no processor for it.

The rule kept here: only what the kernel says a thread stood in the queue for a processor is taken
off (Documentation/scheduler/sched-stats.rst), never a guess; so a limit holds on any host.
"""

from __future__ import annotations

import os
import time


class Stopwatch:
    """Runs from its making, for the caller and for the processes (their main threads) it asks."""

    def __init__(self, *pids: int) -> None:
        self._pids = (os.getpid(), *pids)
        self.restart()

    def restart(self) -> None:
        self._queued, self._begun = self._queued_s(), time.monotonic()

    def took_s(self) -> float:
        """Since it was made or restarted."""
        took = time.monotonic() - self._begun
        return max(0.0, took - (self._queued_s() - self._queued))

    def _queued_s(self) -> float:
        """For how long all of them together have stood in the queue so far."""
        return sum(_queued_ns(pid) for pid in self._pids) / 1e9


def _queued_ns(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[1])
    except OSError:  # a kernel that does not count, or a process that is gone
        return 0
