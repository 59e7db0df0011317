"""A link on a plain blocking socket, and the trampoline that drives our coroutines over it.

The rule kept here: no asyncio. The client's coroutines await nothing but their link; a blocking
link's awaitables do their waiting inside `__await__`, so such a coroutine never suspends and one
`send(None)` runs it to its end. One client serves both worlds, and scripts start in milliseconds.

    host = run(open_host(uri))
    print(run(host.hostname()))
"""

from __future__ import annotations

import _socket as socket  # its Python half takes longer to import than a call to make
import select
import time

from virtory.errors import ConnectionLost, LocalMisuse, VirtoryError
from virtory.lean import TYPE_CHECKING, Any, TypeVar
from virtory.link.descriptors import (
    ANCILLARY_SPACE,
    close_descriptors,
    peer_credentials,
    received_descriptors,
)
from virtory.link.link import LOW_WATER, READ_SIZE
from virtory.link.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from virtory.link.link import OnIncoming, OnLost, Waiter
    from virtory.wire.session import Session

Result = TypeVar("Result")


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What `coroutine` returns; it may await nothing but a blocking link."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    coroutine.close()
    raise LocalMisuse(
        "a coroutine that waits for an event loop was run without one; use asyncio.run"
    )


class BlockingLink:
    """One connected stream socket that is read only while somebody waits."""

    blocking = True

    def __init__(
        self,
        sock: socket.socket,
        session: Session,
        explain: Callable[[], str | None] | None = None,
    ) -> None:
        sock.setblocking(True)
        self.session = session
        self.credentials = peer_credentials(sock)
        self.closed = False
        self._sock = sock
        self._outbox = Outbox(sock)
        self._explain = explain
        self._on_incoming: OnIncoming | None = None
        self._on_lost: OnLost | None = None

    @property
    def queued(self) -> int:
        return self._outbox.queued

    def start(self, on_incoming: OnIncoming, on_lost: OnLost) -> None:
        self._on_incoming, self._on_lost = on_incoming, on_lost
        self.flush()

    def pause_reading(self) -> None:
        """Nothing to do: only a waiter reads."""

    def resume_reading(self) -> None:
        """Nothing to do: only a waiter reads."""

    def waiter(self) -> BlockingWaiter:
        return BlockingWaiter(self)

    async def wait(self, waiter: Waiter, timeout_s: float | None) -> bool:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not waiter.done():
            if deadline is not None and not self._readable_until(deadline):
                return False
            self.pump()
        return True

    def _readable_until(self, deadline: float) -> bool:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))

    def flush(self) -> None:
        if self.closed:
            return
        if chunks := self.session.outgoing():
            try:
                self._outbox.offer(chunks)
            except OSError as error:
                self._end(self._lost(error.strerror))

    async def drained(self) -> None:
        while self._outbox.queued >= LOW_WATER:
            self.pump()
        if self.closed:
            raise ConnectionLost("the connection ended before everything was sent")

    def pump(self) -> None:
        """Wait until something can be read or sent, and do it."""
        if self.closed:
            raise ConnectionLost("the connection is closed")
        try:
            if self._outbox.queued and not self._sent_until_readable():
                return
            data, ancillary, flags, _ = self._sock.recvmsg(
                READ_SIZE, ANCILLARY_SPACE, socket.MSG_CMSG_CLOEXEC
            )
        except OSError as error:
            self._end(self._lost(error.strerror))
            return
        try:
            fds = received_descriptors(ancillary, flags)
            if not data:
                self._end(self._lost(None))
                return
            incoming = self.session.receive(data, fds)
            if fds:
                close_descriptors(self.session.take_strays())
            if incoming and self._on_incoming:
                self._on_incoming(incoming)
        except VirtoryError as error:
            self._end(error)
            return
        self.flush()

    def _sent_until_readable(self) -> bool:
        """Send what waits; True once there is something to read, False when all is sent."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | select.POLLOUT)
        while True:
            ((_, ready),) = poll.poll()
            done = bool(ready & select.POLLOUT) and self._outbox.send()
            if ready & ~select.POLLOUT:
                return True
            if done:
                return False

    def _lost(self, why: str | None) -> ConnectionLost:
        detail = (self._explain and self._explain()) or why or "the peer closed the connection"
        return ConnectionLost(f"the connection ended: {detail}")

    def close(self, error: VirtoryError | None = None) -> None:
        if not self.closed:
            self.flush()
            self._end(error)

    def _end(self, error: VirtoryError | None) -> None:
        if self.closed:
            return
        self.closed = True
        self._outbox.clear()
        self._sock.close()
        if self._on_lost:
            self._on_lost(error)


class BlockingWaiter:
    """A future whose `await` reads its link until it is fulfilled."""

    __slots__ = ("_done", "_error", "_link", "_result")

    def __init__(self, link: BlockingLink) -> None:
        self._link = link
        self._done = False
        self._result: Any = None
        self._error: BaseException | None = None

    def done(self) -> bool:
        return self._done

    def set_result(self, result: Any, /) -> None:
        self._done, self._result = True, result

    def set_exception(self, exception: BaseException, /) -> None:
        self._done, self._error = True, exception

    def __await__(self) -> Generator[Any, None, Any]:
        while not self._done:
            self._link.pump()
        if self._error:
            raise self._error
        return self._result
        yield  # type: ignore[unreachable]  # makes this a generator: it never suspends
