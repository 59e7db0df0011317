"""Pools and volumes that are only in memory.

The rule kept here: what is kept, checked and told is what the real driver keeps, checks and tells;
only its disks are missing. There is one running pool, `default-pool`, as in libvirt's test driver.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from virtory.driver.file_copy import copy_data
from virtory.driver.storage.backend import Found, no_discovery
from virtory.driver.storage.create import checked
from virtory.driver.storage.driver import Storage
from virtory.driver.storage.table import Pool, Volume
from virtory.model.storage_pool import parse_pool
from virtory.model.storage_volume import Permissions, Target, Timestamps
from virtory.model.values import Size

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable
    from threading import Event

    from virtory.driver.bus import Bus
    from virtory.driver.storage.backend import Keeper
    from virtory.driver.store import Change
    from virtory.model.storage_pool import StoragePool
    from virtory.model.storage_volume import StorageVolume

DEFAULT_POOL = """<pool type='dir'><name>default-pool</name>
<uuid>dfe224cb-28fb-8dd0-c4b2-64eb3f0f4566</uuid>
<target><path>/default-pool</path></target></pool>"""
_CAPACITY = 100 << 30


class Forgetful:
    """A store that keeps nothing."""

    async def save(self, *changes: Change) -> None: ...
    def save_now(self, *changes: Change) -> None: ...


class MemoryBackend:
    """A place of 100 GiB that remembers each volume's description and bytes."""

    def __init__(self) -> None:
        self._volumes: dict[str, StorageVolume] = {}
        self._contents: dict[str, int] = {}

    def is_started(self, pool: StoragePool) -> bool:
        return True

    def start(self, pool: StoragePool) -> None: ...
    def stop(self, pool: StoragePool) -> None: ...
    def build(self, pool: StoragePool, flags: int) -> None: ...
    def delete(self, pool: StoragePool, flags: int) -> None: ...

    def refresh(self, pool: StoragePool) -> Found:
        return Found(self.sizes(pool), self._of(pool))

    def unseen(self, pool: StoragePool, known: Container[str]) -> Iterable[StorageVolume]:
        return ()

    def sizes(self, pool: StoragePool) -> StoragePool:
        taken = sum(volume.allocation or 0 for volume in self._of(pool))
        return dataclasses.replace(
            pool,
            capacity=Size(_CAPACITY),
            allocation=Size(taken),
            available=Size(max(0, _CAPACITY - taken)),
        )

    def find_sources(self, source: str | None) -> str:
        raise no_discovery("dir")

    def placed(self, pool: StoragePool, volume: StorageVolume) -> StorageVolume:
        path = f"{pool.path}/{volume.name}"
        target = dataclasses.replace(
            volume.target or Target(), path=path, format=volume.format or "raw"
        )
        return dataclasses.replace(volume, type="file", key=path, target=target)

    def create(self, volume: StorageVolume, store: Keeper, *, preallocate: bool) -> None:
        format = checked(volume, preallocate=preallocate)
        capacity = volume.capacity or Size(0)
        whole = format == "raw" and volume.allocation is None
        target = dataclasses.replace(
            volume.target or Target(),
            permissions=Permissions(mode="0600", owner=0, group=0),
            timestamps=Timestamps(atime="0", mtime="0", ctime="0", btime="0"),
        )
        assert volume.key is not None
        self._volumes[volume.key] = dataclasses.replace(
            volume,
            capacity=capacity,
            allocation=capacity if whole else volume.allocation or Size(0),
            physical=capacity,
            target=target,
        )

    def refreshed(self, volume: StorageVolume) -> StorageVolume | None:
        return self._volumes.get(volume.key or "")

    def examined(self, volume: StorageVolume) -> StorageVolume | None:
        return self.refreshed(volume)

    def remove(self, volume: StorageVolume, flags: int) -> None:
        self._volumes.pop(volume.key or "", None)
        fd = self._contents.pop(volume.key or "", None)
        if fd is not None:
            os.close(fd)

    def clone(
        self,
        source: StorageVolume,
        volume: StorageVolume,
        store: Keeper,
        flags: int,
        directories: Collection[str],
    ) -> None:
        self.create(volume, store, preallocate=False)
        reading, writing = self._file(source), self._file(volume)
        copy_data(reading, writing, os.fstat(reading).st_size)

    def wipe(self, volume: StorageVolume, algorithm: int, ending: Event) -> None:
        fd = self._file(volume)
        size = os.fstat(fd).st_size
        os.ftruncate(fd, 0)
        os.ftruncate(fd, size)

    def open(self, volume: StorageVolume, *, writable: bool) -> int:
        return os.dup(self._file(volume))

    def _file(self, volume: StorageVolume) -> int:
        """Its bytes: a file without a place, as long as the disk."""
        key = volume.key or ""
        if key not in self._contents:
            self._contents[key] = os.memfd_create("volume", os.MFD_CLOEXEC)
            os.ftruncate(self._contents[key], volume.capacity or 0)
        return self._contents[key]

    def resize(self, volume: StorageVolume, capacity: int, flags: int) -> None:
        known = self._volumes[volume.key or ""]
        self._volumes[volume.key or ""] = dataclasses.replace(
            known, capacity=Size(capacity), physical=Size(capacity)
        )
        os.ftruncate(self._file(volume), capacity)

    def _of(self, pool: StoragePool) -> list[StorageVolume]:
        start = f"{pool.path}/"
        return [volume for key, volume in self._volumes.items() if key.startswith(start)]


class MemoryStorage(Storage):
    """The storage of `test:///default`."""

    def __init__(self, bus: Bus) -> None:
        place = MemoryBackend()
        super().__init__(Forgetful(), bus, backends=lambda kind: place)
        pool = Pool(place.sizes(parse_pool(DEFAULT_POOL)), persistent=True)
        pool.active = pool.autostart = True
        pool.volumes = dict[str, Volume]()
        self._table.add(pool)
