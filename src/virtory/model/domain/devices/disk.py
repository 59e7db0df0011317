"""`<disk>`: hard disks, CD-ROM and floppy drives, with what is in them.

The rule kept here: what a guest sees (`target`, `serial`) and where the bytes are (`source`,
`driver`) are apart, so that a medium can be changed alone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, OnOff, Range, Scaled, YesNo
from virtory.model.domain.devices.device import Device, VirtioOptions
from virtory.model.domain.seclabel import SourceSeclabel
from virtory.model.values import Size

StorageType = Literal["file", "block", "dir", "network", "volume", "nvme", "vhostuser"]
Bus = Literal["ide", "fdc", "scsi", "virtio", "xen", "usb", "uml", "sata", "sd"]
ErrorPolicy = Literal["stop", "report", "ignore", "enospace"]


class MetadataCache(Element):
    """`<metadata_cache>`: memory for the tables of a qcow2 image."""

    max_size: Annotated[Size | None, Scaled("bytes")] = None


class DiskDriver(VirtioOptions):
    """`<driver>`: the image's format, caching, error handling, I/O engine, queues."""

    name: Attr[str | None] = None
    type: Attr[str | None] = None
    cache: Attr[
        Literal["default", "none", "writeback", "writethrough", "directsync", "unsafe"] | None
    ] = None
    error_policy: Attr[ErrorPolicy | None] = None
    rerror_policy: Attr[Literal["stop", "report", "ignore"] | None] = None
    io: Attr[Literal["threads", "native", "io_uring"] | None] = None
    ioeventfd: Attr[OnOff | None] = None
    event_idx: Attr[OnOff | None] = None
    copy_on_read: Attr[OnOff | None] = None
    discard: Attr[Literal["unmap", "ignore"] | None] = None
    iothread: Attr[int | None] = None
    detect_zeroes: Attr[Literal["off", "on", "unmap"] | None] = None
    queues: Attr[int | None] = None
    queue_size: Attr[int | None] = None
    metadata_cache: MetadataCache | None = None


class Secret(Element):
    """`<secret>`: which stored secret opens an encrypted or authenticated source."""

    type: Attr[str]
    uuid: Attr[str | None] = None
    usage: Attr[str | None] = None


class Encryption(Element):
    """`<encryption>`: the image is encrypted."""

    format: Attr[Literal["default", "qcow", "luks", "luks2"]]
    engine: Attr[Literal["qemu", "librbd"] | None] = None
    secret: Secret | None = None


class Host(Element, tag="host"):
    """`<host>`: a server of a network disk."""

    name: Attr[str | None] = None
    port: Attr[int | None] = None
    transport: Attr[Literal["tcp", "rdma", "unix"] | None] = None
    socket: Attr[str | None] = None


class Slice(Element, tag="slice"):
    """`<slice>`: the part of the source that holds the image, in bytes."""

    type: Attr[Literal["storage"]] = "storage"
    offset: Attr[int]
    size: Attr[int]


class Slices(Element):
    """`<slices>`."""

    slice: tuple[Slice, ...] = ()


class Source(Element):
    """`<source>`: where the bytes are; which attributes count follows the disk's `type`."""

    file: Attr[str | None] = None
    fdgroup: Attr[str | None] = None
    dev: Attr[str | None] = None
    dir: Attr[str | None] = None
    pool: Attr[str | None] = None
    volume: Attr[str | None] = None
    mode: Attr[Literal["host", "direct"] | None] = None
    protocol: Attr[str | None] = None
    name: Attr[str | None] = None
    query: Attr[str | None] = None
    tls: Attr[YesNo | None] = None
    startup_policy: Annotated[
        Literal["mandatory", "requisite", "optional"] | None, At("@startupPolicy")
    ] = None
    index: Attr[int | None] = None
    hosts: tuple[Host, ...] = ()
    seclabels: tuple[SourceSeclabel, ...] = ()
    encryption: Encryption | None = None
    slices: Slices | None = None

    @property
    def path(self) -> str | None:
        """The file or block device of the host that it names, if it is one."""
        return self.file or self.dev


