"""The asking end of one connection: calls that wait, streams, events, keepalive, the end.

The rule kept here: whoever waits is always told. A reply, an error or the end of the connection
reaches each pending call, stream and subscription exactly once; a caller that was cancelled is
forgotten and its late answer dropped, with the descriptors in it and the stream that it opened.
"""

from __future__ import annotations

import os

from virtory.errors import ConnectionLost, VirtoryError
from virtory.lean import TYPE_CHECKING, Any, TypeVar, deque
from virtory.wire.incoming import (
    Event,
    Failure,
    PeerDead,
    Reply,
    StreamAborted,
    StreamData,
    StreamFinished,
    StreamHole,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from virtory.client.streams import Stream
    from virtory.codec.xdr import Record
    from virtory.link.link import Link, Waiter
    from virtory.wire.incoming import Incoming
    from virtory.wire.procedure import Procedure

    Route = Callable[[Event], None]

MOST_EARLY_EVENTS = 1000

A = TypeVar("A", bound="Record | None")
R = TypeVar("R", bound="Record | None")


class Caller:
    """Makes calls over one started link, on behalf of every object of a `Host`."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.session = link.session
        self.lost: VirtoryError | None = None
        self.on_closing: list[Callable[[VirtoryError], None]] = []
        self._pending: dict[int, Waiter] = {}
        self._untaken: dict[int, Reply] = {}  # those with something that must be given back
        self._streams: dict[int, Stream] = {}
        self._routes: dict[tuple[str, int], Route] = {}
        self._early: deque[tuple[tuple[str, int], Event]] = deque(maxlen=MOST_EARLY_EVENTS)
        self._registering = 0
        self._timer: Any = None
        link.start(self._on_incoming, self._on_lost)

    # -- calls -----------------------------------------------------------------------------
    async def call(
        self, procedure: Procedure[A, R], args: A | None = None, fds: Sequence[int] = ()
    ) -> R:
        """The procedure's answer; raises the error that the peer sent, or `ConnectionLost`.

        `fds` are passed along; they stay the caller's.
        """
        ret: R = (await self.ask(procedure, args, fds)).ret
        return ret

    async def ask(
        self, procedure: Procedure[A, R], args: A | None = None, fds: Sequence[int] = ()
    ) -> Reply:
        """Like `call`, but the whole reply, whose `fds` the caller then owns."""
        return await self._answer(*self._send(procedure, args, fds))

    async def open_stream(
        self, procedure: Procedure[A, R], stream: Stream, args: A | None = None
    ) -> R:
        """Call a procedure that opens a stream; `stream` is bound to it before data can arrive."""
        serial, waiter = self._send(procedure, args, ())
        self._streams[serial] = stream
        stream.bind(serial)
        try:
            ret: R = (await self._answer(serial, waiter)).ret
        except BaseException:
            self._streams.pop(serial, None)
            raise
        return ret

    def _send(self, procedure: Any, args: Record | None, fds: Sequence[int]) -> tuple[int, Waiter]:
        if self.lost is not None:
            raise ConnectionLost(f"{procedure.name} was not sent: {self.lost}")
        serial = self.session.call(procedure, args, [os.dup(fd) for fd in fds] if fds else ())
        waiter = self._pending[serial] = self.link.waiter()
        self.link.flush()
        self.link.resume_reading()
        return serial, waiter

    async def _answer(self, serial: int, waiter: Waiter) -> Reply:
        try:
            reply: Reply = await waiter
        except BaseException:
            if self._pending.pop(serial, None) is not None and not self.session.closed:
                self.session.abandon(serial)
            elif (untaken := self._untaken.pop(serial, None)) is not None:
                self._give_back(untaken)
            raise
        if self._untaken:
            self._untaken.pop(serial, None)
        return reply

    def _give_back(self, reply: Reply) -> None:
        """Undo what an answer brought that nobody takes."""
        for fd in reply.fds:
            os.close(fd)
        if reply.procedure.stream and not self.session.closed:
            self.session.abort(reply.serial)
            self.link.flush()

    @property
    def waited_for(self) -> bool:
        """Whether somebody waits for something other than a stream's data."""
        return bool(self._pending or self._routes)

    # -- events ----------------------------------------------------------------------------
    def registering(self) -> None:
        """Keep events that arrive before their registration's reply; ended by `route`."""
        self._registering += 1

    def route(self, key: tuple[str, int] | None, route: Route | None = None) -> None:
        """Send the events with this family and callback id to `route`; None: it failed."""
        self._registering -= 1
        if key is not None and route is not None:
            self._routes[key] = route
            for early, event in list(self._early):
                if early == key:
                    route(event)
        if not self._registering:
            self._early.clear()

    def unroute(self, key: tuple[str, int]) -> None:
        self._routes.pop(key, None)

    def _on_event(self, event: Event) -> None:
        from virtory.client.events import key_of

        key = key_of(event)
        if route := self._routes.get(key):
            route(event)
        elif self._registering:
            self._early.append((key, event))

    # -- what arrives ----------------------------------------------------------------------
    def _on_incoming(self, values: list[Incoming]) -> None:
        for value in values:
            if isinstance(value, Reply):
                self._on_reply(value)
            elif isinstance(value, Failure):
                self._on_failure(value)
            elif isinstance(value, Event):
                self._on_event(value)
            elif isinstance(value, _OF_A_STREAM):
                self._on_stream(value)
        if self.session.wants_tick:
            self._tick()

    def _on_reply(self, reply: Reply) -> None:
        waiter = self._pending.pop(reply.serial, None)
        if waiter is None or waiter.done():
            self._give_back(reply)
            return
        if reply.fds or reply.procedure.stream:
            self._untaken[reply.serial] = reply
        waiter.set_result(reply)

    def _on_failure(self, failure: Failure) -> None:
        waiter = self._pending.pop(failure.serial, None)
        if waiter is not None and not waiter.done():
            waiter.set_exception(failure.error)

    def _on_stream(self, value: Any) -> None:
        stream = self._streams.get(value.serial)
        if stream is None:
            return
        stream.on_incoming(value)
        if type(value) in (StreamFinished, StreamAborted):
            del self._streams[value.serial]

    # -- keepalive and the end ---------------------------------------------------------------
    def start_keepalive(self) -> None:
        """Ping a silent peer; only where an event loop runs, like libvirt's own clients."""
        if not self.link.blocking:
            self.session.start_keepalive()
            self._tick()

    def _tick(self) -> None:
        if self.link.blocking or self.link.closed:
            return
        import asyncio

        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            due = self.session.tick(loop.time())
        except ConnectionLost as error:
            self.link.close(error)
            return
        self.link.flush()
        if due is not None:
            self._timer = loop.call_at(due, self._tick)

    def close(self) -> None:
        """End the connection; everything that still waits ends with `ConnectionLost`."""
        self.link.close()

    def _on_lost(self, error: VirtoryError | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.lost = error or ConnectionLost("the connection was closed on this side")
        for value in self.session.end(self.lost):
            if type(value) is Failure:
                value.error = _again(self.lost)
                self._on_failure(value)
            elif type(value) is not PeerDead:
                self._on_stream(value)
        for fd in self.session.take_strays():
            os.close(fd)
        self._routes.clear()
        for told in list(self.on_closing):
            told(_again(self.lost))


_OF_A_STREAM = (StreamData, StreamHole, StreamFinished, StreamAborted)


def _again(error: VirtoryError) -> VirtoryError:
    """A copy, since one exception raised in several places mixes up their tracebacks."""
    return type(error)(error.detail, cure=error.cure, domain=error.domain, code=error.code)
