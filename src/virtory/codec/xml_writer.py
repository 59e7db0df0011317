"""Writes declared elements as text, in libvirt's style.

The rule kept here: two spaces a level, single quotes, attributes and children in the order of the
declaration, an element without content closed at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from virtory.codec.xml_compile import Compiled, Field, compiled, getter, scale

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.codec.xml import Element

    ChildWriter = Callable[[Any, str, list[str]], None]


class Plan(NamedTuple):
    """How one class is written."""

    constant: str  # the attribute that tells it from others of a union
    attributes: Callable[[Any], tuple[Any, ...]]
    attribute_writers: tuple[tuple[str, Callable[[Any], str]], ...]
    text: Callable[[Any], tuple[str | None, str]] | None
    children: Callable[[Any], tuple[Any, ...]]
    child_writers: tuple[ChildWriter, ...]
    namespaces: tuple[tuple[str, str, Callable[[Any], tuple[Any, ...]]], ...]


def write(value: Element, indent: int) -> str:
    """See `virtory.codec.xml.format`."""
    tag = type(value)._tag
    if tag is None:
        raise TypeError(f"{type(value).__name__} has no tag and can not be a document")
    out: list[str] = []
    write_element(compiled(type(value)), tag, value, "  " * indent, out, root=True)
    return "".join(out)


def write_element(
    known: Compiled, tag: str, value: Any, pad: str, out: list[str], root: bool = False
) -> None:
    """Append the element's lines to `out`."""
    plan: Plan | None = known.writing
    if plan is None:
        plan = known.writing = _plan(known)
    head = f"{pad}<{tag}{plan.constant}"
    for (lead, spelled), held in zip(plan.attribute_writers, plan.attributes(value), strict=True):
        if held is not None:
            head += f"{lead}{spelled(held)}'"
    if root:
        for prefix, uri, used in plan.namespaces:
            if any(held not in (None, ()) for held in used(value)):
                head += f" xmlns:{prefix}='{uri}'"
    start = len(out)
    out.append(head)
    for writer, held in zip(plan.child_writers, plan.children(value), strict=True):
        if held is not None:
            writer(held, pad + "  ", out)
    text, unit = plan.text(value) if plan.text is not None else (None, "")
    head += unit
    if len(out) > start + 1 or known.cls._opened:
        out[start] = f"{head}>{text or ''}\n"
        out.append(f"{pad}</{tag}>\n")
    elif text:
        out[start] = f"{head}>{text}</{tag}>\n"
    else:
        out[start] = f"{head}/>\n"


def _plan(known: Compiled) -> Plan:
    attributes = [field for field in known.fields if field.place == "attribute"]
    children, writers = _children(known)
    return Plan(
        constant=f" {known.when[0]}='{known.when[1]}'" if known.when else "",
        attributes=getter([field.name for field in attributes]),
        attribute_writers=tuple((f" {field.xml}='", field.scalar.write) for field in attributes),
        text=_text(known.text) if known.text else None,
        children=getter(children),
        child_writers=tuple(writers),
        namespaces=_namespaces(known),
    )


def _namespaces(known: Compiled) -> tuple[tuple[str, str, Callable[[Any], tuple[Any, ...]]], ...]:
    """Each prefix with its URI and what takes the fields that use it."""
    return tuple(
        (
            prefix,
            uri,
            getter([field.name for field in known.fields if field.xml.startswith(f"{prefix}:")]),
        )
        for prefix, uri in known.prefixes.items()
    )


def _children(known: Compiled) -> tuple[list[str], list[ChildWriter]]:
    """The fields that are children, and how each is written.

    Inline children that share an element are written together, where the first of them stands.
    """
    names: list[str] = []
    writers: list[ChildWriter] = []
    written: set[str] = set()
    for field in known.fields:
        if field.place in ("attribute", "text") or field.name in written:
            continue
        shared = [
            other for other in known.fields if field.place == other.place == "inline"
            and other.xml == field.xml
        ]  # fmt: skip
        if len(shared) > 1:
            written.update(other.name for other in shared)
            names.append("_self")
            writers.append(_shared(shared))
            continue
        names.append(field.name)
        writers.append(_writer(field))
    return names, writers


def _text(field: Field) -> Callable[[Any], tuple[str | None, str]]:
    """What takes an element's own text, and the `unit` attribute that goes with it."""
    take = getter([field.name])
    if field.scaled:
        wanted = field.scaled.unit

        def sized(value: Any) -> tuple[str | None, str]:
            count, unit = scale(take(value)[0], wanted)
            return str(count), f" unit='{unit}'"

        return sized
    spelled = field.scalar.write

    def text(value: Any) -> tuple[str | None, str]:
        (held,) = take(value)
        return None if held is None else spelled(held), ""

    return text


def _writer(field: Field) -> ChildWriter:
    if field.place == "element":
        return _elements(field)
    if field.place == "flag":
        return lambda held, pad, out: out.append(f"{pad}<{field.xml}/>\n") if held else None
    if field.place == "verbatim":
        return lambda held, pad, out: out.append(f"{pad}{held}\n")
    if field.scaled:
        return _sized(field, field.scaled.unit)
    spelled = field.scalar.write
    if field.place == "inline":
        lead = f"<{field.xml} {field.attribute}='"
        return lambda held, pad, out: out.append(f"{pad}{lead}{spelled(held)}'/>\n")
    head, tail = f"<{field.xml}>", f"</{field.xml}>\n"
    if field.repeated:
        return lambda held, pad, out: out.extend(f"{pad}{head}{spelled(h)}{tail}" for h in held)
    return lambda held, pad, out: out.append(f"{pad}{head}{spelled(held)}{tail}")


def _sized(field: Field, wanted: str) -> ChildWriter:
    def put(held: Any, pad: str, out: list[str]) -> None:
        count, unit = scale(held, wanted)
        out.append(f"{pad}<{field.xml} unit='{unit}'>{count}</{field.xml}>\n")

    return put


def _shared(fields: list[Field]) -> ChildWriter:
    take = getter([field.name for field in fields])
    leads = [(f" {f.attribute}='", f.scalar.write) for f in fields]

    def put(held: Any, pad: str, out: list[str]) -> None:
        attributes = "".join(
            f"{lead}{spelled(value)}'"
            for (lead, spelled), value in zip(leads, take(held), strict=True)
            if value is not None
        )
        if attributes:
            out.append(f"{pad}<{fields[0].xml}{attributes}/>\n")

    return put


def _elements(field: Field) -> ChildWriter:
    tag = field.xml
    if field.repeated:

        def put_all(held: Any, pad: str, out: list[str]) -> None:
            for value in held:
                write_element(compiled(type(value)), tag, value, pad, out)

        return put_all
    return lambda held, pad, out: write_element(compiled(type(held)), tag, held, pad, out)
