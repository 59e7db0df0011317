"""An annotated class is an XML element: compiled once, it parses and it formats.

The rule kept here: one declaration serves both directions, so that what is read is what is written,
in the order of the declaration; and nothing is lost in silence: an element or attribute that no
declaration names is a problem with its XPath.

    class Driver(Element):
        name: Attr[str | None] = None                        # <driver name='qemu'
        cache: Attr[Literal["none", "writeback"] | None] = None  #  cache='none'/>

    class Disk(Element, tag="disk"):
        driver: Driver | None = None                         # <driver …/>
        serial: str | None = None                            # <serial>text</serial>
        readonly: bool = False                               # <readonly/>
        boot_order: Annotated[int | None, At("boot/@order")] = None   # <boot order='1'/>
        startup: Annotated[str | None, At("@startupPolicy")] = None   # an attribute, renamed

A field is a child element of the field's name unless marked otherwise. A field without a default is
required. Values are frozen, compare by content, and are changed by `dataclasses.replace`. Classes
are compiled on first use, since hundreds of them are imported and few are used.
"""

from __future__ import annotations

import functools
import sys
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    NamedTuple,
    NoReturn,
    TypeVar,
    cast,
    dataclass_transform,
)

from virtory.codec.xml_slots import maker

if TYPE_CHECKING:
    import dataclasses
    from collections.abc import Iterator, Mapping

    from virtory.errors import VirtoryError

T = TypeVar("T")
E = TypeVar("E", bound="Element")

MAX_BYTES = 4 * 1024 * 1024
"""The longest text that is parsed: libvirt's own limit for a string on the wire."""

MAX_DEPTH = 256
"""The deepest nesting of elements that is parsed, which is also libxml2's own limit."""

NAMED = 50
"""How many problems an error names; the rest are counted, since finding a place costs time."""

MOST = 1000
"""How many problems end the reading at once."""


class Mark:
    """What `Annotated` carries; equal to itself only, since `typing` mixes up equal ones."""

    __slots__ = ()


class At(Mark):
    """Where a field's value is found, relative to its element.

    `name`: a child element; `@name`: an attribute; `name/@attribute`: an attribute of a child that
    has nothing else of interest; `.`: the element's own text. `absent` is the value meant by
    `<name/>` without the attribute.
    """

    __slots__ = ("absent", "path")

    def __init__(self, path: str, absent: object = None) -> None:
        self.path = path
        self.absent = absent


class Hex(Mark):
    """An integer written as `0x` and at least `digits` hexadecimal digits."""

    __slots__ = ("digits",)

    def __init__(self, digits: int) -> None:
        self.digits = digits


class Octal(Mark):
    """An integer written as at least `digits` octal digits."""

    __slots__ = ("digits",)

    def __init__(self, digits: int) -> None:
        self.digits = digits


class Range(Mark):
    """The smallest and largest integer allowed, both included."""

    __slots__ = ("high", "low")

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high


class Words(Mark):
    """How a bool is written."""

    __slots__ = ("false", "true")

    def __init__(self, true: str, false: str) -> None:
        self.true = true
        self.false = false


class Scaled(Mark):
    """A number of bytes in an element with a `unit` attribute.

    `unit` is the one written, or `largest` for the largest that leaves a whole number; `default`
    the one meant when the attribute is absent.
    """

    __slots__ = ("default", "unit")

    def __init__(self, unit: str = "KiB", default: str | None = None) -> None:
        self.unit = unit
        self.default = default or unit


class AttributeMark(Mark):
    """Marks `Attr`."""

    __slots__ = ()


Attr = Annotated[T, AttributeMark()]
"""An attribute named as the field is."""

Text = Annotated[T, At(".")]
"""The text between the element's own tags."""

YesNo = Annotated[bool, Words("yes", "no")]
OnOff = Annotated[bool, Words("on", "off")]


class Verbatim(str):
    """One whole element kept as text, with its `xmlns`, indented for where it stood."""

    __slots__ = ()


class Problem(NamedTuple):
    """What is wrong at one place; `unsupported` when it is valid but not served here."""

    xpath: str
    message: str
    unsupported: bool = False


