"""What a device's description refers to: the plan's descriptors, the machine, the buses.

The rule kept here: lookups only; a description never decides.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from virtory.driver.qemu.definition.machine_kind import family
from virtory.model.domain.devices.address import (
    IsaAddress,
    MmioAddress,
    PciAddress,
    UsbAddress,
    VirtioSerialAddress,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virtory.driver.qemu.plan import Plan
    from virtory.model.domain import Domain

Kind = Literal["object", "blockdev", "chardev", "netdev", "device", "audiodev", "tpmdev",
               "fsdev"]  # fmt: skip


class Item(NamedTuple):
    """One object for QEMU to make; `value` is what the QMP command of its kind takes."""

    kind: Kind
    value: dict[str, Any]


class Step(NamedTuple):
    """One QMP command before the machine may run; `slots` are sent before it with `getfd`, named
    `slotN`."""

    command: str
    arguments: dict[str, Any]
    slots: tuple[int, ...] = ()


class Wiring(NamedTuple):
    """Everything a device may refer to. `fds`: slot → descriptor's number, or its QMP name.

    Without `fds` it serves for what is there already: the names of things, not how they are opened.
    """

    domain: Domain
    plan: Plan
    fds: Mapping[int, int | str] = MappingProxyType({})

    def fd(self, slot: int) -> str:
        """The descriptor in a slot, as QEMU is told it."""
        return str(self.fds.get(slot, slot))

    def image_path(self, slot: int) -> str:
        """The name under which QEMU opens a file of the plan."""
        return f"/dev/fdset/{slot}"

    def logged(self, alias: str) -> dict[str, Any]:
        """The options that make a character device keep what it prints."""
        slot = self.plan.slot(f"log:{alias}")
        return {} if slot is None else {"logfile": self.image_path(slot), "logappend": True}

    def bus_alias(self, kind: str, index: int) -> str:
        """The name of a controller, hence of its bus."""
        for controller in self.domain.devices.controllers:
            if controller.type == kind and (controller.index or 0) == index:
                return controller.alias or kind
        return "pci.0" if kind == "pci" else f"{kind}{index}"

    def place(self, device: Any) -> dict[str, Any]:
        """`bus`, `addr` and their like for the device's address; nothing without one."""
        address = device.address
        if isinstance(address, PciAddress):
            where: dict[str, Any] = {
                "bus": self.bus_alias("pci", address.bus),
                "addr": _pci_place(address),
            }
            if address.multifunction is not None:
                where["multifunction"] = address.multifunction
            return where | _pci_options(device)
        if isinstance(address, IsaAddress):
            return without_none({"iobase": address.iobase, "irq": address.irq})
        if isinstance(address, UsbAddress):
            where = {"bus": f"{self.bus_alias('usb', address.bus)}.0"}
            return where if address.port is None else {**where, "port": address.port}
        if isinstance(address, VirtioSerialAddress):
            bus = f"{self.bus_alias('virtio-serial', address.controller)}.{address.bus}"
            return {"bus": bus} if address.port is None else {"bus": bus, "nr": address.port}
        return {}

    def virtio(self, name: str, device: Any, model: str | None = None) -> str:
        """The driver of a virtio device for the bus it is on, such as `virtio-blk-pci`."""
        if isinstance(device.address, MmioAddress) or self._has_no_pci():
            return f"{name}-device"
        suffix = (model or "").removeprefix("virtio")
        return f"{name}-pci{suffix}"

    def _has_no_pci(self) -> bool:
        return family(self.domain.os.type.machine or "") == "microvm"


def _pci_options(device: Any) -> dict[str, Any]:
    """What any PCI device may have besides its place: a number for its name, an option ROM."""
    options: dict[str, Any] = {"acpi-index": device.acpi_index}
    if device.rom is not None:
        options["romfile"] = "" if device.rom.enabled is False else device.rom.file
        options["rombar"] = None if device.rom.bar is None else int(device.rom.bar)
    return without_none(options)


def _pci_place(address: PciAddress) -> str:
    place = f"{address.slot:#x}"
    return f"{place}.{address.function:#x}" if address.function else place


def virtio_options(driver: Any) -> dict[str, Any]:
    """Options that any virtio device takes."""
    if driver is None:
        return {}
    names = {
        "iommu": "iommu_platform",
        "ats": "ats",
        "packed": "packed",
        "page_per_vq": "page-per-vq",
    }
    return {
        option: getattr(driver, name)
        for name, option in names.items()
        if getattr(driver, name) is not None
    }


def without_none(values: dict[str, Any]) -> dict[str, Any]:
    """The same without what is None."""
    return {name: value for name, value in values.items() if value is not None}
