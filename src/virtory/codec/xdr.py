"""XDR (RFC 4506): annotated classes ⇄ bytes, compiled at first use.

The rule kept here: a length is held against its limit and against the bytes at hand before anything
is made of it; whatever the input, decoding ends in a record or in `XdrError`.

A record is a class with annotated fields and nothing else:

    class DomainGetInfoArgs(Record):
        dom: NonnullDomain
        flags: UInt = 0

Creating the class does no work. The first construction, encoding and decoding each compile a
function for exactly this class: neighbouring fields of fixed size become one `struct.Struct`,
strings and nested records are inlined, so no description is interpreted when a message travels.

Field types
    Int UInt Hyper UHyper Double      numbers of 4, 4, 8, 8 and 8 bytes
    Char UChar UShort                 C's small numbers, which XDR widens to 4 bytes
    Annotated[str, String(max)]       UTF-8; bytes that are not travel as surrogate escapes
    Annotated[bytes, Opaque(max)]     bytes, `FixedOpaque(n)` exactly n of them
    Annotated[bytes, CharArray(max)]  C's `char x<max>`: every byte widened to 4;
                                      `FixedCharArray(n)` is `char x[n]`, padded with zeroes,
                                      which decoding strips
    Annotated[list[X], Array(max)]    a list
    X | None                          an optional
    a Record, or a NamedTuple whose fields are annotated like a record's
    Annotated[..., Union("kind", {1: Int, …})]
                                      the arm of a union whose discriminant is the field before it
A NamedTuple is encoded from any tuple of its shape and decoded to itself.
"""

from __future__ import annotations

from virtory.errors import RpcError
from virtory.lean import TYPE_CHECKING, Annotated, Any, dataclass_transform

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Self


class XdrError(RpcError):
    """Bytes that do not hold what the record declares, or a value beyond the protocol's limits."""


# The marks of a field's type. They are told apart by class alone; as this is on every program's way
# to its first call, they are plain classes, which take a twentieth of a named tuple's time to make.


class Scalar:
    """A number; `code` is its struct code."""

    __slots__ = __match_args__ = ("code",)

    def __init__(self, code: str) -> None:
        self.code = code


class _Limited:
    __slots__ = __match_args__ = ("limit",)

    def __init__(self, limit: int) -> None:
        self.limit = limit


class String(_Limited):
    """UTF-8 text of at most `limit` bytes."""

    __slots__ = ()


class Opaque(_Limited):
    """At most `limit` bytes."""

    __slots__ = ()


class CharArray(_Limited):
    """At most `limit` bytes, each of which travels as a 4-byte number."""

    __slots__ = ()


class Array(_Limited):
    """A list of at most `limit` items."""

    __slots__ = ()


class _Sized:
    __slots__ = __match_args__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size


class FixedOpaque(_Sized):
    """Exactly `size` bytes."""

    __slots__ = ()


class FixedCharArray(_Sized):
    """`size` bytes, each of which travels as a 4-byte number; shorter values are padded."""

    __slots__ = ()


class Interned:
    """Beside String: the same few values come again and again, so their encodings are kept."""

    __slots__ = ()


class Union:
    """The arm of a union, chosen by the value of the earlier field `discriminant`."""

    __slots__ = ("arms", "discriminant")

    def __init__(self, discriminant: str, arms: dict[int, Any]) -> None:
        self.discriminant = discriminant
        self.arms = arms


Int = Annotated[int, Scalar("i")]
UInt = Annotated[int, Scalar("I")]
Hyper = Annotated[int, Scalar("q")]
UHyper = Annotated[int, Scalar("Q")]
Double = Annotated[float, Scalar("d")]
Char = Int
UChar = UInt
UShort = UInt


@dataclass_transform()
class Record:
    """The base of every record: constructor by position or name, `==`, `repr`, `encode`, `decode`.

    What looks like three methods here is replaced, on a class's first use, by functions compiled
    for it; these only do that and call them.
    """

    if not TYPE_CHECKING:

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            _compiler().compile_init(type(self))
            type(self).__init__(self, *args, **kwargs)

    def __init_subclass__(cls) -> None:
        if cls.__base__ is not Record:
            raise TypeError(f"{cls.__name__}: a record has no subclasses")

    def encode(self) -> bytes:
        """The record as bytes.

        Raises XdrError when a string or list is longer than the protocol allows, and LocalMisuse
        when a field's value is not of its type.
        """
        _compiler().compile_encode(type(self))
        return type(self).encode(self)

    @classmethod
    def decode(cls, data: bytes, offset: int = 0, end: int | None = None) -> Self:
        """The record at `offset` in `data`; bytes after it, up to `end`, are ignored.

        Raises XdrError when `data[offset:end]` does not hold such a record.
        """
        _compiler().compile_decode(cls)
        return cls.decode(data, offset, end)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # a record changes

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({fields})"


def _compiler() -> ModuleType:
    from virtory.codec import xdr_compiler

    return xdr_compiler
