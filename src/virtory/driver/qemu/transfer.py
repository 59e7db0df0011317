"""A guest's memory on its way into a file or out of one, by QEMU's migration.

The rule kept here: QEMU gets a descriptor, never a path, and its end is told by its events; nobody
asks again and again. A transfer that is aborted or fails leaves the guest as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from typing import TYPE_CHECKING, Any

from virtory.errors import OperationAborted, OperationFailed, OperationInvalid, VirtoryError
from virtory.model.events import JobCompleted
from virtory.model.refs import INT, ULLONG, Param

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from virtory.driver.qemu.guest import Guest

UNLIMITED = (1 << 63) - (1 << 20)  # bytes a second
UNBOUNDED, COMPLETED = 2, 3  # virDomainJobType: nobody knows how long it takes; it is done
_LEAST_ROOM = 1 << 20  # bytes; QEMU writes that much at once, and what fails is written again
_DUMPING = "dump-guest-memory"  # in QEMU's words for why a guest can not be migrated (dump/dump.c)
_PACE_S = 0.002
"""Between two looks at what QEMU has no event for: a write may hang for long (dead NFS server)."""
_ENDS = ("completed", "failed", "cancelled")
_SIZES = ("total", "processed", "remaining")
_RAM = (
    ("constant", "duplicate"),
    ("normal", "normal"),
    ("normal_bytes", "normal-bytes"),
    ("dirty_rate", "dirty-pages-rate"),
    ("iteration", "dirty-sync-count"),
    ("postcopy_requests", "postcopy-requests"),
    ("page_size", "page-size"),
)


class Operation:
    """`virDomainJobOperation`, and the word for it in errors."""

    SAVE = (2, "domain save job")
    RESTORE = (3, "restore job")
    SNAPSHOT = (6, "snapshot job")
    SNAPSHOT_REVERT = (7, "snapshot revert job")
    DUMP = (8, "domain core dump job")


class Way:
    """What in QEMU carries it; only a migration can be told to end."""

    MIGRATION = "migration"
    IMAGES = "images"  # into disk images, while QEMU does nothing else
    DUMP = "dump"  # memory alone


class Transfer:
    """One transfer under way, and QEMU's last word on it."""

    def __init__(self, operation: tuple[int, str], way: str = Way.MIGRATION) -> None:
        self.number, self.words = operation
        self.way = way
        self.began = time.monotonic()
        self.aborted = False
        self.error: str | None = None
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def report(self, status: str) -> None:
        """A MIGRATION or DUMP_COMPLETED event."""
        if status in _ENDS and not self.ended.done():
            self.ended.set_result(status)

    @property
    def elapsed_ms(self) -> int:
        return int((time.monotonic() - self.began) * 1000)


async def prepare(guest: Guest) -> None:
    """QEMU is to tell of its migration, and not to hold back."""
    events = {"capability": "events", "state": True}
    await guest.execute("migrate-set-capabilities", {"capabilities": [events]})


async def write(guest: Guest, descriptor: int, operation: tuple[int, str]) -> None:
    """Send the memory and devices of a stopped guest into a file, from where it stands.

    Raises OperationAborted when somebody aborted it, OperationFailed when QEMU could not.
    """
    refuse_written_out(guest)
    transfer = guest.transfer = Transfer(operation)
    try:
        await prepare(guest)
        await guest.execute("migrate-set-parameters", {"max-bandwidth": UNLIMITED})
        await guest.execute("getfd", {"fdname": "migrate"}, fds=(descriptor,))
        await guest.execute("migrate", {"uri": "fd:migrate"})
        await _await_end(guest, transfer, descriptor)
    finally:
        guest.transfer = None


async def read(guest: Guest, descriptor: int) -> None:
    """Take memory and devices from a file, from where it stands, into a QEMU that waits for it."""
    transfer = guest.transfer = Transfer(Operation.RESTORE)
    try:
        await prepare(guest)
        await guest.execute("getfd", {"fdname": "migrate"}, fds=(descriptor,))
        await guest.execute("migrate-incoming", {"uri": "fd:migrate"})
        await _await_end(guest, transfer)
    finally:
        guest.transfer = None


