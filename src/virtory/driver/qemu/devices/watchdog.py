"""Watchdogs and the guest's cry for help: `<watchdog>`, `<panic>`.

The rule kept here: what follows an alarm is QEMU's `-action`, not the device's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.devices.wiring import Item, Wiring

if TYPE_CHECKING:
    from virtory.model.domain.devices.panic import Panic
    from virtory.model.domain.devices.watchdog import Watchdog

MODELS = ("i6300esb", "ib700", "itco")
PANICS = {"isa": "pvpanic", "pvpanic": "pvpanic-pci"}


def describe(watchdog: Watchdog, wiring: Wiring) -> list[Item]:
    """The timer; `itco` is part of the q35 chipset."""
    if watchdog.model == "itco":
        return []
    value = {"driver": watchdog.model, "id": watchdog.alias, **wiring.place(watchdog)}
    return [Item("device", value)]


def describe_panic(panic: Panic, wiring: Wiring) -> list[Item]:
    """The device on which a dying kernel rings; `hyperv` is a property of the CPU."""
    driver = PANICS.get(panic.model or "isa")
    if driver is None:
        return []
    number = wiring.domain.devices.panics.index(panic)  # it is shown without an alias
    name = panic.alias or f"panic{number}"
    place = wiring.place(panic)
    if "iobase" in place:
        place = {"ioport": place["iobase"]}
    return [Item("device", {"driver": driver, "id": name, **place})]
