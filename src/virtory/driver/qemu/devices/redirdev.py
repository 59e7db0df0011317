"""USB devices that the viewer lends to the guest.

The rule kept here: the filter is part of each device, first match decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.devices.character import back_end
from virtory.driver.qemu.devices.wiring import Item, Wiring, without_none

if TYPE_CHECKING:
    from virtory.model.domain.devices.redirdev import Redirdev, UsbFilter


def describe(device: Redirdev, wiring: Wiring, boot_index: int | None = None) -> list[Item]:
    """The host's end, then the place for one lent device."""
    rules = wiring.domain.devices.redirfilter
    value = {
        "driver": "usb-redir",
        "chardev": f"char{device.alias}",
        "id": device.alias,
        "filter": "|".join(_rule(each) for each in rules.rules) if rules is not None else None,
        "bootindex": boot_index,
        **wiring.place(device),
    }
    return [back_end(device, wiring), Item("device", without_none(value))]


def _rule(rule: UsbFilter) -> str:
    version = rule.version
    if version is None or version == "-1":
        code = "-1"
    else:  # `1.10` is 0x0110, binary-coded
        major, _, minor = version.partition(".")
        code = f"0x{int(major):02d}{int((minor or '0').ljust(2, '0')[:2]):02d}"
    numbers = (rule.device_class or "-1", rule.vendor or "-1", rule.product or "-1", code)
    return ":".join([*numbers, "1" if rule.allow else "0"])
