"""What is in volumes: copying, wiping, streaming it.

The rule kept here: a volume whose contents are in use can be neither deleted nor resized.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from virtory.driver.storage import buffers
from virtory.driver.storage.create import checked
from virtory.driver.storage.failures import failed, invalid, only
from virtory.driver.storage.streams import Download, Upload
from virtory.driver.storage.usage import lock
from virtory.driver.storage.volumes import Volumes
from virtory.driver.storage.wiping import KIND as WIPE
from virtory.driver.storage.wiping import Interrupted, check_algorithm, intention
from virtory.driver.store import ForgetIntent, Intent
from virtory.errors import FROM_STORAGE, InternalError, OperationUnsupported
from virtory.model.events import StoragePoolRefresh
from virtory.model.list_flags import StorageVolumeCreate, StorageVolumeStream
from virtory.model.storage_volume import StorageVolume, parse_volume
from virtory.model.values import Size

if TYPE_CHECKING:
    from threading import Event

    from virtory.driver.bus import Bus
    from virtory.driver.interface.storage import VolumeRef
    from virtory.driver.storage.backend import Backend
    from virtory.driver.storage.table import Pool, Volume
    from virtory.model.storage_pool import StoragePool


class Contents(Volumes):
    """What a driver does with the contents of volumes."""

    _bus: Bus
    _ending: Event

    # -- copying -------------------------------------------------------------------------------
    async def clone_volume(self, pool: bytes, xml: str, source: VolumeRef, flags: int) -> VolumeRef:
        known = StorageVolumeCreate
        only(flags, known.PREALLOC_METADATA | known.REFLINK, "storageVolCreateXMLFrom")
        found = self._table.get(pool).running()
        source_pool, original = self._table.of(source)
        if original.building:
            raise invalid(f"volume '{original.name}' is still being allocated.")
        wanted = parse_volume(xml, needs_capacity=False)
        if wanted.name in found.volumes:
            raise InternalError(
                f"storage volume name '{wanted.name}' already in use.", domain=FROM_STORAGE
            )
        if original.description.type == "dir":
            raise OperationUnsupported(
                f"volume '{original.name}' is a directory, which is not copied",
                cure="copy it with cp -a, then refresh the pool",
                domain=FROM_STORAGE,
            )
        checked(wanted, preallocate=bool(flags & known.PREALLOC_METADATA))
        original.users += 1  # before anything is waited for: nobody may begin to change it
        try:
            with source_pool.working(), found.working():
                return await self._cloned(found, wanted, source, flags)
        finally:
            original.users -= 1

    async def _cloned(
        self, found: Pool, wanted: StorageVolume, source: VolumeRef, flags: int
    ) -> VolumeRef:
        now = await self._refreshed(source)
        capacity = max(wanted.capacity or 0, now.capacity or 0)
        wanted = dataclasses.replace(wanted, capacity=Size(capacity))
        backend = self._backend(found.definition.type)
        directories = [other.definition.path for other in self._table if other.active]

        def make(placed: StorageVolume) -> None:
            backend.clone(now, placed, self._store, flags, directories)

        return await self._made(found, backend, wanted, make)

    # -- wiping --------------------------------------------------------------------------------
    async def wipe_volume(self, volume: VolumeRef, algorithm: int, flags: int) -> None:
        only(flags, 0, "storageVolWipePattern")
        check_algorithm(algorithm)
        pool, found = self._table.of(volume)
        found.free()
        await self._changed(pool, found, partial(self._wipe, pool, found, algorithm))

    def _wipe(self, pool: Pool, volume: Volume, algorithm: int) -> tuple[Any, StoragePool]:
        """Written down before, so that it is finished whatever ends this daemon; blocking."""
        backend = self._backend(pool.definition.type)
        key = os.urandom(16)
        self._store.save_now(Intent(key, WIPE, intention(volume.path, algorithm)))
        self._finish_wipe(key, backend, volume.description, algorithm)
        return backend.refreshed(volume.description), backend.sizes(pool.definition)

    def _finish_wipe(
        self, key: bytes, backend: Backend, volume: StorageVolume, algorithm: int
    ) -> None:
        try:
            backend.wipe(volume, algorithm, self._ending)
        except Interrupted:
            raise  # the next daemon goes on
        except BaseException:  # what failed is told, and not tried again later
            self._store.save_now(ForgetIntent(key))
            raise
        self._store.save_now(ForgetIntent(key))

    # -- streaming -----------------------------------------------------------------------------
    async def download_volume(
        self, volume: VolumeRef, offset: int, length: int, flags: int
    ) -> Download:
        only(flags, StorageVolumeStream.SPARSE, "storageVolDownload")
        pool, found = self._table.of(volume)
        if found.building:
            raise invalid(f"volume '{found.name}' is still being allocated.")
        fd, closed = await self._open(pool, found, offset, writable=False)
        sparse = bool(flags & StorageVolumeStream.SPARSE)
        return Download(fd, found.path, offset, length, sparse=sparse, closed=closed)

    async def upload_volume(
        self, volume: VolumeRef, offset: int, length: int, flags: int
    ) -> Upload:
        only(flags, StorageVolumeStream.SPARSE, "storageVolUpload")
        pool, found = self._table.of(volume)
        found.free()
        fd, closed = await self._open(pool, found, offset, writable=True)

        async def finished() -> None:
            await self._look_again(pool, found)

        return Upload(fd, found.path, offset, length, finished=finished, closed=closed)

    async def _open(
        self, pool: Pool, volume: Volume, offset: int, *, writable: bool
    ) -> tuple[int, _Release]:
        """The volume's descriptor, and what ends its use, which begins before it is opened."""
        backend = self._backend(pool.definition.type)
        closed = _use(volume)

        def opened() -> int:
            fd = backend.open(volume.description, writable=writable)
            try:
                if writable:
                    lock(fd, volume.name)
                _refuse_beyond(fd, volume.path, offset)
            except BaseException:
                os.close(fd)
                raise
            return fd

        try:
            if writable:
                await self._usage.refuse(pool, volume)
            fd = await asyncio.to_thread(opened)
        except OSError as error:
            closed()
            raise failed(f"cannot open volume '{volume.path}'", error) from None
        except BaseException:
            closed()
            raise
        return fd, closed

    async def _look_again(self, pool: Pool, volume: Volume) -> None:
        """After an upload it may be another image, of another format and size."""
        backend = self._backend(pool.definition.type)

        def work() -> tuple[StorageVolume | None, StoragePool]:
            return backend.examined(volume.description), backend.sizes(pool.definition)

        now, sizes = await asyncio.to_thread(work)
        if now is not None:
            volume.description = now
        self._sized(pool, sizes)
        if pool.active:
            self._bus.publish(StoragePoolRefresh(pool.ref))


def _refuse_beyond(fd: int, path: str, offset: int) -> None:
    """SystemCallFailed for a place that no file of this file system can have."""
    try:
        os.lseek(fd, offset, os.SEEK_SET)
    except (OSError, OverflowError) as error:
        raise failed(f"Unable to seek {path} to {offset}", error) from None


def _use(volume: Volume) -> _Release:
    volume.users += 1
    buffers.needed()
    return _Release(volume)


class _Release:
    """What ends the use of a volume by a stream."""

    __slots__ = ("_volume",)

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    def __call__(self) -> None:
        self._volume.users -= 1
        buffers.not_needed()
