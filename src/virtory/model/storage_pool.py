"""`<pool>`: a place that volumes are kept in.

The rule kept here: what is written is what `virsh pool-dumpxml` prints for the same pool.
"""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from virtory.codec import xml
from virtory.codec.xml import At, Attr, Element, Problem, YesNo
from virtory.model.domain.devices.disk import Secret
from virtory.model.storage_volume import Bytes, Permissions, of_storage, permission_problems
from virtory.model.values import Size, Uuid

if TYPE_CHECKING:
    from collections.abc import Iterator

PoolType = Literal[
    "dir",
    "fs",
    "netfs",
    "logical",
    "disk",
    "iscsi",
    "iscsi-direct",
    "scsi",
    "mpath",
    "rbd",
    "sheepdog",
    "gluster",
    "zfs",
    "vstorage",
]
TYPES: tuple[PoolType, ...] = get_args(PoolType)
"""In the order of libvirt's numbers."""

_DEFAULT_FORMAT = {"fs": "auto", "netfs": "auto", "logical": "lvm2", "disk": "unknown"}
FORMATS: dict[str, tuple[str, ...]] = {
    "fs": (
        *("auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf", "gfs", "gfs2"),
        *("vfat", "hfs+", "xfs", "ocfs2", "vmfs"),
    ),
    "netfs": ("auto", "nfs", "glusterfs", "cifs"),
    "logical": ("unknown", "lvm2"),
    "disk": ("unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2"),
}
"""What a pool's source may be formatted as, by the pool's type."""


class Host(Element, tag="host"):
    """`<host>`: a server."""

    name: Attr[str | None] = None
    port: Attr[int | None] = None


class FreeExtent(Element, tag="freeExtent"):
    """`<freeExtent>`: a part of a disk that no volume uses, in bytes."""

    start: Attr[int]
    end: Attr[int]


class Device(Element, tag="device"):
    """`<device>`: a block device, an image, an iSCSI target."""

    path: Attr[str]
    part_separator: Attr[YesNo | None] = None
    free_extents: tuple[FreeExtent, ...] = ()


class Adapter(Element):
    """`<adapter>`: a SCSI host of this machine."""

    type: Attr[Literal["scsi_host", "fc_host"] | None] = None
    name: Attr[str | None] = None
    parent: Attr[str | None] = None
    parent_wwnn: Attr[str | None] = None
    parent_wwpn: Attr[str | None] = None
    parent_fabric_wwn: Attr[str | None] = None
    managed: Attr[YesNo | None] = None
    wwnn: Attr[str | None] = None
    wwpn: Attr[str | None] = None


class Auth(Element):
    """`<auth>`: as whom a server is asked."""

    type: Attr[Literal["chap", "ceph"]]
    username: Attr[str]
    secret: Secret | None = None


class Initiator(Element):
    """`<initiator>`: how this host names itself to an iSCSI server."""

    iqn: Annotated[str | None, At("iqn/@name")] = None


class Source(Element, opened=True):
    """`<source>`: what the pool is made of."""

    hosts: tuple[Host, ...] = ()
    devices: tuple[Device, ...] = ()
    dir: Annotated[str | None, At("dir/@path")] = None
    adapter: Adapter | None = None
    name: str | None = None
    initiator: Initiator | None = None
    auth: Auth | None = None
    format: Annotated[str | None, At("format/@type")] = None
    protocol: Annotated[str | None, At("protocol/@ver")] = None
    vendor: Annotated[str | None, At("vendor/@name")] = None
    product: Annotated[str | None, At("product/@name")] = None


class Target(Element):
    """`<target>`: where its volumes are seen on the host."""

    path: str | None = None
    permissions: Permissions | None = None


class Features(Element):
    """`<features>`."""

    cow: Annotated[YesNo | None, At("cow/@state")] = None


class Refresh(Element):
    """`<refresh>`: how a refresh finds what its volumes occupy."""

    volume: Annotated[Literal["default", "capacity"] | None, At("volume/@allocation")] = None


