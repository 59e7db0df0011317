"""Core dumps, and what is told of a long job: its progress, its end by request.

The rule kept here: a dump only looks; however it ends, the machine goes on as the flags say.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any

from virtory.driver import new_files
from virtory.driver.journal import Journal
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import transfer
from virtory.driver.qemu.disks.shared_images import refuse_losing
from virtory.driver.qemu.domain_lifecycle import press_reset
from virtory.driver.qemu.part import Part
from virtory.errors import (
    InvalidArgument,
    OperationInvalid,
    SystemCallFailed,
    VirtoryError,
)
from virtory.model.flags import DomainDump, DomainState
from virtory.model.lifecycle import Trigger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from virtory.driver.interface import Param
    from virtory.driver.journal import Work
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.runtime import Runtime

WORK = "dump"
_FORMATS = {1: "kdump-zlib", 2: "kdump-lzo", 3: "kdump-snappy", 4: "win-dmp"}
_ENDINGS = DomainDump.CRASH | DomainDump.RESET
_JOB_FIELDS = 12
COMPLETED, KEEP_COMPLETED = 1, 2  # virDomainGetJobStatsFlags


class DomainJobs(Part):
    """Long jobs, and the one that only looks."""

    async def core_dump(self, uuid: bytes, path: str, dump_format: int, flags: int) -> None:
        refuse_unknown(flags, DomainDump.ALL, "qemuDomainCoreDumpWithFormat")
        if flags & _ENDINGS == _ENDINGS or flags & (DomainDump.LIVE | DomainDump.CRASH) == 3:
            raise InvalidArgument("crash, live and reset flags must be specified exclusively")
        if dump_format and dump_format not in _FORMATS:
            raise InvalidArgument(f"unknown dump format '{dump_format}'")
        if dump_format and not flags & DomainDump.MEMORY_ONLY:
            raise OperationInvalid(
                "kdump-compressed format is only supported with memory-only dump"
            )
        if not path.startswith("/"):
            raise InvalidArgument(f"'{path}' is not a whole path", cure="name it from the root")
        refuse_losing(self._table, path)
        await self._runtime.whole(self._dump(self._guest(uuid), path, dump_format, flags))

    async def _dump(self, guest: Guest, path: str, dump_format: int, flags: int) -> None:
        async with guest.job("dump"):
            ran = guest.is_running
            unfinished = path + new_files.UNFINISHED
            journal = Journal(self._runtime.records.store)
            noted = {"unfinished": unfinished, "goes_on": ran}
            work = await journal.begin(WORK, domain=guest.entry.uuid.hex(), **noted)
            try:
                await self._written(guest, path, dump_format, flags)
            finally:
                await work.done()
            await guest.settled()
            if flags & DomainDump.RESET:
                await press_reset(guest)
        if flags & DomainDump.CRASH:
            guest.ending = Trigger.CRASH_DESTROYED
            await guest.end_process()
            await guest.finished

    async def _written(self, guest: Guest, path: str, dump_format: int, flags: int) -> None:
        """The file is whole, or there is none and the machine goes on as it did."""
        ran, checkpoint = guest.is_running, self._runtime.checkpoint
        ends = False
        try:
            async with new_dump(path) as descriptor:
                if ran and not flags & DomainDump.LIVE:
                    guest.pause_cause = Trigger.DUMP_PAUSED
                    await guest.execute("stop")
                checkpoint("dump stopped")
                if flags & DomainDump.MEMORY_ONLY:
                    await memory_only(guest, descriptor, _FORMATS.get(dump_format, "elf"))
                else:
                    await transfer.write(guest, descriptor, transfer.Operation.DUMP)
                checkpoint("dump written")
                if flags & DomainDump.BYPASS_CACHE:
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            ends = bool(flags & DomainDump.CRASH)
        finally:
            if ran and not ends and not guest.is_running:
                with contextlib.suppress(VirtoryError):
                    await guest.execute("cont")

    # -- jobs ----------------------------------------------------------------------------------
    async def job_info(self, uuid: bytes) -> list[int]:
        guest = self._guest(uuid)
        return await transfer.numbers(guest) if guest.transfer is not None else [0] * _JOB_FIELDS

    async def job_stats(self, uuid: bytes, flags: int) -> tuple[int, list[Param]]:
        refuse_unknown(flags, COMPLETED | KEEP_COMPLETED, "qemuDomainGetJobStats")
        entry = self._entry(uuid)
        if flags & COMPLETED:
            known = entry.last_job
            if not flags & KEEP_COMPLETED:
                entry.last_job = (0, [])
            return known
        return await transfer.statistics(self._guest(uuid))

    async def abort_job(self, uuid: bytes, flags: int) -> None:
        refuse_unknown(flags, 0, "qemuDomainAbortJobFlags")
        await transfer.abort(self._guest(uuid))


async def mend(runtime: Runtime, work: Work, step: dict[str, Any]) -> None:
    """A dump that was cut off: what there is of its file goes, and the machine goes on.

    Memory alone QEMU writes to its end: that is waited for beside, nobody else has to wait for it.
    """
    entry = runtime.table.find(bytes.fromhex(step["domain"]))
    guest = entry.guest if entry is not None else None
    if guest is not None and await transfer.is_dumping(guest):
        what = f"ending a dump of domain '{guest.entry.name}' that was cut off"
        runtime.run(_ended_later(guest, work, step), what)
    else:
        await _ended(guest, work, step)


async def _ended_later(guest: Guest, work: Work, step: dict[str, Any]) -> None:
    whole = False
    with guest.while_it_runs():
        async with guest.job("dump", patient=True):
            await _ended(guest, work, step)
            whole = True
    if not whole:
        await _ended(None, work, step)


async def _ended(guest: Guest | None, work: Work, step: dict[str, Any]) -> None:
    if guest is not None:
        with contextlib.suppress(VirtoryError):
            await transfer.give_up(guest)
    with contextlib.suppress(FileNotFoundError):
        await asyncio.to_thread(os.unlink, step["unfinished"])
    if guest is not None and step["goes_on"] and guest.entry.state == DomainState.PAUSED:
        with contextlib.suppress(VirtoryError):
            await guest.execute("cont")
    await work.done()


@contextlib.asynccontextmanager
async def new_dump(path: str) -> AsyncIterator[int]:
    """A descriptor of the file that a dump is written to; it is at `path` once it is whole."""
    unfinished = path + new_files.UNFINISHED
    descriptor = await asyncio.to_thread(_created, unfinished, path)
    try:
        yield descriptor
        await asyncio.to_thread(os.rename, unfinished, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
        raise
    finally:
        os.close(descriptor)


def _created(unfinished: str, path: str) -> int:
    try:
        return new_files.make_anew(unfinished)
    except OSError as error:
        raise SystemCallFailed(
            f"failed to create dump file '{path}': {error.strerror}",
            errno=error.errno,
            cure=f"name a directory that uid {os.geteuid()} can write to, with room for the memory",
        ) from None


async def memory_only(guest: Guest, descriptor: int, wanted: str) -> None:
    """QEMU writes an ELF or kdump file; it says so itself if it was built without that."""
    if wanted != "elf":
        able = await guest.execute("query-dump-guest-memory-capability")
        if wanted not in able.get("formats", ()):
            raise InvalidArgument(
                f"unsupported dumpformat '{wanted}' for this QEMU binary",
                cure=f"use one of: {', '.join(able.get('formats', ()))}",
            )
    await transfer.dump(guest, descriptor, wanted)
