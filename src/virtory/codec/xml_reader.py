"""Reads XML text into declared elements, gathering every problem on the way.

The rule kept here: hostile text costs no more than its length. A DOCTYPE is refused before the
parser sees it, so there are no entities to expand and nothing to fetch.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lxml import etree

from virtory.codec.xml import (
    MAX_BYTES,
    MAX_DEPTH,
    MOST,
    NAMED,
    Element,
    Problem,
    Verbatim,
    error_of,
)
from virtory.codec.xml_compile import Compiled, Field, compiled, integer, multiplier
from virtory.codec.xml_slots import MISSING
from virtory.errors import NOT_WELL_FORMED, XmlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from virtory.codec.xml import Scaled

    Node = Any  # an lxml element; its stubs call every string "str or bytes"
    Made = Any  # an element that is not frozen yet
    Handler = Callable[[Node, Made, "Reading", int], None]

E = TypeVar("E", bound=Element)

# What stands before it is never looked at twice (`(?>…)`, `*+`): time goes with the length alone.
_DOCTYPE = re.compile(rb"(?>\s|<\?.*?\?>|<!--.*?-->|\xef\xbb\xbf)*+<!DOCTYPE", re.DOTALL)


def read(cls: type[E], text: str | bytes, lenient: bool) -> E:
    """See `virtory.codec.xml.parse`."""
    tag = cls._tag
    if tag is None:
        raise TypeError(f"{cls.__name__} has no tag and can not be a document")
    return cast("E", read_any({tag: cls}, text, lenient))


def read_any(classes: Mapping[str, type[Element]], text: str | bytes, lenient: bool) -> Element:
    """See `virtory.codec.xml.parse_any`."""
    root = tree(text)
    cls = classes.get(root.tag)
    if cls is None:
        if len(classes) == 1:
            raise XmlError(f"expecting root element of '{min(classes)}', not '{root.tag}'")
        expected = " or ".join(f"<{tag}>" for tag in sorted(classes))
        raise XmlError(f"the root element is <{root.tag}>, expected {expected}")
    reading = Reading(lenient)
    value = reading.element(compiled(cls), root, 0)
    if reading.problems:
        raise error_of(reading.problems, str(root.tag))
    assert value is not None, "a value is missing only together with a problem"
    return value


def tree(text: str | bytes) -> etree._Element:
    """The parsed root element.

    Raises:
        XmlError: too long, too deep, a DOCTYPE, or not well-formed.
    """
    try:
        data = text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise XmlError(f"the text is not valid Unicode: {error.reason}") from None
    if len(data) > MAX_BYTES:
        raise XmlError(f"the text has {len(data)} bytes, the limit is {MAX_BYTES}")
    if b"<!DOCTYPE" in data and _DOCTYPE.match(data):
        raise XmlError(
            "a DOCTYPE is refused", cure="remove it: entities and external files are never read"
        )
    try:
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        line, column = error.position
        if "xcessive depth" in str(error.msg):
            raise XmlError(f"elements are nested deeper than {MAX_DEPTH} levels") from None
        reason = (error.msg or "empty text").partition(", line ")[0]
        words = f"not well-formed at line {line}, column {column}: {reason}"
        raise XmlError(words, code=NOT_WELL_FORMED) from None
    return root


@functools.cache
def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
    )


def xpath(node: Node) -> str:
    """Where an element stands, such as `/domain/devices/disk[2]`."""
    return str(node.getroottree().getpath(node))


def _name(node: Node) -> str:
    tag = str(node.tag)
    if not tag.startswith("{"):
        return tag
    local = tag.rpartition("}")[2]
    return f"{node.prefix}:{local}" if node.prefix else local


class Reading:
    """One pass over one document."""

    def __init__(self, lenient: bool) -> None:
        self.lenient = lenient
        self.problems: list[Problem] = []

    def add(self, node: Node, step: str, message: str, unsupported: bool = False) -> None:
        """Note a problem at `step` below `node`; beyond the first `NAMED`, only count it."""
        place = xpath(node) + step if len(self.problems) < NAMED else ""
        self.problems.append(Problem(place, message, unsupported))
        if len(self.problems) >= MOST:
            raise error_of(self.problems, _name(node.getroottree().getroot()))

    def problem(self, node: Node, attribute: str | None, message: object) -> None:
        """Note that an element or one of its attributes is invalid."""
        self.add(node, "" if attribute is None else f"/@{attribute}", str(message))

    def unknown_attribute(self, node: Node, name: str, known: Mapping[str, object]) -> None:
        """Note an attribute that no declaration names."""
        if not self.lenient:
            message = f"the attribute {name!r} of <{_name(node)}> is not supported"
            self.add(node, f"/@{name}", message + self._guess(name, known, "%r"), True)

    def unknown_element(self, node: Node, known: Mapping[str, object]) -> None:
        """Note an element that no declaration names."""
        if not self.lenient and isinstance(node.tag, str):
            name = _name(node)
            message = f"the element <{name}> is not supported here"
            self.add(node, "", message + self._guess(name, known, "<%s>"), True)

    def _guess(self, name: str, known: Mapping[str, object], spelling: str) -> str:
        if len(self.problems) >= NAMED or len(name) > 80:
            return ""
        import difflib

        close = difflib.get_close_matches(name, known, 1)
        return f"; did you mean {spelling % close[0]}?" if close else ""

    def element(self, plan: Compiled, node: Node, depth: int) -> Element | None:
        """The value of one element; None when it has a problem that leaves it without one."""
        children: dict[str, Handler] | None = plan.reading
        if children is None:
            children = plan.reading = _handlers(plan)
        made = plan.maker.fresh()
        attributes = plan.attributes
        for key, raw in node.items():
            field = attributes.get(key)
            if field is None:
                self._other_attribute(plan, node, str(key))
                continue
            try:
                setattr(made, field.name, field.scalar.read(raw))
            except ValueError as error:
                self.problem(node, str(key), error)
                setattr(made, field.name, None)
        for child in node:
            handler = children.get(child.tag)
            if handler is None:
                self.unknown_element(child, children)
            else:
                handler(child, made, self, depth + 1)
        if plan.text is not None:
            _read_text(plan.text, node, made, self)
        return self._made(plan, node, made)

    def _other_attribute(self, plan: Compiled, node: Node, key: str) -> None:
        if plan.when is not None and key == plan.when[0]:
            return
        if key == "unit" and plan.text is not None and plan.text.scaled:
            return
        self.unknown_attribute(node, key, plan.attributes)

    def _made(self, plan: Compiled, node: Node, made: Made) -> Element | None:
        for name in plan.repeated:
            if held := getattr(made, name):
                setattr(made, name, tuple(held))
        complete = True
        for name, field in plan.required.items():
            if getattr(made, name) is MISSING:
                complete = False
                if field.place == "attribute":
                    self.problem(node, field.xml, "this attribute is missing")
                elif field.place == "text":
                    self.problem(node, None, "the element is empty")
                else:
                    self.add(node, f"/{field.xml}", "this element is missing")
        if not complete:
            return None
        made.__class__ = plan.cls
        return cast("Element", made)


def _read_text(field: Field, node: Node, made: Made, reading: Reading) -> None:
    text = _text(node)
    if not text or text.isspace():
        return
    try:
        if field.scaled:
            setattr(made, field.name, field.size(_scaled(text, node.get("unit"), field.scaled)))
        else:
            setattr(made, field.name, field.scalar.read(text))
    except ValueError as error:
        reading.problem(node, None, error)
        setattr(made, field.name, None)


def _text(node: Node) -> str:
    """The element's text, comments left out."""
    text = node.text or ""
    if len(node):
        text += "".join(child.tail or "" for child in node if not isinstance(child.tag, str))
    return text


