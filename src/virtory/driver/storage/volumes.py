"""Volumes: making, copying, resizing, wiping, deleting them, and telling of them.

The rule kept here: that of the package; and a volume that is being made or used is not touched by
another call.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from virtory.driver.interface.storage import VolumeInfo, VolumeRef
from virtory.driver.storage.create import checked
from virtory.driver.storage.failures import invalid, only, volume_exists
from virtory.driver.storage.scan import UNFINISHED
from virtory.driver.storage.table import Pool, Volume
from virtory.errors import FROM_STORAGE, InvalidArgument, OperationFailed, StorageVolumeNotFound
from virtory.model.list_flags import (
    StorageVolumeCreate,
    StorageVolumeInfo,
    StorageVolumeResize,
)
from virtory.model.storage_pool import sanitized
from virtory.model.storage_volume import TYPES, StorageVolume, format_volume, parse_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from virtory.driver.storage.backend import Backend, Keeper
    from virtory.driver.storage.table import PoolTable
    from virtory.driver.storage.usage import Usage
    from virtory.model.storage_pool import StoragePool

    Make = Callable[[StorageVolume], None]
    Change = Callable[[], tuple[StorageVolume | None, StoragePool]]


class Volumes:
    """What a driver does with volumes; mixed into `driver.Storage`."""

    _table: PoolTable
    _store: Keeper
    _usage: Usage
    _backend: Callable[[str], Backend]

    # -- lists and lookups ---------------------------------------------------------------------
    def list_volumes(self, pool: bytes, flags: int) -> list[VolumeRef]:
        only(flags, 0, "storagePoolListAllVolumes")
        found = self._table.get(pool).running()
        return [found.volume_ref(volume) for volume in found.volumes.values()]

    def volume_by_name(self, pool: bytes, name: str) -> VolumeRef:
        found = self._table.get(pool).running()
        return found.volume_ref(found.volume(name))

    def volume_by_key(self, key: str) -> VolumeRef:
        for pool, volume in self._all():
            if volume.key == key:
                return pool.volume_ref(volume)
        raise StorageVolumeNotFound(f"no storage vol with matching key {key}")

    def volume_by_path(self, path: str) -> VolumeRef:
        clean = sanitized(path)
        for pool, volume in self._all():
            if volume.path == clean:
                return pool.volume_ref(volume)
        raise StorageVolumeNotFound(
            f"no storage vol with matching path '{path}'",
            cure="a new file is found by 'pool-refresh' of the pool of its directory",
        )

    def volume_path(self, volume: VolumeRef) -> str:
        return self._table.of(volume)[1].path

    def _all(self) -> Iterator[tuple[Pool, Volume]]:
        for pool in self._table:
            for volume in pool.volumes.values() if pool.active else ():
                yield pool, volume

    # -- description ---------------------------------------------------------------------------
    async def volume_info(self, volume: VolumeRef, flags: int) -> VolumeInfo:
        only(flags, StorageVolumeInfo.GET_PHYSICAL, "storageVolGetInfoFlags")
        known = await self._refreshed(volume)
        taken = known.physical if flags & StorageVolumeInfo.GET_PHYSICAL else known.allocation
        kind = TYPES.index(known.type or "file")
        return VolumeInfo(kind, known.capacity or 0, taken or 0)

    async def volume_xml(self, volume: VolumeRef, flags: int) -> str:
        only(flags, 0, "storageVolGetXMLDesc")
        return format_volume(await self._refreshed(volume))

    async def _refreshed(self, ref: VolumeRef) -> StorageVolume:
        pool, volume = self._table.of(ref)
        if volume.building:
            return volume.description
        backend = self._backend(pool.definition.type)
        now = await asyncio.to_thread(backend.refreshed, volume.description)
        if now is None:
            raise _gone(volume)
        if not volume.building:
            volume.description = now
        return now

    # -- making --------------------------------------------------------------------------------
    async def create_volume(self, pool: bytes, xml: str, flags: int) -> VolumeRef:
        known = StorageVolumeCreate.PREALLOC_METADATA | StorageVolumeCreate.VALIDATE
        only(flags, known, "storageVolCreateXML")
        found = self._table.get(pool).running()
        wanted = parse_volume(xml)
        preallocate = bool(flags & StorageVolumeCreate.PREALLOC_METADATA)
        checked(wanted, preallocate=preallocate)
        backend = self._backend(found.definition.type)

        def make(placed: StorageVolume) -> None:
            backend.create(placed, self._store, preallocate=preallocate)

        return await self._made(found, backend, wanted, make)

    async def _made(
        self, pool: Pool, backend: Backend, wanted: StorageVolume, make: Make
    ) -> VolumeRef:
        """Have `make` make it while its name is taken; what came of it is in the pool."""
        _check_name(pool, wanted.name)
        placed = backend.placed(pool.definition, wanted)
        volume = pool.volumes[wanted.name] = Volume(placed, building=True)

        def work() -> tuple[StorageVolume | None, StoragePool]:
            make(placed)
            return backend.refreshed(placed), backend.sizes(pool.definition)

        try:
            with pool.working():
                made, sizes = await asyncio.to_thread(work)
            if made is None:
                raise _gone(volume)
        except BaseException:
            pool.volumes.pop(wanted.name, None)
            raise
        volume.description = made
        volume.building = False
        pool.put(volume)
        self._sized(pool, sizes)
        return pool.volume_ref(volume)

    # -- changing ------------------------------------------------------------------------------
    async def delete_volume(self, volume: VolumeRef, flags: int) -> None:
        pool, found = self._table.of(volume)
        found.free()
        backend = self._backend(pool.definition.type)
        found.building = True

        def work() -> StoragePool:
            backend.remove(found.description, flags)
            return backend.sizes(pool.definition)

        try:
            await self._usage.refuse(pool, found, deleting=True)
            sizes = await asyncio.to_thread(work)
        finally:
            found.building = False
        pool.drop(found)
        self._sized(pool, sizes)

    async def resize_volume(self, volume: VolumeRef, capacity: int, flags: int) -> None:
        only(flags, StorageVolumeResize.ALL, "storageVolResize")
        pool, found = self._table.of(volume)
        found.free()
        known = found.description
        wanted = _resized(pool, known, capacity, flags)
        backend = self._backend(pool.definition.type)

        def work() -> tuple[StorageVolume | None, StoragePool]:
            backend.resize(known, wanted, flags)
            return backend.refreshed(known), backend.sizes(pool.definition)

        await self._changed(pool, found, work, harmless=wanted >= (known.capacity or 0))

    async def _changed(
        self, pool: Pool, volume: Volume, work: Change, *, harmless: bool = False
    ) -> None:
        """Do `work` in a thread while the volume is in use; then know what it is now.

        `harmless`: who needs what is in it has it afterwards, too.
        """
        volume.users += 1
        try:
            with pool.working():
                if not harmless:
                    await self._usage.refuse(pool, volume)
                now, sizes = await asyncio.to_thread(work)
        finally:
            volume.users -= 1
        if now is None:
            raise _gone(volume)
        volume.description = now
        self._sized(pool, sizes)

    def _sized(self, pool: Pool, sizes: StoragePool) -> None:
        pool.replace(
            capacity=sizes.capacity, allocation=sizes.allocation, available=sizes.available
        )


def _check_name(pool: Pool, name: str) -> None:
    if "/" in name:
        raise invalid(f"volume name '{name}' cannot contain '/'")
    if name.startswith(UNFINISHED):
        raise invalid(f"volume name '{name}' begins as those of volumes that are being made do")
    if name in pool.volumes:
        raise volume_exists(name)


def _gone(volume: Volume) -> StorageVolumeNotFound:
    return StorageVolumeNotFound(
        f"no storage vol with matching path '{volume.path}'",
        cure="its file is gone; 'pool-refresh' forgets it",
    )


def _resized(pool: Pool, known: StorageVolume, capacity: int, flags: int) -> int:
    """The capacity that is meant, if it may be had."""
    now, allocation = known.capacity or 0, known.allocation or 0
    if flags & StorageVolumeResize.DELTA:
        smaller = flags & StorageVolumeResize.SHRINK
        wanted = now - min(capacity, now) if smaller else now + capacity
    else:
        wanted = capacity
    if wanted < allocation:
        raise InvalidArgument(
            "can't shrink capacity below existing allocation", domain=FROM_STORAGE
        )
    if wanted < now and not flags & StorageVolumeResize.SHRINK:
        raise InvalidArgument(
            "Can't shrink capacity below current capacity unless shrink flag explicitly specified",
            domain=FROM_STORAGE,
        )
    if flags & StorageVolumeResize.ALLOCATE and wanted - allocation > (
        pool.definition.available or 0
    ):
        raise OperationFailed("Not enough space left in storage pool", domain=FROM_STORAGE)
    return wanted
