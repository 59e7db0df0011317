"""One message of the protocol as bytes: a length, a 24-byte header, a payload, maybe descriptors.

The rule kept here: a length is checked as soon as its four bytes are there, and memory grows only
with bytes that have really arrived. The data of a large stream packet is handed on as it comes, a
frame for each part: a stream is bytes in order, and joining a packet would copy all of them.
"""

from __future__ import annotations

from struct import Struct

from virtory.codec.xdr import XdrError
from virtory.errors import LocalMisuse, PeerMisbehaved
from virtory.lean import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.wire.procedure import AnyProcedure

# `length program version procedure type serial status`; the length counts itself.
HEADER: Final = Struct(">IIIiiIi")
HEADER_SIZE: Final = HEADER.size
FRAME_MAX: Final = 33554432 + 4
FDS_MAX: Final = 32

# Message types.
CALL: Final = 0
REPLY: Final = 1
MESSAGE: Final = 2
STREAM: Final = 3
CALL_WITH_FDS: Final = 4
REPLY_WITH_FDS: Final = 5
STREAM_HOLE: Final = 6

# Message status.
OK: Final = 0
ERROR: Final = 1
CONTINUE: Final = 2

# Pieces below this size are joined into one write; above, copying costs more than it saves.
_JOIN_BELOW: Final = 65536

# Pieces of an unfinished message from this size on are kept as they came.
_SMALL: Final = 4096

_WITH_FDS: Final = frozenset((CALL_WITH_FDS, REPLY_WITH_FDS))
_COUNT: Final = Struct(">I")
_new = tuple.__new__
_pack = HEADER.pack
_unpack_from = HEADER.unpack_from


class Frame(NamedTuple):
    """A received message; its payload is `data[start:stop]`, so that nothing is copied."""

    program: int
    version: int
    number: int
    kind: int
    serial: int
    status: int
    data: bytes
    start: int
    stop: int
    fds: tuple[int, ...]


class Chunk(NamedTuple):
    """What to write next: all of `data`, then each of `fds` alone.

    Each descriptor goes in a `sendmsg` of its own: one byte `b"\\0"` with that one descriptor as
    SCM_RIGHTS. Descriptors never travel with `data`, and the byte is not part of `data`. Who writes
    the chunk owns the descriptors and closes them, sent or not.
    """

    data: bytes
    fds: tuple[int, ...] = ()


class FrameWriter:
    """Gathers messages until somebody takes them to write them."""

    __slots__ = ("_chunks", "_pieces", "queued")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._chunks: list[Chunk] = []
        self.queued = 0

    def send(
        self,
        procedure: AnyProcedure,
        kind: int,
        serial: int,
        status: int,
        body: bytes,
        fds: Sequence[int] = (),
    ) -> None:
        """Queue one message; raises XdrError when it is too long for the protocol."""
        if fds:
            if len(fds) > FDS_MAX:
                raise LocalMisuse(f"{len(fds)} file descriptors in one message, {FDS_MAX} at most")
            body = _COUNT.pack(len(fds)) + body
        length = 28 + len(body)
        if length > FRAME_MAX:
            raise XdrError(f"{procedure.name}: a message of {length} bytes; at most {FRAME_MAX}")
        header = _pack(
            length, procedure.program, procedure.version, procedure.number, kind, serial, status
        )
        self.queued += length
        if length < _JOIN_BELOW:
            self._pieces.append(header + body)
        else:
            self._pieces += (header, body)
        if fds:
            self._close_chunk(tuple(fds))

    def queue(self, data: bytes) -> None:
        """Queue a message that is bytes already."""
        self._pieces.append(data)
        self.queued += len(data)

    def take(self) -> list[Chunk]:
        """Everything queued, in order."""
        if self._pieces:
            self._close_chunk(())
        chunks = self._chunks
        if chunks:
            self._chunks = []
            self.queued = 0
        return chunks

    def _close_chunk(self, fds: tuple[int, ...]) -> None:
        """Turn the pieces into chunks, the last of them followed by `fds`."""
        pieces = self._pieces
        self._pieces = []
        if len(pieces) == 1:
            self._chunks.append(_new(Chunk, (pieces[0], fds)))
        else:
            self._chunks += [Chunk(data) for data in _joined(pieces)]
            if fds:
                self._chunks[-1] = Chunk(self._chunks[-1].data, fds)


def _joined(pieces: list[bytes]) -> list[bytes]:
    """The same bytes in as few writes as pay: small neighbours together, large ones as they are."""
    joined: list[bytes] = []
    small: list[bytes] = []
    for piece in pieces:
        if len(piece) < _JOIN_BELOW:
            small.append(piece)
            continue
        if small:
            joined.append(b"".join(small))
            small = []
        joined.append(piece)
    if small:
        joined.append(b"".join(small))
    return joined