class Declared(NamedTuple):
    """One field as declared: `required` says that it has no default."""

    name: str
    default: object
    required: bool
    annotation: str
    module: str

    def hint(self) -> Any:
        """Its annotation, evaluated where the class was written."""
        return _evaluated(self.annotation, self.module)


@functools.cache
def _evaluated(annotation: str, module: str) -> Any:
    return eval(annotation, vars(sys.modules[module]))


class _Fields:
    """`__dataclass_fields__`, made when `dataclasses` first asks for it."""

    def __get__(self, instance: object, owner: type[Element]) -> dict[str, dataclasses.Field[Any]]:
        import dataclasses

        specification = [
            (field.name, Any)
            if field.required
            else (field.name, Any, dataclasses.field(default=field.default, hash=False))
            for field in sorted(owner.declared(), key=lambda field: not field.required)
        ]
        made = dataclasses.make_dataclass("_", specification, eq=False, kw_only=True)
        fields = {field.name: field for field in dataclasses.fields(made)}
        owner.__dataclass_fields__ = fields
        return fields


@dataclass_transform(frozen_default=True, kw_only_default=True, eq_default=True)
class ElementType(type):
    """Turns annotations into slots, at a fraction of the price of `dataclasses.dataclass`."""

    _own: dict[str, Declared]
    _declared: tuple[Declared, ...]

    def __new__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        **options: Any,
    ) -> ElementType:
        """Take the defaults out of the body, since a slot and a class attribute clash."""
        own = {}
        for field, annotation in namespace.get("__annotations__", {}).items():
            if not annotation.startswith("ClassVar"):
                own[field] = Declared(
                    field,
                    namespace.get(field),
                    field not in namespace,
                    annotation,
                    namespace["__module__"],
                )
                namespace.pop(field, None)
        namespace["__slots__"] = tuple(own)
        made = super().__new__(cls, name, bases, namespace)
        leading: dict[str, Declared] = {}
        following: dict[str, Declared] = {}
        for parent in reversed(made.__mro__[1:]):
            place = following if parent.__dict__.get("_trailing") else leading
            place.update(parent.__dict__.get("_own") or {})
        made._own = own
        fields = {**leading, **own, **{k: v for k, v in following.items() if k not in own}}
        if (first := options.pop("first", None)) is not None:
            fields = {first: fields[first], **fields}
        if (last := options.pop("last", None)) is not None:
            fields[last] = fields.pop(last)
        made._declared = tuple(fields.values())
        for option in ("tag", "when", "prefixes", "trailing", "opened"):
            if option in options:
                setattr(made, f"_{option}", options.pop(option))
        if options:
            raise TypeError(f"{name}: unknown class options {', '.join(options)}")
        return made

    def __init__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        tag: str | None = None,
        when: tuple[str, str] | None = None,
        prefixes: dict[str, str] | None = None,
        trailing: bool = False,
        first: str | None = None,
        last: str | None = None,
        opened: bool = False,
    ) -> None:
        """Accept the options that `__new__` has stored.

        Args:
            name: the class's name.
            bases: its parents.
            namespace: its body.
            tag: the element's name where it stands in a list or is the root.
            when: an attribute and its value that tell this class from others of a union.
            prefixes: namespace prefixes used in field names, and their URIs.
            trailing: subclasses' own fields are written before the ones declared here.
            first: the field that is written before all others.
            last: the field that is written after all others.
            opened: written with two tags even when it is empty.
        """
        super().__init__(name, bases, namespace)


