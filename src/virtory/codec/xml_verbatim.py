"""Subtrees that are kept as text: serialised once, indented for where they stand.

The rule kept here: the content is never changed; white space is added or removed only between
elements, and only where an element contains nothing but elements.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

from virtory.codec.xml import MAX_DEPTH
from virtory.codec.xml_reader import tree
from virtory.errors import XmlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree

_MOST_NAMESPACES = 256
"""In scope of a kept element, and inside: taking along those that it uses costs time for each."""


def verbatim(node: etree._Element, level: int) -> str:
    """The element as text, for a place `level` levels deep; without the first line's indent."""
    from lxml import etree

    tail = node.tail
    node.tail = None
    _indent(node, level, 0)
    outer = node.getparent()
    inherited = {} if outer is None else outer.nsmap
    inside = _declared(node)
    if len(inherited) + len(inside) > _MOST_NAMESPACES:
        raise XmlError(f"more than {_MOST_NAMESPACES} namespaces are declared for <{node.tag}>")
    if inherited:
        # Prefixes that the subtree declares itself stay: its texts may use them.
        kept = [prefix for prefix, uri in inside if prefix and inherited.get(prefix) != uri]
        node = copy.deepcopy(node)
        etree.cleanup_namespaces(node, keep_ns_prefixes=kept)
    text = etree.tostring(node, encoding="unicode", with_tail=False)
    node.tail = tail
    return text


def _declared(node: etree._Element) -> set[tuple[str, str]]:
    """Prefix and URI of each `xmlns` of the subtree, looked at only where it stands."""
    from lxml import etree

    walk = cast("Iterator[tuple[str, tuple[str, str]]]", etree.iterwalk(node, events=("start-ns",)))
    return {declared for _, declared in walk}


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


def child(text: str, uri: str) -> str | None:
    """The child in namespace `uri` of the element in `text`, its namespace taken off."""
    from lxml import etree

    found = next(
        (node for node in tree(text).iterchildren("*") if etree.QName(node).namespace == uri), None
    )
    if found is None:
        return None
    taken = copy.deepcopy(found)
    taken.tail = None
    for node in taken.iter("*"):
        name = etree.QName(node)
        if name.namespace == uri:
            node.tag = name.localname
    etree.cleanup_namespaces(taken, keep_ns_prefixes=_other_prefixes(taken, uri))
    return verbatim(taken, 0)


def with_child(
    text: str | None, tag: str, uri: str, prefix: str, content: str | None, level: int
) -> str | None:
    """The element in `text` with its child in namespace `uri` replaced, added or removed.

    Args:
        text: the element as it is; None when there is none yet.
        tag: the element's name.
        uri: the namespace that names the child.
        prefix: the namespace's prefix.
        content: the new child, its elements without a namespace; None removes it.
        level: how deep the element stands.

    Returns:
        The element's new text; None when nothing is left in it.

    Raises:
        XmlError: `content` is not well-formed, or `prefix` or `uri` can not be used.
    """
    from lxml import etree

    root = etree.Element(tag) if text is None else tree(text)
    for node in [n for n in root.iterchildren("*") if etree.QName(n).namespace == uri]:
        root.remove(node)
    if content is not None:
        root.append(_injected(tree(content), uri, prefix))
    if len(root) == 0:
        return None
    return verbatim(root, level)


def _injected(content: etree._Element, uri: str, prefix: str) -> etree._Element:
    """`content` with every element that has no namespace put into `uri`."""
    from lxml import etree

    if prefix.lower().startswith("xml"):
        raise XmlError(f"the prefix {prefix!r} is reserved by XML itself")
    names: dict[str, str] = {p: u for p, u in content.nsmap.items() if p is not None}
    names[prefix] = uri
    try:
        root = etree.Element(f"{{{uri}}}{etree.QName(content).localname}", nsmap=names)
    except ValueError as error:
        raise XmlError(f"the namespace {prefix!r}={uri!r} can not be used: {error}") from None
    root.attrib.update(content.attrib)
    root.text = content.text
    root.extend(content)
    for node in root.iter("*"):
        name = etree.QName(node)
        if not name.namespace:
            node.tag = f"{{{uri}}}{name.localname}"
    return root


def _other_prefixes(node: etree._Element, uri: str) -> list[str]:
    return [prefix for prefix, other in _declared(node) if prefix and other != uri]
