"""Title, description and applications' elements of a domain, as libvirt's metadata calls mean them.

The rule kept here: pure; every driver refuses the same things in the same words.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from virtory.codec.xml_compile import impossible
from virtory.errors import FROM_DOMAIN, InvalidArgument, MetadataNotFound
from virtory.model.domain.metadata import metadata_of, with_metadata
from virtory.model.flags import DomainMetadata

if TYPE_CHECKING:
    from virtory.model.domain import Domain


def find_metadata(domain: Domain, kind: int, uri: str | None) -> str:
    """The title, the description, or the element of namespace `uri`.

    Raises:
        MetadataNotFound: there is none.
        InvalidArgument: `kind` is not one of DomainMetadata, or an element without `uri`.
    """
    if kind == DomainMetadata.TITLE:
        text = domain.title
    elif kind == DomainMetadata.DESCRIPTION:
        text = domain.description
    else:
        text = metadata_of(domain, _namespace(kind, uri))
    if text is None:
        raise MetadataNotFound("Requested metadata element is not present", domain=FROM_DOMAIN)
    return text


def with_changed_metadata(
    domain: Domain, kind: int, text: str | None, key: str | None, uri: str | None
) -> Domain:
    """The same machine with the title, the description or an element set, or removed with None.

    Raises:
        XmlError: the element is not well-formed.
        InvalidArgument: a title of several lines, or an element without prefix or namespace.
    """
    if text and (found := impossible.search(text)):
        raise InvalidArgument(
            f"the metadata of domain '{domain.name}' has the character {found[0]!r}, which XML"
            " has no way to write",
            cure="leave it out; what is not ASCII has to be UTF-8",
            domain=FROM_DOMAIN,
        )
    if kind == DomainMetadata.TITLE:
        if text is not None and "\n" in text:
            raise InvalidArgument("metadata title can't contain newlines", domain=FROM_DOMAIN)
        return dataclasses.replace(domain, title=text or None)
    if kind == DomainMetadata.DESCRIPTION:
        return dataclasses.replace(domain, description=text or None)
    namespace = _namespace(kind, uri)
    if text is not None and not key:
        raise InvalidArgument(
            "XML namespace key must be provided with a metadata element", domain=FROM_DOMAIN
        )
    return with_metadata(domain, namespace, key or "", text)


def _namespace(kind: int, uri: str | None) -> str:
    if kind != DomainMetadata.ELEMENT:
        raise InvalidArgument(f"unknown metadata type {kind}", domain=FROM_DOMAIN)
    if not uri:
        raise InvalidArgument(
            "XML namespace URI must be provided with a metadata element", domain=FROM_DOMAIN
        )
    return uri
