"""Controllers: PCI bridges and ports, USB, SCSI, SATA, virtio-serial.

The rule kept here: what the chipset has built in is described by nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.definition.machine_kind import family
from virtory.driver.qemu.devices.wiring import Item, Wiring, virtio_options, without_none

if TYPE_CHECKING:
    from virtory.model.domain.devices.controller import Controller

USB = {
    "piix3-uhci": "piix3-usb-uhci",
    "piix4-uhci": "piix4-usb-uhci",
    "ehci": "usb-ehci",
    "ich9-ehci1": "ich9-usb-ehci1",
    "ich9-uhci1": "ich9-usb-uhci1",
    "ich9-uhci2": "ich9-usb-uhci2",
    "ich9-uhci3": "ich9-usb-uhci3",
    "vt82c686b-uhci": "vt82c686b-usb-uhci",
    "pci-ohci": "pci-ohci",
    "nec-xhci": "nec-usb-xhci",
    "qemu-xhci": "qemu-xhci",
}
SCSI = {
    "lsilogic": "lsi",
    "lsisas1068": "mptsas1068",
    "lsisas1078": "megasas",
    "vmpvscsi": "pvscsi",
    "auto": "lsi",
}
PCI = {
    "pci-bridge": "pci-bridge",
    "pcie-root-port": "pcie-root-port",
    "pcie-to-pci-bridge": "pcie-pci-bridge",
    "pcie-switch-upstream-port": "x3130-upstream",
    "pcie-switch-downstream-port": "xio3130-downstream",
    "dmi-to-pci-bridge": "i82801b11-bridge",
}
VIRTIO_SCSI = ("virtio-scsi", "virtio", "virtio-transitional", "virtio-non-transitional")


def describe(controller: Controller, wiring: Wiring) -> list[Item]:
    """The controller, if the machine has not got it anyway."""
    properties = _properties(controller, wiring)
    if properties is None:
        return []
    driver, options = properties
    # A companion has the name of its master, which is the bus's, and needs none for itself.
    name = None if controller.master_startport is not None else controller.alias
    value = {"driver": driver, **options, "id": name, **wiring.place(controller)}
    return [Item("device", without_none(value))]


def _properties(controller: Controller, wiring: Wiring) -> tuple[str, dict[str, Any]] | None:
    model = controller.model or ""
    if controller.type == "pci":
        return _pci(controller)
    if controller.type == "usb":
        if model == "none":
            return None
        options: dict[str, Any] = {"p2": controller.ports, "p3": controller.ports}
        if controller.master_startport is not None:
            master = f"{wiring.bus_alias('usb', controller.index or 0)}.0"
            options = {"masterbus": master, "firstport": controller.master_startport}
        return USB.get(model, model), options
    if controller.type == "ccid":
        return "usb-ccid", {}
    if controller.type == "scsi":
        return _scsi(controller, wiring)
    if controller.type == "sata":
        chipset = family(wiring.domain.os.type.machine or "") == "q35" and not controller.index
        return None if chipset else ("ich9-ahci", {})
    if controller.type == "fdc":
        on_board = family(wiring.domain.os.type.machine or "") == "i440fx"
        return None if on_board else ("isa-fdc", {})
    if controller.type == "virtio-serial":
        options = {"max_ports": controller.ports, "vectors": controller.vectors}
        options.update(virtio_options(controller.driver))
        return wiring.virtio("virtio-serial", controller, controller.model), options
    return None  # IDE is the chipset's


def _pci(controller: Controller) -> tuple[str, dict[str, Any]] | None:
    driver = PCI.get(controller.model or "")
    if driver is None:
        return None
    target = controller.target
    options: dict[str, Any] = {}
    if target is not None:
        if controller.model == "pcie-root-port":
            options = {"port": target.port, "chassis": target.chassis, "hotplug": target.hotplug}
        elif controller.model == "pci-bridge":
            options = {"chassis_nr": target.chassis_number}
        elif controller.model == "pcie-switch-downstream-port":
            options = {"port": target.port, "chassis": target.chassis}
    return driver, options


def _scsi(controller: Controller, wiring: Wiring) -> tuple[str, dict[str, Any]]:
    model = controller.model or "lsilogic"
    if model not in VIRTIO_SCSI:
        return SCSI.get(model, model), {}
    options: dict[str, Any] = dict(virtio_options(controller.driver))
    driver = controller.driver
    if driver is not None:
        options["num_queues"] = driver.queues
        options["cmd_per_lun"] = driver.cmd_per_lun
        options["max_sectors"] = driver.max_sectors
        options["ioeventfd"] = driver.ioeventfd
        options["iothread"] = f"iothread{driver.iothread}" if driver.iothread else None
    suffix = model if model.startswith("virtio-") and model != "virtio-scsi" else None
    return wiring.virtio("virtio-scsi", controller, suffix), options
