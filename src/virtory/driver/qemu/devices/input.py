"""Keyboards, mice, tablets, and the hubs they hang on.

The rule kept here: PS/2 ones are part of the machine and described by nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.devices.wiring import Item, Wiring, virtio_options, without_none

if TYPE_CHECKING:
    from virtory.model.domain.devices.input import Input, InputSource

_USB = {"tablet": "usb-tablet", "mouse": "usb-mouse", "keyboard": "usb-kbd"}
_VIRTIO = {"tablet": "virtio-tablet", "mouse": "virtio-mouse", "keyboard": "virtio-keyboard"}


def describe(device: Input, wiring: Wiring) -> list[Item]:
    """One input device."""
    value: dict[str, Any]
    slot = wiring.plan.slot(f"input:{device.alias}")
    if device.type == "evdev" and device.source is not None and slot is not None:
        return [Item("object", _evdev(device.alias, device.source, wiring.image_path(slot)))]
    if device.type == "passthrough" and slot is not None:
        value = {"driver": wiring.virtio("virtio-input-host", device, device.model)}
        value["evdev"] = wiring.image_path(slot)
    elif device.bus == "usb":
        value = {"driver": _USB.get(device.type)}
    elif device.bus == "virtio":
        value = {"driver": wiring.virtio(_VIRTIO.get(device.type, ""), device, device.model)}
        value.update(virtio_options(device.driver))
    else:
        return []
    value |= {"id": device.alias, **wiring.place(device)}
    return [Item("device", without_none(value))]


def _evdev(alias: str | None, source: InputSource, path: str) -> dict[str, Any]:
    """A device of the host that the guest shares with it, by a key that toggles."""
    value = {
        "qom-type": "input-linux",
        "id": alias,
        "evdev": path,
        "repeat": source.repeat,
        "grab_all": True if source.grab == "all" else None,
        "grab-toggle": source.grab_toggle,
    }
    return without_none(value)


def describe_hub(hub: Any, wiring: Wiring) -> list[Item]:
    """A USB hub."""
    return [Item("device", {"driver": "usb-hub", "id": hub.alias, **wiring.place(hub)})]