class StoragePool(Element, tag="pool"):
    """`<pool>`: what is defined, and once it runs what was found."""

    type: Attr[PoolType]
    name: str | None = None
    uuid: Uuid | None = None
    capacity: Bytes | None = None
    allocation: Bytes | None = None
    available: Bytes | None = None
    features: Features | None = None
    source: Source | None = None
    target: Target | None = None
    refresh: Refresh | None = None

    @property
    def path(self) -> str:
        """Where its volumes are seen; empty for a type that has no such place."""
        return (self.target.path if self.target else None) or ""


def parse_pool(text: str) -> StoragePool:
    """The pool that `text` defines, with libvirt's defaults filled in.

    Raises:
        XmlError: malformed, hostile or invalid; all problems at once.
        ConfigUnsupported: valid, but with elements that are not served.
    """
    with of_storage():
        pool = xml.parse(StoragePool, text)
        found = [Problem(*problem) for problem in problems(pool)]
        if found:
            raise xml.error_of(found, "storage pool")
    return _with_defaults(pool)


def format_pool(pool: StoragePool) -> str:
    """The description as `virsh pool-dumpxml` prints it."""
    return xml.format(pool)


def problems(pool: StoragePool) -> Iterator[tuple[str, str]]:
    """Every (XPath, message) for which the pool can not be defined."""
    source = pool.source or Source()
    name = pool.name if pool.name is not None else source.name
    if not (name or "").strip():
        yield "/pool/name", "missing pool source name element"
    elif "/" in (name or "") or "\n" in (name or ""):
        yield "/pool/name", f"name {name!r} cannot contain '/' or a line break"
    if pool.type in ("fs", "disk", "iscsi", "iscsi-direct") and not source.devices:
        yield "/pool/source/device", "missing storage pool source device name"
    if pool.type in ("netfs", "iscsi", "iscsi-direct", "gluster") and not source.hosts:
        yield "/pool/source/host", "missing storage pool source host name"
    for path, word in (
        ("/pool/source/name", source.name or (name if pool.type == "logical" else None)),
        *(("/pool/source/device/@path", device.path) for device in source.devices),
    ):
        if (word or "").startswith("-"):  # it becomes a program's argument
            yield path, f"'{word}' begins with a dash"
    if pool.type == "netfs" and source.dir is None:
        yield "/pool/source/dir", "missing storage pool source path"
    if pool.type == "scsi" and source.adapter is None:
        yield "/pool/source/adapter", "missing storage pool source adapter"
    known = FORMATS.get(pool.type)
    if known and source.format is not None and source.format not in known:
        message = f"unknown pool format type {source.format}; use {', '.join(known)}"
        yield "/pool/source/format/@type", message
    if pool.type in ("dir", "fs", "netfs", "disk", "iscsi", "scsi", "mpath", "vstorage"):
        if not pool.path:
            yield "/pool/target/path", "missing storage pool target path"
        elif not pool.path.startswith("/"):
            yield "/pool/target/path", f"'{pool.path}' is not an absolute path"
    permissions = pool.target.permissions if pool.target else None
    yield from permission_problems(permissions, "/pool/target/permissions")


def _with_defaults(pool: StoragePool) -> StoragePool:
    import dataclasses

    source = pool.source or Source()
    name = pool.name if pool.name is not None else source.name
    path: str | None = pool.path or None
    if pool.type == "logical":
        source = dataclasses.replace(source, name=source.name or name)
        path = f"/dev/{source.name}"
    if source.format is None:
        source = dataclasses.replace(source, format=_DEFAULT_FORMAT.get(pool.type))
    target = dataclasses.replace(pool.target or Target(), path=sanitized(path) if path else None)
    size = Size(0)
    return dataclasses.replace(
        pool,
        name=name,
        uuid=pool.uuid or Uuid.random(),
        capacity=size,
        allocation=size,
        available=size,
        source=source,
        target=target,
    )


def sanitized(path: str) -> str:
    """A path without doubled or trailing slashes; `..` is kept, since links may be on the way."""
    parts = [part for part in path.split("/") if part]
    return os.path.sep + "/".join(parts)
