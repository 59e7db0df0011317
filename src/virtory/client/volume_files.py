"""A volume's contents from a file, and into one.

The rule kept here: holes stay holes when the stream is sparse; a file that was made for a download
that fails does not stay.
"""

from __future__ import annotations

import errno
import os

from virtory.errors import OpenFailed, OperationFailed
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.client.storage import StorageVolume
    from virtory.client.streams import Stream

    Progress = Callable[[int, int], None]  # bytes so far, and of how many

_STEP = 1 << 20
LARGEST = 2**63 - 1
"""What the kernel can say of a file's size."""


async def upload(
    volume: StorageVolume,
    path: str,
    *,
    offset: int,
    length: int,
    sparse: bool,
    progress: Progress | None,
) -> None:
    """Write what is in the file `path` into the volume; safe when this returns."""
    fd = _open(path, os.O_RDONLY)
    try:
        size = os.lseek(fd, 0, os.SEEK_END)
        total = min(size, length) if length else size
        tell = _telling(progress, total)
        stream = await volume.upload(offset=offset, length=length, sparse=sparse)
        async with stream:
            await _send(fd, total, stream, tell, sparse=sparse)
    finally:
        os.close(fd)


async def download(
    volume: StorageVolume,
    path: str,
    *,
    offset: int,
    length: int,
    sparse: bool,
    progress: Progress | None,
) -> None:
    """Write what is in the volume into the file `path`, which is made or replaced."""
    total = length or max(0, (await volume.info()).capacity - offset)
    tell = _telling(progress, total)
    stream = await volume.download(offset=offset, length=length, sparse=sparse)
    try:
        fd, created = _made(path)
    except OpenFailed:
        await stream.abort()
        raise
    try:
        async with stream:
            await _receive(fd, stream, tell)
    except BaseException:
        if created:
            os.unlink(path)
        raise
    finally:
        os.close(fd)


def _telling(progress: Progress | None, total: int) -> Callable[[int], None]:
    if progress is None:
        return lambda position: None
    return lambda position: progress(position, total)


async def _send(
    fd: int, total: int, stream: Stream, tell: Callable[[int], None], *, sparse: bool
) -> None:
    position = 0
    while position < total:
        stop = total
        if sparse:
            start = _data_after(fd, position, total)
            if start > position:
                await stream.write_hole(start - position)
                position = start
                continue
            stop = min(total, os.lseek(fd, position, os.SEEK_HOLE))
        data = os.pread(fd, min(_STEP, stop - position), position)
        if not data:
            return
        await stream.write(data)
        position += len(data)
        tell(position)


def _data_after(fd: int, position: int, total: int) -> int:
    try:
        return min(total, os.lseek(fd, position, os.SEEK_DATA))
    except OSError as error:
        if error.errno == errno.ENXIO:
            return total
        raise


async def _receive(fd: int, stream: Stream, tell: Callable[[int], None]) -> None:
    position = 0
    while (piece := await stream.read_piece()) is not None:
        if isinstance(piece, bytes):
            rest = memoryview(piece)
            while rest:
                written = os.pwrite(fd, rest, position)
                position += written
                rest = rest[written:]
        else:
            position += piece.length
            if position > LARGEST:
                raise OperationFailed(
                    f"the daemon sends a hole up to byte {position}, where no file can reach",
                    cure="ask whoever runs the daemon: what it sends is no volume",
                )
        tell(position)
    if os.fstat(fd).st_size < position:
        os.ftruncate(fd, position)


def _made(path: str) -> tuple[int, bool]:
    """An empty file, and whether there was none before."""
    created = not os.path.lexists(path)
    return _open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), created


def _open(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise OpenFailed(f"cannot open '{path}': {error.strerror}", cure="check the path") from None
