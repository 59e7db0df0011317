"""No field is declared that no golden case shows: each has a value in one of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from virtory.codec import xml
from virtory.codec.xml import Element
from virtory.model.capabilities import Capabilities
from virtory.model.domain import Domain, parse_domain
from virtory.model.domain_capabilities import DomainCapabilities

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).resolve().parents[1] / "data"
Shown = set[tuple[type, str]]


def owner(cls: type[Element], name: str) -> type:
    """The class that declares a field which `cls` may have from a parent."""
    return next(parent for parent in cls.__mro__ if name in vars(parent).get("_own", {}))


def children(value: Element) -> Iterator[Element]:
    for field in value.declared():
        held = getattr(value, field.name)
        for one in held if isinstance(held, tuple) else (held,):
            if isinstance(one, Element):
                yield one


def note(value: Element, shown: Shown) -> None:
    for field in value.declared():
        held = getattr(value, field.name)
        if held is not None and held != () and not (held is False and field.default is False):
            shown.add((owner(type(value), field.name), field.name))
    for child in children(value):
        note(child, shown)


def classes(cls: type[Element], known: set[type[Element]]) -> set[type[Element]]:
    from virtory.codec.xml_compile import compiled

    if cls not in known:
        known.add(cls)
        for field in compiled(cls).fields:
            for kind in field.classes:
                classes(kind, known)
    return known


def untested(
    root: type[Element], values: list[Element], elsewhere: type[Element] | None = None
) -> list[str]:
    shown: Shown = set()
    for value in values:
        note(value, shown)
    return sorted(
        f"{cls.__name__}.{field.name}"
        for cls in classes(root, set()) - (classes(elsewhere, set()) if elsewhere else set())
        for field in cls.declared()
        if (owner(cls, field.name), field.name) not in shown
    )


def test_every_field_of_a_domain_is_in_a_golden_case() -> None:
    cases = [parse_domain(path.read_text()) for path in (DATA / "domain").glob("*.xml")]
    assert untested(Domain, list(cases)) == []


def test_every_field_of_the_capabilities_is_in_a_golden_case() -> None:
    folder = DATA / "capabilities"
    host = [xml.parse(Capabilities, p.read_text()) for p in folder.glob("host-*.xml")]
    domain = [xml.parse(DomainCapabilities, p.read_text()) for p in folder.glob("domain-*.xml")]
    assert untested(Capabilities, list(host), Domain) == []
    assert untested(DomainCapabilities, list(domain), Domain) == []


def test_a_field_that_is_in_no_case_is_found() -> None:
    assert "Domain.title" in untested(Domain, [])
