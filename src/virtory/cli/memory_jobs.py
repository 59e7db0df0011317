"""Work that writes a machine's memory out, watched: how far it is, and Ctrl-C gives it up.

The rule kept here: as with virsh, breaking off aborts the job; the machine goes on, and whichever
of the two came first is said.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from virtory.cli.block_jobs import progress
from virtory.errors import VirtoryError
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain

_LOOK_S = 0.25


async def watched(
    terminal: Terminal,
    machine: Domain,
    label: str,
    work: Coroutine[None, None, None],
    *,
    verbose: bool,
) -> None:
    """Wait for `work`, a call that is a job of the machine's; with `verbose` say how far it is."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_LOOK_S if verbose else None)
            if not task.done() and (info := await machine.job_info()).type:
                progress(label, info.data_remaining, info.data_total)
    except asyncio.CancelledError:
        with suppress(VirtoryError):
            await machine.abort_job()
        await asyncio.wait({task})
        ended = "it was given up, and the machine goes on" if task.exception() else "too late: done"
        terminal.say(f"\nbroken off: {ended}")
        raise
    if verbose and task.exception() is None:
        progress(label, 0, 0)
        terminal.say("")
    await task
