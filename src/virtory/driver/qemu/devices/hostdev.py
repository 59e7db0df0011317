"""Devices of the host given to the guest: USB.

The rule kept here: the daemon opens the device, QEMU gets the descriptor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.devices.wiring import Item, Wiring, without_none

if TYPE_CHECKING:
    from virtory.model.domain.devices.hostdev import Hostdev


_RESETS = {  # may the guest reset the device at any time, or only until it has an address?
    "off": {"guest-reset": False, "guest-resets-all": False},
    "uninitialized": {"guest-reset": True, "guest-resets-all": False},
    "on": {"guest-reset": True, "guest-resets-all": True},
}


def describe(device: Hostdev, wiring: Wiring, boot_index: int | None = None) -> list[Item]:
    """The device; none when it is optional and not there."""
    slot = wiring.plan.slot(f"hostdev:{device.alias}")
    if device.type != "usb" or slot is None:
        return []
    value = {
        "driver": "usb-host",
        "hostdevice": wiring.image_path(slot),
        "id": device.alias,
        "bootindex": boot_index,
        **_RESETS.get((device.source.guest_reset if device.source else None) or "", {}),
        **wiring.place(device),
    }
    return [Item("device", without_none(value))]
