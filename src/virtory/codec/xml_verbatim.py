"""Subtrees that are kept as text: serialised once, indented for where they stand.

The rule kept here: the content is never changed; white space is added or removed only between
elements, and only where an element contains nothing but elements.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from virtory.codec.xml import MAX_DEPTH
from virtory.errors import XmlError

if TYPE_CHECKING:
    from lxml import etree


def verbatim(node: etree._Element, level: int) -> str:
    """The element as text, for a place `level` levels deep; without the first line's indent."""
    from lxml import etree

    tail = node.tail
    node.tail = None
    _indent(node, level, 0)
    outer = node.getparent()
    if outer is not None and outer.nsmap:
        node = copy.deepcopy(node)
        etree.cleanup_namespaces(node, keep_ns_prefixes=_declared_inside(node, outer))
    text = etree.tostring(node, encoding="unicode", with_tail=False)
    node.tail = tail
    return text


def _declared_inside(node: etree._Element, outer: etree._Element) -> list[str]:
    """Prefixes that the subtree declares itself, which content may use without an element's name."""
    inherited = outer.nsmap
    return [
        prefix
        for element in node.iter("*")
        for prefix, uri in element.nsmap.items()
        if prefix is not None and inherited.get(prefix) != uri
    ]


def _indent(node: etree._Element, level: int, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise XmlError(f"elements are nested deeper than {MAX_DEPTH} levels")
    if len(node) == 0:
        return
    if _is_blank(node.text) and all(_is_blank(child.tail) for child in node):
        node.text = "\n" + "  " * (level + 1)
        for child in node:
            _indent(child, level + 1, depth + 1)
            child.tail = node.text
        node[-1].tail = "\n" + "  " * level


def _is_blank(text: str | None) -> bool:
    return not text or text.isspace()
