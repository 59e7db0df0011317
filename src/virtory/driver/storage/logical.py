"""Pools of type `logical`: the logical volumes of one volume group.

The rule kept here: everything is asked of and done by LVM's own programs; a group is made only of
the devices that the definition names, and removed only when the pool is deleted.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

from virtory.codec.xml_compile import escape_attribute
from virtory.driver.storage.backend import Found
from virtory.driver.storage.failures import failed, invalid, only, run
from virtory.driver.storage.scan import volume_at
from virtory.driver.store import ForgetIntent, Intent
from virtory.errors import FROM_STORAGE, InternalError, OperationFailed, OperationUnsupported
from virtory.model.list_flags import StoragePoolBuild, StorageVolumeDelete
from virtory.model.storage_volume import BackingStore, StorageVolume
from virtory.model.storage_volume import Target as VolumeTarget
from virtory.model.values import Size

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable
    from threading import Event

    from virtory.driver.journal import Work
    from virtory.driver.storage.backend import Keeper
    from virtory.model.storage_pool import StoragePool

KIND = "storage-logical"
_BYTES = ("--units", "b", "--nosuffix", "--reportformat", "json")


class Logical:
    """A volume group."""

    # -- the group -----------------------------------------------------------------------------
    def is_started(self, pool: StoragePool) -> bool:
        """Whether the group is there; of one without volumes there is nothing below /dev."""
        if os.path.isdir(pool.path):
            return True
        try:
            run(["vgs", "--noheadings", "-o", "vg_name", _group(pool)], _what("find", pool))
        except InternalError:
            return False
        return True

    def start(self, pool: StoragePool) -> None:
        """Activate the group's volumes; it must exist."""
        run(["vgs", "--noheadings", "-o", "vg_name", _group(pool)], _what("find", pool))
        run(["vgchange", "-aly", _group(pool)], _what("activate", pool))

    def stop(self, pool: StoragePool) -> None:
        """Deactivate the group's volumes; LVM refuses while one is open."""
        run(["vgchange", "-aln", _group(pool)], _what("deactivate", pool))

    def build(self, pool: StoragePool, flags: int) -> None:
        """Make the group of the devices that the definition names."""
        overwrite = bool(flags & StoragePoolBuild.OVERWRITE)
        if overwrite and flags & StoragePoolBuild.NO_OVERWRITE:
            raise invalid("Overwrite and no-overwrite flags are mutually exclusive")
        assert pool.source is not None
        devices = [device.path for device in pool.source.devices]
        if not devices:
            raise invalid(
                f"pool '{pool.name}' names no device to make the volume group of",
                "name block devices in <source><device path='/dev/…'/>, or make the group yourself",
            )
        force = ["-ff", "-y"] if overwrite else []
        made: list[str] = []
        try:
            for device in devices:
                run(["pvcreate", *force, device], f"cannot make '{device}' a physical volume")
                made.append(device)
            run(["vgcreate", _group(pool), *devices], _what("make", pool))
        except BaseException:
            for device in made:
                run(["pvremove", "-f", device], f"cannot give '{device}' back")
            raise

    def delete(self, pool: StoragePool, flags: int) -> None:
        """Remove the group with all its volumes, and give its devices back."""
        only(flags, 0, "virStorageBackendLogicalDeletePool")
        run(["vgremove", "-f", _group(pool)], _what("remove", pool))
        assert pool.source is not None
        for device in pool.source.devices:
            run(["pvremove", device.path], f"cannot give '{device.path}' back")

    def refresh(self, pool: StoragePool) -> Found:
        volumes = [volume for row in _volumes(_group(pool)) if (volume := _volume(pool, row))]
        return Found(self.sizes(pool), volumes)

    def unseen(self, pool: StoragePool, known: Container[str]) -> Iterable[StorageVolume]:
        return ()

    def sizes(self, pool: StoragePool) -> StoragePool:
        columns = "vg_size,vg_free"
        printed = run(["vgs", *_BYTES, "-o", columns, _group(pool)], _what("measure", pool))
        row = json.loads(printed)["report"][0]["vg"][0]
        capacity, free = int(row["vg_size"]), int(row["vg_free"])
        return dataclasses.replace(
            pool,
            capacity=Size(capacity),
            available=Size(free),
            allocation=Size(capacity - free),
        )

    def find_sources(self, source: str | None) -> str:
        """The volume groups of this host, as `<sources>`."""
        printed = run(
            ["pvs", "--reportformat", "json", "-o", "pv_name,vg_name"],
            "cannot list the physical volumes",
        )
        groups: dict[str, list[str]] = {}
        for row in json.loads(printed)["report"][0]["pv"]:
            if row["vg_name"]:
                groups.setdefault(row["vg_name"], []).append(row["pv_name"])
        lines = ["<sources>"]
        for name, devices in groups.items():
            lines.append("  <source>")
            lines += [f"    <device path='{escape_attribute(device)}'/>" for device in devices]
            lines += [f"    <name>{name}</name>", "    <format type='lvm2'/>", "  </source>"]
        return "\n".join([*lines, "</sources>", ""])

    # -- volumes -------------------------------------------------------------------------------
    def placed(self, pool: StoragePool, volume: StorageVolume) -> StorageVolume:
        path = os.path.join(pool.path, volume.name)
        target = dataclasses.replace(volume.target or VolumeTarget(), path=path, format="raw")
        return dataclasses.replace(volume, type="block", key=path, target=target)

    def create(self, volume: StorageVolume, store: Keeper, *, preallocate: bool) -> None:
        """Make a logical volume: whole, thin where less is allocated, or a snapshot of another."""
        assert volume.target is not None and volume.target.path is not None
        if volume.target.encryption is not None:
            raise OperationUnsupported(
                "encrypted logical volumes are not served", domain=FROM_STORAGE
            )
        capacity = volume.capacity or 0
        allocation = capacity if volume.allocation is None else volume.allocation
        group = os.path.basename(os.path.dirname(volume.target.path))
        below = volume.backing_store
        command = ["lvcreate", "-y", "--name", volume.name, "-L", f"{_kib(allocation or 1)}K"]
        if below is not None and below.path:
            run([*command, "-s", below.path], f"cannot make logical volume '{volume.name}'")
            return
        if allocation < capacity:
            command += ["--type", "snapshot", "--virtualsize", f"{_kib(capacity)}K"]
        run([*command, group], f"cannot make logical volume '{volume.name}'")

    def refreshed(self, volume: StorageVolume) -> StorageVolume | None:
        return self.examined(volume)

    def examined(self, volume: StorageVolume) -> StorageVolume | None:
        path = volume.target.path if volume.target else None
        try:
            now = volume_at(path or "", volume.name)
        except OSError as error:
            raise failed(f"cannot open volume '{path}'", error) from None
        return now and _as_device(now, volume)

    def remove(self, volume: StorageVolume, flags: int) -> None:
        only(flags, StorageVolumeDelete.ZEROED, "virStorageBackendLogicalDeleteVol")
        path = volume.target.path if volume.target else ""
        run(["lvremove", "-f", path or ""], f"cannot remove logical volume '{volume.name}'")

    def resize(self, volume: StorageVolume, capacity: int, flags: int) -> None:
        path = volume.target.path if volume.target else ""
        command = ["lvresize", "-f", "-L", f"{_kib(capacity)}K", path or ""]
        run(command, f"cannot resize logical volume '{volume.name}'")

    def clone(
        self,
        source: StorageVolume,
        volume: StorageVolume,
        store: Keeper,
        flags: int,
        directories: Collection[str],
    ) -> None:
        """A new logical volume with the bytes of another volume; gone again if that fails."""
        if (source.format or "raw") not in ("raw", "iso"):
            raise OperationFailed(
                f"volume '{source.name}' is of format {source.format}; only raw ones are copied "
                "into a logical volume",
                cure="copy it into a directory's pool as raw first",
                domain=FROM_STORAGE,
            )
        key = os.urandom(16)
        store.save_now(Intent(key, KIND, json.dumps({"path": volume.key})))
        try:
            self._copy(source, volume, store)
        finally:
            store.save_now(ForgetIntent(key))

    def _copy(self, source: StorageVolume, volume: StorageVolume, store: Keeper) -> None:
        from virtory.driver.file_copy import copy_data

        self.create(dataclasses.replace(volume, allocation=None), store, preallocate=False)
        try:
            reading = self.open(source, writable=False)
            try:
                writing = self.open(volume, writable=True)
                try:
                    copy_data(reading, writing, os.lseek(reading, 0, os.SEEK_END))
                    os.fsync(writing)
                finally:
                    os.close(writing)
            finally:
                os.close(reading)
        except OSError as error:
            self.remove(volume, 0)
            raise failed(f"cannot copy '{source.key}' to '{volume.key}'", error) from None

    def wipe(self, volume: StorageVolume, algorithm: int, ending: Event) -> None:
        from virtory.driver.storage.wiping import wipe

        wipe((volume.target.path if volume.target else None) or "", algorithm, ending)

    def open(self, volume: StorageVolume, *, writable: bool) -> int:
        path = (volume.target.path if volume.target else None) or ""
        return os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)


