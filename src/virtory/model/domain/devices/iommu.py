"""`<iommu>`: an IOMMU for the guest.

The rule kept here: there is at most one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, OnOff, Range
from virtory.model.domain.devices.device import Device


class IommuDriver(Element):
    """`<driver>`: what it can do."""

    intremap: Attr[OnOff | None] = None
    caching_mode: Attr[OnOff | None] = None
    eim: Attr[OnOff | None] = None
    iotlb: Attr[OnOff | None] = None
    address_width: Annotated[int | None, At("@aw_bits"), Range(0, 64)] = None


class Iommu(Device, tag="iommu"):
    """`<iommu>`: the device."""

    model: Attr[Literal["intel", "smmuv3", "virtio"]]
    driver: IommuDriver | None = None
