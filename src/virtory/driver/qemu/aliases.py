"""The names that QEMU knows a running machine's devices by.

The rule kept here: names are libvirt's, for tools look for them (`serial0`, `net0`,
`virtio-disk0`); a name that the user gave (`ua-…`) stays. They are part of the
live description only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.codec.xml import replaced as replace
from virtory.driver.qemu.definition.device_defaults import disk_number
from virtory.model.domain.devices.address import DimmAddress, DriveAddress
from virtory.model.domain.devices.device import is_users_alias

if TYPE_CHECKING:
    from virtory.model.domain import Devices, Domain
    from virtory.model.domain.devices.controller import Controller
    from virtory.model.domain.devices.disk import Disk

_NUMBERED = {
    "filesystems": "fs",
    "interfaces": "net",
    "smartcards": "smartcard",
    "serials": "serial",
    "parallels": "parallel",
    "channels": "channel",
    "inputs": "input",
    "tpms": "tpm",
    "sounds": "sound",
    "videos": "video",
    "hostdevs": "hostdev",
    "redirdevs": "redir",
    "hubs": "hub",
    "watchdogs": "watchdog",
    "rngs": "rng",
    "shmems": "shmem",
}


def with_aliases(domain: Domain) -> Domain:
    """The same with a name for every device; expects defaults and addresses to be there."""
    devices = domain.devices
    changes: dict[str, Any] = {}
    for field, prefix in _NUMBERED.items():
        row = getattr(devices, field)
        if row:
            changes[field] = tuple(
                _named(each, f"{prefix}{number}") for number, each in enumerate(row)
            )
    changes["memories"] = tuple(_named(m, f"{m.model}{_slot(m, n)}")
                                for n, m in enumerate(devices.memories))  # fmt: skip
    changes["disks"] = tuple(_named(each, disk_alias(each, devices)) for each in devices.disks)
    changes["controllers"] = tuple(
        _named(each, controller_alias(each, devices)) for each in devices.controllers
    )
    changes["consoles"] = tuple(
        _named(each, _console_alias(each, number)) for number, each in enumerate(devices.consoles)
    )
    if devices.balloon is not None and devices.balloon.model != "none":
        changes["balloon"] = _named(devices.balloon, "balloon0")
    if devices.iommu is not None:
        changes["iommu"] = _named(devices.iommu, "iommu0")
    if devices.vsock is not None:
        changes["vsock"] = _named(devices.vsock, "vsock0")
    return replace(domain, devices=replace(devices, **changes))


def without_aliases(domain: Domain) -> Domain:
    """The same without the names that were made; those that the user gave stay."""
    changes: dict[str, Any] = {}
    devices = domain.devices
    for declared in type(devices).declared():
        value = getattr(devices, declared.name)
        if not value:  # most kinds of devices
            continue
        if isinstance(value, tuple):
            if any(_is_made(each) for each in value):
                changes[declared.name] = tuple(_unnamed(each) for each in value)
        elif _is_made(value):
            changes[declared.name] = _unnamed(value)
    return replace(domain, devices=replace(devices, **changes)) if changes else domain


def disk_alias(disk: Disk, devices: Devices) -> str:
    """The name of a disk, by its bus and place."""
    bus, address = disk.target.bus, disk.address
    if bus in ("ide", "sata", "scsi", "fdc") and isinstance(address, DriveAddress):
        place = f"{address.controller}-{address.bus}"
        if bus == "scsi" and not _has_short_places(address.controller, devices):
            return f"scsi{place}-{address.target}-{address.unit}"
        return f"{bus}{place}-{address.unit}"
    return f"{bus}-disk{disk_number(disk.target.dev)}"


def _has_short_places(index: int, devices: Devices) -> bool:
    """Whether a SCSI controller has one target per unit, as parallel SCSI has."""
    return any(
        each.type == "scsi" and each.index == index and each.model == "lsilogic"
        for each in devices.controllers
    )


def controller_alias(controller: Controller, devices: Devices) -> str:
    """The name of a controller, which is also its bus's."""
    index, kind = controller.index or 0, controller.type
    if kind == "pci":
        return f"{'pcie' if controller.model == 'pcie-root' else 'pci'}.{index}"
    if index == 0 and kind in ("usb", "ide"):
        return kind
    if index == 0 and kind == "sata" and _is_q35(devices):
        return "ide"  # QEMU's own name of the chipset's
    return f"{kind}{index}"


def _slot(module: Any, number: int) -> int:
    slot = module.address.slot if isinstance(module.address, DimmAddress) else None
    return number if slot is None else slot


def _is_q35(devices: Devices) -> bool:
    return any(each.model == "pcie-root" for each in devices.controllers)


def _console_alias(console: Any, number: int) -> str:
    is_mirror = number == 0 and (console.target is None or console.target.type in (None, "serial"))
    return "serial0" if is_mirror else f"console{number}"


def _named(device: Any, name: str) -> Any:
    return device if device.alias else replace(device, alias=name)


def _is_made(device: Any) -> bool:
    alias = getattr(device, "alias", None)
    return alias is not None and not is_users_alias(alias)


def _unnamed(device: Any) -> Any:
    return replace(device, alias=None) if _is_made(device) else device


def next_alias(field: str, device: Any, devices: Devices) -> str:
    """The name of a device that is plugged into a running machine: one that nobody has."""
    if device.alias:
        return str(device.alias)
    if field == "disks":
        return disk_alias(device, devices)
    if field == "controllers":
        return controller_alias(device, devices)
    if field == "memories":
        return f"{device.model}{_slot(device, len(devices.memories))}"
    if field in ("balloon", "vsock", "iommu"):
        return f"{field}0"
    prefix = _NUMBERED.get(field) or {"consoles": "console"}.get(field, field.removesuffix("s"))
    taken = [
        int(each.alias.removeprefix(prefix))
        for each in getattr(devices, field)
        if each.alias and each.alias.removeprefix(prefix).isdigit()
    ]
    return f"{prefix}{max(taken, default=-1) + 1}"
