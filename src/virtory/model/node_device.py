"""`<device>`: one device of the host, as far as a client may know it.

The rule kept here: one class for each kind of capability, its fields in the order in which libvirt
writes them; the driver fills in what the kernel tells and leaves out what it does not.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec import xml
from virtory.codec.xml import At, Attr, Element, Hex, Text


class DeviceNode(Element, tag="devnode"):
    """`<devnode>`: its file in /dev; a `link` is another name of it."""

    type: Attr[Literal["dev", "link"]] = "dev"
    path: Text[str]


class Named(Element):
    """A number of the vendor's, and what it is called."""

    id: Attr[str | None] = None
    name: Text[str | None] = None


class HostAddress(Element, tag="address"):
    """`<address>`: where on the PCI buses."""

    domain: Attr[Annotated[int, Hex(4)]]
    bus: Attr[Annotated[int, Hex(2)]]
    slot: Attr[Annotated[int, Hex(2)]]
    function: Attr[Annotated[int, Hex(1)]]


class IommuGroup(Element, tag="iommuGroup"):
    """`<iommuGroup>`: what can only be given to a guest together."""

    number: Attr[int]
    addresses: tuple[HostAddress, ...] = ()


class Link(Element, tag="link"):
    """`<link>` of PCI Express: what it could do (`cap`) or does (`sta`); GT/s, lanes."""

    validity: Attr[Literal["cap", "sta"]]
    port: Attr[int | None] = None
    speed: Attr[str | None] = None
    width: Attr[int | None] = None


class PciExpress(Element, tag="pci-express"):
    """`<pci-express>`."""

    links: tuple[Link, ...] = ()


class PciFunction(Element, tag="capability"):
    """`<capability>` inside a PCI device: what kind of function it is."""

    type: Attr[Literal["phys_function", "virt_functions", "pci-bridge", "cardbus-bridge"]]
    max_count: Annotated[int | None, At("@maxCount")] = None
    addresses: tuple[HostAddress, ...] = ()


class SystemHardware(Element, tag="hardware"):
    """`<hardware>`: who made the machine."""

    vendor: str | None = None
    version: str | None = None
    serial: str | None = None
    uuid: str | None = None


class SystemFirmware(Element, tag="firmware", opened=True):
    """`<firmware>`."""

    vendor: str | None = None
    version: str | None = None
    release_date: str | None = None


class SystemCapability(Element, tag="capability", when=("type", "system")):
    """The machine itself, the root of the tree."""

    product: str | None = None
    hardware: SystemHardware
    firmware: SystemFirmware


class PciCapability(Element, tag="capability", when=("type", "pci")):
    """A function of a PCI device."""

    class_: Annotated[str | None, At("class")] = None
    domain: int
    bus: int
    slot: int
    function: int
    product: Named
    vendor: Named
    functions: tuple[PciFunction, ...] = ()
    iommu_group: Annotated[IommuGroup | None, At("iommuGroup")] = None
    numa: Annotated[int | None, At("numa/@node")] = None
    express: Annotated[PciExpress | None, At("pci-express")] = None


class UsbDeviceCapability(Element, tag="capability", when=("type", "usb_device")):
    """A device on a USB bus."""

    bus: int
    device: int
    product: Named
    vendor: Named


class UsbInterfaceCapability(Element, tag="capability", when=("type", "usb")):
    """One interface of a USB device."""

    number: int
    class_: Annotated[int, At("class")]
    subclass: int
    protocol: int
    description: str | None = None


class NetLink(Element, tag="link"):
    """`<link>`: Mbit/s, and whether there is a carrier."""

    speed: Attr[int | None] = None
    state: Attr[str | None] = None


class NetFeature(Element, tag="feature"):
    """`<feature>`: one off-load that is on."""

    name: Attr[str]


class NetKind(Element, tag="capability"):
    """`<capability>` of a network device: wired or wireless."""

    type: Attr[Literal["80203", "80211"]] = "80203"


class NetCapability(Element, tag="capability", when=("type", "net")):
    """A network device."""

    interface: str
    address: str | None = None
    link: NetLink | None = None
    features: tuple[NetFeature, ...] = ()
    kind: Annotated[NetKind, At("capability")] = NetKind()


class ScsiFeature(Element, tag="capability"):
    """`<capability>` of a SCSI host: fibre channel and virtual ports."""

    type: Attr[Literal["fc_host", "vport_ops"]]
    wwnn: str | None = None
    wwpn: str | None = None


class ScsiHostCapability(Element, tag="capability", when=("type", "scsi_host")):
    """A SCSI controller."""

    host: int
    unique_id: int | None = None
    features: tuple[ScsiFeature, ...] = ()


class ScsiTargetCapability(Element, tag="capability", when=("type", "scsi_target")):
    """A target of a SCSI controller."""

    target: str


class ScsiCapability(Element, tag="capability", when=("type", "scsi")):
    """A logical unit."""

    host: int
    bus: int
    target: int
    lun: int
    type_: Annotated[str | None, At("type")] = None


class ScsiGenericCapability(Element, tag="capability", when=("type", "scsi_generic")):
    """The raw side of a logical unit."""

    char: str


class DrmCapability(Element, tag="capability", when=("type", "drm")):
    """A graphics card, as a display or to render."""

    type_: Annotated[str, At("type")]


class RemovableMedium(Element, tag="capability"):
    """`<capability type='removable'>`: what is in the drive."""

    type: Attr[Literal["removable"]] = "removable"
    media_available: int = 0
    media_size: int = 0
    logical_block_size: int | None = None
    num_blocks: int | None = None


class StorageCapability(Element, tag="capability", when=("type", "storage")):
    """A disk or a drive; bytes."""

    block: str
    bus: str | None = None
    drive_type: str | None = None
    model: str | None = None
    vendor: str | None = None
    serial: str | None = None
    size: int | None = None
    logical_block_size: int | None = None
    num_blocks: int | None = None
    removable: Annotated[RemovableMedium | None, At("capability")] = None


class BoundDriver(Element):
    """`<driver>`: which of the host's drivers has it."""

    name: str


Capability = (
    SystemCapability
    | PciCapability
    | UsbDeviceCapability
    | UsbInterfaceCapability
    | NetCapability
    | ScsiHostCapability
    | ScsiTargetCapability
    | ScsiCapability
    | ScsiGenericCapability
    | DrmCapability
    | StorageCapability
)


class NodeDevice(Element, tag="device"):
    """`<device>`."""

    name: str
    path: str | None = None
    devnodes: tuple[DeviceNode, ...] = ()
    parent: str | None = None
    driver: BoundDriver | None = None
    capability: Capability


def format_node_device(device: NodeDevice) -> str:
    """As libvirt writes it."""
    return xml.format(device)


def parse_node_device(text: str | bytes) -> NodeDevice:
    """Raises: XmlError, ConfigUnsupported."""
    return xml.parse(NodeDevice, text)
