"""A start that does not boot: the machine goes on where a file or a snapshot has it.

The rule kept here: that the file is used up is on disk before the machine's first instruction, so
that no crash can bring the same memory back twice over disks that have changed.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from virtory.driver.qemu import transfer
from virtory.errors import SystemCallFailed
from virtory.model.lifecycle import Trigger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from virtory.driver.qemu.guest import Guest

Steps = tuple[Trigger, Trigger, Trigger, Trigger]

RESTORED: Steps = (
    Trigger.RESTORED,
    Trigger.RESTORED_RUNNING,
    Trigger.RESTORED_PAUSED,
    Trigger.RESTORED_TO_PAUSE,
)


class Resumption:
    """How a new process gets its memory.

    Args:
        fetch: brings memory and devices into the waiting process.
        arguments: what QEMU is started with for that.
        runs: whether the machine ran when it was put aside.
        used_up: called before what happened is saved; it forgets what must not be used again.
        steps: what happened (arrived; goes on; stays paused as it was; paused by request).
    """

    def __init__(
        self,
        fetch: Callable[[Guest], Awaitable[None]],
        arguments: tuple[str, ...],
        *,
        runs: bool,
        used_up: Callable[[Guest], None] | None = None,
        steps: Steps = RESTORED,
    ) -> None:
        self._fetch = fetch
        self.arguments = arguments
        self._runs = runs
        self._used_up = used_up
        self._steps = steps
        self.close: Callable[[], None] = lambda: None

    async def bring(self, guest: Guest) -> None:
        """Bring the memory into the new process."""
        await self._fetch(guest)

    async def go_on(self, guest: Guest, *, paused: bool) -> None:
        """Save and tell that it is there, then let it run if it is to."""
        arrived, goes_on, as_it_was, by_request = self._steps
        if self._used_up is not None:
            self._used_up(guest)
        guest.step(arrived)
        if paused or not self._runs:
            guest.step(by_request if paused else as_it_was)
            return
        with contextlib.suppress(SystemCallFailed):
            await guest.settled()  # logged already
        guest.pause_cause = goes_on
        await guest.execute("cont")


def from_file(
    descriptor: int,
    *,
    runs: bool,
    used_up: Callable[[Guest], None] | None = None,
    steps: Steps = RESTORED,
) -> Resumption:
    """From a save image; the descriptor stands at the stream and stays the caller's."""
    mine = [os.dup(descriptor)]

    async def fetch(guest: Guest) -> None:
        await transfer.read(guest, mine[0])

    def close() -> None:
        while mine:
            os.close(mine.pop())

    resumption = Resumption(fetch, ("-incoming", "defer"), runs=runs, used_up=used_up, steps=steps)
    resumption.close = close
    return resumption
