"""From what a client asks for to a whole snapshot: which disk goes where, what the memory does.

The rule kept here: choosing only; every refusal names the disk and the cure, before anything is
touched.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from virtory.codec.xml import replaced as replace
from virtory.errors import FROM_DOMAIN_SNAPSHOT, ConfigUnsupported, OperationFailed, XmlError
from virtory.model.domain.devices.disk import DiskDriver, Source
from virtory.model.snapshot import Memory, Parent, Snapshot, SnapshotDisk, SnapshotDisks

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.qemu.table import Entry
    from virtory.driver.snapshot_family import Family
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.disk import Disk
    from virtory.model.snapshot import Where

DISK_SNAPSHOT = "disk-snapshot"


def named(asked: Snapshot, family: Family, *, redefine: bool) -> Snapshot:
    """The same with a name that is free and the time."""
    now = int(time.time())
    name = asked.name or str(now)
    if "/" in name:
        raise XmlError(
            f"invalid snapshot name '{name}': name can't contain '/'",
            domain=FROM_DOMAIN_SNAPSHOT,
            code=35,
        )
    if name.startswith("."):
        raise XmlError(f"invalid snapshot name '{name}': name can't start with '.'", code=35)
    if not redefine and name in family.by_name:
        raise OperationFailed(
            f"domain moment {name} already exists",
            cure=f"choose another name, or delete it: virsh snapshot-delete DOMAIN {name}",
        )
    return replace(asked, name=name, creation_time=now)


def whole(
    asked: Snapshot,
    domain: Domain,
    inactive: Domain | None,
    *,
    state: str,
    disk_only: bool,
    parent: str | None,
    reuse: bool,
) -> Snapshot:
    """The snapshot as it will be taken; `state` is the machine's word for its own."""
    off = state == "shutoff"
    memory = _memory(asked.memory, off=off, disk_only=disk_only)
    external = disk_only or memory.snapshot == "external"
    default: Where = "external" if external else "internal"
    disks = _disks(asked, domain, default, str(asked.name), reuse=reuse)
    kinds = {disk.snapshot for disk in disks} - {"no"}
    if not kinds and memory.snapshot != "external":
        raise ConfigUnsupported(
            "nothing selected for snapshot", cure="give the machine a disk that can be written"
        )
    if len(kinds) > 1 or (kinds == {"internal"} and external):
        raise ConfigUnsupported(
            "mixing internal and external targets for a snapshot is not yet supported",
            cure="ask for the same kind for every disk and the memory, or for 'no'",
        )
    if kinds == {"external"} and memory.snapshot == "internal":
        memory = Memory(snapshot="no")
        if not off:
            disk_only = True
    return replace(
        asked,
        state=DISK_SNAPSHOT if disk_only and not off else state,
        parent=Parent(name=parent) if parent is not None else None,
        memory=memory,
        disks=SnapshotDisks(disks=disks),
        domain=domain,
        inactive_domain=inactive,
        active=None,
        cookie=None,
    )


def _memory(asked: Memory | None, *, off: bool, disk_only: bool) -> Memory:
    wanted = asked.snapshot if asked is not None else None
    if asked is not None and asked.file is not None and wanted is None:
        wanted = "external"
    if (off or disk_only) and wanted not in (None, "no"):
        raise ConfigUnsupported(
            "memory state cannot be saved with offline or disk-only snapshot",
            cure="leave <memory> away, or take the snapshot of the running machine",
        )
    if off or disk_only or wanted == "no":
        return Memory(snapshot="no")
    if wanted == "external":
        file = asked.file if asked is not None else None
        if file is None or not file.startswith("/"):
            raise XmlError(
                f"memory snapshot file path ({file}) must be absolute",
                cure="name it: <memory snapshot='external' file='/whole/path'/>",
            )
        return Memory(snapshot="external", file=file)
    return Memory(snapshot="internal")


def _disks(
    asked: Snapshot, domain: Domain, default: Where, name: str, *, reuse: bool
) -> tuple[SnapshotDisk, ...]:
    wishes = list(asked.every_disk)
    found = []
    for disk in domain.devices.disks:
        mine = [wish for wish in wishes if wish.is_of(disk)]
        if len(mine) > 1:
            raise XmlError(f"disk '{disk.target.dev}' specified twice")
        wishes = [wish for wish in wishes if wish not in mine]
        wish = mine[0] if mine else SnapshotDisk(name=disk.target.dev)
        found.append(_disk(disk, wish, default, name, reuse=reuse))
    if wishes:
        raise ConfigUnsupported(f"no disk named '{wishes[0].name}'")
    paths = [d.source.file for d in found if d.source is not None and d.source.file]
    if len(set(paths)) < len(paths):
        raise ConfigUnsupported("two disks would get the same new image", cure="name each <source>")
    return tuple(found)


