"""`<disk>` as virDomainBlockCopy takes it: where a copy goes, and in which format.

The rule kept here: only source and format count; the drive stays what it is.
"""

from __future__ import annotations

from typing import Annotated

from virtory.codec.xml import At, Attr, Element, parse
from virtory.model.domain.devices.disk import (
    BackingStore,
    DiskDriver,
    Source,
    StorageType,
    Target,
)


class CopyDestination(Element, tag="disk"):
    """`<disk>`: the destination."""

    type: Attr[StorageType] = "file"
    device: Attr[str | None] = None
    driver: DiskDriver | None = None
    source: Source | None = None
    backing_store: Annotated[BackingStore | None, At("backingStore")] = None
    target: Target | None = None


def parse_copy_destination(xml: str) -> CopyDestination:
    """The destination that `xml` describes; XmlError with all that is wrong with it."""
    return parse(CopyDestination, xml, lenient=True)
