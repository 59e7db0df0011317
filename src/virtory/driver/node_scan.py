"""Which devices this host has: their names, their places in /sys, what kind each is.

The rule kept here: libvirt's names, so that a definition or a script that names a device finds the
same one; a device's parent is the nearest one above it that is listed too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.sysfs import Sysfs

ROOT = "computer"


class Found(NamedTuple):
    """A device; `path` is its directory under /sys/devices, empty for the machine itself."""

    name: str
    path: str
    capabilities: tuple[str, ...]
    parent: str | None = None


def scan(sysfs: Sysfs) -> dict[str, Found]:
    """Every device of the host by its name, sorted."""
    found = {one.path: one for one in _walk(sysfs)}
    placed = {ROOT: Found(ROOT, "", ("system",))}
    for path, one in found.items():
        placed[one.name] = one._replace(parent=_parent(path, found))
    return {name: placed[name] for name in sorted(placed)}


def _parent(path: str, found: dict[str, Found]) -> str:
    while path:
        path = path.rpartition("/")[0]
        if path in found:
            return found[path].name
    return ROOT


def _walk(sysfs: Sysfs) -> Iterator[Found]:
    for name in sysfs.names("/sys/bus/pci/devices"):
        yield Found(_named("pci", name), sysfs.real(f"/sys/bus/pci/devices/{name}"), ("pci",))
    for name in sysfs.names("/sys/bus/usb/devices"):
        kind = "usb" if ":" in name else "usb_device"
        yield Found(_named("usb", name), sysfs.real(f"/sys/bus/usb/devices/{name}"), (kind,))
    for name in sysfs.names("/sys/class/net"):
        address = sysfs.text(f"/sys/class/net/{name}/address")
        if address is not None:
            path = sysfs.real(f"/sys/class/net/{name}")
            yield Found(_named("net", name, address), path, ("net",))
    for name in sysfs.names("/sys/bus/scsi/devices"):
        yield _scsi(sysfs, name)
    for name in sysfs.names("/sys/class/scsi_generic"):
        path = sysfs.real(f"/sys/class/scsi_generic/{name}")
        yield Found(_named("scsi_generic", name), path, ("scsi_generic",))
    for name in sysfs.names("/sys/class/drm"):
        if re.fullmatch(r"(card|renderD|controlD)\d+", name):
            yield Found(_named("drm", name), sysfs.real(f"/sys/class/drm/{name}"), ("drm",))
    for name in sysfs.names("/sys/block"):
        path = sysfs.real(f"/sys/block/{name}")
        properties = sysfs.properties(sysfs.text(f"{path}/dev"))
        if drive_type(name, properties):
            serial = properties.get("ID_SERIAL", "")
            yield Found(_named("block", name, serial), path, ("storage",))


def _scsi(sysfs: Sysfs, name: str) -> Found:
    path = sysfs.real(f"/sys/bus/scsi/devices/{name}")
    if name.startswith("host"):
        more: tuple[str, ...] = ("fc_host",) if sysfs.exists(f"/sys/class/fc_host/{name}") else ()
        if sysfs.exists(f"/sys/class/fc_host/{name}/vport_create"):
            more += ("vports",)
        return Found(_named("scsi", name), path, ("scsi_host", *more))
    kind = "scsi_target" if name.startswith("target") else "scsi"
    return Found(_named("scsi", name), path, (kind,))


def drive_type(name: str, properties: dict[str, str]) -> str | None:
    """`disk`, `cdrom` …; None for what is no drive (loop devices, RAM disks, volumes)."""
    told = properties.get("ID_TYPE")
    if told:
        if told == "generic" and properties.get("ID_DRIVE_FLASH_SD"):
            return "sd"
        return "cdrom" if properties.get("ID_CDROM") else told
    if name.startswith(("vd", "sd", "hd", "nvme", "dasd", "xvd")):
        return "disk"
    if name.startswith("sr"):
        return "cdrom"
    if name.startswith("fd"):
        return "floppy"
    return "sd" if name.startswith("mmcblk") else None


def _named(*parts: str) -> str:
    """`pci_0000_00_1f_2`: every part, whatever is no letter or digit as `_`."""
    return re.sub(r"[^0-9A-Za-z]", "_", "_".join(part for part in parts if part))
