"""`<serial>` and `<parallel>`: ports of the machine.

The rule kept here: ports are numbered from 0 in each kind; the first serial port is also the first
console.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element
from virtory.model.domain.devices.character import CharacterDevice

SerialTargetType = Literal[
    "isa-serial", "usb-serial", "pci-serial", "spapr-vio-serial", "system-serial", "sclp-serial",
    "isa-debug",
]  # fmt: skip
SerialModel = Literal[
    "isa-serial", "usb-serial", "pci-serial", "spapr-vty", "pl011", "16550a", "sclpconsole",
    "sclplmconsole", "isa-debugcon",
]  # fmt: skip


class SerialTarget(Element):
    """`<target>`: the port's kind, number and model."""

    type: Attr[SerialTargetType | None] = None
    port: Attr[int | None] = None
    model: Annotated[SerialModel | None, At("model/@name")] = None


class ParallelTarget(Element):
    """`<target>`: the port's number."""

    type: Attr[str | None] = None
    port: Attr[int | None] = None


class Serial(CharacterDevice, tag="serial"):
    """`<serial>`: one serial port."""

    target: SerialTarget | None = None


class Parallel(CharacterDevice, tag="parallel"):
    """`<parallel>`: one parallel port."""

    target: ParallelTarget | None = None
