"""Keyboards, mice, tablets, and the hubs they hang on.

The rule kept here: PS/2 ones are part of the machine and described by nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.devices.wiring import Item, Wiring, virtio_options, without_none

if TYPE_CHECKING:
    from virtory.model.domain.devices.input import Input

_USB = {"tablet": "usb-tablet", "mouse": "usb-mouse", "keyboard": "usb-kbd"}
_VIRTIO = {"tablet": "virtio-tablet", "mouse": "virtio-mouse", "keyboard": "virtio-keyboard"}


def describe(device: Input, wiring: Wiring) -> list[Item]:
    """One input device."""
    value: dict[str, Any]
    if device.bus == "usb":
        value = {"driver": _USB.get(device.type)}
    elif device.bus == "virtio":
        value = {"driver": wiring.virtio(_VIRTIO.get(device.type, ""), device, device.model)}
        value.update(virtio_options(device.driver))
    else:
        return []
    value |= {"id": device.alias, **wiring.place(device)}
    return [Item("device", without_none(value))]


def describe_hub(hub: Any, wiring: Wiring) -> list[Item]:
    """A USB hub."""
    return [Item("device", {"driver": "usb-hub", "id": hub.alias, **wiring.place(hub)})]
