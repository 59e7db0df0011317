"""One RPC conversation, either side: serials, replies, events, errors, streams, keepalive.

The rule kept here: a session is a value that bytes go through. It never waits, opens or closes
anything. What a peer may send in which role is one table, `_RULES`; what it lacks is misbehaviour.

Owner's guide
    `receive(data, fds)`   bytes (and descriptors) that arrived → a list of `Incoming` values.
    `call reply fail emit`, `send_data send_hole finish abort`   queue what is to be sent.
    `outgoing()`           takes what is queued: a list of `Chunk`s, to be written in order. A chunk
                           is `data`, then each of `fds` with a sendmsg and a dummy byte of its own
                           (see `frame.Chunk`). Ask after every receive too: the session answers
                           pings, unknown calls and aborted streams by itself.
    `tick(now)`            keepalive; returns when to call it next, None for never. Call it whenever
                           `wants_tick` is set (after a receive), and at the time it returned. It
                           raises ConnectionLost when the peer is dead.
    `end(error)`           the connection is over (end of file, an exception of `receive` or `tick`,
                           our own wish): one Failure for every pending call, one StreamAborted for
                           every open stream, then PeerDead. Call it once, deliver its list.
    `take_strays()`        descriptors that arrived but belong to nobody: close them. Ask after
                           every receive that brought descriptors and after `end`.
    `queued`, `open_calls` bytes waiting in the session; calls a client waits for. The protocol has
                           no flow control: a link stops reading from a peer that does not read what
                           we write, and a daemon may stop reading from one with many open calls.

Descriptors belong to whom they are given: those passed to `call` or `reply` to the session (the
link closes them once written; `os.dup` what you keep), those in a `Call` or `Reply` to its
receiver.

Arguments arrive decoded. What cannot be decoded the server's session answers itself, as libvirtd
does: error 39 "Unable to decode message payload", the connection lives on. A reply that cannot be
decoded becomes that call's `Failure`; an event that cannot closes the connection. Bytes after a
record are ignored. Unknown calls are answered too, and shown as `UnknownCall` for the log:
    program or version unknown   39 "Cannot find program P version V", echoing the request's
    number unknown               39 "unknown procedure: N", which libvirt's clients turn into code 3
A known procedure that the daemon does not serve is the daemon's to refuse, by `fail`.

Bytes that break the protocol raise PeerMisbehaved: the session is then closed, and only `end`,
`outgoing` and `take_strays` may be called.
"""

from __future__ import annotations

from virtory.codec.xdr import Record, XdrError
from virtory.errors import ConnectionLost, LocalMisuse, PeerMisbehaved, RpcError, VirtoryError
from virtory.lean import TYPE_CHECKING, Any, Final, Literal, TypeVar
from virtory.wire.failure import decode_error, encode_error
from virtory.wire.frame import (
    CALL,
    CALL_WITH_FDS,
    CONTINUE,
    ERROR,
    MESSAGE,
    OK,
    REPLY,
    REPLY_WITH_FDS,
    STREAM,
    STREAM_HOLE,
    Chunk,
    Frame,
    FrameReader,
    FrameWriter,
)
from virtory.wire.incoming import (
    Call,
    Event,
    Failure,
    Incoming,
    PeerDead,
    Reply,
    StreamAborted,
    StreamData,
    StreamFinished,
    StreamHole,
    UnknownCall,
)
from virtory.wire.keepalive import PING, PING_FRAME, PONG_FRAME, Keepalive
from virtory.wire.procedure import KEEPALIVE, PROGRAMS, REMOTE, AnyProcedure, Procedure, find
from virtory.wire.stream import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "CLIENT",
    "SERVER",
    "Call",
    "Chunk",
    "Event",
    "Failure",
    "Incoming",
    "PeerDead",
    "Reply",
    "Role",
    "Session",
    "StreamAborted",
    "StreamData",
    "StreamFinished",
    "StreamHole",
    "UnknownCall",
]

Role = Literal["client", "server"]
CLIENT: Final = "client"
SERVER: Final = "server"

# What libvirtd puts into every event; clients must not look at it.
EVENT_SERIAL: Final = 1

_SUPPORTS_FEATURE: Final = 60
_FEATURE_KEEPALIVE: Final = 10
_SERIAL_MASK: Final = 0xFFFFFFFF


A = TypeVar("A", bound="Record | None")
R = TypeVar("R", bound="Record | None")


