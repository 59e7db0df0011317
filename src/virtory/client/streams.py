"""Byte streams beside a call: consoles, screenshots, volumes going up and down.

The rule kept here: leaving a stream's `async with` ends it at the daemon too: finished when all
went well, aborted when an exception passes. Data waits in memory up to `HIGH_WATER`; beyond, the
link stops reading unless a call waits for its answer (the protocol has no flow control per stream).
"""

from __future__ import annotations

from collections import deque

from virtory.errors import FROM_STREAMS, ConnectionLost, LocalMisuse, OperationAborted, VirtoryError
from virtory.lean import TYPE_CHECKING, NamedTuple
from virtory.wire.incoming import StreamAborted, StreamData, StreamFinished, StreamHole

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from virtory.client.caller import Caller
    from virtory.link.link import Waiter

PACKET = 262120
HIGH_WATER = 16 << 20
LOW_WATER = 4 << 20
PIECE = 256
"""What a piece that waits takes beside its bytes: a flood of tiny ones, or of holes, counts too."""


class Hole(NamedTuple):
    """`length` zero bytes that were not sent."""

    length: int


class Stream:
    """The client's end of one stream; read by one task, written by one task."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._serial = -1
        self._received: deque[bytes | Hole] = deque()
        self._buffered = 0
        self._ended = False
        self._closed = False
        self._finished = False
        self._error: VirtoryError | None = None
        self._reader: Waiter | None = None
        self._closer: Waiter | None = None

    def bind(self, serial: int) -> None:
        """Called once, with the serial of the call that opens the stream."""
        self._serial = serial

    # -- reading -------------------------------------------------------------------------------
    async def read(self, limit: int = PACKET) -> bytes:
        """At most `limit` bytes as soon as some are there; empty at the end.

        Holes arrive as zeroes. Raises what the daemon sent, or `ConnectionLost`.
        """
        piece = await self._next()
        if piece is None:
            return b""
        if isinstance(piece, Hole):
            if piece.length > limit:
                self._received.appendleft(Hole(piece.length - limit))
                self._buffered += PIECE
            return bytes(min(limit, piece.length))
        if len(piece) > limit:
            self._received.appendleft(piece[limit:])
            self._buffered += len(piece) - limit + PIECE
            return piece[:limit]
        return piece

    async def read_piece(self) -> bytes | Hole | None:
        """The next packet of data or the next hole as it was sent; None at the end."""
        return await self._next()

    async def read_all(self, limit: int = 1 << 30) -> bytes:
        """Everything up to the end; raises `OperationAborted` beyond `limit` bytes."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read():
            size += len(piece)
            if size > limit:
                raise OperationAborted(f"a stream brought more than {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        data = await self.read()
        if not data:
            raise StopAsyncIteration
        return data

    async def _next(self) -> bytes | Hole | None:
        while not self._received:
            if self._error is not None:
                raise self._error
            if self._ended or self._closed:
                return None
            if self._reader is not None:
                raise LocalMisuse("two tasks read one stream")
            self._caller.link.resume_reading()
            self._reader = self._caller.link.waiter()
            try:
                await self._reader
            finally:
                self._reader = None
        piece = self._received.popleft()
        self._buffered -= PIECE + (0 if isinstance(piece, Hole) else len(piece))
        if self._buffered < LOW_WATER:
            self._caller.link.resume_reading()
        return piece

    # -- writing -------------------------------------------------------------------------------
    async def write(self, data: bytes) -> None:
        """Send `data`; waits while the daemon is slow to take it."""
        link = self._caller.link
        view = memoryview(data)
        for start in range(0, len(view), PACKET):
            self._check_open()
            self._caller.session.send_data(self._serial, bytes(view[start : start + PACKET]))
            link.flush()
            await link.drained()

    async def write_hole(self, length: int) -> None:
        """Skip `length` zero bytes, on a stream opened as sparse."""
        self._check_open()
        self._caller.session.send_hole(self._serial, length)
        self._caller.link.flush()

    def _check_open(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closed or self._caller.lost is not None:
            raise ConnectionLost("the stream is closed")

    # -- the end -------------------------------------------------------------------------------
    async def finish(self) -> None:
        """All is sent, or all is read: wait for the daemon's confirmation that it is safe."""
        if self._finished:
            return
        if self._error is not None:
            raise self._error
        if not self._closed:
            self._closed = True
            self._caller.session.finish(self._serial)
            self._caller.link.flush()
        await self._wait_for_end()
        if self._error is not None:
            raise self._error

    async def abort(self) -> None:
        """Give up; nothing is raised when it is over already."""
        if self._finished or self._error is not None:
            return
        if not self._closed:
            self._closed = True
            self._caller.session.abort(self._serial)
            self._caller.link.flush()
        await self._wait_for_end()

    async def _wait_for_end(self) -> None:
        while not self._finished and self._error is None:
            self._received.clear()
            self._buffered = 0
            self._caller.link.resume_reading()
            self._closer = self._caller.link.waiter()
            await self._closer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and (self._ended or not self._received):
            await (self.finish() if self._error is None else self.abort())
        else:
            await self.abort()

    # -- what arrives --------------------------------------------------------------------------
    def on_incoming(self, value: Any) -> None:
        """Called by the caller for every value of this stream."""
        kind = type(value)
        if kind is StreamData:
            if not value.view:
                self._ended = True
            else:
                self._arrive(value.data, len(value.view))
        elif kind is StreamHole:
            self._arrive(Hole(value.length), 0)
        elif kind is StreamFinished:
            self._finished = self._ended = True
        elif kind is StreamAborted:
            self._on_aborted(value.error)
        for waiter in (self._reader, self._closer):
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    def _arrive(self, piece: bytes | Hole, size: int) -> None:
        if self._closed:
            return
        self._received.append(piece)
        self._buffered += size + PIECE
        if self._buffered > HIGH_WATER and not self._caller.waited_for:
            self._caller.link.pause_reading()

    def _on_aborted(self, error: VirtoryError | None) -> None:
        if error is None and self._closed:
            self._finished = self._ended = True
        else:
            self._error = error or OperationAborted("the stream was aborted", domain=FROM_STREAMS)