def _disk(
    disk: Disk, wish: SnapshotDisk, default: Where, name: str, *, reuse: bool
) -> SnapshotDisk:
    target = disk.target.dev
    writable = disk.source is not None and not disk.readonly and disk.device in ("disk", "lun")
    mode = wish.snapshot or ("external" if wish.source is not None else None)
    if mode is None:
        mode = disk.snapshot or (default if writable else "no")
    if mode == "manual":
        mode = "no"
    if mode == "no":
        return SnapshotDisk(name=target, snapshot="no")
    if mode == "internal":
        if disk.format != "qcow2":
            raise ConfigUnsupported(
                f"internal snapshot for disk {target} unsupported for storage type {disk.format}",
                cure="take an external one (--disk-only), convert the image to qcow2, or leave "
                f"the disk out (<disk name='{target}' snapshot='no'/>)",
            )
        return SnapshotDisk(name=target, snapshot="internal")
    return _external(disk, wish, name, reuse=reuse)


def _external(disk: Disk, wish: SnapshotDisk, name: str, *, reuse: bool) -> SnapshotDisk:
    target, path = disk.target.dev, None
    if wish.source is not None:
        path = wish.source.path
    if wish.driver not in (None, "qcow2"):
        raise ConfigUnsupported(
            f"external snapshot format for disk {target} is unsupported: {wish.driver}",
            cure="use qcow2",
        )
    if path is None:
        below = disk.source.file if disk.source is not None else None
        if below is None:
            raise ConfigUnsupported(
                f"cannot generate external snapshot name for disk '{target}' on a '{disk.type}' "
                "device",
                cure=f"name it: <disk name='{target}'><source file='/whole/path'/></disk>",
            )
        stem, _, suffix = below.rpartition(".")
        path = f"{stem if stem and '/' not in suffix else below}.{name}"
    if not path.startswith("/"):
        raise XmlError(f"the image '{path}' for disk '{target}' is not named by a whole path")
    if os.path.exists(path) != reuse and not _is_device(path):
        if reuse:
            raise ConfigUnsupported(f"missing existing file for disk {target}: {path}")
        raise ConfigUnsupported(
            f"external snapshot file for disk {target} already exists and is not a block device: "
            f"{path}",
            cure="name another file, or say that it is to be used: --reuse-external",
        )
    return SnapshotDisk(
        name=target, snapshot="external", type="file", driver="qcow2", source=Source(file=path)
    )


def _is_device(path: str) -> bool:
    import stat

    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except OSError:
        return False


def located(domain: Domain, volume: Callable[[str, str], str]) -> Domain:
    """The same with paths for the disks that are volumes of a pool."""
    disks = []
    for disk in domain.devices.disks:
        source = disk.source
        if disk.type == "volume" and source is not None and source.pool and source.volume:
            path = volume(source.pool, source.volume)
            disk = replace(disk, type="file", source=Source(file=path))
        disks.append(disk)
    return replace(domain, devices=replace(domain.devices, disks=tuple(disks)))


def volumes_of(entry: Entry, ask: Callable[[str, str], str]) -> Callable[[str, str], str]:
    """Where volumes are: a running machine has its own open, whatever became of the pool."""
    known = {}
    guest = entry.guest
    for disk in guest.domain.devices.disks if guest is not None else ():
        assert guest is not None
        source, images = disk.source, guest.plan.chain(disk.target.dev)
        if source is not None and source.pool and source.volume and images:
            known[source.pool, source.volume] = images[0].path
    return lambda pool, volume: known.get((pool, volume)) or ask(pool, volume)


def at_paths(snapshot: Snapshot, volume: Callable[[str, str], str]) -> Snapshot:
    """The snapshot with paths for volumes, for work with files; what is kept names volumes."""
    text = snapshot.domain
    if text is None or not any(disk.type == "volume" for disk in text.devices.disks):
        return snapshot
    return replace(snapshot, domain=located(text, volume))


def with_excluded(snapshot: Snapshot, present: Domain) -> Snapshot:
    """The snapshot whose disks that it left out are as the machine has them now.

    They are in no state of it: the images that they had then may be other snapshots' by now.
    """
    left_out = {disk.name for disk in snapshot.every_disk if disk.snapshot == "no"}
    now = {disk.target.dev: disk for disk in present.devices.disks}

    def changed(domain: Domain | None) -> Domain | None:
        if domain is None:
            return None
        disks = tuple(
            _holding(disk, now[disk.target.dev])
            if disk.target.dev in left_out & now.keys()
            and not disk.is_removable
            and not disk.readonly
            else disk
            for disk in domain.devices.disks
        )
        return replace(domain, devices=replace(domain.devices, disks=disks))

    return replace(
        snapshot,
        domain=changed(snapshot.domain),
        inactive_domain=changed(snapshot.inactive_domain),
    )


def _holding(disk: Disk, other: Disk) -> Disk:
    """The same drive with the image of the other."""
    image_format = other.driver.type if other.driver is not None else None
    return replace(
        disk,
        type=other.type,
        driver=replace(disk.driver or DiskDriver(name="qemu"), type=image_format),
        source=other.source,
        backing_store=other.backing_store,
    )


def new_image(disk: SnapshotDisk) -> str:
    """The path of an external disk's new image."""
    assert disk.source is not None
    return str(disk.source.path)
