"""Internal snapshots: states kept inside qcow2 images, by QEMU while it runs, by qemu-img else.

The rule kept here: all disks or none. A name that is in an image already is refused before
anything is written, so that undoing never removes what somebody else put there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import subprocess
from subprocess import DEVNULL
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu import transfer
from virtory.driver.qemu.disks.image_chain import no_access
from virtory.driver.qemu.process import Process, find_by_argument
from virtory.driver.storage.opened import alone
from virtory.errors import FROM_STORAGE, OperationFailed
from virtory.model.qcow2_header import FIXED_BYTES, qcow2_header

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.plan import Image
    from virtory.driver.qemu.process import Identity

_MOST = 65536
_FIXED = struct.Struct(">QIHHIIQII")


# -- in a running machine ----------------------------------------------------------------------


async def take(guest: Guest, name: str, images: Sequence[Image]) -> None:
    """Keep memory, devices and these disks under `name`; the machine is stopped."""
    transfer.refuse_written_out(guest)
    nodes = _nodes(guest, images)
    await _run(guest, "snapshot-save", {"tag": name, "vmstate": images[0].node, "devices": nodes})


async def go_back(guest: Guest, name: str, images: Sequence[Image]) -> None:
    """Bring memory, devices and these disks back; the machine is stopped, and stays so."""
    nodes = _nodes(guest, images)
    await _run(guest, "snapshot-load", {"tag": name, "vmstate": images[0].node, "devices": nodes})


async def drop(guest: Guest, name: str, images: Sequence[Image]) -> None:
    """Remove the state from these disks; one that has it not is passed over."""
    transfer.refuse_written_out(guest)
    await _run(guest, "snapshot-delete", {"tag": name, "devices": _nodes(guest, images)})


def _nodes(guest: Guest, images: Sequence[Image]) -> list[str]:
    """The nodes that go together: the disks', and UEFI's variables where these are qcow2."""
    nodes = [image.node for image in images]
    nvram = guest.domain.os.nvram
    if nvram is not None and nvram.format == "qcow2" and guest.plan.slot("nvram") is not None:
        nodes.append("virtory-pflash1-format")
    return nodes


async def _run(guest: Guest, command: str, arguments: dict[str, Any]) -> None:
    identity = f"{command}-{os.urandom(4).hex()}"
    guest.concluding[identity] = asyncio.get_running_loop().create_future()
    operation = transfer.Operation
    reverting = command == "snapshot-load"
    guest.transfer = transfer.Transfer(
        operation.SNAPSHOT_REVERT if reverting else operation.SNAPSHOT, transfer.Way.IMAGES
    )
    try:
        await guest.execute(command, {"job-id": identity, **arguments})
        problem = await conclude(guest, identity)
    finally:
        guest.concluding.pop(identity, None)
        guest.transfer = None
    if problem:
        raise OperationFailed(f"{command} of '{arguments['tag']}' failed: {problem}")


async def conclude(guest: Guest, identity: str) -> str | None:
    """Wait for the end of one of QEMU's jobs and let it be forgotten; what went wrong with it."""
    assert guest.process is not None
    loop = asyncio.get_running_loop()
    concluded = guest.concluding.setdefault(identity, loop.create_future())
    if not concluded.done():
        job = await _job(guest, identity)
        if job is None:
            guest.concluding.pop(identity, None)
            return None
        if job["status"] != "concluded":
            ended = guest.process.ended
            await asyncio.wait((concluded, ended), return_when=asyncio.FIRST_COMPLETED)
            if not concluded.done():
                raise guest.gone()
    guest.concluding.pop(identity, None)
    # Sent together, answered in order.
    dismissed = guest.execute("job-dismiss", {"id": identity})
    job, _ = await asyncio.gather(_job(guest, identity), dismissed)
    return job.get("error") if job is not None else None


async def _job(guest: Guest, identity: str) -> dict[str, Any] | None:
    jobs = await guest.execute("query-jobs")
    return next((job for job in jobs if job["id"] == identity), None)


# -- in images that nobody has open ------------------------------------------------------------


