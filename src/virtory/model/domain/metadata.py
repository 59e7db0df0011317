"""Title, description and other programs' elements: what users write into a machine's description.

The rule kept here: an element is known by its namespace, of which there is at most one; what others
wrote stays as it was.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from virtory.codec.xml import Verbatim
from virtory.codec.xml_reader import tree
from virtory.codec.xml_verbatim import verbatim
from virtory.errors import InvalidArgument, MetadataNotFound
from virtory.model.flags import DomainMetadata

if TYPE_CHECKING:
    from lxml import etree

    from virtory.model.domain.domain import Domain

_ABSENT = "Requested metadata element is not present"


def find_metadata(domain: Domain, kind: int, uri: str | None) -> str:
    """The title, the description, or the element of namespace `uri` (without its prefix).

    Raises:
        MetadataNotFound: there is none.
        InvalidArgument: `kind` is not one of DomainMetadata, or an element without `uri`.
    """
    _check(kind, uri)
    if kind != DomainMetadata.ELEMENT:
        text = domain.title if kind == DomainMetadata.TITLE else domain.description
        if text is None:
            raise MetadataNotFound(_ABSENT)
        return text
    assert uri is not None
    if domain.metadata is not None:
        for node in tree(domain.metadata):
            if _namespace(node) == uri:
                return verbatim(_without_namespace(node, uri), 0)
    raise MetadataNotFound(_ABSENT)


def with_metadata(
    domain: Domain, kind: int, text: str | None, key: str | None, uri: str | None
) -> Domain:
    """The same machine with the title, the description or an element set, or removed with None.

    Args:
        domain: the machine.
        kind: one of DomainMetadata.
        text: what is set; XML for an element.
        key: an element's prefix.
        uri: an element's namespace.

    Raises:
        XmlError: the element is not well-formed.
        InvalidArgument: a title of several lines, or an element without prefix or namespace.
    """
    _check(kind, uri)
    if kind == DomainMetadata.TITLE:
        if text is not None and "\n" in text:
            raise InvalidArgument("metadata title can't contain newlines")
        return dataclasses.replace(domain, title=text or None)
    if kind == DomainMetadata.DESCRIPTION:
        return dataclasses.replace(domain, description=text or None)
    assert uri is not None
    if text is not None and not key:
        raise InvalidArgument("XML namespace key must be provided with a metadata element")
    root = tree(domain.metadata or "<metadata/>")
    for node in list(root):
        if _namespace(node) == uri:
            root.remove(node)
    if text is not None:
        assert key is not None
        root.append(_in_namespace(tree(text), key, uri))
    written = Verbatim(verbatim(root, 1)) if len(root) else None
    return dataclasses.replace(domain, metadata=written)


def _check(kind: int, uri: str | None) -> None:
    if kind not in (DomainMetadata.TITLE, DomainMetadata.DESCRIPTION, DomainMetadata.ELEMENT):
        raise InvalidArgument(f"unknown metadata type {kind}")
    if kind == DomainMetadata.ELEMENT and not uri:
        raise InvalidArgument("XML namespace URI must be provided with a metadata element")


def _namespace(node: etree._Element) -> str | None:
    tag = node.tag
    return tag[1 : tag.index("}")] if isinstance(tag, str) and tag[0] == "{" else None


def _copy(node: etree._Element, outer: etree._Element | None, uri: str, to: str) -> etree._Element:
    """`node` with the elements of namespace `uri` (None: "") moved into namespace `to`."""
    from lxml import etree

    tag = node.tag
    if isinstance(tag, str):
        local = tag.rpartition("}")[2]
        if (_namespace(node) or "") == uri:
            tag = f"{{{to}}}{local}" if to else local
    if outer is None:
        made = etree.Element(tag, dict(node.attrib))
    else:
        made = etree.SubElement(outer, tag, dict(node.attrib), nsmap=node.nsmap)
    made.text, made.tail = node.text, node.tail
    for child in node.iterchildren("*"):
        _copy(child, made, uri, to)
    return made


def _without_namespace(node: etree._Element, uri: str) -> etree._Element:
    from lxml import etree

    made = _copy(node, None, uri, "")
    made.tail = None
    etree.cleanup_namespaces(made)
    return made


def _in_namespace(node: etree._Element, key: str, uri: str) -> etree._Element:
    from lxml import etree

    try:
        holder = etree.Element("holder", nsmap={key: uri})
    except ValueError:
        raise InvalidArgument(f"'{key}' is not an XML namespace prefix") from None
    made = _copy(node, holder, "", uri)
    made.tail = None
    etree.cleanup_namespaces(holder)
    return made
