"""Waiting for a block job, as virsh's `--wait`, `--verbose`, `--pivot` and `--finish` do.

The rule kept here: the job's events decide; asking in between only draws the progress.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time

from virtory.errors import OperationFailed, VirtoryError
from virtory.lean import TYPE_CHECKING, Any
from virtory.model.flags import DomainBlockJob as Job

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain

KINDS = {
    Job.TYPE_PULL: "Block Pull",
    Job.TYPE_COPY: "Block Copy",
    Job.TYPE_COMMIT: "Block Commit",
    Job.TYPE_ACTIVE_COMMIT: "Active Block Commit",
    Job.TYPE_BACKUP: "Backup",
}
_LOOK_S = 0.25


def progress(label: str, left: int, total: int) -> None:
    """virsh's line: 100 % only when nothing is left."""
    done = 100
    if left:
        done = min(99, int(100 - left / (total / 100))) if total else 0
    sys.stderr.write(f"\r{label}: [{done:3d} %]")
    sys.stderr.flush()


class Waiting:
    """What the user wants to see, and how long to wait."""

    def __init__(self, label: str, given: dict[str, Any]) -> None:
        self.label = label
        self.verbose = bool(given["verbose"])
        self.timeout = given["timeout"]
        self.asynchronous = bool(given["async"])


async def through(
    terminal: Terminal,
    machine: Domain,
    disk: str,
    waiting: Waiting,
    begin: Callable[[], Coroutine[None, None, None]],
) -> int:
    """Begin a job and wait until it is ready or has ended: its status (`DomainBlockJob`).

    When the time is over, or the user breaks it off, it is aborted.
    """
    events = terminal.host.events("block-job-2", "block-job", domain=machine)
    with terminal.if_broken_off("the job is given up, and the disk goes on as it is"):
        async with events as heard:
            return await _watched(heard, machine, disk, waiting, begin)


async def _watched(
    events: Any,
    machine: Domain,
    disk: str,
    waiting: Waiting,
    begin: Callable[[], Coroutine[None, None, None]],
) -> int:
    begun, status = asyncio.create_task(begin()), None
    try:
        await asyncio.shield(begun)
    except asyncio.CancelledError:
        with contextlib.suppress(VirtoryError):  # a job of another's is not ours to abort
            await begun
            await machine.block_job_abort(disk)
        raise
    try:
        status = await _status(events, machine, disk, waiting)
    finally:
        if status is None:  # too late, or broken off
            with contextlib.suppress(VirtoryError):
                await machine.block_job_abort(disk, asynchronous=waiting.asynchronous)
    return Job.CANCELED if status is None else status


async def _status(events: Any, machine: Domain, disk: str, waiting: Waiting) -> int | None:
    over = None if waiting.timeout is None else time.monotonic() + waiting.timeout
    while over is None or time.monotonic() < over:
        event = await events.next(_LOOK_S)
        if event is None:
            info = await machine.block_job(disk, flags=1)
            if info is not None and waiting.verbose:
                progress(waiting.label, max(1, info.end - info.current), info.end)
        elif disk in (getattr(event, "dst", None), getattr(event, "path", None)):
            if waiting.verbose and event.status in (Job.COMPLETED, Job.READY):
                progress(waiting.label, 0, 0)
            return int(event.status)
    return None


def refuse_bad_end(status: int, word: str) -> None:
    """Raise when a job that was waited for did not go well."""
    if status == Job.CANCELED:
        raise OperationFailed(f"{word} aborted")
    if status == Job.FAILED:
        raise OperationFailed(f"{word} failed")
