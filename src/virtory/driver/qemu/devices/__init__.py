"""One short file per device: what QEMU is told to make it.

The rule kept here: `describe(device, wiring)` returns the objects as QMP takes them, in the
order in which they must be made. Start joins them into the command line, hotplug sends them
one by one, so that the two can not drift apart.

    for item in disk.describe(device, wiring):
        item.kind        "object" → object-add, "blockdev" → blockdev-add, "chardev" → chardev-add,
                         "netdev" → netdev_add, "device" → device_add
        item.value       the command's arguments
"""

from __future__ import annotations

from virtory.driver.qemu.devices.wiring import Item, Kind, Step, Wiring

__all__ = ["Item", "Kind", "Step", "Wiring"]
