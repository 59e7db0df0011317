"""From an annotated class to what reads and writes it.

The rule kept here: annotations are looked at once, in this file, and nowhere else.
"""

from __future__ import annotations

import functools
import operator
import re
import types
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
)

from virtory.codec.xml import (
    At,
    AttributeMark,
    Declared,
    Element,
    Hex,
    Octal,
    Range,
    Scaled,
    Verbatim,
    Words,
)
from virtory.codec.xml_slots import MISSING, maker

if TYPE_CHECKING:
    from collections.abc import Callable

_DECIMAL = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_OCTAL = re.compile(r"[0-7]{1,8}", re.ASCII)
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]{1,16}", re.ASCII)
_IMPOSSIBLE = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
impossible = re.compile(f"[{_IMPOSSIBLE}]")
"""A character that XML has no way to write: left out where it is met, as by libvirt."""
_special = re.compile(f"[<>&'\"\n\r\t{_IMPOSSIBLE}]").search
_ESCAPES = str.maketrans(
    {
        "<": "&lt;",
        ">": "&gt;",
        "&": "&amp;",
        "'": "&apos;",
        '"': "&quot;",
        "\r": "&#13;",
    }
)
_ATTRIBUTE_ESCAPES = {**_ESCAPES, ord("\n"): "&#10;", ord("\t"): "&#9;"}
_UNITS = {
    "": 1, "b": 1, "byte": 1, "bytes": 1,
    "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50, "e": 1 << 60,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "pib": 1 << 50, "eib": 1 << 60,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "pb": 10**15, "eb": 10**18,
}  # fmt: skip


class Scalar(NamedTuple):
    """How one value is read (raising ValueError with a reason) and written (escaped)."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]


class Field(NamedTuple):
    """One field: where it stands and how its value is read and written."""

    name: str
    default: Any  # MISSING when required
    place: str  # attribute, text, flag, scalar, scaled, inline, element, elements, verbatim
    xml: str  # the attribute's or child element's name
    scalar: Scalar = Scalar(str, str)
    classes: tuple[type[Element], ...] = ()
    attribute: str = ""  # of an inline child
    absent: Any = None
    repeated: bool = False
    size: type[int] = int
    scaled: Scaled | None = None


class Compiled:
    """All that the reader and the writer need to know of one class."""

    def __init__(self, cls: type[Element]) -> None:
        self.cls = cls
        self.when = cls._when
        self.prefixes = cls._prefixes or {}
        self.fields = [_field(declared) for declared in cls.declared()]
        self.maker = maker(cls)
        self.repeated = [field.name for field in self.fields if field.repeated]
        self.attributes = {f.xml: f for f in self.fields if f.place == "attribute"}
        self.text = next((f for f in self.fields if f.place == "text"), None)
        self.required = {f.name: f for f in self.fields if f.default is MISSING}
        self.reading: Any = None  # filled by the reader and the writer on their first use
        self.writing: Any = None

    @functools.cached_property
    def members(self) -> dict[str, type[Element]]:
        """The classes of its child elements, by the elements' names."""
        return {f.xml: f.classes[0] for f in self.fields if f.classes}

    def qualified(self, name: str) -> str:
        """`prefix:name` as lxml spells it."""
        prefix, _, local = name.rpartition(":")
        return f"{{{self.prefixes[prefix]}}}{local}" if prefix else name


_COMPILED: dict[type[Element], Compiled] = {}


def compiled(cls: type[Element]) -> Compiled:
    """What is known of `cls`, worked out once."""
    known = _COMPILED.get(cls)
    if known is None:
        known = _COMPILED[cls] = Compiled(cls)
    return known


def getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that takes the attributes `names` of a value as a tuple."""
    if len(names) == 1:
        (name,) = names
        return lambda value: (getattr(value, name),)
    return operator.attrgetter(*names) if names else lambda value: ()


def escape(text: str) -> str:
    """Text between tags, in libvirt's spelling of the five special characters."""
    return impossible.sub("", text).translate(_ESCAPES) if _special(text) else text


def escape_attribute(text: str) -> str:
    """The value of an attribute; white space that a parser would flatten is kept."""
    return impossible.sub("", text).translate(_ATTRIBUTE_ESCAPES) if _special(text) else text


def multiplier(unit: str) -> int:
    """Bytes in one `unit`.

    Raises:
        ValueError: no such unit.
    """
    try:
        return _UNITS[unit.lower()]
    except KeyError:
        raise ValueError(f"{unit!r} is no unit; use bytes, KiB, MiB, GiB or TiB") from None


