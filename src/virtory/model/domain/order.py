"""The order in which libvirt keeps disks and controllers, whatever order they were given in.

The rule kept here: nothing is added, changed or lost. The order matters, since addresses and device
names are given out along it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from virtory.model.domain.devices.controller import Controller
    from virtory.model.domain.devices.disk import Disk
    from virtory.model.domain.domain import Domain

_DRIVE = re.compile("(?:fd|hd|vd|sd|xvd|ubd)([a-z]{1,4})[0-9]*")

_BUS_OF_NAME = {"hd": "ide", "sd": "scsi", "vd": "virtio", "fd": "fdc", "xv": "xen"}


def ordered(domain: Domain) -> Domain:
    """The same machine with its disks and controllers in libvirt's order.

    Disks that leave their bus unsaid stand together, as libvirt has it at first.
    """
    devices = domain.devices
    if len(devices.disks) < 2 and len(devices.controllers) < 2:
        return domain
    disks = ordered_disks(devices.disks)
    controllers = ordered_controllers(devices.controllers)
    if disks == devices.disks and controllers == devices.controllers:
        return domain
    import dataclasses

    changed = dataclasses.replace(devices, disks=disks, controllers=controllers)
    return dataclasses.replace(domain, devices=changed)


def ordered_disks(disks: tuple[Disk, ...]) -> tuple[Disk, ...]:
    """Disks of one bus together, by their names' index, buses as they first appear."""
    buses = [disk.target.bus for disk in disks]
    places = {
        id(disk): (bus, disk_index(disk.target.dev) or 0)
        for disk, bus in zip(disks, buses, strict=True)
    }
    return tuple(sorted(disks, key=_keys(buses, places)))


def bus_of(disk: Disk) -> str:
    """The bus of a disk, or the one that its name stands for."""
    return disk.target.bus or _BUS_OF_NAME.get(disk.target.dev[:2], "ide")


def ordered_controllers(controllers: tuple[Controller, ...]) -> tuple[Controller, ...]:
    """Controllers of one type together, by their index, types as they first appear."""
    return tuple(
        sorted(
            controllers,
            key=_keys(
                [controller.type for controller in controllers],
                {
                    id(controller): (
                        controller.type,
                        controller.index if controller.index is not None else 1 << 31,
                    )
                    for controller in controllers
                },
            ),
        )
    )


def _keys(
    groups: Sequence[object], places: Mapping[int, tuple[object, int]]
) -> Callable[[object], tuple[int, int]]:
    first = {group: groups.index(group) for group in set(groups)}

    def rank(value: object) -> tuple[int, int]:
        group, index = places[id(value)]
        return first[group], index

    return rank


def disk_index(name: str) -> int | None:
    """The number of a disk's name: 0 for `vda`, 26 for `sdaa`, None for no such name.

    A partition's number at the end, as in `sda1`, is left out.
    """
    match = _DRIVE.fullmatch(name)
    if match is None:
        return None
    index = 0
    for letter in match[1]:
        index = index * 26 + ord(letter) - ord("a") + 1
    return index - 1
