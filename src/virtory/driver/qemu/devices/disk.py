"""Disks, CD-ROM and floppy drives: the nodes of each image, and the drive that the guest sees.

The rule kept here: QEMU opens no path. Each image of the chain is a descriptor that the daemon
opened, with its format said, read-only below the top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.definition.machine_kind import family
from virtory.driver.qemu.devices.wiring import Item, Step, Wiring, virtio_options, without_none
from virtory.model.domain.devices.address import DriveAddress

if TYPE_CHECKING:
    from virtory.driver.qemu.plan import Image
    from virtory.model.domain.devices.disk import Disk

_CACHES = {  # libvirt's cache mode → (write cache in the drive, no page cache, flushes ignored)
    "none": (True, True, False),
    "writeback": (True, False, False),
    "writethrough": (False, False, False),
    "directsync": (False, True, False),
    "unsafe": (True, False, True),
}


_LIMITS = {
    "total_bytes_sec": "bps",
    "read_bytes_sec": "bps_rd",
    "write_bytes_sec": "bps_wr",
    "total_iops_sec": "iops",
    "read_iops_sec": "iops_rd",
    "write_iops_sec": "iops_wr",
}


def describe(disk: Disk, wiring: Wiring, boot_index: int | None = None) -> list[Item]:
    """The images, deepest first, then the drive."""
    images = wiring.plan.chain(disk.target.dev)
    items = []
    for image in reversed(images):
        items += nodes(image, disk, wiring, images)
    if images and copies_on_read(disk):
        copying = {"driver": "copy-on-read", "node-name": top_node(disk, images)}
        items.append(Item("blockdev", {**copying, "file": images[0].node, "discard": "unmap"}))
    items.append(Item("device", _drive(disk, wiring, images, boot_index)))
    return items


def copies_on_read(disk: Disk) -> bool:
    """Whether what is read from below is kept in the top image."""
    return disk.driver is not None and bool(disk.driver.copy_on_read)


def top_node(disk: Disk, images: list[Image]) -> str:
    """The node that the drive is attached to."""
    return f"virtory-{disk.target.dev}-cor" if copies_on_read(disk) else images[0].node


def device_path(disk: Disk) -> str:
    """The drive's QOM path, by which block commands of QMP name it."""
    path = f"/machine/peripheral/{disk.alias}"
    below = {"virtio": "/virtio-backend", "usb": f"/{disk.alias}.0/legacy[0]"}
    return path + below.get(disk.target.bus or "", "")


def throttle_steps(disk: Disk) -> list[Step]:
    """The limits of a drive with a medium, as QMP takes them."""
    tune = disk.iotune
    if tune is None or disk.source is None:
        return []
    value: dict[str, Any] = {"id": device_path(disk)}
    for ours, theirs in _LIMITS.items():
        value[theirs] = getattr(tune, ours) or 0
        most = getattr(tune, f"{ours}_max")
        if most is not None:
            value[f"{theirs}_max"] = most
        length = getattr(tune, f"{ours}_max_length")
        if length is not None:
            value[f"{theirs}_max_length"] = length
    if tune.size_iops_sec is not None:
        value["iops_size"] = tune.size_iops_sec
    if tune.group_name is not None:
        value["group"] = tune.group_name
    return [Step("block_set_io_throttle", value)]


def nodes(image: Image, disk: Disk, wiring: Wiring, images: list[Image]) -> list[Item]:
    """The nodes of one image; `images` is the chain it belongs to."""
    cache = _cache(disk)
    file = {
        "driver": "host_device" if image.is_device else "file",
        "filename": wiring.image_path(image.slot),
        "node-name": image.file_node,
        "read-only": image.read_only,
        "discard": "unmap",
        **_engine(disk),
        **cache,
    }
    items = [Item("blockdev", file)]
    value: dict[str, Any] = {
        "driver": image.format,
        "node-name": image.node,
        "read-only": image.read_only,
        "file": image.file_node,
        **cache,
    }
    driver = disk.driver
    if driver is not None and driver.discard is not None:
        value["discard"] = driver.discard
    if image.depth == 0 and driver is not None and driver.detect_zeroes is not None:
        value["detect-zeroes"] = driver.detect_zeroes
    if image.data_slot is not None:
        data = {**file, "filename": wiring.image_path(image.data_slot)}
        data["node-name"] = f"virtory-{image.index}-data"
        items.append(Item("blockdev", data))
        value["data-file"] = data["node-name"]
    if image.format == "qcow2":
        below = [each for each in images if each.depth == image.depth + 1]
        value["backing"] = below[0].node if below else None
        size = driver.metadata_cache.max_size if driver and driver.metadata_cache else None
        if size is not None:
            value["cache-size"] = int(size)
    items.append(Item("blockdev", value))
    return items