class Session:
    """One end of a connection; see the module's docstring.

    Args:
        role: "server" answers calls, "client" makes them.
        keepalive_interval: seconds of silence before a PING; 0 turns our own pings off (those of
            the peer are always answered). A server starts when its client asks for feature 10, a
            client with `start_keepalive`.
        keepalive_count: unanswered PINGs before the peer counts as dead.
    """

    def __init__(
        self, role: Role, *, keepalive_interval: float = 5.0, keepalive_count: int = 5
    ) -> None:
        self.role: Role = role
        self.closed = False
        self.open_calls = 0
        self.wants_tick = False
        self._rules = _RULES[role]
        self._reader = FrameReader()
        self._writer = FrameWriter()
        self._send = self._writer.send
        self._serial = 0
        self._pending: dict[int, AnyProcedure] = {}
        self._abandoned: set[int] = set()
        self._streams = Streams(self._writer, server=role == SERVER)
        self._interval = keepalive_interval
        self._count = keepalive_count
        self._keepalive: Keepalive | None = None

    # Bytes in

    def receive(self, data: bytes, fds: tuple[int, ...] = ()) -> list[Incoming]:
        """What these bytes bring; raises PeerMisbehaved and closes when they break the protocol."""
        if self.closed:
            raise LocalMisuse("bytes were given to a session that is closed")
        if self._keepalive is not None:
            self._keepalive.heard = True
        incoming: list[Incoming] = []
        rules = self._rules
        items: list[Frame] = []
        try:
            items = self._reader.feed(data, fds)
            for item in items:
                rule = rules.get((item[3], item[5]))
                if rule is None:
                    raise PeerMisbehaved(
                        f"a message of type {item.kind} and status {item.status}, "
                        f"which a {self.role} never receives"
                    )
                rule(self, item, incoming)
        except PeerMisbehaved:
            self.closed = True
            self._reader.disown(items)
            raise
        return incoming

    @property
    def unfinished(self) -> int:
        """Bytes that are kept of a message that is not whole yet."""
        return self._reader.unfinished

    # Bytes out

    def outgoing(self) -> list[Chunk]:
        """Everything queued, in order; the session forgets it."""
        return self._writer.take()

    @property
    def queued(self) -> int:
        """Bytes that wait for `outgoing`."""
        return self._writer.queued

    # The client's verbs

    def call(
        self, procedure: Procedure[A, Any], args: A | None = None, fds: Sequence[int] = ()
    ) -> int:
        """Queue a call; its serial comes back in the Reply or Failure.

        `fds` change owner, unless this raises.
        """
        if self.role != CLIENT or self.closed:
            raise LocalMisuse(f"{procedure.name} cannot be called: {self._state()}")
        if procedure.event or _kind_of(args) is not procedure.args:
            raise LocalMisuse(f"{procedure.name} is not called with {_name_of(args)}")
        serial = self._serial
        while serial in self._pending:
            serial = (serial + 1) & _SERIAL_MASK
        body = b"" if args is None else args.encode()
        self._send(procedure, CALL_WITH_FDS if fds else CALL, serial, OK, body, fds)
        self._serial = (serial + 1) & _SERIAL_MASK
        self._pending[serial] = procedure
        self.open_calls += 1
        if procedure.stream is not None:
            self._streams.opening(procedure, serial, args)
        return serial

    def abandon(self, serial: int) -> None:
        """Nobody waits for this call any more: its answer, when it comes, is dropped.

        A stream that it opens is aborted.
        """
        if serial in self._pending:
            self._abandoned.add(serial)

    def start_keepalive(self) -> None:
        """Ping the peer from now on; a client does this after feature 10 was answered with 1."""
        if self._keepalive is None and self._interval > 0:
            self._keepalive = Keepalive(self._interval, self._count)
            self.wants_tick = True

    # The server's verbs

    def reply(self, call: Call, ret: Record | None = None, fds: Sequence[int] = ()) -> None:
        """Answer a call; `fds` change owner, unless this raises.

        Raises XdrError when `ret` is over a limit; the call is then still to be answered. On a
        closed session nothing is sent, and the descriptors come back by `take_strays`.
        """
        procedure = call.procedure
        if call.answered:
            raise LocalMisuse(f"{procedure.name} {call.serial} was answered twice")
        if ret is None:
            if procedure.ret is not None:
                raise LocalMisuse(f"{procedure.name} must return {procedure.ret.__name__}")
            body = b""
        elif type(ret) is not procedure.ret:
            raise LocalMisuse(f"{procedure.name} does not return {_name_of(ret)}")
        else:
            body = ret.encode()
        if self.closed:
            self._reader.strays += fds
            return
        self._send(procedure, REPLY_WITH_FDS if fds else REPLY, call.serial, OK, body, fds)
        call.answered = True
        self.open_calls -= 1
        if procedure.stream is not None:
            self._streams.opened(call.serial)

    def fail(self, call: Call, error: VirtoryError) -> None:
        """Answer a call with an error."""
        if call.answered:
            raise LocalMisuse(f"{call.procedure.name} {call.serial} was answered twice")
        if self.closed:
            return
        self._send(call.procedure, REPLY, call.serial, ERROR, encode_error(error))
        call.answered = True
        self.open_calls -= 1
        if call.procedure.stream is not None:
            self._streams.refused(call.serial)

    def emit(self, procedure: AnyProcedure, message: Record) -> None:
        """Queue an event."""
        if self.role != SERVER or type(message) is not procedure.message:
            raise LocalMisuse(f"{procedure.name} is not emitted with {_name_of(message)}")
        if not self.closed:
            self._send(procedure, MESSAGE, EVENT_SERIAL, OK, message.encode())

    # Streams, both roles; `serial` is that of the call that opened the stream

    def send_data(self, serial: int, data: bytes) -> None:
        """Queue data, cut into packets; empty data tells a client that there is no more.

        Raises RpcError when the peer has ended the stream already.
        """
        self._streams.send_data(serial, data)

    def send_hole(self, serial: int, length: int) -> None:
        """Queue a hole: `length` zero bytes of a stream opened as sparse."""
        self._streams.send_hole(serial, length)

    def finish(self, serial: int) -> None:
        """Client: all is sent, wait for StreamFinished. Server: all is safe, the stream is over."""
        self._streams.finish(serial)

    def abort(self, serial: int, error: VirtoryError | None = None) -> None:
        """Give a stream up; nothing happens when it is over already.

        A client waits for StreamAborted; it gives no reason. A server says why.
        """
        self._streams.abort(serial, error)

    # Time and the end

    def tick(self, now: float, *, deaf: bool = False) -> float | None:
        """Ping when it is time; the next time to call this. Raises ConnectionLost: peer is dead.

        `deaf` says that the owner does not read at present, so that silence proves nothing.
        """
        self.wants_tick = False
        if self._keepalive is None or self.closed:
            return None
        if deaf:
            self._keepalive.heard = True
        deadline, ping = self._keepalive.tick(now)
        if ping:
            self._writer.queue(PING_FRAME)
        elif not deadline:
            self.closed = True
            raise ConnectionLost("connection closed due to keepalive timeout")
        return deadline

    def end(self, error: VirtoryError) -> list[Incoming]:
        """Close: what everybody who still waits must be told, PeerDead last."""
        self.closed = True
        self._keepalive = None
        incoming: list[Incoming] = [
            Failure(procedure, serial, error)
            for serial, procedure in self._pending.items()
            if serial not in self._abandoned
        ]
        self._pending.clear()
        self._abandoned.clear()
        self.open_calls = 0
        self._reader.close()
        incoming += self._streams.end(error)
        incoming.append(PeerDead(error))
        return incoming

    def take_strays(self) -> list[int]:
        """Descriptors that arrived and belong to nobody; the caller closes them."""
        strays = self._reader.strays
        if strays:
            self._reader.strays = []
        return strays

    def _state(self) -> str:
        return "the session is closed" if self.closed else f"the session is a {self.role}"

    # What arrives: one method per rule

    def _on_call(self, item: Frame, incoming: list[Incoming]) -> None:
        program, version, number, _, serial, _, data, start, stop, fds = item
        procedure = find(program, number)
        if procedure is None or procedure.version != version or procedure.event:
            self._answer_unknown(item, incoming)
            return
        args = None
        if procedure.args is not None:
            try:
                args = procedure.args.decode(data, start, stop)
            except XdrError:
                self._reader.strays += fds
                error = RpcError("Unable to decode message payload")
                self._send(procedure, REPLY, serial, ERROR, encode_error(error))
                return
            if number == _SUPPORTS_FEATURE and program == REMOTE.number:
                self._asked_feature(args)
        if procedure.stream is not None:
            self._streams.opening(procedure, serial, args)
        self.open_calls += 1
        incoming.append(Call(procedure, serial, args, fds, stop - start))

    def _asked_feature(self, args: Any) -> None:
        if args.feature == _FEATURE_KEEPALIVE:
            self.start_keepalive()

    def _answer_unknown(self, item: Frame, incoming: list[Incoming]) -> None:
        program = PROGRAMS.get(item.program)
        if program is None or program is KEEPALIVE or program.version != item.version:
            error = RpcError(f"Cannot find program {item.program} version {item.version}")
        else:
            error = _unknown_procedure(item.number)
        unknown = Procedure[None, None](item.program, item.version, item.number, "unknown")
        self._send(unknown, REPLY, item.serial, ERROR, encode_error(error))
        self._reader.strays += item.fds
        incoming.append(UnknownCall(item.program, item.version, item.number, item.serial))

    def _on_reply(self, item: Frame, incoming: list[Incoming]) -> None:
        program, _, number, _, serial, status, data, start, stop, fds = item
        procedure = self._pending.pop(serial, None)
        if procedure is None:
            raise PeerMisbehaved(f"a reply with serial {serial}, which no call waits for")
        if procedure.number != number or procedure.program != program:
            raise PeerMisbehaved(
                f"the reply to {procedure.name} (serial {serial}) names procedure {number} "
                f"of program 0x{program:x}"
            )
        self.open_calls -= 1
        result: Incoming
        if status == ERROR:
            result = Failure(procedure, serial, decode_error(data, start, stop))
        else:
            result = _reply(procedure, serial, data, start, stop, fds)
        if type(result) is Failure:
            self._reader.strays += fds
        if procedure.stream is not None:
            self._settle_stream(serial, result)
        if serial in self._abandoned:
            self._abandoned.discard(serial)
            if type(result) is Reply:
                self._reader.strays += fds
            return
        incoming.append(result)

    def _settle_stream(self, serial: int, result: Incoming) -> None:
        if type(result) is Failure:
            self._streams.refused(serial)
            return
        self._streams.opened(serial)
        if serial in self._abandoned:
            self._streams.abort(serial, None)

    def _on_message(self, item: Frame, incoming: list[Incoming]) -> None:
        if item.program == KEEPALIVE.number:
            if item.number == PING.number:
                self._writer.queue(PONG_FRAME)
            return
        if self.role == SERVER:
            return
        procedure = find(item.program, item.number)
        if procedure is None or procedure.message is None or procedure.version != item.version:
            # An event of a newer server: nothing we can have subscribed to.
            return
        try:
            message = procedure.message.decode(item.data, item.start, item.stop)
        except XdrError as problem:
            raise PeerMisbehaved(
                f"an event {procedure.name} that cannot be decoded: {problem.detail}"
            ) from problem
        incoming.append(Event(procedure, message))

    def _on_stream(self, item: Frame, incoming: list[Incoming]) -> None:
        self._streams.packet(item, incoming)


