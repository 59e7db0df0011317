"""Pools of type `dir`: the files of one directory.

The rule kept here: a directory is made and removed only when asked, and removed only when empty.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import stat
from typing import TYPE_CHECKING

from virtory.driver.storage.backend import Found, no_discovery
from virtory.driver.storage.create import create
from virtory.driver.storage.failures import failed, only
from virtory.driver.storage.nocow import without_copies
from virtory.driver.storage.resize import resize
from virtory.driver.storage.scan import refreshed, volume_at, volumes_of
from virtory.errors import FROM_STORAGE, ConfigUnsupported
from virtory.model.storage_pool import Target
from virtory.model.storage_volume import Permissions, mode_text
from virtory.model.values import Size

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable
    from threading import Event

    from virtory.driver.storage.backend import Keeper
    from virtory.model.storage_pool import StoragePool
    from virtory.model.storage_volume import StorageVolume, VolumeType

DEFAULT_MODE = 0o711


class Directory:
    """A directory that is there."""

    kind = "dir"

    def is_started(self, pool: StoragePool) -> bool:
        return os.path.isdir(pool.path)

    def start(self, pool: StoragePool) -> None:
        """There is nothing to start; that it can be read, its refresh finds out."""

    def stop(self, pool: StoragePool) -> None:
        """There is nothing to stop."""

    def build(self, pool: StoragePool, flags: int) -> None:
        """Make the directory, and those above it; give it the rights that are asked for."""
        permissions = (pool.target.permissions if pool.target else None) or Permissions()
        path = pool.path
        mode = int(permissions.mode, 8) if permissions.mode else None
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            try:
                os.mkdir(path)
            except FileExistsError:
                if not os.path.isdir(path):
                    raise
            else:
                mode = DEFAULT_MODE if mode is None else mode
            if mode is not None:
                os.chmod(path, mode)
            owner, group = _id(permissions.owner), _id(permissions.group)
            if owner >= 0 or group >= 0:
                os.chown(path, owner, group)
        except OSError as error:
            raise failed(f"cannot create path '{path}'", error) from None
        cow = pool.features.cow if pool.features is not None else None
        if cow is not None:
            _set_copies(path, wanted=cow)

    def delete(self, pool: StoragePool, flags: int) -> None:
        """Remove the directory, which must be empty."""
        only(flags, 0, "virStorageBackendDeleteLocal")
        try:
            os.rmdir(pool.path)
        except OSError as error:
            raise failed(f"failed to remove pool '{pool.name}' at '{pool.path}'", error) from None

    def refresh(self, pool: StoragePool) -> Found:
        """All volumes, and the sizes and rights of the directory."""
        try:
            volumes = list(volumes_of(pool.path))
            found = os.stat(pool.path)
        except OSError as error:
            raise failed(f"cannot open directory '{pool.path}'", error) from None
        permissions = Permissions(
            mode=mode_text(found.st_mode), owner=found.st_uid, group=found.st_gid
        )
        target = dataclasses.replace(pool.target or Target(), permissions=permissions)
        return Found(self.sizes(dataclasses.replace(pool, target=target)), volumes)

    def unseen(self, pool: StoragePool, known: Container[str]) -> Iterable[StorageVolume]:
        try:
            return list(volumes_of(pool.path, known))
        except OSError as error:
            raise failed(f"cannot open directory '{pool.path}'", error) from None

    def sizes(self, pool: StoragePool) -> StoragePool:
        try:
            space = os.statvfs(pool.path)
        except OSError as error:
            raise failed(f"cannot statvfs path '{pool.path}'", error) from None
        capacity, available = space.f_blocks * space.f_frsize, space.f_bfree * space.f_frsize
        return dataclasses.replace(
            pool,
            capacity=Size(capacity),
            allocation=Size(capacity - available),
            available=Size(available),
        )

    def find_sources(self, source: str | None) -> str:
        raise no_discovery(self.kind)

    # -- volumes -------------------------------------------------------------------------------
    def placed(self, pool: StoragePool, volume: StorageVolume) -> StorageVolume:
        from virtory.model.storage_volume import Target as VolumeTarget

        path = os.path.join(pool.path, volume.name)
        format = volume.format or "raw"
        target = dataclasses.replace(volume.target or VolumeTarget(), path=path, format=format)
        kind: VolumeType = "dir" if format == "dir" else "file"
        return dataclasses.replace(volume, type=kind, key=path, target=target)

    def create(self, volume: StorageVolume, store: Keeper, *, preallocate: bool) -> None:
        assert volume.key is not None
        create(volume.key, volume, store, preallocate=preallocate)

    def refreshed(self, volume: StorageVolume) -> StorageVolume | None:
        try:
            return refreshed(volume)
        except OSError as error:
            raise failed(f"cannot open volume '{volume.key}'", error) from None

    def examined(self, volume: StorageVolume) -> StorageVolume | None:
        try:
            return volume_at(volume.key or "", volume.name)
        except OSError as error:
            raise failed(f"cannot open volume '{volume.key}'", error) from None

    def clone(
        self,
        source: StorageVolume,
        volume: StorageVolume,
        store: Keeper,
        flags: int,
        directories: Collection[str],
    ) -> None:
        from virtory.driver.storage.copying import clone

        clone(source, volume, store, flags, directories)

    def wipe(self, volume: StorageVolume, algorithm: int, ending: Event) -> None:
        from virtory.driver.storage.wiping import wipe

        wipe(volume.key or "", algorithm, ending)

    def open(self, volume: StorageVolume, *, writable: bool) -> int:
        flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_NONBLOCK | os.O_NOCTTY
        fd = os.open(volume.key or "", flags | os.O_CLOEXEC)
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):  # a pipe by now would be waited for
            os.close(fd)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return fd

    def remove(self, volume: StorageVolume, flags: int) -> None:
        """Remove the file, or the directory when it is empty; gone already is as good."""
        only(flags, 0, "virStorageBackendVolDeleteLocal")
        path = volume.key or ""
        try:
            if volume.type == "dir":
                os.rmdir(path)
            else:
                os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise failed(f"cannot unlink file '{path}'", error) from None

    def resize(self, volume: StorageVolume, capacity: int, flags: int) -> None:
        resize(volume, capacity, flags)


def _set_copies(path: str, *, wanted: bool) -> None:
    """Whether new files there are copied when they are written, where that can be said."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        done = without_copies(fd, wanted=not wanted)
    finally:
        os.close(fd)
    if not done and not wanted:
        raise ConfigUnsupported(
            f"the file system of '{path}' has no such choice as <cow state='no'/>",
            cure="leave <features> out, or use btrfs",
            domain=FROM_STORAGE,
        )


def _id(number: int | None) -> int:
    return -1 if number is None else number


BACKEND = Directory()
