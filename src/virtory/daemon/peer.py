"""One connected client: its session and link, what it may do, and what ends when it leaves.

The rule kept here: whatever arrives is answered exactly once, and nothing that a client sends or
leaves unread can stop the loop, grow without bound or outlive the connection. Handlers that do not
wait run at once, inside the link's read; the others get a task, so replies may overtake each other.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING, Any

from virtory.daemon import access
from virtory.daemon.dispatch import ROUTES, Route, route_of
from virtory.daemon.log import whereabouts
from virtory.errors import (
    ConnectionLost,
    DomainNotFound,
    InternalError,
    NetworkNotFound,
    NotFound,
    NotSupported,
    StoragePoolNotFound,
    VirtoryError,
)
from virtory.wire.incoming import Call, UnknownCall

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from virtory.daemon.server import Server
    from virtory.daemon.streams import StreamPump
    from virtory.daemon.subscriptions import Subscriptions
    from virtory.driver.interface import ByteStream
    from virtory.driver.interface.storage import HoleStream
    from virtory.link.link import Link
    from virtory.wire.incoming import Incoming

_NAMED_BY = {DomainNotFound: "dom", NetworkNotFound: "net", StoragePoolNotFound: "pool"}
"""Objects that were lost meanwhile: the field of a call that has the name they had."""
_NOT_OPEN = "hypervisor connection not open"
_BACKLOG_FACTOR = 16
"""How many more calls may lie read but not begun, for each that may be under way."""
_CALLS_AT_ONCE = 64
"""Of calls that were sent together, so many are begun before other clients have their turn."""
_MOST_ANSWERS = 1 << 20
"""Bytes of answers that may wait to be read before no further call is begun."""
_MOST_UNANSWERED = 64 << 20
"""Bytes of calls under way and put off, two of the longest: with more, nothing more is read."""


class Peer:
    """A client's connection, as the daemon sees it; drivers know it as the `Owner` of what it made.

    Attributes:
        read_only: it came by the read-only socket, or asked for it when it opened.
        uri: what `connect_open` named; None before that, and after `connect_close`.
    """

    __slots__ = (
        "__weakref__",
        "_backlog",
        "_flushing",
        "_holds",
        "_paused",
        "_receiving",
        "_resuming",
        "_tick",
        "_unanswered",
        "_unfinished",
        "_waiting",
        "closed",
        "driver",
        "link",
        "name",
        "read_only",
        "server",
        "session",
        "streams",
        "subscriptions",
        "uri",
    )

    def __init__(self, server: Server, link: Link, *, read_only: bool, name: str) -> None:
        self.server = server
        self.driver = server.driver
        self.link = link
        self.session = link.session
        self.read_only = read_only
        self.name = name
        self.uri: str | None = None
        self.closed = False
        self.streams: dict[int, StreamPump] = {}
        self.subscriptions: Subscriptions | None = None
        self._backlog: deque[Call] = deque()
        self._waiting = 0
        self._unanswered = 0
        self._unfinished = 0
        self._holds = 0
        self._paused = False
        self._receiving = False
        self._resuming: asyncio.Task[None] | None = None
        self._flushing = False
        self._tick: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self.link.start(self._on_incoming, self._on_lost)

    # -- what arrives ----------------------------------------------------------------------
    def _on_incoming(self, values: list[Incoming]) -> None:
        self._receiving = True
        begun = 0
        for value in values:
            if type(value) is Call:
                if self._backlog or begun >= _CALLS_AT_ONCE or self.session.queued > _MOST_ANSWERS:
                    self._put_off(value)
                else:
                    begun += 1
                    self._begin(value)
            elif type(value) is UnknownCall:
                self.server.log.info("%s: %r has no handler", self.name, value)
            else:
                self._on_stream(value)
        self._receiving = False
        if self._backlog:
            self._catch_up_later()
        most = _BACKLOG_FACTOR * self.server.limits.calls_per_client
        too_much = len(self._backlog) > most or self._unanswered > _MOST_UNANSWERED
        if too_much and not self._paused:
            self._paused = True
            self.hold()
        if self.session.wants_tick:
            self._on_tick()
        if self.session.unfinished or self._unfinished:
            self._unfinished = self.session.unfinished
            self.server.unfinished.changed(self, self._unfinished)

    def _begin(self, call: Call) -> None:
        """Answer a call now, or start the task that will, or put it off until others are done."""
        route = ROUTES.get(call.procedure) or route_of(call.procedure)
        if self.server.tracing:
            self.server.log.debug("%s: %s, call %d", self.name, call.procedure.name, call.serial)
        if route is None:
            self._unserved(call)
            return
        if route.waits and self._waiting >= self.server.limits.calls_per_client:
            self._put_off(call)
            return
        try:
            if self.uri is None and not route.early:
                raise InternalError(_NOT_OPEN, domain=7)
            if self.read_only and route.guarded:
                self._check(route, call)
            args = (call.args, call) if route.whole else (call.args,)
            result = route.run(self, *args)
            if route.waits:
                self._waiting += 1
                self._unanswered += call.size
                self.server.call(self._finish(call, result))
                return
            self.session.reply(call, result)
        except Exception as error:
            self._failed(call, error)
        if call.fds:
            self._close_descriptors(call)

    def _put_off(self, call: Call) -> None:
        self._backlog.append(call)
        self._unanswered += call.size

    def _unserved(self, call: Call) -> None:
        """Refuse a call as libvirt does one that its driver has not, or that the client may not."""
        procedure = call.procedure
        self.server.log.info("%s: %s is not served", self.name, procedure.name)
        forbidden = self.read_only and access.writes(procedure)
        error = NotSupported(access.function_name(procedure))
        self.session.fail(call, access.denied(procedure) if forbidden else error)
        self._close_descriptors(call)

    def _check(self, route: Route, call: Call) -> None:
        if route.writes:
            raise access.denied(route.procedure)
        access.check_arguments(route.procedure, call.args)

    async def _finish(self, call: Call, work: Coroutine[Any, Any, Any]) -> None:
        """Wait for a handler and send its answer; a client that leaves does not stop the work."""
        try:
            result = await work
            if not self.closed and not call.answered:
                self.session.reply(call, result)
        except Exception as error:
            if not self.closed and not call.answered:
                self._failed(call, error)
        self._waiting -= 1
        self._unanswered -= call.size
        if call.fds:
            self._close_descriptors(call)
        if not self.closed:
            self._catch_up()
            self._flush()

    def _catch_up_later(self) -> None:
        """Go on with what was put off, unless the end of a call under way will."""
        if self._resuming is None and self._waiting < self.server.limits.calls_per_client:
            self._resuming = asyncio.get_running_loop().create_task(self._resume())

    async def _resume(self) -> None:
        """Let others have their turn, and this client read what is there for it; then go on."""
        try:
            await asyncio.sleep(0)
            await self.link.drained()
        except ConnectionLost:
            return
        finally:
            self._resuming = None
        if not self.closed:
            self._catch_up()
            self._flush()

    def _catch_up(self) -> None:
        """Begin what was put off, as far as there is room for it."""
        limit, begun = self.server.limits.calls_per_client, 0
        while self._backlog and self._waiting < limit:
            if begun >= _CALLS_AT_ONCE or self.session.queued > _MOST_ANSWERS:
                self._catch_up_later()
                break
            begun += 1
            call = self._backlog.popleft()
            self._unanswered -= call.size
            self._begin(call)
        few = len(self._backlog) <= limit and self._unanswered <= _MOST_UNANSWERED // 2
        if few and self._paused:
            self._paused = False
            self.unhold()

    def hold(self) -> None:
        """Read nothing more from the client, until as many `unhold`s have followed."""
        self._holds += 1
        if self._holds == 1:
            self.link.pause_reading()

    def unhold(self) -> None:
        """Undo one `hold`."""
        self._holds -= 1
        if self._holds == 0 and not self.closed:
            self.link.resume_reading()

    def _failed(self, call: Call, error: Exception) -> None:
        if isinstance(error, NotFound) and not error.detail.endswith(")"):
            lost = getattr(call.args, _NAMED_BY.get(type(error), ""), None)
            if lost is not None:
                error = type(error)(f"{error.detail} ({lost.name})", cure=error.cure)
        if not isinstance(error, VirtoryError):
            self.server.log.error(
                "%s: %s failed for a reason nobody foresaw",
                self.name,
                call.procedure.name,
                exc_info=error,
            )
            error = _unforeseen(call.procedure.name, error)
        if self.server.tracing:
            self.server.log.debug("%s: call %d failed: %s", self.name, call.serial, error)
        self.session.fail(call, error)

    def reply_with_descriptors(self, call: Call, result: Any, fds: tuple[int, ...]) -> None:
        """Answer a call with descriptors, which the connection owns from here on."""
        if self.closed:
            for fd in fds:
                os.close(fd)
        else:
            self.session.reply(call, result, fds)

    def _close_descriptors(self, call: Call) -> None:
        for fd in call.fds:
            os.close(fd)

    # -- streams ---------------------------------------------------------------------------
    def carry(self, call: Call, stream: ByteStream | HoleStream) -> None:
        """Carry `stream` as the stream of `call`, from its reply on; the connection owns it now."""
        if self.closed:
            stream.close()
            return
        from virtory.daemon.streams import StreamPump

        way = call.procedure.stream
        self.streams[call.serial] = StreamPump(
            self, call.serial, stream, readable=way != "write", writable=way != "read"
        )

    def _on_stream(self, value: Incoming) -> None:
        pump = self.streams.get(getattr(value, "serial", -1))
        if pump is not None:
            pump.on_incoming(value)

    # -- events ----------------------------------------------------------------------------
    @property
    def subscribed(self) -> Subscriptions:
        """The connection's event callbacks."""
        if self.subscriptions is None:
            from virtory.daemon.subscriptions import Subscriptions

            self.subscriptions = Subscriptions(self)
        return self.subscriptions

    def emit(self, procedure: Any, message: Any) -> None:
        """Send an event, unless the client has left too much unread: then it is disconnected."""
        if self.closed:
            return
        unread = self.link.queued + self.session.queued
        if unread > self.server.limits.queued_event_bytes_per_client:
            self.disconnect(f"it left {unread} bytes unread when {procedure.name} was to be sent")
            return
        self.session.emit(procedure, message)
        self.flush_soon()

    def flush_soon(self) -> None:
        """Send what is queued at the end of this turn of the loop, or of the read under way."""
        if not self._receiving and not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self.link.flush()
        if self.link.queued > self.server.limits.queued_bytes_per_client:
            self.disconnect(f"it left {self.link.queued} bytes unread")

    # -- keepalive -------------------------------------------------------------------------
    def _on_tick(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        if self.closed:
            return
        loop = asyncio.get_running_loop()
        try:
            due = self.session.tick(loop.time(), deaf=self._holds > 0)
        except ConnectionLost as error:
            self.link.close(error)
            return
        self.flush_soon()
        if due is not None:
            self._tick = loop.call_at(due, self._on_tick)

    # -- the end ---------------------------------------------------------------------------
    def release(self) -> None:
        """Let go of what the connection made: subscriptions, streams, autodestroyed domains."""
        for pump in list(self.streams.values()):
            pump.close()
        self.streams.clear()
        if self.subscriptions is not None:
            self.subscriptions.close()
            self.subscriptions = None
        self.uri = None
        self.driver.domain.owner_gone(self)  # also of a call that was under way at `connect_close`

    def close_soon(self) -> None:
        """End the connection once what is queued has been offered to the socket."""
        asyncio.get_running_loop().call_soon(self.link.close)

    def disconnect(self, why: str) -> None:
        """End the connection because of what the client did."""
        self.server.log.warning("%s: disconnected, because %s", self.name, why)
        self.link.close(ConnectionLost(f"the daemon ended the connection: {why}"))

    def _on_lost(self, error: VirtoryError | None) -> None:
        if self.closed:
            return
        self.closed = True
        if self._tick is not None:
            self._tick.cancel()
        self.session.end(error or ConnectionLost("the connection was closed"))
        for call in self._backlog:
            self._close_descriptors(call)
        self._backlog.clear()
        for fd in self.session.take_strays():
            os.close(fd)
        try:
            self.release()
        finally:
            self.server.left(self, error)


def _unforeseen(name: str, error: Exception) -> VirtoryError:
    """What the client is told of an error that nobody foresaw."""
    failed = InternalError(f"{name} failed; the daemon's log says why: {whereabouts()}")
    if isinstance(error, ImportError | AttributeError):
        failed.cure = (
            "if virtory was upgraded while this daemon ran, start the daemon anew: guests go on"
        )
    return failed
