"""`<controller>`: the buses that other devices hang on.

The rule kept here: `type` and `index` name a controller; devices refer to it by them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, Hex, OnOff, Range
from virtory.model.domain.devices.device import Device, VirtioOptions
from virtory.model.values import Kib

ControllerType = Literal[
    "ide", "fdc", "scsi", "sata", "virtio-serial", "ccid", "usb", "pci", "xenbus", "isa"
]


class ControllerDriver(VirtioOptions):
    """`<driver>`: queues of a SCSI controller."""

    queues: Attr[int | None] = None
    cmd_per_lun: Attr[int | None] = None
    max_sectors: Attr[int | None] = None
    ioeventfd: Attr[OnOff | None] = None
    iothread: Attr[int | None] = None


class ControllerTarget(Element):
    """`<target>`: how a PCI controller shows itself in the guest."""

    chassis_number: Annotated[int | None, At("@chassisNr"), Range(1, 255)] = None
    chassis: Attr[Annotated[int | None, Range(0, 255)]] = None
    port: Attr[Annotated[int | None, Hex(1), Range(0, 255)]] = None
    bus_number: Annotated[int | None, At("@busNr"), Range(1, 254)] = None
    index: Attr[int | None] = None
    hotplug: Attr[OnOff | None] = None
    node: int | None = None


class Controller(Device, tag="controller"):
    """`<controller>`: one of them."""

    type: Attr[ControllerType]
    index: Attr[Annotated[int | None, Range(0, 0x7FFFFFFF)]] = None
    model: Attr[str | None] = None
    ports: Attr[int | None] = None
    vectors: Attr[int | None] = None
    model_name: Annotated[str | None, At("model/@name")] = None
    target: ControllerTarget | None = None
    driver: ControllerDriver | None = None
    pcihole64: Kib | None = None
