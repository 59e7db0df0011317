"""`<domainsnapshot>`: one moment of a machine, and the machine as it then was.

The rule kept here: what a client may say when it asks for a snapshot is the same declaration as
what is answered and stored; what only the driver knows stands beside it, not in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from virtory.codec import xml
from virtory.codec.xml import At, Attr, Element, Verbatim
from virtory.model.domain.devices.disk import Source, StorageType
from virtory.model.domain.domain import Domain

if TYPE_CHECKING:
    from virtory.model.domain.devices.disk import Disk

Where = Literal["no", "internal", "external", "manual"]


class Parent(Element):
    """`<parent>`: what it was taken after."""

    name: str


class Memory(Element):
    """`<memory>`: where the guest's memory is."""

    snapshot: Attr[Where | None] = None
    file: Attr[str | None] = None


class SnapshotDisk(Element, tag="disk"):
    """`<disk>`: what becomes of one disk; `source` is the new image of an external one."""

    name: Attr[str]
    snapshot: Attr[Where | None] = None
    type: Attr[StorageType | None] = None
    driver: Annotated[str | None, At("driver/@type")] = None
    source: Source | None = None

    def is_of(self, disk: Disk) -> bool:
        """Whether it means this disk: by target, or by the image's path."""
        return self.name in (disk.target.dev, disk.path)


class SnapshotDisks(Element):
    """`<disks>`."""

    disks: tuple[SnapshotDisk, ...] = ()


class Snapshot(Element, tag="domainsnapshot"):
    """`<domainsnapshot>`: `inactive_domain` is the definition, where it was another."""

    name: str | None = None
    description: str | None = None
    state: str | None = None
    parent: Parent | None = None
    creation_time: Annotated[int | None, At("creationTime")] = None
    memory: Memory | None = None
    disks: SnapshotDisks | None = None
    domain: Domain | None = None
    inactive_domain: Annotated[Domain | None, At("inactiveDomain")] = None
    active: int | None = None
    cookie: Verbatim | None = None

    @property
    def is_external(self) -> bool:
        """Whether anything of it is in a file of its own."""
        memory = self.memory is not None and self.memory.snapshot == "external"
        return memory or any(disk.snapshot == "external" for disk in self.every_disk)

    @property
    def every_disk(self) -> tuple[SnapshotDisk, ...]:
        """What becomes of each disk."""
        return self.disks.disks if self.disks is not None else ()


def parse_snapshot(text: str, *, lenient: bool = False) -> Snapshot:
    """A client's or the store's description; raises XmlError with all problems at once."""
    return xml.parse(Snapshot, text, lenient=lenient)


def format_snapshot(snapshot: Snapshot) -> str:
    """The text, as libvirt writes it."""
    return xml.format(snapshot)
