"""Where each device sits: drives on their controllers, ports, USB, PCI or memory-mapped slots.

The rule kept here: a place that the definition names is kept, the others are given out in libvirt's
order; the result depends on nothing but the description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.codec.xml import replaced as replace
from virtory.driver.qemu.definition.device_defaults import disk_number
from virtory.driver.qemu.definition.machine_kind import family
from virtory.driver.qemu.definition.pci_addresses import needs, with_pci_addresses
from virtory.model.domain.devices.address import (
    CcidAddress,
    DimmAddress,
    DriveAddress,
    MmioAddress,
    UsbAddress,
    VirtioSerialAddress,
)
from virtory.model.domain.devices.limits import MOST_USB_PORTS
from virtory.model.domain.devices.redirdev import Hub

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.model.domain import Devices, Domain
    from virtory.model.domain.devices.disk import Disk

_VIRTIO_FIELDS = ("filesystems", "interfaces", "controllers", "disks", "balloon", "rngs",
                  "videos", "inputs", "vsock")  # fmt: skip
_PORTS = {"qemu-xhci": 4, "nec-xhci": 4, "piix3-uhci": 2, "piix4-uhci": 2, "ich9-ehci1": 6}
_HUB_PORTS = 8
_USB_ORDER = ("hubs", "hostdevs", "disks", "controllers", "inputs", "serials", "sounds",
              "redirdevs")  # fmt: skip


def with_addresses(domain: Domain, *, grow: bool = True) -> Domain:
    """The same with an address for every device; expects defaults to be there.

    Raises XmlError when two devices claim one place; without `grow` no bus is added, and
    InternalError says that one is missing.
    """
    devices = domain.devices
    changes: dict[str, Any] = {}
    if any(_lacks_drive(each) for each in devices.disks):
        changes["disks"] = _drives(devices)
    if devices.channels:
        changes["channels"] = _channels(devices)
    if devices.smartcards:
        changes["smartcards"] = _in_slots(devices.smartcards, CcidAddress, lambda _: True)
    if devices.memories:
        changes["memories"] = _in_slots(devices.memories, DimmAddress, _is_module)
    devices = replace(devices, **changes) if changes else devices
    devices = _with_usb(devices)
    if family(domain.os.type.machine or "") == "microvm":
        devices = _with_mmio(devices)
    else:
        devices = with_pci_addresses(devices, domain.os.type.machine or "", grow=grow)
    return domain if devices is domain.devices else replace(domain, devices=devices)


# -- drives ----------------------------------------------------------------------------------------


def _lacks_drive(disk: Disk) -> bool:
    return disk.address is None and disk.target.bus in ("ide", "sata", "scsi", "fdc")


def _drives(devices: Devices) -> tuple[Disk, ...]:
    taken = {
        (each.target.bus, *_place(each.address))
        for each in devices.disks
        if isinstance(each.address, DriveAddress)
    }
    disks = []
    for disk in devices.disks:
        if _lacks_drive(disk):
            address = _drive(disk.target.bus or "", disk_number(disk.target.dev))
            number = 0
            while (disk.target.bus, *_place(address)) in taken:  # given to another by hand
                address = _drive(disk.target.bus or "", number)
                number += 1
            taken.add((disk.target.bus, *_place(address)))
            disk = replace(disk, address=address)
        disks.append(disk)
    return tuple(disks)


def _place(address: DriveAddress) -> tuple[int, int, int, int]:
    return address.controller, address.bus, address.target, address.unit


def _drive(bus: str, number: int) -> DriveAddress:
    if bus == "ide":
        return DriveAddress(controller=number // 4, bus=number // 2 % 2, unit=number % 2)
    width = {"sata": 6, "scsi": 7}.get(bus, 2)
    return DriveAddress(controller=number // width, unit=number % width)


# -- memory modules and smart cards ----------------------------------------------------------------


def _is_module(memory: Any) -> bool:
    return memory.model in ("dimm", "nvdimm")


def _in_slots(
    row: tuple[Any, ...],
    address: type[DimmAddress | CcidAddress],
    takes_slot: Callable[[Any], bool],
) -> tuple[Any, ...]:
    """Those without a place in the first free slots."""
    taken = {each.address.slot for each in row if isinstance(each.address, address)}
    placed = []
    for each in row:
        if each.address is None and takes_slot(each):
            slot = next(n for n in range(len(taken) + 1) if n not in taken)
            taken.add(slot)
            each = replace(each, address=address(slot=slot))
        placed.append(each)
    return tuple(placed)


# -- virtio-serial -------------------------------------------------------------------------------


def _channels(devices: Devices) -> tuple[Any, ...]:
    taken = {
        (each.address.controller, each.address.port)
        for each in devices.channels
        if isinstance(each.address, VirtioSerialAddress)
    }
    channels = []
    for channel in devices.channels:
        address = channel.address
        if channel.target.type == "virtio" and (
            address is None or (isinstance(address, VirtioSerialAddress) and not address.port)
        ):
            controller = address.controller if isinstance(address, VirtioSerialAddress) else 0
            port = 1
            while (controller, port) in taken:
                port += 1
            taken.add((controller, port))
            address = VirtioSerialAddress(controller=controller, bus=0, port=port)
            channel = replace(channel, address=address)
        channels.append(channel)
    return tuple(channels)


# -- USB -------------------------------------------------------------------------------------------


def _with_usb(devices: Devices) -> Devices:
    """USB devices on ports of controller 0; a hub on port 1 when the ports do not suffice."""
    waiting = [
        (field, position)
        for field in _USB_ORDER
        for position, each in enumerate(getattr(devices, field))
        if each.address is None and _is_usb(field, each)
    ]
    controller = next((c for c in devices.controllers if c.type == "usb"), None)
    if not waiting or controller is None or controller.model == "none":
        return devices
    count = min(controller.ports or 0, MOST_USB_PORTS) or _PORTS.get(controller.model or "", 2)
    taken = {
        each.address.port
        for field in _USB_ORDER
        for each in getattr(devices, field)
        if isinstance(each.address, UsbAddress) and each.address.bus == 0
    }
    free = [str(n) for n in range(1, count + 1) if str(n) not in taken]
    rows: dict[str, list[Any]] = {"hubs": list(devices.hubs)}
    if len(waiting) > len(free) and free:
        hub = free.pop(0)
        rows["hubs"].append(Hub(type="usb", address=UsbAddress(bus=0, port=hub)))
        free += [f"{hub}.{n}" for n in range(1, _HUB_PORTS + 1)]
    for (field, position), port in zip(waiting, free, strict=False):
        row = rows.setdefault(field, list(getattr(devices, field)))
        row[position] = replace(row[position], address=UsbAddress(bus=0, port=port))
    changes: dict[str, Any] = {field: tuple(row) for field, row in rows.items()}
    return replace(devices, **changes)


def _is_usb(field: str, device: Any) -> bool:
    if field in ("hubs", "redirdevs"):
        return True
    if field in ("hostdevs", "controllers"):
        return bool(device.type == ("usb" if field == "hostdevs" else "ccid"))
    if field == "sounds":
        return bool(device.model == "usb")
    if field == "disks":
        return bool(device.target.bus == "usb")
    if field == "inputs":
        return bool(device.bus == "usb")
    return bool(device.target and device.target.type == "usb-serial")


# -- machines without PCI ------------------------------------------------------------------------


def _with_mmio(devices: Devices) -> Devices:
    """Every virtio device memory-mapped; the machine has no other bus for it."""
    changes: dict[str, Any] = {}
    for field in _VIRTIO_FIELDS:
        value = getattr(devices, field)
        if isinstance(value, tuple):
            row = tuple(_mapped(field, each) for each in value)
            if row != value:
                changes[field] = row
        elif value is not None:
            changes[field] = _mapped(field, value)
    return replace(devices, **changes) if changes else devices


def _mapped(field: str, device: Any) -> Any:
    if device.address is None and needs(field, device) == "pcie":
        return replace(device, address=MmioAddress())
    return device
