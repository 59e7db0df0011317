"""All pools and what is known of their volumes, in memory.

The rule kept here: names, UUIDs and places are unique, whether a pool is defined or only runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any
from uuid import UUID

from virtory.driver.interface.storage import VolumeRef
from virtory.driver.interface.values import NamedRef
from virtory.driver.storage.failures import invalid
from virtory.errors import (
    FROM_STORAGE,
    InternalError,
    OperationFailed,
    StoragePoolNotFound,
    StorageVolumeNotFound,
)
from virtory.model.storage_pool import format_pool, sanitized

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.model.storage_pool import StoragePool
    from virtory.model.storage_volume import StorageVolume

WITHOUT_SOURCE = ("dir", "mpath", "vstorage")


class Volume:
    """One volume of an active pool; `users` streams and works hold it, `building` it is not yet."""

    __slots__ = ("building", "description", "users")

    def __init__(self, description: StorageVolume, *, building: bool = False) -> None:
        self.description = description
        self.building = building
        self.users = 0

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def key(self) -> str:
        return self.description.key or self.path

    @property
    def path(self) -> str:
        target = self.description.target
        return (target.path if target else None) or ""

    def free(self) -> None:
        """OperationInvalid while it is made or used."""
        if self.building:
            raise invalid(f"volume '{self.name}' is still being allocated.")
        if self.users:
            raise invalid(f"volume '{self.name}' is still in use.")


class Pool:
    """One pool: `definition` is what runs or is defined, `redefinition` what it will be.

    `turn` is held by whoever changes its state; `meanwhile` notes what is made (None: deleted)
    while its directory is being read.
    """

    def __init__(self, definition: StoragePool, *, persistent: bool) -> None:
        self.definition = definition
        self.redefinition: StoragePool | None = None
        self.persistent = persistent
        self.active = False
        self.starting = False
        self.autostart = False
        self.jobs = 0
        self.volumes: dict[str, Volume] = {}
        self.meanwhile: dict[str, Volume | None] | None = None
        self.turn = asyncio.Lock()

    @property
    def name(self) -> str:
        assert self.definition.name is not None
        return self.definition.name

    @property
    def uuid(self) -> bytes:
        assert self.definition.uuid is not None
        return self.definition.uuid.raw

    @property
    def ref(self) -> NamedRef:
        return NamedRef(self.name, self.uuid)

    @property
    def kept(self) -> StoragePool:
        """The persistent definition."""
        return self.redefinition or self.definition

    def running(self) -> Pool:
        """OperationInvalid unless it is active."""
        if not self.active:
            raise invalid(
                f"storage pool '{self.name}' is not active", f"start it: pool-start {self.name}"
            )
        return self

    def stopped(self, state: str = "still active") -> Pool:
        """OperationInvalid while it is active or becomes so."""
        if self.active or self.starting:
            raise invalid(f"storage pool '{self.name}' is {state}")
        return self

    def idle(self) -> Pool:
        """InternalError while volumes are being made in it."""
        if self.jobs:
            raise InternalError(
                f"pool '{self.name}' has asynchronous jobs running.",
                cure="wait until its volumes are made",
                domain=FROM_STORAGE,
            )
        return self

    def unused(self) -> Pool:
        """OperationInvalid while what is in its volumes is carried to or from a client."""
        for volume in self.volumes.values():
            if volume.users:
                raise invalid(
                    f"volume '{volume.name}' of storage pool '{self.name}' is still in use",
                    "wait until it is uploaded, downloaded or wiped, or end who does that",
                )
        return self

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """While a volume is made in it, it can not be stopped."""
        self.jobs += 1
        try:
            yield
        finally:
            self.jobs -= 1

    def put(self, volume: Volume) -> None:
        """A volume has been made; also a look that is under way will have it."""
        self.volumes[volume.name] = volume
        if self.meanwhile is not None:
            self.meanwhile[volume.name] = volume

    def drop(self, volume: Volume) -> None:
        """A volume has been deleted."""
        if self.volumes.get(volume.name) is volume:
            del self.volumes[volume.name]
        if self.meanwhile is not None:
            self.meanwhile[volume.name] = None

    def volume(self, name: str) -> Volume:
        """StorageVolumeNotFound when it has no such volume."""
        found = self.volumes.get(name)
        if found is None:
            raise StorageVolumeNotFound(f"no storage vol with matching name '{name}'")
        return found

    def volume_ref(self, volume: Volume) -> VolumeRef:
        return VolumeRef(self.name, volume.name, volume.key)

    def xml(self, *, inactive: bool = False) -> str:
        return format_pool(self.kept if inactive else self.definition)

    def replace(self, **changes: Any) -> None:
        """Change what is known of it."""
        self.definition = dataclasses.replace(self.definition, **changes)


class PoolTable:
    """The pools by UUID."""

    def __init__(self) -> None:
        self._pools: dict[bytes, Pool] = {}

    def __iter__(self) -> Iterator[Pool]:
        return iter(list(self._pools.values()))

    def add(self, pool: Pool) -> None:
        self._pools[pool.uuid] = pool

    def remove(self, pool: Pool) -> None:
        self._pools.pop(pool.uuid, None)

    def get(self, uuid: bytes) -> Pool:
        pool = self._pools.get(uuid)
        if pool is None:
            raise StoragePoolNotFound(f"no storage pool with matching uuid '{UUID(bytes=uuid)}'")
        return pool

    def named(self, name: str) -> Pool:
        for pool in self._pools.values():
            if pool.name == name:
                return pool
        raise StoragePoolNotFound(f"no storage pool with matching name '{name}'")

    def at(self, path: str) -> Pool:
        clean = sanitized(path)
        for pool in self._pools.values():
            if pool.definition.path and pool.definition.path == clean:
                return pool
        raise StoragePoolNotFound(f"no storage pool with matching target path '{path}'")

    def of(self, volume: VolumeRef) -> tuple[Pool, Volume]:
        """An active pool and its volume, as a client names them."""
        pool = self.named(volume.pool).running()
        return pool, pool.volume(volume.name)

    def same(self, wanted: StoragePool, *, running: bool) -> Pool | None:
        """The pool that `wanted` defines anew, if there is one.

        Args:
            wanted: a new definition.
            running: it is to run at once: then it may not run already.

        Raises:
            OperationFailed: a name, UUID or place that another pool has.
        """
        assert wanted.uuid is not None and wanted.name is not None
        found = self._pools.get(wanted.uuid.raw)
        named = next((pool for pool in self._pools.values() if pool.name == wanted.name), None)
        if found is not None and found.name != wanted.name:
            raise _failed(f"pool '{found.name}' is already defined with uuid {wanted.uuid}")
        if found is None and named is not None:
            raise _failed(
                f"pool '{named.name}' already exists with uuid {named.definition.uuid}",
                "undefine it first, or give its <uuid> to change it",
            )
        if found is not None and running and (found.active or found.starting):
            raise invalid(f"pool is already active as '{found.name}'")
        for other in self._pools.values():
            if other is not found and _conflict(other.definition, wanted):
                raise _failed(
                    f"Storage source conflict with pool: '{other.name}'",
                    f"use that pool, or another place than '{wanted.path}'",
                )
        return found


def _conflict(one: StoragePool, other: StoragePool) -> bool:
    """Whether two pools are one place."""
    if one.type != other.type:
        return False
    if one.type in WITHOUT_SOURCE:
        return one.path == other.path
    assert one.source is not None and other.source is not None
    if one.type == "logical":
        return one.source.name == other.source.name
    devices = {device.path for device in one.source.devices}
    return bool(devices & {device.path for device in other.source.devices})


def _failed(detail: str, cure: str | None = None) -> OperationFailed:
    return OperationFailed(detail, cure=cure, domain=FROM_STORAGE)
