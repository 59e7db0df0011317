"""Card readers: the card itself is with the viewer.

The rule kept here: the reader is a USB device that the `ccid` controller is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.devices.character import back_end
from virtory.driver.qemu.devices.wiring import Item, Wiring

if TYPE_CHECKING:
    from virtory.model.domain.devices.smartcard import Smartcard


def describe(card: Smartcard, wiring: Wiring) -> list[Item]:
    """A card in a slot of the reader."""
    bus = f"{wiring.bus_alias('ccid', 0)}.0"
    value = {
        "driver": "ccid-card-passthru",
        "chardev": f"char{card.alias}",
        "id": card.alias,
        "bus": bus,
    }
    return [back_end(card, wiring), Item("device", value)]
