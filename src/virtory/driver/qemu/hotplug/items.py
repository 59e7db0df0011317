"""What one device is made of: QEMU's objects and the rows of the plan.

The rule kept here: the objects are those that a start makes (`devices/*.py`), the rows those that a
start takes (`planning/*.py`); here is only which file is asked for which kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.device_edit import field_of
from virtory.driver.qemu import growth
from virtory.driver.qemu.devices import (
    balloon,
    character,
    controller,
    disk,
    filesystem,
    hostdev,
    input,
    interface,
    memory,
    redirdev,
    rng,
    vsock,
    watchdog,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from virtory.driver.qemu.devices import Item, Wiring
    from virtory.driver.qemu.plan import Plan
    from virtory.driver.qemu.planning.host import Host
    from virtory.model.domain import Domain

_DESCRIBE: dict[str, Callable[[Any, Wiring], list[Item]]] = {
    "disks": lambda device, wiring: disk.describe(device, wiring, device.boot_order),
    "interfaces": lambda device, wiring: interface.describe(device, wiring, device.boot_order),
    "controllers": controller.describe,
    "serials": character.describe_serial,
    "consoles": character.describe_console,
    "channels": character.describe_channel,
    "inputs": input.describe,
    "hubs": input.describe_hub,
    "filesystems": filesystem.describe,
    "hostdevs": lambda device, wiring: hostdev.describe(device, wiring, device.boot_order),
    "redirdevs": lambda device, wiring: redirdev.describe(device, wiring, device.boot_order),
    "memories": memory.describe,
    "watchdogs": watchdog.describe,
    "rngs": rng.describe,
    "balloon": balloon.describe,
    "vsock": vsock.describe,
}
_UNDO = {
    "object": ("object-del", "id"),
    "blockdev": ("blockdev-del", "node-name"),
    "chardev": ("chardev-remove", "id"),
    "netdev": ("netdev_del", "id"),
}


def describe(device: Any, wiring: Wiring) -> list[Item]:
    """The objects of one device, in the order in which QEMU must make them."""
    make = _DESCRIBE.get(field_of(device, wiring.domain.devices))
    return [] if make is None else make(device, wiring)


def undoing(items: Iterable[Item]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The commands that take back all but the device itself, last made first."""
    for item in reversed(list(items)):
        if item.kind in _UNDO:
            command, name = _UNDO[item.kind]
            yield command, {name: item.value.get(name, item.value.get("id"))}


def fragment(plan: Plan, domain: Domain, host: Host, device: Any) -> Plan:
    """What plugging `device` into the running `domain` takes; headers of images are read.

    Raises ConfigUnsupported or SystemCallFailed when something is not to be had.
    """
    from dataclasses import replace

    from virtory.driver.qemu.devices.rng import stream
    from virtory.driver.qemu.planning.characters import plan_character
    from virtory.driver.qemu.planning.disks import plan_disk
    from virtory.driver.qemu.planning.draft import Draft
    from virtory.driver.qemu.planning.filesystems import plan_filesystem
    from virtory.driver.qemu.planning.hostdevs import plan_hostdev
    from virtory.driver.qemu.planning.interfaces import plan_interface
    from virtory.driver.qemu.planning.vsock import plan_vsock

    draft = Draft.beside(plan, domain, host)
    field = field_of(device, domain.devices)
    if field == "disks":
        plan_disk(device, draft)
    elif field == "interfaces":
        plan_interface(device, draft)
    elif field in ("serials", "consoles", "channels", "redirdevs"):
        plan_character(device, draft)
    elif field == "rngs" and (source := stream(device)) is not None:
        plan_character(source, draft)
    elif field == "filesystems":
        plan_filesystem(device, draft)
    elif field == "hostdevs":
        plan_hostdev(device, draft)
    elif field == "vsock":
        cid = plan_vsock(device, draft)
        return replace(draft.fragment(), cids=(cid,))
    return draft.fragment()


def owned(plan: Plan, device: Any) -> Plan:
    """The rows of a running plan that are this device's alone."""
    target = getattr(getattr(device, "target", None), "dev", None)
    alias = str(device.alias or "")
    images = tuple(image for image in plan.images if target and image.target == target)
    slots = {slot for image in images for slot in (image.slot, image.data_slot)}
    is_vsock = alias == "vsock0"

    def mine(row: Any) -> bool:
        kind, _, rest = row.purpose.partition(":")
        if kind == "disk":
            return row.slot in slots or (bool(images) and rest.split(":")[0] == target)
        return rest == alias or (is_vsock and kind == "vsock")

    return growth.fragment(
        plan,
        files=tuple(row for row in plan.files if mine(row)),
        listens=tuple(row for row in plan.listens if mine(row)),
        pairs=tuple(row for row in plan.pairs if mine(row)),
        helpers=tuple(row for row in plan.helpers if row.name.partition("-")[2] == alias),
        images=images,
        taps=tuple(row for row in plan.taps if mine(row)),
        cids=plan.cids if is_vsock else (),
    )