def names_in(path: str) -> list[str]:
    """The names of the states in a qcow2 image; empty for anything else. Blocking."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise no_access(path, error) from None
    try:
        header = qcow2_header(os.pread(descriptor, FIXED_BYTES, 0))
        if header is None:
            return []
        return _table(descriptor, min(header.snapshots, _MOST), header.snapshots_offset)
    finally:
        os.close(descriptor)


def _table(descriptor: int, count: int, place: int) -> list[str]:
    names = []
    size = os.lseek(descriptor, 0, os.SEEK_END)
    for _ in range(count):
        if place >= size:
            break
        fixed = os.pread(descriptor, _FIXED.size, place)
        if len(fixed) < _FIXED.size:
            break
        _, _, id_size, name_size, *_, extra = _FIXED.unpack(fixed)
        begin = min(size, place + _FIXED.size + extra + id_size)
        names.append(os.pread(descriptor, name_size, begin).decode(errors="replace"))
        place += (_FIXED.size + extra + id_size + name_size + 7) & ~7
    return names


class _QemuImg:
    """A qemu-img at work, whose end is told by a pidfd: no thread waits for it."""

    def __init__(self, child: subprocess.Popen[bytes], said: int, command: str) -> None:
        self._child = child
        self._said = said
        self._command = command

    @classmethod
    async def begun(cls, *arguments: str) -> _QemuImg:
        """In a thread: by vfork there, in a fifth of the time that a fork of the daemon takes."""
        said = os.memfd_create("qemu-img", os.MFD_CLOEXEC)  # a pipe might fill up
        command = ("qemu-img", *arguments)
        try:
            child = await asyncio.to_thread(
                subprocess.Popen, command, stdin=DEVNULL, stdout=DEVNULL, stderr=said
            )
        except BaseException:
            os.close(said)
            raise
        return cls(child, said, arguments[0])

    async def ended(self) -> None:
        """Wait for its end; OperationFailed has its words."""
        try:
            await _end_of(self._child.pid)
            if self._child.wait():
                text = os.pread(self._said, _MOST, 0).decode(errors="replace")
                raise OperationFailed(
                    f"qemu-img {self._command} failed: {text.strip().removeprefix('qemu-img: ')}",
                    domain=FROM_STORAGE,
                )
        finally:
            os.close(self._said)


async def _end_of(child: int) -> None:
    """Until this child of ours, whom nobody else reaps, has ended."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    pidfd = os.pidfd_open(child)

    def over() -> None:
        loop.remove_reader(pidfd)
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(pidfd, over)
    try:
        await ended
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


async def qemu_img(*arguments: str) -> None:
    """Run qemu-img; OperationFailed has its words."""
    program = await _QemuImg.begun(*arguments)
    await program.ended()


def _alone(path: str) -> str:
    """The image as qemu-img is to open it: a qcow2 image, whatever it stands on."""
    try:
        return alone(path, "qcow2")
    except OSError as error:
        raise no_access(path, error) from None


def _at_work_on(path: str) -> Identity | None:
    found = find_by_argument(path)
    if found is None and os.path.exists(path):
        found = find_by_argument(_alone(path))
    return found


@contextlib.asynccontextmanager
async def at_work(action: str, name: str, paths: Sequence[str]) -> AsyncIterator[None]:
    """`qemu-img snapshot` with `-c`, `-a` or `-d` runs on every image; all have ended on leaving.

    Raises (on leaving) OperationFailed with the words of the first that failed.
    """
    programs: list[_QemuImg] = []
    problems: list[OperationFailed] = []
    images = [_alone(path) for path in paths]
    try:
        for image in images:
            programs.append(await _QemuImg.begun("snapshot", action, name, image))
        yield
    finally:
        for program in programs:
            try:
                await program.ended()
            except OperationFailed as error:
                problems.append(error)
    if problems:
        raise problems[0]


async def each(action: str, name: str, paths: Sequence[str]) -> None:
    """`qemu-img snapshot` with `-c`, `-a` or `-d` on every image; returns when all have ended."""
    async with at_work(action, name, paths):
        pass


async def with_name(name: str, paths: Sequence[str]) -> list[str]:
    """Those of the images that have a state of this name; what is not there is passed over."""
    return await asyncio.to_thread(
        lambda: [path for path in paths if os.path.exists(path) and name in names_in(path)]
    )


async def unattended(paths: Sequence[str]) -> None:
    """Wait for the qemu-img that an earlier daemon left at work on one of these images."""
    for path in paths:
        identity = await asyncio.to_thread(_at_work_on, path)
        if identity is None:
            continue
        with contextlib.suppress(ProcessLookupError, OSError):
            await Process(identity, lambda _: None).ended


async def without_leaks(paths: Sequence[str]) -> None:
    """Give back what a qemu-img that was killed at its work had reserved; harmless otherwise."""
    for path in paths:
        if await asyncio.to_thread(os.path.exists, path):
            with contextlib.suppress(OperationFailed):  # what else is wrong is not ours to mend
                await qemu_img("check", "-q", "-r", "leaks", _alone(path))


def opened(guest: Guest, paths: Sequence[str]) -> tuple[list[Image], list[str]]:
    """The images that QEMU writes to, and the paths that it does not have open at all."""
    real = {os.path.realpath(path): path for path in paths}
    tops = [image for image in guest.plan.images if image.path in real and image.depth == 0]
    busy = {image.path for image in guest.plan.images}
    return tops, [path for at, path in real.items() if at not in busy]
