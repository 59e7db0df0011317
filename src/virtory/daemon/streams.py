"""Carries a driver's byte stream over a client's connection, both ways.

The rule kept here: each side waits for the other. Nothing is read from the driver while the client
has much left to read, and nothing is read from the client while the driver has much left to write.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from virtory.errors import FROM_STREAMS, InternalError, OperationUnsupported, VirtoryError
from virtory.wire.incoming import StreamAborted, StreamData, StreamFinished, StreamHole
from virtory.wire.stream import PACKET_MAX

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer
    from virtory.driver.interface import ByteStream
    from virtory.wire.incoming import Incoming

_MOST_UNWRITTEN = 1 << 20


class StreamPump:
    """One open stream of one client; lives from the call's reply until either side ends it."""

    def __init__(self, peer: Peer, serial: int, stream: ByteStream, *, writable: bool) -> None:
        self._peer = peer
        self._serial = serial
        self._stream = stream
        self._inbox: deque[bytes] = deque()
        self._unwritten = 0
        self._holding = False
        self._finishing = False
        self._over = False
        self._arrived = asyncio.Event()
        self._tasks = [peer.server.spawn(self._send())]
        if writable:
            self._tasks.append(peer.server.spawn(self._write()))

    def on_incoming(self, value: Incoming) -> None:
        """Something arrived for this stream."""
        if isinstance(value, StreamData):
            self._inbox.append(value.data)
            self._unwritten += len(value.data)
            if self._unwritten > _MOST_UNWRITTEN and not self._holding:
                self._holding = True
                self._peer.hold()
            self._arrived.set()
        elif isinstance(value, StreamFinished):
            self._finishing = True
            self._arrived.set()
            if len(self._tasks) == 1:
                self._finish()
        elif isinstance(value, StreamAborted):
            self.close()
        elif isinstance(value, StreamHole):
            self._abort(
                OperationUnsupported("holes in a stream that is not sparse", domain=FROM_STREAMS)
            )

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
                session.send_data(self._serial, data)
                peer.link.flush()
                await peer.link.drained()
            if not self._over:
                session.send_data(self._serial, b"")
                peer.link.flush()
        except Exception as error:
            self._broken(error)

    async def _write(self) -> None:
        """Client → driver, until the client has finished."""
        try:
            while True:
                while self._inbox:
                    data = self._inbox.popleft()
                    await self._stream.write(data)
                    self._unwritten -= len(data)
                    if self._holding and self._unwritten < _MOST_UNWRITTEN // 4:
                        self._holding = False
                        self._peer.unhold()
                if self._finishing:
                    self._finish()
                    return
                self._arrived.clear()
                await self._arrived.wait()
        except Exception as error:
            self._broken(error)

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
            error = InternalError("the stream failed; the daemon's log says why")
        self._abort(error)

    def _abort(self, error: VirtoryError) -> None:
        self._peer.session.abort(self._serial, error)
        self._peer.link.flush()
        self.close()
