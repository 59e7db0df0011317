"""Which of a machine's disks the guest means: by the PCI place, or else by the serial number.

The rule kept here: a disk is named only when the guest's words fit one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.model.domain.devices.address import DriveAddress, PciAddress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virtory.model.domain import Domain


def target_of(told: Mapping[str, Any], domain: Domain) -> str | None:
    """The target of the disk that a `GuestDiskAddress` of the agent describes; None: unknown."""
    place = _place(told.get("pci-controller") or {})
    controllers: dict[tuple[str | None, int | None], tuple[int, ...] | None] = {
        (each.type, each.index): _place_of(each.address) for each in domain.devices.controllers
    }
    where = (told.get("bus"), told.get("target"), told.get("unit"))
    serial = told.get("serial")
    for disk in domain.devices.disks:
        address = disk.address
        if isinstance(address, PciAddress) and _place_of(address) == place:
            return disk.target.dev
        if isinstance(address, DriveAddress):
            controller = controllers.get((disk.target.bus, address.controller))
            here = (address.bus, address.target, address.unit)
            if controller is not None and controller == place and here == where:
                return disk.target.dev
    if serial:
        return next((d.target.dev for d in domain.devices.disks if d.serial == serial), None)
    return None


def _place(told: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(told.get(key) for key in ("domain", "bus", "slot", "function"))


def _place_of(address: object) -> tuple[int, int, int, int] | None:
    if not isinstance(address, PciAddress):
        return None
    return address.domain, address.bus, address.slot, address.function
