"""Writes declared elements as text, in libvirt's style.

The rule kept here: two spaces a level, single quotes, attributes and children in the order of the
declaration, an element without content closed at once.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from virtory.codec.xml_compile import Compiled, Field, compiled, getter, scale

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.codec.xml import Element

    Writer = Callable[[Any, str, str, list[str], str], None]
    ChildWriter = Callable[[Any, str, list[str]], None]


def write(value: Element, indent: int) -> str:
    """See `virtory.codec.xml.format`."""
    cls = type(value)
    if cls._tag is None:
        raise TypeError(f"{cls.__name__} has no tag and can not be a document")
    out: list[str] = []
    used = "".join(
        f" xmlns:{prefix}='{uri}'"
        for prefix, uri, fields in _namespaces(cls)
        if any(held not in (None, ()) for held in fields(value))
    )
    writer(cls)(value, cls._tag, "  " * indent, out, used)
    return "".join(out)


def writer(cls: type[Element]) -> Writer:
    """What appends an element's lines: `(value, its tag, indentation, lines, more attributes)`."""
    known = compiled(cls)
    made: Writer | None = known.writing
    if made is None:
        made = known.writing = _writer_of(known)
    return made


def _writer_of(known: Compiled) -> Writer:
    """A function that takes each field by name: a loop over all of them takes twice as long."""
    scope: dict[str, Any] = {
        "constant": f" {known.when[0]}='{known.when[1]}'" if known.when else "",
        "writer": writer,
        "close": _close,
        "opened": known.cls._opened,
    }
    lines = ["def write(value, tag, pad, out, more):", " head = f'{pad}<{tag}{constant}'"]
    for number, field in enumerate(f for f in known.fields if f.place == "attribute"):
        scope[f"lead{number}"], scope[f"spell{number}"] = f" {field.xml}='", field.scalar.write
        lines += [
            f" if (held := value.{field.name}) is not None:",
            f'  head += lead{number} + spell{number}(held) + "\'"',
        ]
    lines += [" head += more", " start = len(out)", " out.append(head)", " inner = pad + '  '"]
    for number, (name, field, child) in enumerate(_children(known)):
        scope[f"put{number}"] = child
        if child is not None:
            write_it = f"put{number}(held, inner, out)"
        else:
            write_it = f"writer(type(held))(held, {field.xml!r}, inner, out, '')"
        if child is None and field.repeated:
            lines += [f" for held in value.{name}:", f"  {write_it}"]
        else:
            lines += [f" if (held := value.{name}) is not None:", f"  {write_it}"]
    if known.text:
        scope["take"] = _text(known.text)
        lines += [
            " text, unit = take(value)",
            " close(out, start, head + unit, tag, pad, text, opened)",
        ]
    else:
        lines += [" close(out, start, head, tag, pad, None, opened)"]
    exec("\n".join(lines), scope)
    made: Writer = scope["write"]
    return made


def _close(
    out: list[str], start: int, head: str, tag: str, pad: str, text: str | None, opened: bool
) -> None:
    """Finish what begins at `start`, now that it is known what is in it."""
    if opened or len(out) > start + 1:
        out[start] = f"{head}>{text or ''}\n"
        out.append(f"{pad}</{tag}>\n")
    elif text:
        out[start] = f"{head}>{text}</{tag}>\n"
    else:
        out[start] = f"{head}/>\n"


@functools.cache
def _namespaces(
    cls: type[Element],
) -> tuple[tuple[str, str, Callable[[Any], tuple[Any, ...]]], ...]:
    """Each prefix with its URI and what takes the fields that use it."""
    known = compiled(cls)
    return tuple(
        (
            prefix,
            uri,
            getter([field.name for field in known.fields if field.xml.startswith(f"{prefix}:")]),
        )
        for prefix, uri in known.prefixes.items()
    )


def _children(known: Compiled) -> list[tuple[str, Field, ChildWriter | None]]:
    """The attribute to look at for each child, its field, and what writes it; None: an element.

    Inline children that share an element are written together, where the first of them stands.
    """
    found: list[tuple[str, Field, ChildWriter | None]] = []
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
            found.append(("_self", field, _shared(shared)))
        else:
            found.append((field.name, field, _writer(field)))
    return found


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


def _writer(field: Field) -> ChildWriter | None:
    if field.place == "element":
        return None
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
