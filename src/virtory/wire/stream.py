"""Bytes that follow a call: data packets, holes, and how a stream ends.

The rule kept here: a stream is known by its call's serial and lives from that call until one side
has confirmed its end; packets for a stream that is over are dropped, as the two ends may cross.

How a stream goes, seen on the wire (every packet carries the call's serial and procedure):
    download   server: CONTINUE data …, CONTINUE empty; client: OK; server: OK
    upload     client: CONTINUE data …, OK; server, once the data is safe: OK
    given up   client: ERROR, empty; server: OK. Or server: ERROR with an error record, and no more
"""

from __future__ import annotations

from virtory.codec.xdr import Hyper, Record, UInt, XdrError
from virtory.errors import LocalMisuse, PeerMisbehaved, RpcError, VirtoryError
from virtory.lean import TYPE_CHECKING, Final
from virtory.wire.failure import decode_error, encode_error
from virtory.wire.frame import CONTINUE, ERROR, OK, STREAM, STREAM_HOLE, Frame, FrameWriter
from virtory.wire.incoming import Incoming, StreamAborted, StreamData, StreamFinished, StreamHole

if TYPE_CHECKING:
    from virtory.wire.procedure import AnyProcedure

# The most data libvirt's own ends put into one packet.
PACKET_MAX: Final = 262120

# Bit 0 of the flags of a procedure that allows holes.
_SPARSE: Final = 1


class NetStreamHole(Record):
    """The payload of a hole: `length` bytes of zeroes that need not be sent."""

    length: Hyper
    flags: UInt = 0


# States. A stream is OPENING until its call is answered. A server's is PEER_FINISHED once the
# client has sent everything; a client's is FINISHING or ABORTING until the server confirms.
OPENING: Final = "is not open yet"
OPEN: Final = "is open"
PEER_FINISHED: Final = "was finished by the peer"
FINISHING: Final = "is finishing"
ABORTING: Final = "is being aborted"


class Stream:
    """The state of one stream at one end."""

    __slots__ = ("procedure", "reads", "serial", "sparse", "state", "writes")

    def __init__(
        self, procedure: AnyProcedure, serial: int, args: Record | None, *, server: bool
    ) -> None:
        self.procedure = procedure
        self.serial = serial
        self.state = OPENING
        self.sparse = procedure.sparse and bool(getattr(args, "flags", 0) & _SPARSE)
        self.reads = procedure.stream in ("both", "write" if server else "read")
        self.writes = procedure.stream in ("both", "read" if server else "write")


