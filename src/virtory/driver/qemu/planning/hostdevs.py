"""What devices of the host take: the USB device's file, found by its numbers.

The rule kept here: a device that is not there is an error that says what was looked for; what the
host lacks for PCI is named.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from virtory.errors import ConfigUnsupported, OperationFailed
from virtory.model.domain.devices.address import bus_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.qemu.planning.draft import Draft
    from virtory.model.domain.devices.hostdev import Hostdev, HostdevSource

_USB = "/sys/bus/usb/devices"
_PCI = "/sys/bus/pci/devices"


def plan_hostdev(device: Hostdev, draft: Draft) -> None:
    """Add the file of one device.

    Raises OperationFailed when it is not there, ConfigUnsupported when the host can not give it.
    """
    source = device.source
    assert source is not None, "a device without a source is refused when it is defined"
    if device.type == "pci":
        _refuse_pci(source)
    found = list(usb_devices(source))
    if not found:
        if source.startup_policy == "optional":
            return
        raise OperationFailed(
            f"Did not find USB device {_spelled(source)}",
            cure="Plug it in; `lsusb` shows those that are there.",
        )
    if len(found) > 1:
        raise OperationFailed(
            f"Multiple USB devices for {_spelled(source)}",
            cure="Say which: <address bus='…' device='…'/> in its <source>.",
        )
    draft.open(found[0], "rw", f"hostdev:{device.alias}")


def usb_devices(source: HostdevSource, directory: str = _USB) -> Iterator[str]:
    """The files of the USB devices of the host that a source means."""
    address = source.address
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        here = os.path.join(directory, name)
        bus, number = _number(here, "busnum", 10), _number(here, "devnum", 10)
        if bus is None or number is None:
            continue
        if address is not None and address.bus is not None and address.device is not None:
            wanted = bus_number(address.bus) == bus and address.device == number
        else:
            wanted = source.vendor is not None
        if source.vendor is not None and _number(here, "idVendor", 16) != source.vendor:
            wanted = False
        if source.product is not None and _number(here, "idProduct", 16) != source.product:
            wanted = False
        if wanted:
            yield f"/dev/bus/usb/{bus:03d}/{number:03d}"


def _number(directory: str, name: str, base: int) -> int | None:
    try:
        with open(os.path.join(directory, name)) as file:
            return int(file.read(), base)
    except (OSError, ValueError):
        return None


def _spelled(source: HostdevSource) -> str:
    parts = []
    if source.vendor is not None:
        parts.append(f"{source.vendor:04x}:{source.product or 0:04x}")
    if source.address is not None and source.address.bus is not None:
        parts.append(f"bus:{source.address.bus} device:{source.address.device}")
    return " ".join(parts) or "without numbers"


def _refuse_pci(source: HostdevSource) -> None:
    address = source.address
    if address is None:
        raise ConfigUnsupported("a PCI device of the host needs its <address>")
    bus = bus_number(address.bus or "0") or 0
    place = f"{address.domain or 0:04x}:{bus:02x}:{address.slot or 0:02x}.{address.function or 0}"
    here = os.path.join(_PCI, place)
    if not os.path.exists(here):
        raise OperationFailed(f"Device {place} not found: could not access {here}/config")
    if not os.path.exists(os.path.join(here, "iommu_group")):
        raise ConfigUnsupported(
            f"PCI device {place} can not be given to a guest: this host has no IOMMU group for it",
            cure="Switch the IOMMU on in the firmware, and by intel_iommu=on or amd_iommu=on.",
        )
    if not os.path.exists("/dev/vfio/vfio"):
        raise ConfigUnsupported(
            f"PCI device {place} can not be given to a guest: /dev/vfio/vfio is absent",
            cure="Run: sudo modprobe vfio-pci",
        )
    raise ConfigUnsupported(f"giving PCI devices ({place}) to guests is not served yet")
