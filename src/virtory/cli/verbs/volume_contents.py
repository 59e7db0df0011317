"""Volumes: their contents up from a file, and down into one.

The rule kept here: holes stay holes when asked; how far it is, is told on a terminal only.
"""

from __future__ import annotations

import errno
import os
import sys

from virtory.cli.storage_words import OF_POOL, VOLUME, volume_named
from virtory.cli.verb import argument, flag, verb
from virtory.errors import OpenFailed
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.output import Output
    from virtory.cli.terminal import Terminal
    from virtory.client.streams import Stream

_OPTIONS = (
    OF_POOL,
    argument("offset", "where in the volume, in bytes", required=False, kind="number"),
    argument("length", "so many bytes at most", required=False, kind="number"),
    flag("sparse", "holes stay holes"),
)
_STEP = 1 << 20


@verb(
    "vol-upload",
    "pool",
    "write a file's contents into a volume",
    VOLUME,
    argument("file", "the file", complete="file"),
    *_OPTIONS,
    loop=True,
)
async def vol_upload(
    terminal: Terminal,
    vol: str,
    file_: str,
    pool: str | None,
    offset: int | None,
    length: int | None,
    sparse: bool,
) -> Output | None:
    """`virsh vol-upload`."""
    volume = await volume_named(terminal, vol, pool)
    fd = _open(file_, os.O_RDONLY)
    try:
        size = os.lseek(fd, 0, os.SEEK_END)
        total = min(size, length) if length else size
        progress = Progress(terminal, total)
        stream = await volume.upload(offset=offset or 0, length=length or 0, sparse=sparse)
        async with stream:
            await _send(fd, total, stream, progress, sparse=sparse)
        progress.done()
    finally:
        os.close(fd)
    return None


async def _send(fd: int, total: int, stream: Stream, progress: Progress, *, sparse: bool) -> None:
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
        progress.reached(position)


def _data_after(fd: int, position: int, total: int) -> int:
    try:
        return min(total, os.lseek(fd, position, os.SEEK_DATA))
    except OSError as error:
        if error.errno == errno.ENXIO:
            return total
        raise


@verb(
    "vol-download",
    "pool",
    "write a volume's contents into a file",
    VOLUME,
    argument("file", "the file", complete="file"),
    *_OPTIONS,
    loop=True,
)
async def vol_download(
    terminal: Terminal,
    vol: str,
    file_: str,
    pool: str | None,
    offset: int | None,
    length: int | None,
    sparse: bool,
) -> Output | None:
    """`virsh vol-download`."""
    volume = await volume_named(terminal, vol, pool)
    total = length or max(0, (await volume.info()).capacity - (offset or 0))
    progress = Progress(terminal, total)
    stream = await volume.download(offset=offset or 0, length=length or 0, sparse=sparse)
    created = not os.path.lexists(file_)
    fd = _open(file_, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        async with stream:
            await _receive(fd, stream, progress)
        progress.done()
    except BaseException:
        if created:
            os.unlink(file_)
        raise
    finally:
        os.close(fd)
    return None


async def _receive(fd: int, stream: Stream, progress: Progress) -> None:
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
        progress.reached(position)
    if os.fstat(fd).st_size < position:
        os.ftruncate(fd, position)


def _open(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise OpenFailed(f"cannot open '{path}': {error.strerror}", cure="check the path") from None


class Progress:
    """How much of `total` bytes is done, in one line on a terminal."""

    def __init__(self, terminal: Terminal, total: int) -> None:
        self._total = total
        self._shown = -1
        quiet = terminal.settings.quiet or terminal.settings.json
        self._on = not quiet and total > 0 and sys.stderr.isatty()

    def reached(self, position: int) -> None:
        """So far; drawn when another percent is full."""
        percent = min(100, position * 100 // self._total) if self._on else self._shown
        if percent != self._shown:
            self._shown = percent
            bar = "#" * (percent // 4)
            sys.stderr.write(f"\r{bar:<25} {percent:3} %")
            sys.stderr.flush()

    def done(self) -> None:
        """All of it: the line goes."""
        if self._on:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
