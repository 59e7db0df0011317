"""An in-process pair of links: what one session sends, the other receives, without a socket.

The rule kept here: bytes travel in the order they were sent and only on the next turn of the event
loop, as over a socket; descriptors arrive as duplicates behind their dummy bytes, as over a socket.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque

from virtory.errors import ConnectionLost, VirtoryError
from virtory.lean import TYPE_CHECKING
from virtory.link.descriptors import close_descriptors
from virtory.link.link import LOW_WATER, Credentials

if TYPE_CHECKING:
    from virtory.link.link import OnIncoming, OnLost, Waiter
    from virtory.wire.session import Session


def pair(left: Session, right: Session) -> tuple[MemoryLink, MemoryLink]:
    """Two connected links, in the running event loop."""
    a, b = MemoryLink(left), MemoryLink(right)
    a._peer, b._peer = b, a
    return a, b


class MemoryLink:
    """One end of a pair; see `pair`."""

    blocking = False

    def __init__(self, session: Session) -> None:
        self.session = session
        self.credentials: Credentials | None = Credentials(os.getpid(), os.getuid(), os.getgid())
        self.closed = False
        self._peer: MemoryLink = self
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._waiting = 0
        self._on_incoming: OnIncoming | None = None
        self._on_lost: OnLost | None = None
        self._paused = self._scheduled = self._peer_gone = False
        self._drain_waiters: list[asyncio.Future[None]] = []

    @property
    def queued(self) -> int:
        return self._peer._waiting

    def start(self, on_incoming: OnIncoming, on_lost: OnLost) -> None:
        self._on_incoming, self._on_lost = on_incoming, on_lost
        self._schedule()
        self.flush()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._schedule()

    def waiter(self) -> asyncio.Future[object]:
        return self._loop.create_future()

    async def wait(self, waiter: Waiter, timeout_s: float | None) -> bool:
        done, _ = await asyncio.wait((waiter,), timeout=timeout_s)  # type: ignore[type-var]  # a Future of ours
        return bool(done)

    def flush(self) -> None:
        if self.closed:
            return
        for data, fds in self.session.outgoing():
            self._peer._put(data, ())
            for fd in fds:
                self._peer._put(b"\0", (os.dup(fd),))
                os.close(fd)

    async def drained(self) -> None:
        if self.closed or self._peer_gone:
            raise ConnectionLost("the connection ended before everything was sent")
        if self.queued >= LOW_WATER:
            waiter = self._loop.create_future()
            self._drain_waiters.append(waiter)
            await waiter

    def close(self, error: VirtoryError | None = None) -> None:
        if not self.closed:
            self.flush()
            self._end(error)

    def _put(self, data: bytes, fds: tuple[int, ...]) -> None:
        if self.closed:
            for fd in fds:
                os.close(fd)
            return
        self._inbox.append((data, fds))
        self._waiting += len(data)
        self._schedule()

    def _schedule(self) -> None:
        if self._on_incoming and not self._scheduled and not self.closed:
            self._scheduled = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        try:
            while self._inbox and not self._paused and not self.closed:
                data, fds = self._inbox.popleft()
                self._waiting -= len(data)
                incoming = self.session.receive(data, fds)
                if fds:
                    close_descriptors(self.session.take_strays())
                if incoming and self._on_incoming:
                    self._on_incoming(incoming)
        except VirtoryError as error:
            self.flush()
            self._end(error)
            return
        self.flush()
        if self._waiting < LOW_WATER:
            self._peer._wake_drained(None)
        if self._peer_gone and not self._inbox:
            self._end(ConnectionLost("the connection ended: the peer closed the connection"))

    def _wake_drained(self, error: VirtoryError | None) -> None:
        waiters, self._drain_waiters = self._drain_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error) if error else waiter.set_result(None)

    def _end(self, error: VirtoryError | None) -> None:
        if self.closed:
            return
        self.closed = True
        for _, fds in self._inbox:
            for fd in fds:
                os.close(fd)
        self._inbox.clear()
        self._waiting = 0
        self._wake_drained(error or ConnectionLost("the connection was closed on this side"))
        self._peer._peer_gone = True
        self._peer._schedule()
        if self._on_lost:
            self._on_lost(error)
