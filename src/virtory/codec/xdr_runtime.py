"""What compiled records call at run time: texts, widened characters, and the errors.

The rule kept here: nothing of a peer's making is remembered unless it is short, and then not much.
"""

from __future__ import annotations

from struct import Struct, pack, unpack_from
from struct import error as struct_error

from virtory.codec.xdr import XdrError
from virtory.errors import LocalMisuse
from virtory.lean import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

# Names that come again and again: of typed parameters and of statistics.
_REMEMBERED_LENGTH: Final = 64
_REMEMBERED_COUNT: Final = 4096
_ENCODED: Final[dict[int, dict[str, bytes]]] = {}
_DECODED: Final[dict[bytes, str]] = {}

PAD: Final = (b"", b"\0\0\0", b"\0\0", b"\0")
NONE: Final = b"\0\0\0\0"
_WORD: Final = Struct(">I")
_TWO_WORDS: Final = Struct(">II")


def long(length: int, limit: int, name: str = "a value") -> NoReturn:
    """Refuse a length."""
    raise XdrError(f"{name}: a length of {length}; at most {limit} is allowed")


def short(name: str) -> NoReturn:
    """Refuse truncated data."""
    raise XdrError(f"{name}: the data ends before the record does")


def no_flag(name: str, value: int) -> NoReturn:
    """Refuse what should say whether an optional value follows."""
    raise XdrError(
        f"{name}: {value} says neither that an optional value follows nor that none does"
    )


def has_nul(name: str) -> NoReturn:
    """Refuse a text that C would cut short."""
    raise XdrError(f"{name}: a text contains a zero byte")


def misuse(record: object, problem: Exception) -> NoReturn:
    """Say which record of ours holds a value that is not of its field's type."""
    shown = repr(record)
    if len(shown) > 500:
        shown = f"{shown[:500]}…"
    raise LocalMisuse(f"cannot be encoded ({problem}): {shown}") from problem


def some_text(text: str, limit: int) -> bytes:
    """An optional text that is there."""
    data = text.encode("utf-8", "surrogateescape")
    length = len(data)
    if length > limit:
        long(length, limit)
    return _TWO_WORDS.pack(1, length) + data + PAD[length & 3]


def write_text_arm(kind: int, text: str, limits: dict[int, int]) -> bytes:
    """The arm of a union that is a text."""
    limit = limits.get(kind)
    if limit is None:
        raise ValueError(f"the union has no arm {kind}")
    data = text.encode("utf-8", "surrogateescape")
    length = len(data)
    if length > limit:
        long(length, limit)
    return _TWO_WORDS.pack(kind & 0xFFFFFFFF, length) + data + PAD[length & 3]


def read_text_arm(
    data: bytes, offset: int, kind: int, limits: dict[int, int], name: str
) -> tuple[str, int]:
    """The arm of a union that is a text, and where it ends."""
    limit = limits.get(kind)
    if limit is None:
        raise XdrError(f"{name}: the union has no arm {kind}")
    (length,) = _WORD.unpack_from(data, offset)
    if length > limit:
        long(length, limit, name)
    start = offset + 4
    text = data[start : start + length].decode("utf-8", "surrogateescape")
    if "\0" in text:
        has_nul(name)
    return text, start + length + (-length & 3)


def widened(data: bytes) -> bytes:
    """Bytes as C's `char`s travel: each a signed 4-byte number."""
    return pack(f">{len(data)}i", *memoryview(data).cast("b"))


def narrowed(data: bytes, offset: int, count: int) -> bytes:
    """The bytes that `count` 4-byte numbers stand for."""
    return bytes([number & 255 for number in unpack_from(f">{count}i", data, offset)])


def encoded_texts(limit: int) -> tuple[dict[str, bytes], Callable[[str], bytes]]:
    """The memory of encoded texts of this limit; the function that encodes and remembers one."""
    known = _ENCODED.setdefault(limit, {})

    def remember(text: str) -> bytes:
        data = text.encode("utf-8", "surrogateescape")
        length = len(data)
        if length > limit:
            long(length, limit)
        encoded = _WORD.pack(length) + data + PAD[length & 3]
        if length <= _REMEMBERED_LENGTH and len(known) < _REMEMBERED_COUNT:
            known[text] = encoded
        return encoded

    return known, remember


def decoded_texts() -> tuple[dict[bytes, str], Callable[[bytes], str]]:
    """The memory of decoded texts, and the function that decodes and remembers one."""
    known = _DECODED

    def remember(data: bytes) -> str:
        text = data.decode("utf-8", "surrogateescape")
        if "\0" in text:
            has_nul("a name")
        if len(data) <= _REMEMBERED_LENGTH and len(known) < _REMEMBERED_COUNT:
            known[data] = text
        return text

    return known, remember


WRITER_SCOPE: Final[dict[str, Any]] = {
    "join": b"".join,
    "long": long,
    "misuse": misuse,
    "mistakes": (struct_error, AttributeError, TypeError, ValueError),
    "none": NONE,
    "pack": pack,
    "pad": PAD,
    "some_text": some_text,
    "text_arm": write_text_arm,
    "widened": widened,
}
READER_SCOPE: Final[dict[str, Any]] = {
    "has_nul": has_nul,
    "long": long,
    "narrowed": narrowed,
    "new": object.__new__,
    "new_tuple": tuple.__new__,
    "no_flag": no_flag,
    "nul": "\0",
    "short": short,
    "struct_error": struct_error,
    "text_arm": read_text_arm,
    "unpack_from": unpack_from,
}