def scale(size: int, unit: str) -> tuple[int, str]:
    """`size` bytes counted in `unit`, rounded up; in the largest exact one for `largest`."""
    if unit != "largest":
        return -(-size // multiplier(unit)), unit
    for candidate in ("EiB", "PiB", "TiB", "GiB", "MiB", "KiB"):
        if size and size % multiplier(candidate) == 0:
            return size // multiplier(candidate), candidate
    return size, "bytes"


def integer(text: str, low: int = 0, high: int = 2**64 - 1) -> int:
    """A decimal number between `low` and `high`.

    Raises:
        ValueError: not such a number.
    """
    stripped = text.strip()
    if _DECIMAL.fullmatch(stripped) is None:
        raise ValueError(f"{_shown(text)} is not a whole number")
    return _bounded(int(stripped), low, high)


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 80 else repr(text[:77] + "...")


def _bounded(number: int, low: int, high: int) -> int:
    if not low <= number <= high:
        raise ValueError(f"{number} is not between {low} and {high}")
    return number


def _unwrap(hint: Any, markers: list[Any]) -> Any:
    """The type inside `Annotated` and `| None`; what annotates it goes into `markers`."""
    origin = get_origin(hint)
    if origin is Annotated:
        inner = get_args(hint)[0]
        markers.extend(hint.__metadata__)
        return _unwrap(inner, markers)
    if origin in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not types.NoneType]
        return _unwrap(kinds[0], markers) if len(kinds) == 1 else tuple(kinds)
    return hint


def _field(declared: Declared) -> Field:
    markers: list[Any] = []
    core = _unwrap(declared.hint(), markers)
    path = next((m for m in markers if isinstance(m, At)), None)
    name = declared.name.removesuffix("_")
    default = MISSING if declared.required else declared.default
    repeated = get_origin(core) is tuple
    if repeated:
        core = _unwrap(get_args(core)[0], markers)
    base = Field(declared.name, default, "", path.path if path else name, repeated=repeated)
    kinds = core if isinstance(core, tuple) else (core,)
    if all(isinstance(kind, type) and issubclass(kind, Element) for kind in kinds):
        if path is None and (repeated or len(kinds) > 1):
            base = base._replace(xml=kinds[0]._tag or name)
        return base._replace(place="element", classes=kinds)
    if core is Verbatim:
        return base._replace(place="verbatim")
    return _scalar_field(base, path, core, markers)


def _scalar_field(base: Field, path: At | None, core: Any, markers: list[Any]) -> Field:
    scaled = next((m for m in markers if isinstance(m, Scaled)), None)
    if scaled is not None:
        place = "text" if base.xml == "." else "scaled"
        return base._replace(place=place, size=core, scaled=scaled)
    if any(isinstance(m, AttributeMark) for m in markers):
        return base._replace(place="attribute", scalar=scalar(core, markers, escape_attribute))
    if path is None or not (set(path.path) & {"@", "."}):
        if core is bool:
            return base._replace(place="flag")
        return base._replace(place="scalar", scalar=scalar(core, markers, escape))
    if path.path == ".":
        return base._replace(place="text", scalar=scalar(core, markers, escape))
    child, _, attribute = path.path.partition("@")
    known = scalar(core, markers, escape_attribute)
    if not child:
        return base._replace(place="attribute", xml=attribute, scalar=known)
    return base._replace(
        place="inline",
        xml=child.rstrip("/"),
        attribute=attribute,
        scalar=known,
        absent=path.absent,
    )


def scalar(core: Any, markers: list[Any], escaped: Callable[[str], str]) -> Scalar:
    """How a value of type `core` is read and written."""
    if get_origin(core) is Literal:
        return _one_of({word: word for word in get_args(core)}, str)
    words = next((m for m in markers if isinstance(m, Words)), None)
    if words is not None:
        spelling = {True: words.true, False: words.false}
        return _one_of({words.true: True, words.false: False}, spelling.__getitem__)
    if core is int:
        return _integer(markers)
    if core is str:
        return Scalar(str, escaped)
    return Scalar(core.parse, lambda value: escaped(str(value)))


def _one_of(values: dict[str, Any], write: Callable[[Any], str]) -> Scalar:
    allowed = ", ".join(values)

    def read(text: str) -> Any:
        try:
            return values[text]
        except KeyError:
            raise ValueError(f"{_shown(text)} is not one of {allowed}") from None

    return Scalar(read, write)


def _integer(markers: list[Any]) -> Scalar:
    bounds = next((m for m in markers if isinstance(m, Range)), Range(0, 2**64 - 1))
    style = next((m for m in markers if isinstance(m, Hex | Octal)), None)
    low, high = bounds.low, bounds.high
    if style is None:
        return Scalar(lambda text: integer(text, low, high), str)
    if isinstance(style, Hex):
        spelling = f"0x%0{style.digits}x"
        return Scalar(lambda text: _prefixed(text, low, high), spelling.__mod__)
    spelling = f"%0{style.digits}o"

    def read_octal(text: str) -> int:
        return _bounded(_octal(text.strip()), low, high)

    return Scalar(read_octal, spelling.__mod__)


def _prefixed(text: str, low: int, high: int) -> int:
    """As C's strtoul with base 0: `0x` is hexadecimal, a leading zero octal."""
    stripped = text.strip()
    if _HEXADECIMAL.fullmatch(stripped):
        return _bounded(int(stripped, 16), low, high)
    if stripped.startswith("0") and stripped != "0":
        return _bounded(_octal(stripped), low, high)
    return integer(stripped, low, high)


def _octal(text: str) -> int:
    if _OCTAL.fullmatch(text) is None:
        raise ValueError(f"{_shown(text)} is not an octal number")
    return int(text, 8)