class BackingStore(Element):
    """`<backingStore>`: the image below; empty, it ends the chain on purpose."""

    type: Attr[StorageType | None] = None
    index: Attr[int | None] = None
    format: Annotated[str | None, At("format/@type")] = None
    source: Source | None = None
    backing_store: Annotated[BackingStore | None, At("backingStore")] = None


class Mirror(Element):
    """`<mirror>`: the copy that a running block job writes."""

    type: Attr[StorageType | None] = None
    file: Attr[str | None] = None
    file_format: Annotated[str | None, At("@format")] = None
    job: Attr[Literal["copy", "active-commit"] | None] = None
    ready: Attr[Literal["yes", "abort", "pivot"] | None] = None
    format: Annotated[str | None, At("format/@type")] = None
    source: Source | None = None
    backing_store: Annotated[BackingStore | None, At("backingStore")] = None


class Target(Element):
    """`<target>`: the drive's name, unique in the machine, and the bus it hangs on."""

    dev: Attr[str]
    bus: Attr[Bus | None] = None
    tray: Attr[Literal["open", "closed"] | None] = None
    removable: Attr[OnOff | None] = None
    rotation_rate: Attr[Annotated[int | None, Range(1, 65534)]] = None


class Iotune(Element):
    """`<iotune>`: limits in bytes and requests a second, bursts (`_max`) and their seconds."""

    total_bytes_sec: int | None = None
    read_bytes_sec: int | None = None
    write_bytes_sec: int | None = None
    total_iops_sec: int | None = None
    read_iops_sec: int | None = None
    write_iops_sec: int | None = None
    total_bytes_sec_max: int | None = None
    read_bytes_sec_max: int | None = None
    write_bytes_sec_max: int | None = None
    total_iops_sec_max: int | None = None
    read_iops_sec_max: int | None = None
    write_iops_sec_max: int | None = None
    size_iops_sec: int | None = None
    group_name: str | None = None
    total_bytes_sec_max_length: int | None = None
    read_bytes_sec_max_length: int | None = None
    write_bytes_sec_max_length: int | None = None
    total_iops_sec_max_length: int | None = None
    read_iops_sec_max_length: int | None = None
    write_iops_sec_max_length: int | None = None


class Geometry(Element):
    """`<geometry>`: cylinders, heads and sectors told to the BIOS."""

    cyls: Attr[int]
    heads: Attr[int]
    secs: Attr[int]
    trans: Attr[Literal["auto", "none", "lba"] | None] = None


class BlockIo(Element):
    """`<blockio>`: block sizes in bytes that the guest sees."""

    logical_block_size: Attr[int | None] = None
    physical_block_size: Attr[int | None] = None


class Auth(Element):
    """`<auth>`: who reads a network disk."""

    username: Attr[str]
    secret: Secret | None = None


class Disk(Device, tag="disk"):
    """`<disk>`: one drive."""

    type: Attr[StorageType] = "file"
    device: Attr[Literal["disk", "cdrom", "floppy", "lun"]] = "disk"
    model: Attr[Literal["virtio", "virtio-transitional", "virtio-non-transitional"] | None] = None
    rawio: Attr[YesNo | None] = None
    sgio: Attr[Literal["filtered", "unfiltered"] | None] = None
    snapshot: Attr[Literal["no", "internal", "external", "manual"] | None] = None
    driver: DiskDriver | None = None
    auth: Auth | None = None
    source: Source | None = None
    backing_store: Annotated[BackingStore | None, At("backingStore")] = None
    geometry: Geometry | None = None
    blockio: BlockIo | None = None
    mirror: Mirror | None = None
    target: Target
    iotune: Iotune | None = None
    readonly: bool = False
    shareable: bool = False
    transient: bool = False
    serial: str | None = None
    wwn: str | None = None
    vendor: str | None = None
    product: str | None = None
    encryption: Encryption | None = None

    @property
    def path(self) -> str | None:
        """The host's file or block device behind it; None without a medium, and for a volume."""
        return self.source.path if self.source is not None else None

    @property
    def format(self) -> str:
        """Of its image: raw unless it says another."""
        return (self.driver.type if self.driver is not None else None) or "raw"

    @property
    def is_removable(self) -> bool:
        """Whether its medium can be changed."""
        return self.device in ("cdrom", "floppy")
