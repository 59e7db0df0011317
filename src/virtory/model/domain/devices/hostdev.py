"""`<hostdev>`: a device of the host given to the guest.

The rule kept here: `source` names it on the host, `address` places it in the guest.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, Hex, OnOff, YesNo
from virtory.model.domain.devices.address import HostAddress
from virtory.model.domain.devices.device import Device


class HostdevSource(Element):
    """`<source>`: which device."""

    protocol: Attr[str | None] = None
    wwpn: Attr[str | None] = None
    startup_policy: Annotated[
        Literal["mandatory", "requisite", "optional"] | None, At("@startupPolicy")
    ] = None
    write_filtering: Annotated[YesNo | None, At("@writeFiltering")] = None
    guest_reset: Annotated[Literal["off", "uninitialized", "on"] | None, At("@guestReset")] = None
    vendor: Annotated[int | None, Hex(4), At("vendor/@id")] = None
    product: Annotated[int | None, Hex(4), At("product/@id")] = None
    adapter: Annotated[str | None, At("adapter/@name")] = None
    address: HostAddress | None = None


class Hostdev(Device, tag="hostdev"):
    """`<hostdev>`: one device."""

    mode: Attr[Literal["subsystem", "capabilities"]] = "subsystem"
    type: Attr[Literal["pci", "usb", "scsi", "scsi_host", "mdev", "storage", "misc", "net"]]
    managed: Attr[YesNo | None] = None
    sgio: Attr[Literal["filtered", "unfiltered"] | None] = None
    rawio: Attr[YesNo | None] = None
    model: Attr[str | None] = None
    display: Attr[OnOff | None] = None
    ramfb: Attr[OnOff | None] = None
    driver: Annotated[Literal["kvm", "vfio", "xen"] | None, At("driver/@name")] = None
    source: HostdevSource | None = None
    readonly: bool = False
    shareable: bool = False
