"""Modules of memory in slots.

The rule kept here: the memory first, then the device that shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.devices.wiring import Item, Wiring, without_none
from virtory.driver.qemu.machine_memory import ram
from virtory.model.domain.devices.address import DimmAddress

if TYPE_CHECKING:
    from virtory.model.domain.devices.memory import MemoryModule


def describe(module: MemoryModule, wiring: Wiring) -> list[Item]:
    """A module in a slot: its memory, then the device."""
    name = f"mem{module.alias}"
    back_end = ram(name, module.target.size, wiring, module=module)
    address = module.address
    slot = address.slot if isinstance(address, DimmAddress) else None
    base = address.base if isinstance(address, DimmAddress) else None
    value = {
        "driver": "pc-dimm",
        "node": module.target.node,
        "memdev": name,
        "id": module.alias,
        "slot": slot,
        "addr": base,
    }
    return [Item("object", back_end), Item("device", without_none(value))]
