"""An IOMMU for the guest.

The rule kept here: it is made before every device that it stands in front of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.devices.wiring import Item, Wiring, without_none

if TYPE_CHECKING:
    from virtory.model.domain.devices.iommu import Iommu


def describe(iommu: Iommu, wiring: Wiring) -> list[Item]:
    """The device."""
    if iommu.model == "virtio":
        value = {"driver": "virtio-iommu", "id": iommu.alias, **wiring.place(iommu)}
        return [Item("device", value)]
    driver = iommu.driver
    options = {"driver": "intel-iommu", "id": iommu.alias}
    if driver is None:
        return [Item("device", options)]
    eim = None if driver.eim is None else "on" if driver.eim else "off"
    remap = None if driver.intremap is None else "on" if driver.intremap else "off"
    more = {
        "intremap": remap,
        "caching-mode": driver.caching_mode,
        "eim": eim,
        "device-iotlb": driver.iotlb,
        "aw-bits": driver.address_width,
    }
    return [Item("device", without_none({**options, **more}))]
