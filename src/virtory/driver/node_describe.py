"""What each device of the host is, in the form of its kind.

The rule kept here: a fact that the kernel does not tell is left out, never guessed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from virtory.driver import pci_config
from virtory.driver.link_features import features
from virtory.driver.node_scan import Found, drive_type
from virtory.driver.pci_names import pci_names
from virtory.model import node_device as model

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.sysfs import Sysfs

_NO_UUID = "00000000-0000-0000-0000-000000000000"


def describe(sysfs: Sysfs, found: Found) -> model.NodeDevice:
    """The whole device; FileNotFoundError when it has gone since it was found."""
    path = found.path
    if path and not sysfs.exists(path):
        raise FileNotFoundError(path)
    driver = sysfs.link_name(f"{path}/driver") if path else None
    return model.NodeDevice(
        name=found.name,
        path=path or None,
        devnodes=_device_nodes(sysfs, path) if path else (),
        parent=found.parent,
        driver=model.BoundDriver(name=driver) if driver else None,
        capability=_DESCRIBE[found.capabilities[0]](sysfs, path),
    )


def _device_nodes(sysfs: Sysfs, path: str) -> tuple[model.DeviceNode, ...]:
    events = (sysfs.text(f"{path}/uevent") or "").splitlines()
    name = next((line[8:] for line in events if line.startswith("DEVNAME=")), None)
    if name is None:
        return ()
    nodes = [model.DeviceNode(path=f"/dev/{name.removeprefix('/dev/')}")]
    if "/block/" in path:
        number = sysfs.text(f"{path}/dev")
        for line in (sysfs.text(f"/run/udev/data/b{number}") or "").splitlines():
            if line.startswith("S:"):
                nodes.append(model.DeviceNode(type="link", path=f"/dev/{line[2:]}"))
    return tuple(nodes)


def _system(sysfs: Sysfs, _: str) -> model.SystemCapability:
    def told(name: str) -> str | None:
        return sysfs.text(f"/sys/class/dmi/id/{name}") or None

    uuid = told("product_uuid")
    return model.SystemCapability(
        product=told("product_name"),
        hardware=model.SystemHardware(
            vendor=told("sys_vendor"),
            version=told("product_version"),
            serial=told("product_serial"),
            uuid=uuid.lower() if uuid else _NO_UUID,
        ),
        firmware=model.SystemFirmware(
            vendor=told("bios_vendor"),
            version=told("bios_version"),
            release_date=told("bios_date"),
        ),
    )


# -- PCI ---------------------------------------------------------------------------------------


def _address(name: str) -> model.HostAddress:
    domain, bus, rest = name.split(":")
    slot, _, function = rest.partition(".")
    return model.HostAddress(
        domain=int(domain, 16), bus=int(bus, 16), slot=int(slot, 16), function=int(function)
    )


def _pci(sysfs: Sysfs, path: str) -> model.PciCapability:
    place = _address(os.path.basename(path))
    vendor, product = (sysfs.number(f"{path}/{name}", 16) or 0 for name in ("vendor", "device"))
    vendor_name, product_name = pci_names(vendor, product)
    config = sysfs.data(f"{path}/config")
    node = sysfs.number(f"{path}/numa_node")
    return model.PciCapability(
        class_=f"0x{sysfs.number(f'{path}/class', 16) or 0:06x}",
        domain=place.domain,
        bus=place.bus,
        slot=place.slot,
        function=place.function,
        product=model.Named(id=f"0x{product:04x}", name=product_name),
        vendor=model.Named(id=f"0x{vendor:04x}", name=vendor_name),
        functions=_functions(sysfs, path, config),
        iommu_group=_iommu_group(sysfs, path),
        numa=node if node is not None and node >= 0 else None,
        express=pci_config.express(config),
    )


def _functions(sysfs: Sysfs, path: str, config: bytes) -> tuple[model.PciFunction, ...]:
    found = []
    physical = sysfs.link_name(f"{path}/physfn")
    if physical is not None:
        found.append(model.PciFunction(type="phys_function", addresses=(_address(physical),)))
    most = sysfs.number(f"{path}/sriov_totalvfs")
    if most:
        links = [name for name in sysfs.names(path) if name.startswith("virtfn")]
        made = [sysfs.link_name(f"{path}/{name}") for name in sorted(links, key=_by_number)]
        functions = tuple(_address(name) for name in made if name)
        found.append(model.PciFunction(type="virt_functions", max_count=most, addresses=functions))
    bridge = pci_config.bridge(config)
    if bridge is not None:
        found.append(model.PciFunction(type=bridge))
    return tuple(found)


def _by_number(name: str) -> int:
    return int(name.removeprefix("virtfn") or 0)


def _iommu_group(sysfs: Sysfs, path: str) -> model.IommuGroup | None:
    number = sysfs.link_name(f"{path}/iommu_group")
    if number is None:
        return None
    together = sysfs.names(f"{path}/iommu_group/devices")
    return model.IommuGroup(number=int(number), addresses=tuple(_address(n) for n in together))


# -- USB ---------------------------------------------------------------------------------------


def _usb_device(sysfs: Sysfs, path: str) -> model.UsbDeviceCapability:
    vendor, product = (sysfs.number(f"{path}/id{name}", 16) for name in ("Vendor", "Product"))
    return model.UsbDeviceCapability(
        bus=sysfs.number(f"{path}/busnum") or 0,
        device=sysfs.number(f"{path}/devnum") or 0,
        product=model.Named(id=f"0x{product or 0:04x}", name=sysfs.text(f"{path}/product")),
        vendor=model.Named(id=f"0x{vendor or 0:04x}", name=sysfs.text(f"{path}/manufacturer")),
    )


def _usb_interface(sysfs: Sysfs, path: str) -> model.UsbInterfaceCapability:
    def number(name: str) -> int:
        return sysfs.number(f"{path}/bInterface{name}", 16) or 0

    return model.UsbInterfaceCapability(
        number=number("Number"),
        class_=number("Class"),
        subclass=number("SubClass"),
        protocol=number("Protocol"),
        description=sysfs.text(f"{path}/interface"),
    )


# -- networks ----------------------------------------------------------------------------------


def _net(sysfs: Sysfs, path: str) -> model.NetCapability:
    name = os.path.basename(path)
    wireless = sysfs.exists(f"{path}/phy80211") or sysfs.exists(f"{path}/wireless")
    return model.NetCapability(
        interface=name,
        address=sysfs.text(f"{path}/address"),
        link=link_state(sysfs, path),
        features=tuple(model.NetFeature(name=one) for one in features(name)),
        kind=model.NetKind(type="80211" if wireless else "80203"),
    )


def link_state(sysfs: Sysfs, path: str) -> model.NetLink:
    """Whether there is a carrier; the speed only where there is one and it is known."""
    state = sysfs.text(f"{path}/operstate") or "unknown"
    speed = sysfs.number(f"{path}/speed") if state == "up" else None
    return model.NetLink(speed=speed if speed is not None and speed > 0 else None, state=state)


# -- SCSI and disks ------------------------------------------------------------------------------


def _scsi_host(sysfs: Sysfs, path: str) -> model.ScsiHostCapability:
    name = os.path.basename(path)
    fibre = f"/sys/class/fc_host/{name}"
    more: tuple[model.ScsiFeature, ...] = ()
    if sysfs.exists(fibre):
        names = [
            (sysfs.text(f"{fibre}/{field}") or "").removeprefix("0x") or None
            for field in ("node_name", "port_name")
        ]
        more = (model.ScsiFeature(type="fc_host", wwnn=names[0], wwpn=names[1]),)
        if sysfs.exists(f"{fibre}/vport_create"):
            more += (model.ScsiFeature(type="vport_ops"),)
    return model.ScsiHostCapability(
        host=int(name.removeprefix("host")),
        unique_id=sysfs.number(f"/sys/class/scsi_host/{name}/unique_id"),
        features=more,
    )


def _scsi_target(_: Sysfs, path: str) -> model.ScsiTargetCapability:
    return model.ScsiTargetCapability(target=os.path.basename(path))


_SCSI_TYPES = {
    0: "disk", 1: "tape", 2: "printer", 3: "processor", 4: "worm", 5: "cdrom", 6: "scanner",
    7: "mod", 8: "changer", 9: "comms", 12: "raid", 13: "enclosure", 14: "rbc",
}  # fmt: skip


def _scsi(sysfs: Sysfs, path: str) -> model.ScsiCapability:
    host, bus, target, lun = (int(part) for part in os.path.basename(path).split(":"))
    kind = _SCSI_TYPES.get(sysfs.number(f"{path}/type") or 0)
    return model.ScsiCapability(host=host, bus=bus, target=target, lun=lun, type_=kind)


def _scsi_generic(_: Sysfs, path: str) -> model.ScsiGenericCapability:
    return model.ScsiGenericCapability(char=f"/dev/{os.path.basename(path)}")


def _drm(_: Sysfs, path: str) -> model.DrmCapability:
    name = os.path.basename(path)
    kind = "render" if name.startswith("render") else "primary"
    return model.DrmCapability(type_="control" if name.startswith("control") else kind)


def _storage(sysfs: Sysfs, path: str) -> model.StorageCapability:
    name = os.path.basename(path)
    known = sysfs.properties(sysfs.text(f"{path}/dev"))
    kind = drive_type(name, known)
    sector = sysfs.number(f"{path}/queue/logical_block_size") or 512
    size = (sysfs.number(f"{path}/size") or 0) * 512
    medium = None
    if sysfs.number(f"{path}/removable") or kind in ("cdrom", "floppy"):
        medium = model.RemovableMedium(
            media_available=int(size > 0),
            media_size=size,
            logical_block_size=sector if size else None,
            num_blocks=size // sector if size else None,
        )
    return model.StorageCapability(
        block=f"/dev/{name}",
        bus=known.get("ID_BUS"),
        drive_type=kind,
        model=sysfs.text(f"{path}/device/model") or known.get("ID_MODEL"),
        vendor=sysfs.text(f"{path}/device/vendor") or known.get("ID_VENDOR"),
        serial=known.get("ID_SERIAL"),
        size=None if medium else size,
        logical_block_size=None if medium else sector,
        num_blocks=None if medium else size // sector,
        removable=medium,
    )


_DESCRIBE: dict[str, Callable[[Sysfs, str], model.Capability]] = {
    "system": _system,
    "pci": _pci,
    "usb_device": _usb_device,
    "usb": _usb_interface,
    "net": _net,
    "scsi_host": _scsi_host,
    "scsi_target": _scsi_target,
    "scsi": _scsi,
    "scsi_generic": _scsi_generic,
    "drm": _drm,
    "storage": _storage,
}
