"""Carries a driver's byte stream over a client's connection, both ways.

The rule kept here: each side waits for the other. Nothing is read from the driver while the client
has much left to read, and nothing is read from the client while the driver has much left to write.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

from virtory.daemon.log import whereabouts
from virtory.errors import FROM_STREAMS, InternalError, OperationUnsupported, VirtoryError
from virtory.wire.incoming import StreamAborted, StreamData, StreamFinished, StreamHole
from virtory.wire.stream import PACKET_MAX

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer
    from virtory.driver.interface import ByteStream
    from virtory.driver.interface.storage import HoleStream
    from virtory.wire.incoming import Incoming

_MOST_UNWRITTEN = 1 << 20
_MOST_UNWRITTEN_OF_VOLUMES = 4 << 20
_WORTH_WRITING = 2 << 20
"""Of a volume so much is written at once: handing it over costs as much as writing a packet."""
_PATIENCE_S = 0.02
"""How long less than that waits for more."""
_PIECE = 256
"""What a piece that waits takes beside its bytes, in Python: a flood of tiny ones counts too."""
_COPIED_BELOW = 4096
"""A piece is a view of all that was read with it: small ones are copied out of that."""


class StreamPump:
    """One open stream of one client; lives from the call's reply until either side ends it."""

    def __init__(
        self,
        peer: Peer,
        serial: int,
        stream: ByteStream | HoleStream,
        *,
        readable: bool,
        writable: bool,
    ) -> None:
        self._peer = peer
        self._serial = serial
        self._stream = stream
        # Of a volume, which takes much at once, and knows holes.
        volume = cast("HoleStream", stream) if hasattr(stream, "write_pieces") else None
        self._volume = volume
        self._most_unwritten = _MOST_UNWRITTEN_OF_VOLUMES if self._volume else _MOST_UNWRITTEN
        self._worth_writing = _WORTH_WRITING if self._volume else 0
        self._inbox: deque[bytes | memoryview | int] = deque()
        self._unwritten = 0
        self._holding = False
        self._finishing = False
        self._over = False
        self._arrived = asyncio.Event()
        self._writable = writable
        self._tasks = [peer.server.stream(self._send())] if readable else []
        if writable:
            self._tasks.append(peer.server.stream(self._write()))

    def on_incoming(self, value: Incoming) -> None:
        """Something arrived for this stream."""
        if isinstance(value, StreamData):
            whole = self._volume is None or len(value.view) < _COPIED_BELOW
            self._arrive(value.data if whole else value.view, len(value.view))
        elif isinstance(value, StreamFinished):
            self._finishing = True
            self._arrived.set()
            if not self._writable:
                self._finish()
        elif isinstance(value, StreamAborted):
            self.close()
        elif isinstance(value, StreamHole):
            if self._volume is None:
                problem = "holes in a stream that is not of a volume"
                self._abort(OperationUnsupported(problem, domain=FROM_STREAMS))
                return
            self._arrive(value.length, 0)

    def _arrive(self, piece: bytes | memoryview | int, size: int) -> None:
        """Put a piece of data, or a hole, where the writer finds it."""
        first = not self._inbox
        self._inbox.append(piece)
        self._unwritten += size + _PIECE
        if self._unwritten > self._most_unwritten and not self._holding:
            self._holding = True
            self._peer.hold()
        if first or self._unwritten >= self._worth_writing:
            self._arrived.set()

    def close(self) -> None:
        """Stop both directions and let go of the driver's stream; idempotent."""
        if self._over:
            return
        self._over = True
        self._peer.streams.pop(self._serial, None)
        if self._holding:
            self._peer.unhold()
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        self._stream.close()

    async def _send(self) -> None:
        """Driver → client, until the driver has no more."""
        peer, session = self._peer, self._peer.session
        try:
            while data := await self._stream.read(PACKET_MAX):
                if self._over:
                    return
                if isinstance(data, int):
                    session.send_hole(self._serial, data)
                else:
                    session.send_data(self._serial, data)
                peer.link.flush()
                await peer.link.drained()
                await asyncio.sleep(0)  # a console that never stops has always something there
            if not self._over:
                session.send_data(self._serial, b"")
                peer.link.flush()
        except Exception as error:
            self._broken(error)

    async def _write(self) -> None:
        """Client → driver, until the client has finished."""
        try:
            while await self._something():
                await self._put()
                if self._holding and self._unwritten < self._most_unwritten // 4:
                    self._holding = False
                    self._peer.unhold()
            if self._volume is not None:
                await self._volume.finish()
            self._finish()
        except Exception as error:
            self._broken(error)

    async def _something(self) -> bool:
        """Wait for what is worth writing; False once all is written and no more comes."""
        while not self._inbox and not self._finishing:
            self._arrived.clear()
            await self._arrived.wait()
        if self._unwritten < self._worth_writing and not self._finishing:
            self._arrived.clear()
            enough = asyncio.get_running_loop().call_later(_PATIENCE_S, self._arrived.set)
            await self._arrived.wait()
            enough.cancel()
        return bool(self._inbox)

    async def _put(self) -> None:
        """Hand what has arrived to the driver: all of it, or one packet."""
        inbox = self._inbox
        if self._volume is not None:
            pieces = list(inbox)
            inbox.clear()
            await self._volume.write_pieces(pieces)
            data_size = sum(len(piece) for piece in pieces if not isinstance(piece, int))
            self._unwritten -= data_size + _PIECE * len(pieces)
            return
        data = inbox.popleft()
        assert isinstance(data, bytes)
        await self._stream.write(data)
        self._unwritten -= len(data) + _PIECE

    def _finish(self) -> None:
        if not self._over:
            self._peer.session.finish(self._serial)
            self._peer.link.flush()
            self.close()

    def _broken(self, error: Exception) -> None:
        if self._over or self._peer.closed:
            self.close()
            return
        if not isinstance(error, VirtoryError):
            self._peer.server.log.error("%s: a stream failed", self._peer.name, exc_info=error)
            error = InternalError(f"the stream failed; the daemon's log says why: {whereabouts()}")
        self._abort(error)

    def _abort(self, error: VirtoryError) -> None:
        self._peer.session.abort(self._serial, error)
        self._peer.link.flush()
        self.close()