def _reply(
    procedure: AnyProcedure, serial: int, data: bytes, start: int, stop: int, fds: tuple[int, ...]
) -> Incoming:
    if procedure.ret is None:
        return Reply(procedure, serial, None, fds)
    try:
        return Reply(procedure, serial, procedure.ret.decode(data, start, stop), fds)
    except XdrError as problem:
        error = RpcError(f"Unable to decode message payload of {procedure.name}: {problem.detail}")
        return Failure(procedure, serial, error)


def _unknown_procedure(number: int) -> RpcError:
    return RpcError(f"unknown procedure: {number}")


def _kind_of(record: Record | None) -> type[Record] | None:
    return None if record is None else type(record)


def _name_of(record: Record | None) -> str:
    return "nothing" if record is None else type(record).__name__


_STREAM_RULES: Final[dict[tuple[int, int], Any]] = {
    (STREAM, CONTINUE): Session._on_stream,
    (STREAM, OK): Session._on_stream,
    (STREAM, ERROR): Session._on_stream,
    (STREAM_HOLE, CONTINUE): Session._on_stream,
    (MESSAGE, OK): Session._on_message,
}

# (message type, status) → what to do; a pair that is missing breaks the protocol.
_RULES: Final[
    dict[Role, dict[tuple[int, int], Callable[[Session, Frame, list[Incoming]], None]]]
] = {
    SERVER: {
        (CALL, OK): Session._on_call,
        (CALL_WITH_FDS, OK): Session._on_call,
        **_STREAM_RULES,
    },
    CLIENT: {
        (REPLY, OK): Session._on_reply,
        (REPLY, ERROR): Session._on_reply,
        (REPLY_WITH_FDS, OK): Session._on_reply,
        **_STREAM_RULES,
    },
}
