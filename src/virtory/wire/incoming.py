"""What a session hands to its owner: one small class per thing that can arrive.

The rule kept here: whatever holds file descriptors owns them; who takes it out of the session's
list closes them.
"""

from __future__ import annotations

from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.codec.xdr import Record
    from virtory.errors import VirtoryError
    from virtory.wire.procedure import AnyProcedure


class Incoming:
    """Anything that arrived. Tell the kinds apart with `match` or `type(...) is`."""

    __slots__: tuple[str, ...] = ()
    __match_args__: tuple[str, ...] = ()

    def __repr__(self) -> str:
        fields = (f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({', '.join(fields)})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__
        )

    __hash__ = object.__hash__


class Call(Incoming):
    """A client asks: answer it once, with `Session.reply`, `.fail` or `.refuse`.

    `args` is decoded, `None` where the procedure has no arguments. `answered` turns true with the
    answer. `fds` arrived with it and belong to whoever handles the call. `size` is its payload's
    in bytes.
    """

    __slots__ = ("answered", "args", "fds", "procedure", "serial", "size")
    __match_args__ = ("procedure", "args")

    def __init__(
        self,
        procedure: AnyProcedure,
        serial: int,
        args: Record | None = None,
        fds: tuple[int, ...] = (),
        size: int = 0,
    ) -> None:
        self.procedure = procedure
        self.serial = serial
        self.args = args
        self.fds = fds
        self.size = size
        self.answered = False


class UnknownCall(Incoming):
    """A call for a program, version or number we do not have, already answered: for the log."""

    __slots__ = ("number", "program", "serial", "version")
    __match_args__ = ("program", "number")

    def __init__(self, program: int, version: int, number: int, serial: int) -> None:
        self.program = program
        self.version = version
        self.number = number
        self.serial = serial


class Reply(Incoming):
    """The answer to our call `serial`; `ret` is what its procedure returns, None for nothing."""

    __slots__ = ("fds", "procedure", "ret", "serial")
    __match_args__ = ("serial", "ret")

    def __init__(
        self,
        procedure: AnyProcedure,
        serial: int,
        ret: Any = None,
        fds: tuple[int, ...] = (),
    ) -> None:
        self.procedure = procedure
        self.serial = serial
        self.ret = ret
        self.fds = fds


class Failure(Incoming):
    """Our call `serial` failed: with the peer's error, or because the connection ended."""

    __slots__ = ("error", "procedure", "serial")
    __match_args__ = ("serial", "error")

    def __init__(self, procedure: AnyProcedure, serial: int, error: VirtoryError) -> None:
        self.procedure = procedure
        self.serial = serial
        self.error = error


class Event(Incoming):
    """The server tells something that was subscribed to."""

    __slots__ = ("message", "procedure")
    __match_args__ = ("procedure", "message")

    def __init__(self, procedure: AnyProcedure, message: Record) -> None:
        self.procedure = procedure
        self.message = message


class StreamData(Incoming):
    """Bytes of the stream opened by call `serial`; empty bytes mean the sender has no more.

    `view` is the same without a copy, for whoever uses it up before the next read.
    """

    __slots__ = ("serial", "view")
    __match_args__ = ("serial", "data")

    def __init__(self, serial: int, data: bytes | memoryview) -> None:
        self.serial = serial
        self.view = data

    @property
    def data(self) -> bytes:
        """The bytes, as a copy of their own."""
        return bytes(self.view)


class StreamHole(Incoming):
    """`length` zero bytes that were not sent; only on streams opened as sparse."""

    __slots__ = ("length", "serial")
    __match_args__ = ("serial", "length")

    def __init__(self, serial: int, length: int) -> None:
        self.serial = serial
        self.length = length


class StreamFinished(Incoming):
    """The peer is done with the stream.

    At the server: the client has sent everything and waits; answer with `Session.finish` when the
    data is safe, or with `Session.abort`. At the client: the server has confirmed our `finish`.
    """

    __slots__ = ("serial",)
    __match_args__ = ("serial",)

    def __init__(self, serial: int) -> None:
        self.serial = serial


class StreamAborted(Incoming):
    """The stream is over before its end; the session has answered what needs an answer.

    `error` is what the peer says went wrong, None when it gave no reason (a client that gave up, or
    the server's confirmation of our own `abort`).
    """

    __slots__ = ("error", "serial")
    __match_args__ = ("serial", "error")

    def __init__(self, serial: int, error: VirtoryError | None = None) -> None:
        self.serial = serial
        self.error = error


class PeerDead(Incoming):
    """The last value of a session: the connection is over, for the reason in `error`."""

    __slots__ = ("error",)
    __match_args__ = ("error",)

    def __init__(self, error: VirtoryError) -> None:
        self.error = error