class FrameReader:
    """Cuts a stream of bytes into frames, however it is split.

    Descriptors are matched to messages of the two types that announce them: the message's payload
    starts with their number, and as many single bytes follow the message. Descriptors that nobody
    announced end in `strays`, for the link to close.
    """

    __slots__ = ("_fds", "_have", "_left", "_need", "_packet", "_pieces", "strays")

    def __init__(self) -> None:
        self._packet: tuple[int, ...] = ()  # the header of the stream packet being handed on
        self._left = 0  # how much of its data is still to come
        self._pieces: list[bytes | bytearray] = []  # of the message that is not whole yet
        self._have = 0
        self._need = HEADER_SIZE
        self._fds: list[int] = []
        self.strays: list[int] = []

    def feed(self, data: bytes, fds: tuple[int, ...] = ()) -> list[Frame]:
        """The frames that `data` completes; raises PeerMisbehaved for lengths out of range."""
        frames: list[Frame] = []
        if fds:
            self._fds.extend(fds)
        try:
            self._cut(data, frames)
        except PeerMisbehaved:
            self.disown(frames)
            raise
        if self._fds:
            self._drop_strays()
        return frames

    def disown(self, frames: list[Frame]) -> None:
        """Nobody will handle these messages: their descriptors are strays."""
        for item in frames:
            self.strays += [fd for fd in item.fds if fd not in self.strays]

    @property
    def unfinished(self) -> int:
        """Bytes that are kept of a message that is not whole yet."""
        return self._have

    def close(self) -> list[int]:
        """Forget everything; the descriptors that must be closed."""
        self._pieces = []
        self._have = 0
        self.strays += self._fds
        self._fds = []
        return self.strays

    def _cut(self, data: bytes, frames: list[Frame]) -> None:
        start = 0
        if self._left:
            start = min(self._left, len(data))
            self._hand_on(data, 0, start, frames)
        elif self._pieces:
            if len(data) < _SMALL:
                self._add_small(data)
            else:
                self._pieces.append(data)
            self._have += len(data)
            if self._have < self._need:
                return
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._have = 0
        end = len(data)
        while True:
            have = end - start
            if have < HEADER_SIZE:
                need = self._needed(data, start, have)
                break
            length, program, version, number, kind, serial, status = _unpack_from(data, start)
            if not HEADER_SIZE <= length <= FRAME_MAX:
                raise _bad_length(length)
            need = length
            if kind in _WITH_FDS:
                need += _announced(data, start, have, length)
            body, stop = start + HEADER_SIZE, start + length
            if have < need:
                if kind == STREAM and status == CONTINUE and need >= _JOIN_BELOW:
                    self._packet = (program, version, number, kind, serial, status)
                    self._left = length - HEADER_SIZE
                    self._hand_on(data, body, end, frames)
                    return
                break
            passed: tuple[int, ...] = ()
            if kind in _WITH_FDS:
                passed = self._take(need - length)
                body += 4
            # What Frame(...) does, in half the time.
            fields = (program, version, number, kind, serial, status, data, body, stop, passed)
            frames.append(_new(Frame, fields))
            start += need
        if have:
            self._pieces.append(data[start:] if start else data)
            self._have = have
            self._need = need

    def _hand_on(self, data: bytes, start: int, stop: int, frames: list[Frame]) -> None:
        """Part of a stream packet that has not come whole: a frame of its own."""
        if stop > start:
            self._left -= stop - start
            frames.append(_new(Frame, (*self._packet, data, start, stop, ())))

    def _add_small(self, data: bytes) -> None:
        """Small pieces share a buffer: each alone would take many times its length."""
        last = self._pieces[-1]
        if isinstance(last, bytearray):
            last += data
        else:
            self._pieces.append(bytearray(data))

    def _needed(self, data: bytes, start: int, have: int) -> int:
        """How many bytes are needed before looking again, with less than a header at hand."""
        if have < 4:
            return 4
        (length,) = _COUNT.unpack_from(data, start)
        if not HEADER_SIZE <= length <= FRAME_MAX:
            raise _bad_length(length)
        return HEADER_SIZE

    def _take(self, count: int) -> tuple[int, ...]:
        if count > len(self._fds):
            raise PeerMisbehaved(
                f"a message announced {count} file descriptors but {len(self._fds)} came with it"
            )
        taken = tuple(self._fds[:count])
        del self._fds[:count]
        return taken

    def _drop_strays(self) -> None:
        """Keep descriptors only while the message at the buffer's head announces some."""
        buffer = b"".join(self._pieces) if self._pieces else b""
        wanted = 0
        if len(buffer) >= HEADER_SIZE + 4 and buffer[19] in _WITH_FDS:
            (wanted,) = _COUNT.unpack_from(buffer, HEADER_SIZE)
        if len(self._fds) > wanted:
            self.strays += self._fds[wanted:]
            del self._fds[wanted:]


def _announced(data: bytes, start: int, have: int, length: int) -> int:
    """How many descriptors a message of the two types with descriptors brings."""
    if length < HEADER_SIZE + 4:
        raise PeerMisbehaved(f"a message with file descriptors has only {length} bytes")
    if have < HEADER_SIZE + 4:
        return 0
    count: int = _COUNT.unpack_from(data, start + HEADER_SIZE)[0]
    if count > FDS_MAX:
        raise PeerMisbehaved(f"a message announced {count} file descriptors; at most {FDS_MAX}")
    return count


def _bad_length(length: int) -> PeerMisbehaved:
    return PeerMisbehaved(f"a message of {length} bytes: must be {HEADER_SIZE} to {FRAME_MAX}")
