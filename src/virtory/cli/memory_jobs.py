"""Work that writes a machine's memory out, watched: how far it is, and Ctrl-C gives it up.

The rule kept here: as with virsh, breaking off aborts the job; the machine goes on, and whichever
of the two came first is said.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TypeVar

from virtory.cli.block_jobs import progress
from virtory.errors import VirtoryError
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain

T = TypeVar("T")

_LOOK_S = 0.25


async def watched(
    terminal: Terminal,
    machine: Domain,
    label: str,
    work: Coroutine[None, None, T],
    *,
    verbose: bool = False,
) -> T:
    """Wait for `work`, a call that is a job of the machine's.

    Says how far it is with `verbose`, and to whoever looks at a terminal.
    """
    settings = terminal.settings
    verbose |= sys.stderr.isatty() and not settings.quiet and not settings.json
    task = asyncio.create_task(work)
    drawn = False
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_LOOK_S if verbose else None)
            if not task.done():
                drawn |= await _drawn(machine, label)
    except asyncio.CancelledError:
        terminal.say(f"\nbroken off: {await _given_up(machine, task)}")
        raise
    if drawn:
        if task.exception() is None:
            progress(label, 0, 0)
        sys.stderr.write("\n")
    return await task


async def _drawn(machine: Domain, label: str) -> bool:
    """Draw how far it is; whether there was anything to tell."""
    with suppress(VirtoryError):  # a machine that is off has no job
        info = await machine.job_info()
        if info.data_total:
            progress(label, info.data_remaining, info.data_total)
        elif info.type:  # QEMU does not say how far it is, only that it works
            sys.stderr.write(f"\r{label}: {info.time_elapsed_ms / 1000:.0f} s")
            sys.stderr.flush()
        return bool(info.type)
    return False


async def _given_up(machine: Domain, task: asyncio.Task[T]) -> str:
    """Abort the job; what came of that."""
    try:
        await machine.abort_job()
    except VirtoryError:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return "too late: done" if task.done() else "the daemon finishes it all the same"
    await asyncio.wait({task})
    return "it was given up, and the machine goes on" if task.exception() else "too late: done"
