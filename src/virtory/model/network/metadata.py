"""`<metadata>` of a network: what applications keep with it, one element for each namespace.

The rule kept here: only the element of the namespace asked for is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.codec import xml

if TYPE_CHECKING:
    from virtory.model.network.network import Network

_LEVEL = 1


def metadata_of(network: Network, uri: str) -> str | None:
    """The application's element without its namespace; None when there is none."""
    return None if network.metadata is None else xml.verbatim_child(network.metadata, uri)


def with_metadata(network: Network, uri: str, key: str, content: str | None) -> Network:
    """The same network with the application's element set, or removed with None.

    Raises:
        XmlError: `content` is not well-formed.
    """
    import dataclasses

    changed = xml.verbatim_with_child(network.metadata, "metadata", uri, key, content, _LEVEL)
    return dataclasses.replace(network, metadata=changed)