async def mend(work: Work, step: dict[str, Any]) -> None:
    """An earlier daemon ended while it filled a new logical volume: it goes."""

    def remove() -> None:
        if os.path.exists(step["path"]):
            run(["lvremove", "-f", step["path"]], f"cannot remove '{step['path']}'")

    await asyncio.to_thread(remove)
    await work.done()


def _group(pool: StoragePool) -> str:
    assert pool.source is not None and pool.source.name is not None
    return pool.source.name


def _what(verb: str, pool: StoragePool) -> str:
    return f"cannot {verb} volume group '{_group(pool)}' of pool '{pool.name}'"


def _kib(size: int) -> int:
    return -(-size // 1024)


def _volumes(group: str) -> list[dict[str, Any]]:
    columns = "lv_name,lv_uuid,origin,lv_size,lv_attr"
    printed = run(["lvs", *_BYTES, "-o", columns, group], f"cannot list the volumes of '{group}'")
    rows: list[dict[str, Any]] = json.loads(printed)["report"][0]["lv"]
    return rows


def _volume(pool: StoragePool, row: dict[str, Any]) -> StorageVolume | None:
    """A logical volume of LVM's list; None for a thin pool, which is no disk itself."""
    if row["lv_attr"].startswith("t"):
        return None
    path = os.path.join(pool.path, row["lv_name"])
    try:
        found = volume_at(path, row["lv_name"])
    except OSError:
        found = None
    if found is None:
        return None
    known = StorageVolume(name=row["lv_name"], key=row["lv_uuid"])
    below = None
    if row.get("origin"):
        below = BackingStore(path=os.path.join(pool.path, row["origin"]))
    return dataclasses.replace(_as_device(found, known), backing_store=below)


def _as_device(found: StorageVolume, known: StorageVolume) -> StorageVolume:
    """What lies on it is the guest's: it is shown as raw, of the device's own size."""
    assert found.target is not None
    target = dataclasses.replace(
        found.target, format="raw", compat=None, cluster_size=None, features=None
    )
    return dataclasses.replace(
        found,
        key=known.key,
        capacity=found.physical,
        target=target,
        backing_store=known.backing_store,
    )


BACKEND = Logical()
