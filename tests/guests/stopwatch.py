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
        self._queued = {pid: _queued_s(pid) for pid in self._pids}
        self._begun = time.monotonic()

    def took_s(self) -> float:
        """Since it was made or restarted."""
        took = time.monotonic() - self._begun
        # Of one that has ended meanwhile nothing is known any more: it did not stand there less.
        queued = sum(max(0.0, _queued_s(pid) - then) for pid, then in self._queued.items())
        return max(0.0, took - queued)


def _queued_s(pid: int) -> float:
    """For how long it has stood in the queue so far."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except OSError:  # a kernel that does not count, or a process that is gone
        return 0.0
