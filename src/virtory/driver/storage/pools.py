"""Pools: defining, building, starting, stopping, and telling of it.

The rule kept here: that of the package; and no two changes of one pool at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

from virtory.driver.boot import boot_id
from virtory.driver.interface.storage import PoolInfo
from virtory.driver.storage.failures import invalid, only
from virtory.driver.storage.table import Pool, PoolTable, Volume
from virtory.driver.store import ForgetObject, ObjectRow
from virtory.errors import FROM_STORAGE, InternalError, OperationFailed
from virtory.model.events import StoragePoolLifecycle, StoragePoolRefresh
from virtory.model.list_flags import (
    ConnectListStoragePools,
    StoragePoolBuild,
    StoragePoolCreate,
    StoragePoolDelete,
    StoragePoolEventKind,
)
from virtory.model.storage_pool import TYPES, format_pool, parse_pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from virtory.driver.bus import Bus
    from virtory.driver.interface.storage import VolumeRef
    from virtory.driver.interface.values import NamedRef
    from virtory.driver.storage.backend import Backend, Keeper
    from virtory.model.storage_pool import StoragePool

KIND = "pool"
XML_INACTIVE = 1
VALIDATE = 1
_RUNNING = 2


class Pools:
    """What a driver does with pools; the volumes in them are `volumes.Volumes`."""

    def __init__(
        self, table: PoolTable, store: Keeper, bus: Bus, backends: Callable[[str], Backend]
    ) -> None:
        self._table = table
        self._store = store
        self._bus = bus
        self._backend = backends
        self.boot = boot_id()

    # -- lists and lookups ---------------------------------------------------------------------
    def list_pools(self, flags: int) -> list[NamedRef]:
        only(flags, ConnectListStoragePools.ALL, "storageConnectListAllStoragePools")
        return [pool.ref for pool in self._table if _matches(pool, flags)]

    def pool_by_name(self, name: str) -> NamedRef:
        return self._table.named(name).ref

    def pool_by_uuid(self, uuid: bytes) -> NamedRef:
        return self._table.get(uuid).ref

    def pool_by_path(self, path: str) -> NamedRef:
        return self._table.at(path).ref

    def disk_path(self, pool: str, volume: str) -> str:
        """Where a volume is that a machine's disk names.

        Raises:
            OperationInvalid: the pool does not run, or the volume is being made.
            StoragePoolNotFound: there is no such pool.
            StorageVolumeNotFound: it has no such volume.
        """
        found = self._table.named(pool).running().volume(volume)
        if found.building:
            raise invalid(f"volume '{volume}' is still being allocated.")
        return found.path

    def pool_of_volume(self, volume: VolumeRef) -> NamedRef:
        return self._table.named(volume.pool).ref

    def pool_is_active(self, uuid: bytes) -> bool:
        return self._table.get(uuid).active

    def pool_is_persistent(self, uuid: bytes) -> bool:
        return self._table.get(uuid).persistent

    def pool_autostart(self, uuid: bytes) -> bool:
        return self._table.get(uuid).autostart

    def pool_info(self, uuid: bytes) -> PoolInfo:
        pool = self._table.get(uuid)
        known = pool.definition
        return PoolInfo(
            _RUNNING if pool.active else 0,
            known.capacity or 0,
            known.allocation or 0,
            known.available or 0,
        )

    def pool_xml(self, uuid: bytes, flags: int) -> str:
        only(flags, XML_INACTIVE, "storagePoolGetXMLDesc")
        return self._table.get(uuid).xml(inactive=bool(flags & XML_INACTIVE))

    def pool_capabilities(self, flags: int) -> str:
        from virtory.driver.storage.capabilities import capabilities_xml

        only(flags, 0, "storageConnectGetStoragePoolCapabilities")
        return capabilities_xml()

    async def find_pool_sources(self, kind: str, source: str | None, flags: int) -> str:
        only(flags, 0, "storageConnectFindStoragePoolSources")
        if kind not in TYPES:
            raise InternalError(f"unknown storage pool type {kind}", domain=FROM_STORAGE)
        return await asyncio.to_thread(self._backend(kind).find_sources, source)

    # -- definition ----------------------------------------------------------------------------
    async def define_pool(self, xml: str, flags: int) -> NamedRef:
        only(flags, VALIDATE, "storagePoolDefineXML")
        wanted = parse_pool(xml)
        self._backend(wanted.type)
        async with self._claimed(wanted, running=False) as pool:
            before = pool.redefinition, pool.definition, pool.persistent
            pool.persistent = True
            if pool.active:
                pool.redefinition = wanted
            else:
                pool.definition = wanted
            try:
                await self._save(pool)
            except BaseException:
                pool.redefinition, pool.definition, pool.persistent = before
                raise
            self._tell(pool, StoragePoolEventKind.DEFINED)
            return pool.ref

    async def undefine_pool(self, uuid: bytes) -> None:
        async with self._held(uuid) as pool:
            pool.stopped().idle()
            await self._forget(pool)
            self._tell(pool, StoragePoolEventKind.UNDEFINED)

    async def set_pool_autostart(self, uuid: bytes, autostart: bool) -> None:
        async with self._held(uuid) as pool:
            if not pool.persistent:
                raise InternalError("pool has no config file", domain=FROM_STORAGE)
            before, pool.autostart = pool.autostart, autostart
            try:
                await self._save(pool)
            except BaseException:
                pool.autostart = before
                raise

    # -- life ----------------------------------------------------------------------------------
    async def create_pool(self, xml: str, flags: int) -> NamedRef:
        only(flags, StoragePoolCreate.ALL, "storagePoolCreateXML")
        wanted = parse_pool(xml)
        self._backend(wanted.type)
        _one_of_two(flags)
        async with self._claimed(wanted, running=True) as pool:
            if pool.persistent:
                pool.redefinition, pool.definition = pool.definition, wanted
            try:
                await self._begin(pool, flags)
            except BaseException:
                if pool.redefinition is not None:
                    pool.definition, pool.redefinition = pool.redefinition, None
                raise
            self._tell(pool, StoragePoolEventKind.STARTED)
            return pool.ref

    async def start_pool(self, uuid: bytes, flags: int) -> None:
        only(flags, StoragePoolCreate.ALL, "storagePoolCreate")
        async with self._held(uuid) as pool:
            pool.stopped("already active")
            _one_of_two(flags)
            await self._begin(pool, flags)
            self._tell(pool, StoragePoolEventKind.STARTED)

    async def build_pool(self, uuid: bytes, flags: int) -> None:
        known = StoragePoolBuild.OVERWRITE | StoragePoolBuild.NO_OVERWRITE
        only(flags, known, "storagePoolBuild")
        async with self._held(uuid) as pool:
            pool.stopped("already active")
            await asyncio.to_thread(
                self._backend(pool.definition.type).build, pool.definition, flags
            )
            self._tell(pool, StoragePoolEventKind.CREATED)

    async def destroy_pool(self, uuid: bytes) -> None:
        async with self._held(uuid) as pool:
            pool.running().idle().unused()
            await asyncio.to_thread(self._backend(pool.definition.type).stop, pool.definition)
            await self._stopped(pool)
            self._tell(pool, StoragePoolEventKind.STOPPED)
            if not pool.persistent:
                await self._forget(pool)

    async def delete_pool(self, uuid: bytes, flags: int) -> None:
        async with self._held(uuid) as pool:
            pool.stopped().idle()
            only(flags, StoragePoolDelete.ZEROED, "storagePoolDelete")
            backend = self._backend(pool.definition.type)
            await asyncio.to_thread(backend.delete, pool.definition, flags)
            self._tell(pool, StoragePoolEventKind.DELETED)

    async def refresh_pool(self, uuid: bytes, flags: int) -> None:
        only(flags, 0, "storagePoolRefresh")
        async with self._held(uuid) as pool:
            pool.running().idle()
            try:
                await self._look(pool)
            except Exception:
                await self._stopped(pool)
                self._tell(pool, StoragePoolEventKind.STOPPED)
                if not pool.persistent:
                    await self._forget(pool)
                raise
            self._bus.publish(StoragePoolRefresh(pool.ref))

    @contextlib.asynccontextmanager
    async def _held(self, uuid: bytes) -> AsyncIterator[Pool]:
        """The pool, while nobody else changes its state; StoragePoolNotFound once it is gone."""
        pool = self._table.get(uuid)
        async with pool.turn:
            yield self._table.get(uuid)

    @contextlib.asynccontextmanager
    async def _claimed(self, wanted: StoragePool, *, running: bool) -> AsyncIterator[Pool]:
        """The pool that has this name and UUID, or a new one that is gone again on an error."""
        pool = self._table.same(wanted, running=running)
        fresh = pool is None
        if pool is None:
            pool = Pool(wanted, persistent=False)
            self._table.add(pool)
        async with pool.turn:
            if not fresh and self._table.same(wanted, running=running) is not pool:
                raise OperationFailed(
                    f"pool '{pool.name}' was undefined meanwhile",
                    cure="try again",
                    domain=FROM_STORAGE,
                )
            try:
                yield pool
            except BaseException:
                if fresh:
                    self._table.remove(pool)
                raise

    # -- steps ---------------------------------------------------------------------------------
    async def _begin(self, pool: Pool, flags: int) -> None:
        """Build it if asked, start it, look what is in it, write down that it runs."""
        backend = self._backend(pool.definition.type)
        pool.starting = True
        try:
            if flags:
                await asyncio.to_thread(backend.build, pool.definition, _build_flags(flags))
            await asyncio.to_thread(backend.start, pool.definition)
            try:
                await self._look(pool)
                pool.active = True
                await self._save(pool)
            except BaseException:
                pool.active = False
                pool.volumes.clear()
                await asyncio.to_thread(backend.stop, pool.definition)
                raise
        finally:
            pool.starting = False

    async def _look(self, pool: Pool) -> None:
        """Take in what is there now; volumes in use are the same objects afterwards."""
        backend = self._backend(pool.definition.type)
        pool.meanwhile = {}
        try:
            found = await asyncio.to_thread(backend.refresh, pool.definition)
        finally:
            meanwhile, pool.meanwhile = pool.meanwhile, None
        pool.definition = found.pool
        known = pool.volumes
        pool.volumes = {volume.name: volume for volume in known.values() if volume.building}
        for description in found.volumes:
            volume = known.get(description.name)
            if volume is None:
                volume = Volume(description)
            elif not volume.building:
                volume.description = description
            pool.volumes[description.name] = volume
        for name, changed in (meanwhile or {}).items():
            pool.volumes.pop(name, None)
            if changed is not None:
                pool.volumes[name] = changed

    async def _stopped(self, pool: Pool) -> None:
        """It no longer runs: forget its volumes, and take the new definition if there is one."""
        pool.active = False
        pool.volumes.clear()
        if pool.redefinition is not None:
            pool.definition, pool.redefinition = pool.redefinition, None
        if pool.persistent:
            await self._save(pool)

    async def _save(self, pool: Pool) -> None:
        redefined = pool.redefinition is not None
        extra = {
            "persistent": pool.persistent,
            "autostart": pool.autostart,
            "boot": self.boot if pool.active else None,
            "live": format_pool(pool.definition) if redefined else None,
        }
        row = ObjectRow(KIND, pool.uuid, pool.name, format_pool(pool.kept), json.dumps(extra))
        await self._store.save(row)

    async def _forget(self, pool: Pool) -> None:
        await self._store.save(ForgetObject(KIND, pool.uuid))
        self._table.remove(pool)

    def _tell(self, pool: Pool, event: int) -> None:
        self._bus.publish(StoragePoolLifecycle(pool.ref, event, 0))


def _matches(pool: Pool, flags: int) -> bool:
    """Whether a pool is in each group of which `flags` name a member."""
    known = ConnectListStoragePools
    groups = (
        (known.ACTIVE, known.INACTIVE, pool.active),
        (known.PERSISTENT, known.TRANSIENT, pool.persistent),
        (known.AUTOSTART, known.NO_AUTOSTART, pool.autostart),
    )
    for yes, no, is_so in groups:
        if flags & (yes | no) and not flags & (yes if is_so else no):
            return False
    kinds = flags & ~0x3F
    return not kinds or bool(kinds & _KIND_FLAGS[pool.definition.type])


_KIND_FLAGS = {
    kind: getattr(ConnectListStoragePools, kind.upper().replace("-", "_")) for kind in TYPES
}


def _one_of_two(flags: int) -> None:
    both = StoragePoolCreate.WITH_BUILD_OVERWRITE | StoragePoolCreate.WITH_BUILD_NO_OVERWRITE
    if flags & both == both:
        raise invalid("Overwrite and no-overwrite flags are mutually exclusive")


def _build_flags(flags: int) -> int:
    build = 0
    if flags & StoragePoolCreate.WITH_BUILD_OVERWRITE:
        build |= StoragePoolBuild.OVERWRITE
    if flags & StoragePoolCreate.WITH_BUILD_NO_OVERWRITE:
        build |= StoragePoolBuild.NO_OVERWRITE
    return build
