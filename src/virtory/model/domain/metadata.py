"""`<metadata>`: what applications keep with a machine, one element for each namespace.

The rule kept here: only the element of the namespace asked for is touched; all else stays as it is,
in its order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.codec import xml

if TYPE_CHECKING:
    from virtory.model.domain.domain import Domain

_LEVEL = 1


def metadata_of(domain: Domain, uri: str) -> str | None:
    """The application's element without its namespace, as `virsh metadata` prints it."""
    return None if domain.metadata is None else xml.verbatim_child(domain.metadata, uri)


def with_metadata(domain: Domain, uri: str, key: str, content: str | None) -> Domain:
    """The same machine with the application's element set, or removed with None.

    Args:
        domain: the machine.
        uri: the application's namespace.
        key: the prefix that stands for it in the text.
        content: one element without a namespace.

    Raises:
        XmlError: `content` is not well-formed.
    """
    import dataclasses

    changed = xml.verbatim_with_child(domain.metadata, "metadata", uri, key, content, _LEVEL)
    return dataclasses.replace(domain, metadata=changed)