def _cache(disk: Disk) -> dict[str, Any]:
    mode = _CACHES.get((disk.driver.cache if disk.driver is not None else None) or "")
    return {} if mode is None else {"cache": {"direct": mode[1], "no-flush": mode[2]}}


def _engine(disk: Disk) -> dict[str, Any]:
    engine = disk.driver.io if disk.driver is not None else None
    return {"aio": engine} if engine is not None else {}


def _drive(
    disk: Disk, wiring: Wiring, images: list[Image], boot_index: int | None
) -> dict[str, Any]:
    driver, where = _driver(disk, wiring)
    value: dict[str, Any] = {
        "driver": driver,
        **where,
        "drive": top_node(disk, images) if images else None,
        "id": disk.alias,
        "bootindex": boot_index if disk.target.bus != "fdc" else None,  # see command_line
        "serial": disk.serial,
        "share-rw": True if disk.shareable else None,
    }
    if disk.target.bus in ("ide", "sata", "scsi"):
        value["wwn"] = int(disk.wwn, 16) if disk.wwn else None
        value["model" if disk.target.bus != "scsi" else "product"] = disk.product
        value["vendor"] = disk.vendor if disk.target.bus == "scsi" else None
        rate = disk.target.rotation_rate
        value["rotation_rate"] = rate if disk.device == "disk" else None
    if disk.geometry is not None:
        value["cyls"], value["heads"] = disk.geometry.cyls, disk.geometry.heads
        value["secs"] = disk.geometry.secs
        if disk.target.bus == "ide":
            value["bios-chs-trans"] = disk.geometry.trans
    if disk.blockio is not None:
        value["logical_block_size"] = disk.blockio.logical_block_size
        value["physical_block_size"] = disk.blockio.physical_block_size
    value.update(_behaviour(disk))
    return without_none(value)


def _behaviour(disk: Disk) -> dict[str, Any]:
    driver = disk.driver
    if driver is None:
        return {}
    value: dict[str, Any] = {}
    cache = _CACHES.get(driver.cache or "")
    if cache is not None and disk.device == "disk":
        value["write-cache"] = "on" if cache[0] else "off"
    policy = {"enospace": "enospc"}.get(driver.error_policy or "", driver.error_policy)
    reads = driver.rerror_policy or (policy if policy != "enospc" else None)
    if policy is not None:
        value["werror"] = policy
    if reads is not None:
        value["rerror"] = reads
    if disk.target.bus == "virtio":
        value["iothread"] = f"iothread{driver.iothread}" if driver.iothread else None
        value["num-queues"] = driver.queues
        value["queue-size"] = driver.queue_size
        value["ioeventfd"] = driver.ioeventfd
        value["event_idx"] = driver.event_idx
        value.update(virtio_options(driver))
    return value


def _driver(disk: Disk, wiring: Wiring) -> tuple[str, dict[str, Any]]:
    """The drive's QEMU driver and where it hangs."""
    bus, address = disk.target.bus, disk.address
    kind = "cd" if disk.device == "cdrom" else "hd"
    if bus == "virtio":
        return wiring.virtio("virtio-blk", disk, disk.model), wiring.place(disk)
    if bus == "usb":
        removable = bool(disk.target.removable) or disk.device == "cdrom"
        return "usb-storage", {**wiring.place(disk), "removable": removable}
    if not isinstance(address, DriveAddress):
        return f"ide-{kind}", {}
    if bus == "scsi":
        return f"scsi-{kind}", _scsi_place(disk, address, wiring)
    if bus == "fdc":
        place = {"unit": address.unit}
        if family(wiring.domain.os.type.machine or "") == "i440fx":
            return "floppy", place
        return "floppy", {"bus": f"{wiring.bus_alias('fdc', address.controller)}.0", **place}
    if bus == "sata":
        return f"ide-{kind}", {"bus": f"{_sata(wiring, address.controller)}.{address.unit}"}
    return f"ide-{kind}", {"bus": f"ide.{address.bus}", "unit": address.unit}


def _sata(wiring: Wiring, controller: int) -> str:
    if controller == 0 and family(wiring.domain.os.type.machine or "") == "q35":
        return "ide"
    return wiring.bus_alias("sata", controller)


def _scsi_place(disk: Disk, address: DriveAddress, wiring: Wiring) -> dict[str, Any]:
    alias = wiring.bus_alias("scsi", address.controller)
    where: dict[str, Any] = {"bus": f"{alias}.0"}
    model = next(
        (c.model for c in wiring.domain.devices.controllers if c.alias == alias), "lsilogic"
    )
    if str(model).startswith("virtio"):
        where |= {"channel": address.bus, "scsi-id": address.target, "lun": address.unit}
    else:
        where["scsi-id"] = address.unit
    if disk.serial is None:
        where["device_id"] = f"drive-{disk.alias}"
    return where