async def dump(guest: Guest, descriptor: int, wanted: str) -> None:
    """Write the guest's memory alone into a file, as ELF or kdump."""
    transfer = guest.transfer = Transfer(Operation.DUMP, Way.DUMP)
    assert guest.process is not None
    try:
        await guest.execute("getfd", {"fdname": "dump"}, fds=(descriptor,))
        arguments = {"paging": False, "protocol": "fd:dump", "format": wanted, "detach": True}
        await guest.execute("dump-guest-memory", arguments)
        guest.runtime.checkpoint("dump under way")
        ends = (transfer.ended, guest.process.ended)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not transfer.ended.done():
            raise guest.gone()
        await _let_go(guest)
        if transfer.ended.result() != "completed":
            raise OperationFailed(f"{transfer.words}: {transfer.error or 'QEMU gives no reason'}")
    finally:
        guest.transfer = None


async def _let_go(guest: Guest) -> None:
    """QEMU tells of a dump's end before it has closed its file and taken back what bars migration.

    A save or another dump in between would be refused, or written over. There is no event for the
    later moment either; what bars migration goes last.
    """

    async def dumping() -> bool:
        return any(_DUMPING in why for why in (await _progress(guest)).get("blocked-reasons", ()))

    await _outlast(dumping)


async def _await_end(guest: Guest, transfer: Transfer, target: int | None = None) -> None:
    assert guest.process is not None
    await asyncio.wait((transfer.ended, guest.process.ended), return_when=asyncio.FIRST_COMPLETED)
    if not transfer.ended.done():
        raise guest.gone()
    status = transfer.ended.result()
    await _come_to_rest(guest)
    if transfer.number != Operation.RESTORE[0]:
        await _close(guest)
    if status == "completed":
        if transfer.number != Operation.RESTORE[0]:
            guest.written_out = True
            guest.runtime.announce(guest.entry)
            await _tell(guest, transfer)
    elif transfer.aborted:
        raise OperationAborted(f"{transfer.words}: canceled by client")
    else:
        if target is not None and await asyncio.to_thread(_is_full, target):
            raise OperationFailed(
                f"{transfer.words} of domain '{guest.entry.name}': {os.strerror(errno.ENOSPC)}",
                cure="make room where the file was to go, or name another place",
            )
        why = (await _progress(guest)).get("error-desc") or "QEMU gives no reason"
        if target is None:
            why += " (the memory in the image is cut short or damaged, or of another machine)"
        raise OperationFailed(f"{transfer.words}: {why}")


async def _come_to_rest(guest: Guest) -> None:
    """QEMU tells of the end a moment before it has left its state "finish-migrate".

    Letting its CPUs run in between would end it. There is no event for the later moment; each
    question waits for QEMU's lock, which is what the migration is waiting for too.
    """
    with contextlib.suppress(VirtoryError):
        while (await guest.execute("query-status"))["status"] == "finish-migrate":
            continue


async def _close(guest: Guest) -> None:
    """QEMU tells of the end before the thread that wrote has ended and the file is closed.

    Another transfer in between would be refused. There is no event for the later moment either;
    what would end a write that hangs is there as long as there may be one.
    """

    async def writing() -> bool:
        return any(one["type"] == "migration" for one in await guest.execute("query-yank"))

    with contextlib.suppress(VirtoryError):
        await _outlast(writing)


async def _outlast(still: Callable[[], Awaitable[bool]]) -> None:
    """Wait for the end of what QEMU tells of only when it is asked."""
    while await still():  # noqa: ASYNC110  # there is no event
        await asyncio.sleep(_PACE_S)


async def is_dumping(guest: Guest) -> bool:
    """Whether QEMU is just writing its memory alone."""
    with contextlib.suppress(VirtoryError):
        return bool((await guest.execute("query-dump"))["status"] == "active")
    return False


async def give_up(guest: Guest) -> None:
    """End what a daemon that is no more was about; QEMU is through with it when this returns.

    Of a dump the end has to be waited for: QEMU lets the CPUs neither stop nor run meanwhile.
    """
    transfer = guest.transfer = Transfer(Operation.DUMP, Way.DUMP)
    assert guest.process is not None
    try:
        await guest.execute("migrate_cancel")
        if await is_dumping(guest):
            ends = (transfer.ended, guest.process.ended)
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await _let_go(guest)
        await _come_to_rest(guest)
        await _close(guest)
    finally:
        guest.transfer = None


