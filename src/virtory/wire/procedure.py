"""What a procedure is, and where to find one by its number.

The rule kept here: a procedure is declared once, beside its records, and everything that
dispatches, checks access, logs or traces reads that declaration.

A file of `wire/remote/` imports nothing of the others but `types`, and `find` imports only the file
that declares the number asked for: a client that lists domains never loads the storage records.
"""

from __future__ import annotations

from virtory.lean import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virtory.codec.xdr import Record

A = TypeVar("A", bound="Record | None", covariant=True)
R = TypeVar("R", bound="Record | None", covariant=True)
_A = TypeVar("_A", bound="Record")
_R = TypeVar("_R", bound="Record")

StreamDirection = Literal["read", "write", "both"]


class Procedure(Generic[A, R]):
    """One numbered call or event of a program.

    Attributes:
        program, version, number: how it is named on the wire.
        name: libvirt's name without the program's prefix: `DOMAIN_GET_INFO`.
        args, ret: the records of a call; None where the body is empty.
        event: true for messages that nobody answers; false for calls.
        message: the record of an event; None for calls and for keepalive's empty messages.
        acl: permissions a caller needs, in libvirt's notation `object:permission[:FLAG]`; a third
            part makes it needed only when that flag is set (`!` only when it is not).
        acl_filter: permissions that decide which objects a list shows.
        high: libvirt's priority workers serve it: it never waits for a guest.
        stream: who sends data once the call has been answered, seen from the client: "read",
            "write" or "both"; None for ordinary calls.
        sparse: bit 0 of the arguments' flags allows holes in the stream.
    """

    __slots__ = (
        "acl",
        "acl_filter",
        "args",
        "event",
        "high",
        "message",
        "name",
        "number",
        "program",
        "ret",
        "sparse",
        "stream",
        "version",
    )

    def __init__(
        self,
        program: int,
        version: int,
        number: int,
        name: str,
        args: type[Record] | None = None,
        ret: type[Record] | None = None,
        message: type[Record] | None = None,
        *,
        event: bool = False,
        acl: tuple[str, ...] = (),
        acl_filter: tuple[str, ...] = (),
        high: bool = False,
        stream: StreamDirection | None = None,
        sparse: bool = False,
    ) -> None:
        self.program = program
        self.version = version
        self.number = number
        self.name = name
        self.args = args
        self.ret = ret
        self.message = message
        self.event = event
        self.acl = acl
        self.acl_filter = acl_filter
        self.high = high
        self.stream = stream
        self.sparse = sparse

    def __repr__(self) -> str:
        return f"<{self.name} 0x{self.program:x}/{self.number}>"


AnyProcedure = Procedure[Any, Any]


class Program:
    """A numbered program with its version; its methods declare its procedures.

    `modules` maps a module's name to the numbers it declares, for loading it only when needed.
    """

    def __init__(self, name: str, number: int, version: int) -> None:
        self.name = name
        self.number = number
        self.version = version
        self.declared: dict[int, AnyProcedure] = {}

    @overload
    def call(
        self,
        name: str,
        number: int,
        args: None,
        ret: None,
        acl: str | tuple[str, ...],
        *,
        acl_filter: str | tuple[str, ...] = ...,
        high: bool = ...,
        stream: StreamDirection | None = ...,
        sparse: bool = ...,
    ) -> Procedure[None, None]: ...
    @overload
    def call(
        self,
        name: str,
        number: int,
        args: type[_A],
        ret: None,
        acl: str | tuple[str, ...],
        *,
        acl_filter: str | tuple[str, ...] = ...,
        high: bool = ...,
        stream: StreamDirection | None = ...,
        sparse: bool = ...,
    ) -> Procedure[_A, None]: ...
    @overload
    def call(
        self,
        name: str,
        number: int,
        args: None,
        ret: type[_R],
        acl: str | tuple[str, ...],
        *,
        acl_filter: str | tuple[str, ...] = ...,
        high: bool = ...,
        stream: StreamDirection | None = ...,
        sparse: bool = ...,
    ) -> Procedure[None, _R]: ...
    @overload
    def call(
        self,
        name: str,
        number: int,
        args: type[_A],
        ret: type[_R],
        acl: str | tuple[str, ...],
        *,
        acl_filter: str | tuple[str, ...] = ...,
        high: bool = ...,
        stream: StreamDirection | None = ...,
        sparse: bool = ...,
    ) -> Procedure[_A, _R]: ...
    def call(
        self,
        name: str,
        number: int,
        args: type[Record] | None,
        ret: type[Record] | None,
        acl: str | tuple[str, ...],
        *,
        acl_filter: str | tuple[str, ...] = (),
        high: bool = False,
        stream: StreamDirection | None = None,
        sparse: bool = False,
    ) -> AnyProcedure:
        """Declare a call; `name` is that of the constant it is bound to."""
        return self._declare(
            Procedure(
                self.number,
                self.version,
                number,
                name,
                args,
                ret,
                acl=_several(acl),
                acl_filter=_several(acl_filter),
                high=high,
                stream=stream,
                sparse=sparse,
            )
        )

    def event(self, name: str, number: int, message: type[Record] | None) -> Procedure[None, None]:
        """Declare a message that nobody answers."""
        return self._declare(
            Procedure(
                self.number,
                self.version,
                number,
                name,
                message=message,
                event=True,
                acl=("none",),
            )
        )

    def _declare(self, procedure: AnyProcedure) -> AnyProcedure:
        if self.declared.setdefault(procedure.number, procedure) is not procedure:
            other = self.declared[procedure.number].name
            raise TypeError(f"{procedure.name} and {other} claim number {procedure.number}")
        return procedure


REMOTE: Final = Program("remote", 0x20008086, 1)
QEMU: Final = Program("qemu", 0x20008087, 1)
KEEPALIVE: Final = Program("keepalive", 0x6B656570, 1)
VIRTORY: Final = Program("virtory", 0x20565254, 1)

PROGRAMS: Final[Mapping[int, Program]] = {
    program.number: program for program in (REMOTE, QEMU, KEEPALIVE, VIRTORY)
}


def find(program: int, number: int) -> AnyProcedure | None:
    """The procedure with this number, or None; imports the file that declares it when needed."""
    known = PROGRAMS.get(program)
    if known is None:
        return None
    return known.declared.get(number) or _load(known, number)


def _load(program: Program, number: int) -> AnyProcedure | None:
    if program is REMOTE:
        from virtory.wire.remote.index import module_of

        module = module_of(number)
        if module is None:
            return None
        __import__(f"virtory.wire.remote.{module}")
    else:
        __import__(f"virtory.wire.{program.name}")
    return program.declared.get(number)


def _several(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names