def _scaled(text: str, unit: str | None, kind: Scaled) -> int:
    """Bytes, rounded up to what can be written in the unit of the declaration."""
    size = integer(text) * multiplier(unit or kind.default)
    if size >= 2**63:
        raise ValueError(f"{text.strip()} {unit or kind.default} is more than there can be")
    if kind.unit == "largest":
        return size
    step = multiplier(kind.unit)
    return -(-size // step) * step


def _handlers(plan: Compiled) -> dict[str, Handler]:
    handlers: dict[str, Handler] = {}
    inline: dict[str, dict[str, Field]] = {}
    for field in plan.fields:
        tag = plan.qualified(field.xml)
        if field.place == "inline":
            inline.setdefault(tag, {})[field.attribute] = field
        elif field.place == "flag":
            handlers[tag] = _flag(field)
        elif field.place in ("scalar", "scaled"):
            handlers[tag] = _scalar(field)
        elif field.place == "verbatim":
            handlers[tag] = _verbatim(field)
        elif field.place == "element":
            handlers[tag] = _one(field) if len(field.classes) == 1 else _one_of(field)
    for tag, fields in inline.items():
        handlers[tag] = _inline(fields)
    return handlers


def _store(field: Field, value: Any, node: Node, made: Made, reading: Reading) -> None:
    """Put a child's value into its field, which holds one value or a list."""
    if value is None:
        if getattr(made, field.name) is MISSING:
            setattr(made, field.name, None)  # its own problem is noted; it is not missing
    elif field.repeated:
        held = getattr(made, field.name)
        if held:
            held.append(value)
        else:
            setattr(made, field.name, [value])
    elif getattr(made, field.name) is not field.default:
        reading.problem(node, None, f"<{_name(node)}> is given more than once")
    else:
        setattr(made, field.name, value)


def _one(field: Field) -> Handler:
    cls = field.classes[0]

    def handle(node: Node, made: Made, reading: Reading, depth: int) -> None:
        _store(field, reading.element(compiled(cls), node, depth), node, made, reading)

    return handle


def _one_of(field: Field) -> Handler:
    kinds = {cls._when[1]: cls for cls in field.classes if cls._when}
    attribute = next(cls._when[0] for cls in field.classes if cls._when)
    allowed = ", ".join(kinds)

    def handle(node: Node, made: Made, reading: Reading, depth: int) -> None:
        kind = node.get(attribute)
        cls = kinds.get(kind) if kind is not None else None
        if cls is not None:
            _store(field, reading.element(compiled(cls), node, depth), node, made, reading)
        elif kind is None:
            reading.problem(node, attribute, "this attribute is missing")
        else:
            reading.problem(node, attribute, f"{kind!r} is not one of {allowed}")

    return handle


def _flag(field: Field) -> Handler:
    def handle(node: Node, made: Made, reading: Reading, depth: int) -> None:
        setattr(made, field.name, True)
        _nothing_else(node, reading)

    return handle


def _verbatim(field: Field) -> Handler:
    def handle(node: Node, made: Made, reading: Reading, depth: int) -> None:
        from virtory.codec.xml_verbatim import verbatim

        _store(field, Verbatim(verbatim(node, depth)), node, made, reading)

    return handle


def _scalar(field: Field) -> Handler:
    """A child element with nothing but text, and `unit` where it is a size."""

    def handle(node: Node, made: Made, reading: Reading, depth: int) -> None:
        text = _text(node)
        _nothing_else(node, reading, ("unit",) if field.scaled else ())
        if not text or (field.scaled and text.isspace()):
            return
        try:
            if field.scaled:
                unit = node.get("unit")
                value: Any = field.size(_scaled(text, unit, field.scaled))
            else:
                value = field.scalar.read(text)
        except ValueError as error:
            reading.problem(node, None, error)
            value = None
        _store(field, value, node, made, reading)

    return handle


def _nothing_else(node: Node, reading: Reading, known: tuple[str, ...] = ()) -> None:
    for key in node.keys():  # noqa: SIM118 (an element iterates over its children)
        if key not in known:
            reading.unknown_attribute(node, str(key), dict.fromkeys(known))
    for child in node:
        reading.unknown_element(child, {})


def _inline(fields: dict[str, Field]) -> Handler:
    """A child element of which only attributes count, each a field of the parent."""
    implied = [field for field in fields.values() if field.absent is not None]

    def handle(node: Node, made: Made, reading: Reading, depth: int) -> None:
        for field in implied:
            setattr(made, field.name, field.absent)
        for key, raw in node.items():
            field_or_none = fields.get(str(key))
            if field_or_none is None:
                reading.unknown_attribute(node, str(key), fields)
                continue
            try:
                setattr(made, field_or_none.name, field_or_none.scalar.read(raw))
            except ValueError as error:
                reading.problem(node, str(key), error)
        for child in node:
            reading.unknown_element(child, {})

    return handle
