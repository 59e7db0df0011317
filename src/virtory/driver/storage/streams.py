"""The contents of a volume as a stream: read ahead, written in batches, holes told as holes.

The rule kept here: the disk is only touched in a thread, for several packets at once, since handing
over to a thread costs as much as reading one.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from typing import TYPE_CHECKING

from virtory.driver.storage.descriptor import Descriptor
from virtory.driver.storage.failures import failed
from virtory.errors import FROM_STREAMS, OperationInvalid, SystemCallFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

PACKET = 262120
_AHEAD = 8
"""Packets read in one go: some 2 MiB; as many may wait to be sent."""
_MOST_ZEROES = 4 << 20


class Download:
    """A volume's bytes from `position` on, `length` of them or (0) all."""

    def __init__(
        self,
        fd: int,
        path: str,
        position: int,
        length: int,
        *,
        sparse: bool,
        closed: Callable[[], None],
    ) -> None:
        self._file = Descriptor(fd, closed)
        self._path = path
        self._position = position
        self._end = position + length if length else None
        self._sparse = sparse
        self._ready: deque[bytes | int] = deque()
        self._next: asyncio.Future[list[bytes | int]] | None = None
        self._over = False

    async def read(self, limit: int = PACKET) -> bytes | int:
        """The next packet, or the length of the hole that is next; b"" at the end."""
        if not self._ready and not self._over:
            coming = self._next or self._fetch()
            self._next = None
            self._ready.extend(await coming)
            if not self._ready:
                self._over = True
            if not self._over:
                self._next = self._fetch()
        return self._ready.popleft() if self._ready else b""

    async def write(self, data: bytes) -> None:
        raise OperationInvalid("a volume that is downloaded takes no data", domain=FROM_STREAMS)

    async def write_pieces(self, pieces: Sequence[bytes | memoryview | int]) -> None:
        raise OperationInvalid("a volume that is downloaded takes no data", domain=FROM_STREAMS)

    async def finish(self) -> None:
        """Nothing has to be made safe."""

    def close(self) -> None:
        """What was read ahead is nobody's any more, and neither is why it could not be read."""
        self._over = True
        if self._next is not None:
            self._next.cancel()
        self._file.close()

    def _fetch(self) -> asyncio.Future[list[bytes | int]]:
        return asyncio.get_running_loop().run_in_executor(None, self._batch)

    def _batch(self) -> list[bytes | int]:
        """The next pieces; in a thread."""
        pieces: list[bytes | int] = []
        try:
            with self._file.used() as fd:
                while len(pieces) < _AHEAD and (piece := self._piece(fd)):
                    pieces.append(piece)
                    self._position += piece if isinstance(piece, int) else len(piece)
        except OSError as error:
            raise failed(f"cannot read volume '{self._path}'", error) from None
        return pieces

    def _piece(self, fd: int) -> bytes | int:
        position, limit = self._position, PACKET
        if self._end is not None:
            limit = min(limit, self._end - position)
        if limit <= 0:
            return b""
        if self._sparse:
            hole, data = self._data_from(fd, position)
            if hole:
                return hole
            limit = min(limit, data)
        return os.pread(fd, limit, position)

    def _data_from(self, fd: int, position: int) -> tuple[int, int]:
        """How long the hole here is; if there is none, how much data there is."""
        size = os.fstat(fd).st_size
        end = size if self._end is None else min(size, self._end)
        if position >= end:
            return 0, PACKET
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                return 0, PACKET  # a device, which knows no holes
            start = end
        if start > position:
            return min(start, end) - position, 0
        return 0, os.lseek(fd, position, os.SEEK_HOLE) - position


class Upload:
    """A volume's bytes from `position` on are replaced, `length` of them at most (0: no limit)."""

    def __init__(
        self,
        fd: int,
        path: str,
        position: int,
        length: int,
        *,
        finished: Callable[[], Coroutine[Any, Any, None]],
        closed: Callable[[], None],
    ) -> None:
        self._file = Descriptor(fd, closed)
        self._path = path
        self._position = position
        self._end = position + length if length else None
        self._finished = finished

    async def read(self, limit: int = PACKET) -> bytes | int:
        """There is nothing to read."""
        return b""

    async def write(self, data: bytes) -> None:
        await self.write_pieces((data,))

    async def write_pieces(self, pieces: Sequence[bytes | memoryview | int]) -> None:
        """Data and (as numbers) holes, in order."""
        await asyncio.get_running_loop().run_in_executor(None, self._batch, pieces)

    async def finish(self) -> None:
        """All has been written; what the volume is now is looked up."""
        await self._finished()

    def close(self) -> None:
        self._file.close()

    def _batch(self, pieces: Sequence[bytes | memoryview | int]) -> None:
        """Write them; in a thread."""
        data: list[bytes | memoryview] = []
        try:
            with self._file.used() as fd:
                for piece in pieces:
                    if isinstance(piece, int):
                        self._put(fd, data)
                        data = []
                        self._skip(fd, piece)
                    else:
                        data.append(piece)
                self._put(fd, data)
        except OSError as error:
            raise failed(f"cannot write to volume '{self._path}'", error) from None

    def _put(self, fd: int, data: list[bytes | memoryview]) -> None:
        size = sum(map(len, data))
        self._check(size)
        while data:
            written = os.pwritev(fd, data[:1024], self._position)
            self._position += written
            data = _after(data, written)

    def _skip(self, fd: int, length: int) -> None:
        """A hole: what is there becomes zeroes, and takes no space where that is possible."""
        self._check(length)
        size = os.fstat(fd).st_size
        stop = self._position + length
        if self._position < size:
            zero(fd, self._position, min(stop, size))
        if stop > os.lseek(fd, 0, os.SEEK_END):
            os.ftruncate(fd, stop)
        self._position = stop

    def _check(self, size: int) -> None:
        if self._end is not None and self._position + size > self._end:
            raise SystemCallFailed(
                f"cannot write to volume '{self._path}': more data than the length that was said",
                errno=errno.ENOSPC,
                cure="say the right length, or 0 for no limit",
                domain=FROM_STREAMS,
            )


def _after(data: list[bytes | memoryview], written: int) -> list[bytes | memoryview]:
    """What is left of `data` once `written` bytes of it are gone."""
    for number, piece in enumerate(data):
        if written < len(piece):
            return [piece[written:], *data[number + 1 :]]
        written -= len(piece)
    return []


def zero(fd: int, start: int, stop: int) -> None:
    """Zeroes from `start` to `stop`: data there is overwritten, holes stay."""
    zeroes = bytes(min(_MOST_ZEROES, stop - start))
    while start < stop:
        try:
            start = os.lseek(fd, start, os.SEEK_DATA)
            end = min(stop, os.lseek(fd, start, os.SEEK_HOLE))
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            end = stop
        while start < end:
            start += os.pwrite(fd, zeroes[: end - start], start)