class Streams:
    """All streams of one end of a connection."""

    __slots__ = ("_open", "_send", "_server")

    def __init__(self, writer: FrameWriter, *, server: bool) -> None:
        self._send = writer.send
        self._server = server
        self._open: dict[int, Stream] = {}

    # The call that opens a stream

    def opening(self, procedure: AnyProcedure, serial: int, args: Record | None) -> None:
        """A call that opens a stream went by; early packets are taken from now on."""
        if serial in self._open:
            raise PeerMisbehaved(f"serial {serial} already names an open stream")
        self._open[serial] = Stream(procedure, serial, args, server=self._server)

    def opened(self, serial: int) -> None:
        """That call succeeded."""
        stream = self._open.get(serial)
        if stream is not None and stream.state is OPENING:
            stream.state = OPEN

    def refused(self, serial: int) -> None:
        """That call failed, or nobody waits for it."""
        self._open.pop(serial, None)

    # Sending

    def send_data(self, serial: int, data: bytes) -> None:
        """Queue data in packets as libvirt cuts them; empty data says that there is no more."""
        stream = self._writable(serial)
        for start in range(0, len(data) or 1, PACKET_MAX):
            body = data[start : start + PACKET_MAX] if len(data) > PACKET_MAX else data
            self._send(stream.procedure, STREAM, serial, CONTINUE, body)

    def send_hole(self, serial: int, length: int) -> None:
        stream = self._writable(serial)
        if not stream.sparse:
            raise LocalMisuse(f"stream {serial} was not opened as sparse; send zeroes")
        hole = NetStreamHole(length=length).encode()
        self._send(stream.procedure, STREAM_HOLE, serial, CONTINUE, hole)

    def finish(self, serial: int) -> None:
        stream = self._known(serial)
        if stream.state in (OPENING, FINISHING, ABORTING):
            raise LocalMisuse(f"stream {serial} {stream.state}, so cannot be finished")
        self._send(stream.procedure, STREAM, serial, OK, b"")
        if self._server:
            del self._open[serial]
        else:
            stream.state = FINISHING

    def abort(self, serial: int, error: VirtoryError | None) -> None:
        stream = self._open.get(serial)
        if stream is None or stream.state is ABORTING:
            return
        if stream.state is OPENING:
            raise LocalMisuse(f"stream {serial} {stream.state}, so cannot be aborted")
        body = b"" if error is None else encode_error(error)
        self._send(stream.procedure, STREAM, serial, ERROR, body)
        if self._server:
            del self._open[serial]
        else:
            stream.state = ABORTING

    # Receiving

    def packet(self, item: Frame, incoming: list[Incoming]) -> None:
        """A packet of type STREAM or STREAM_HOLE."""
        stream = self._open.get(item.serial)
        if stream is None:
            return
        procedure = stream.procedure
        if (item.program, item.number) != (procedure.program, procedure.number):
            raise PeerMisbehaved(
                f"stream {item.serial} belongs to {procedure.name}, "
                f"not to procedure {item.number} of program 0x{item.program:x}"
            )
        if item.status == ERROR:
            self._aborted(stream, item, incoming)
        elif stream.state is ABORTING:
            if item.status == OK:
                del self._open[stream.serial]
                incoming.append(StreamAborted(stream.serial))
        elif item.status == OK:
            self._finished(stream, incoming)
        elif not stream.reads:
            raise PeerMisbehaved(f"{procedure.name} takes no data from a peer of this role")
        elif stream.state is not PEER_FINISHED:
            incoming.append(_content(stream, item))

    def end(self, error: VirtoryError) -> list[Incoming]:
        """The connection is over, and every stream that somebody watches with it."""
        lost: list[Incoming] = [
            StreamAborted(stream.serial, error)
            for stream in self._open.values()
            if stream.state is not OPENING
        ]
        self._open.clear()
        return lost

    def _finished(self, stream: Stream, incoming: list[Incoming]) -> None:
        if self._server:
            if stream.state is PEER_FINISHED:
                return
            stream.state = PEER_FINISHED
        else:
            del self._open[stream.serial]
        incoming.append(StreamFinished(stream.serial))

    def _aborted(self, stream: Stream, item: Frame, incoming: list[Incoming]) -> None:
        error = decode_error(item.data, item.start, item.stop) if item.stop > item.start else None
        if self._server:
            self._send(stream.procedure, STREAM, stream.serial, OK, b"")
        del self._open[stream.serial]
        incoming.append(StreamAborted(stream.serial, error))

    def _known(self, serial: int) -> Stream:
        stream = self._open.get(serial)
        if stream is None:
            raise RpcError(f"there is no open stream with serial {serial}")
        return stream

    def _writable(self, serial: int) -> Stream:
        stream = self._known(serial)
        if stream.state is not OPEN and stream.state is not PEER_FINISHED:
            raise LocalMisuse(f"stream {serial} {stream.state}, so takes no data")
        if not stream.writes:
            raise LocalMisuse(f"the stream of {stream.procedure.name} goes the other way")
        return stream


def _content(stream: Stream, item: Frame) -> Incoming:
    if item.kind == STREAM:
        return StreamData(stream.serial, memoryview(item.data)[item.start : item.stop])
    if not stream.sparse:
        raise PeerMisbehaved(f"a hole in stream {stream.serial}, which was not opened as sparse")
    try:
        hole = NetStreamHole.decode(item.data, item.start, item.stop)
    except XdrError as problem:
        raise PeerMisbehaved(f"a hole that cannot be decoded: {problem.detail}") from problem
    if hole.length < 0 or hole.flags:
        raise PeerMisbehaved(f"a hole of {hole.length} bytes with flags 0x{hole.flags:x}")
    return StreamHole(stream.serial, hole.length)