class Element(metaclass=ElementType):
    """The parent of every declared element: a frozen value with keyword arguments only."""

    _own: ClassVar[dict[str, Declared]]
    _declared: ClassVar[tuple[Declared, ...]] = ()
    _tag: ClassVar[str | None] = None
    _when: ClassVar[tuple[str, str] | None] = None
    _prefixes: ClassVar[dict[str, str] | None] = None
    _trailing: ClassVar[bool] = False
    _opened: ClassVar[bool] = False
    # A descriptor, which mypy does not expect there.
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]] = _Fields()  # type: ignore[assignment]

    def __new__(cls: type[E], **values: Any) -> E:
        known = maker(cls)
        made = known.fresh()
        _set(made, cls, values)
        for name in known.required:
            if name not in values:
                raise TypeError(f"{cls.__name__}: missing {name!r}")
        made.__class__ = cls
        return cast("E", made)

    @classmethod
    def declared(cls) -> tuple[Declared, ...]:
        """Its fields, in the order in which they are written."""
        return cls._declared

    @property
    def _self(self: E) -> E:
        return self

    def _contents(self) -> Iterator[object]:
        return (getattr(self, field.name) for field in self._declared)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return tuple(self._contents()) == tuple(other._contents())

    def __hash__(self) -> int:
        return hash((type(self), *self._contents()))

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={value!r}"
            for field, value in zip(self._declared, self._contents(), strict=True)
            if field.required or value != field.default
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: use dataclasses.replace")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: use dataclasses.replace")

    def __copy__(self: E) -> E:
        return self

    def __deepcopy__(self: E, memo: object) -> E:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        values = {field.name: getattr(self, field.name) for field in self._declared}
        return functools.partial(type(self), **values), ()


def _set(made: Any, cls: type[Element], values: dict[str, Any]) -> None:
    """Fill slots of an element of `cls` that is not frozen yet."""
    try:
        for name, value in values.items():
            setattr(made, name, value)
    except AttributeError:
        unknown = values.keys() - {field.name for field in cls.declared()}
        raise TypeError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}") from None


def replaced(element: E, **changes: Any) -> E:
    """As `dataclasses.replace`, at a tenth of the price: the passes of a define call it often."""
    cls = type(element)
    made: Any = maker(cls).copy(element)
    _set(made, cls, changes)
    made.__class__ = cls
    return cast("E", made)


def parse(cls: type[E], text: str | bytes, *, lenient: bool = False) -> E:
    """The value that `text` describes, its root element being `cls`.

    Args:
        cls: a class declared with `tag=`.
        text: one XML document.
        lenient: pass over elements and attributes that no declaration names, for reading what a
            newer or fuller implementation wrote.

    Raises:
        XmlError: not well-formed, hostile, or with values that no implementation allows; the
            message lists all problems, each with its XPath.
        ConfigUnsupported: the only problems are elements or attributes that are not served.
    """
    from virtory.codec.xml_reader import read

    return read(cls, text, lenient)


def format(value: Element, *, indent: int = 0) -> str:
    """The element as text in libvirt's style, ending with a newline.

    Args:
        value: an element whose class was declared with `tag=`.
        indent: levels (of two spaces) by which every line is shifted.
    """
    from virtory.codec.xml_writer import write

    return write(value, indent)


def error_of(problems: list[Problem], what: str) -> VirtoryError:
    """One error that lists every problem; `what` names the document, such as `domain`."""
    from virtory.errors import ConfigUnsupported, XmlError

    shown = [f"{xpath}: {message}" for xpath, message, _ in problems[:NAMED]]
    if len(problems) > NAMED:
        shown.append(f"and {len(problems) - NAMED} more")
    detail = shown[0]
    if len(problems) > 1:
        detail = f"{len(problems)} problems in the {what} XML:\n  " + "\n  ".join(shown)
    if all(problem.unsupported for problem in problems):
        return ConfigUnsupported(detail)
    return XmlError(detail)


def parse_any(
    classes: Mapping[str, type[Element]], text: str | bytes, *, lenient: bool = False
) -> Element:
    """As `parse`, with the class chosen from `classes` by the root element's name."""
    from virtory.codec.xml_reader import read_any

    return read_any(classes, text, lenient)


def members(cls: type[Element]) -> dict[str, type[Element]]:
    """The classes of `cls`'s child elements, by the elements' names."""
    from virtory.codec.xml_compile import compiled

    return compiled(cls).members


def verbatim_child(text: Verbatim, uri: str) -> str | None:
    """The child in namespace `uri` of a kept element, its namespace taken off."""
    from virtory.codec.xml_verbatim import child

    return child(text, uri)


def verbatim_with_child(
    text: Verbatim | None, tag: str, uri: str, prefix: str, content: str | None, level: int
) -> Verbatim | None:
    """A kept element with its child in namespace `uri` replaced, added or (None) removed.

    Raises:
        XmlError: `content` is not well-formed.
    """
    from virtory.codec.xml_verbatim import with_child

    changed = with_child(text, tag, uri, prefix, content, level)
    return None if changed is None else Verbatim(changed)
