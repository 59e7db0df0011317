"""`<address>`: where a device sits, one class for each kind of bus.

The rule kept here: an address is whole; a device without one has None.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import Attr, Element, Hex, OnOff, Range


class PciAddress(Element, tag="address", when=("type", "pci")):
    """`domain:bus:slot.function`; `multifunction` on function 0 of a device with more."""

    domain: Attr[Annotated[int, Hex(4), Range(0, 0xFFFFFFFF)]] = 0
    bus: Attr[Annotated[int, Hex(2), Range(0, 0xFF)]] = 0
    slot: Attr[Annotated[int, Hex(2), Range(0, 0x1F)]] = 0
    function: Attr[Annotated[int, Hex(1), Range(0, 7)]] = 0
    multifunction: Attr[OnOff | None] = None


class DriveAddress(Element, tag="address", when=("type", "drive")):
    """A disk on an IDE, SATA, SCSI or floppy controller."""

    controller: Attr[int] = 0
    bus: Attr[int] = 0
    target: Attr[int] = 0
    unit: Attr[int] = 0


class VirtioSerialAddress(Element, tag="address", when=("type", "virtio-serial")):
    """A port of a virtio-serial controller."""

    controller: Attr[int] = 0
    bus: Attr[int] = 0
    port: Attr[int | None] = None


class CcidAddress(Element, tag="address", when=("type", "ccid")):
    """A slot of a smartcard reader."""

    controller: Attr[int] = 0
    slot: Attr[int] = 0


class UsbAddress(Element, tag="address", when=("type", "usb")):
    """A port of a USB controller, `1.2` being port 2 of the hub on port 1."""

    bus: Attr[int] = 0
    port: Attr[str | None] = None


class IsaAddress(Element, tag="address", when=("type", "isa")):
    """An I/O port and an interrupt of the ISA bus."""

    iobase: Attr[Annotated[int | None, Hex(1)]] = None
    irq: Attr[Annotated[int | None, Hex(1)]] = None


class MmioAddress(Element, tag="address", when=("type", "virtio-mmio")):
    """A memory-mapped virtio slot, which QEMU chooses."""


class DimmAddress(Element, tag="address", when=("type", "dimm")):
    """A memory slot and, once it is running, the guest's physical address."""

    slot: Attr[int | None] = None
    base: Attr[Annotated[int | None, Hex(1)]] = None


class UnassignedAddress(Element, tag="address", when=("type", "unassigned")):
    """Kept in the description but not plugged into the machine."""


Address = (
    PciAddress
    | DriveAddress
    | VirtioSerialAddress
    | CcidAddress
    | UsbAddress
    | IsaAddress
    | MmioAddress
    | DimmAddress
    | UnassignedAddress
)


def bus_number(text: str) -> int | None:
    """The number of a bus of the host; None for what is no such number.

    Decimal, also with zeros in front, as lsusb prints it, or as `0x1f`.
    """
    try:
        number = int(text, 16 if text[:2].lower() == "0x" else 10)
    except ValueError:
        return None
    return number if 0 <= number <= 0xFFFF else None


class HostAddress(Element):
    """`<address>` on the host: PCI (domain to function), USB (bus, device) or mediated (uuid)."""

    type: Attr[Literal["pci", "usb"] | None] = None
    uuid: Attr[str | None] = None
    domain: Attr[Annotated[int | None, Hex(4)]] = None
    bus: Attr[str | None] = None
    slot: Attr[Annotated[int | None, Hex(2)]] = None
    function: Attr[Annotated[int | None, Hex(1)]] = None
    device: Attr[int | None] = None
    target: Attr[int | None] = None
    unit: Attr[int | None] = None