def refuse_written_out(guest: Guest) -> None:
    """Raise when it was paused while its memory was written, and has not run since.

    To QEMU its images are another's then: it would not write its memory again, and would end
    itself at the first byte that it wrote to an image.
    """
    if guest.written_out:
        raise OperationInvalid(
            f"the memory of domain '{guest.entry.name}' was written to a file while it was paused: "
            "until it runs again, QEMU writes neither that nor its images",
            cure=f"resume it, and suspend it again: virsh resume {guest.entry.name}",
        )


def _is_full(descriptor: int) -> bool:
    """Whether a file's place has no room left; QEMU hardly ever says it. Blocking."""
    left = os.fstatvfs(descriptor)
    return left.f_bavail * left.f_frsize < _LEAST_ROOM


async def abort(guest: Guest) -> None:
    """End the transfer under way, if there is one that can be ended."""
    transfer = guest.transfer
    if transfer is None:
        raise OperationInvalid("no job is active on the domain")
    if transfer.way == Way.DUMP:
        raise OperationInvalid("cannot abort memory-only dump", cure="wait for it")
    if transfer.way == Way.IMAGES:
        raise OperationInvalid(
            f"cannot abort {transfer.words}", cure="wait for it, or destroy the domain"
        )
    transfer.aborted = True
    await guest.execute("migrate_cancel")


async def _progress(guest: Guest) -> dict[str, Any]:
    with contextlib.suppress(VirtoryError):
        return dict(await guest.execute("query-migrate", timeout_s=5))
    return {}


async def _told(guest: Guest, transfer: Transfer) -> dict[str, Any]:
    """How far it is, as query-migrate says it."""
    if transfer.way == Way.MIGRATION:
        return await _progress(guest)
    if transfer.way == Way.DUMP:
        with contextlib.suppress(VirtoryError):
            told = await guest.execute("query-dump", timeout_s=5)
            total, done = int(told["total"]), int(told["completed"])
            return {"ram": {"total": total, "transferred": done, "remaining": total - done}}
    return {}


async def numbers(guest: Guest) -> list[int]:
    """The twelve numbers of `virDomainJobInfo`; zeros when nothing is under way."""
    transfer = guest.transfer
    if transfer is None:
        return [0] * 12
    sizes = _sizes(await _told(guest, transfer))
    return [UNBOUNDED, transfer.elapsed_ms, 0, *sizes, *sizes, 0, 0, 0]


def _sizes(told: dict[str, Any]) -> list[int]:
    ram = told.get("ram", {})
    return [int(ram.get(name, 0)) for name in ("total", "transferred", "remaining")]


async def statistics(guest: Guest) -> tuple[int, list[Param]]:
    """The job's type and its typed parameters."""
    transfer = guest.transfer
    if transfer is None:
        return 0, []
    return UNBOUNDED, _params(transfer, await _told(guest, transfer))


def _params(transfer: Transfer, told: dict[str, Any]) -> list[Param]:
    ram = told.get("ram", {})
    params = [
        Param("operation", INT, transfer.number),
        Param("time_elapsed", ULLONG, transfer.elapsed_ms),
    ]
    params += [
        Param(name.replace("-", "_"), ULLONG, int(told[name.replace("_", "-")]))
        for name in ("downtime", "setup-time")
        if name in told
    ]
    for kind in ("memory",) if transfer.way == Way.DUMP else ("data", "memory"):
        for name, value in zip(_SIZES, _sizes(told), strict=True):
            params.append(Param(f"{kind}_{name}", ULLONG, value))
    if transfer.way == Way.DUMP:
        return params
    params.append(Param("memory_bps", ULLONG, int(float(ram.get("mbps", 0)) * 1e6 / 8)))
    params += [Param(f"memory_{ours}", ULLONG, int(ram.get(name, 0))) for ours, name in _RAM]
    return params


async def _tell(guest: Guest, transfer: Transfer) -> None:
    """Tell listeners that the job is done; nobody waits for it."""
    params = _params(transfer, await _told(guest, transfer))
    guest.entry.last_job = (COMPLETED, params)
    guest.runtime.announce(guest.entry, JobCompleted(guest.ref, tuple(params)), save=False)
