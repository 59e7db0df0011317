"""What a type of pool is, to the rest of the driver; and which types are served.

The rule kept here: a backend's functions block and are called in a thread; they hold no state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from virtory.errors import FROM_STORAGE, ConfigUnsupported, NotSupported

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable
    from threading import Event

    from virtory.driver.store import Change
    from virtory.model.storage_pool import StoragePool
    from virtory.model.storage_volume import StorageVolume


class Found(NamedTuple):
    """What a refresh found: the pool with its sizes and rights, and its volumes."""

    pool: StoragePool
    volumes: list[StorageVolume]


class Keeper(Protocol):
    """Where what must outlive the daemon is written down: `driver.store.Store`."""

    async def save(self, *changes: Change) -> None: ...
    def save_now(self, *changes: Change) -> None: ...


class Backend(Protocol):
    """One type of pool."""

    def is_started(self, pool: StoragePool) -> bool:
        """Whether it is there already, such as a file system that is mounted."""

    def start(self, pool: StoragePool) -> None:
        """Make it usable; nothing is wrong when it is already."""

    def stop(self, pool: StoragePool) -> None: ...
    def build(self, pool: StoragePool, flags: int) -> None: ...
    def delete(self, pool: StoragePool, flags: int) -> None: ...
    def refresh(self, pool: StoragePool) -> Found: ...
    def unseen(self, pool: StoragePool, known: Container[str]) -> Iterable[StorageVolume]:
        """Volumes that are there and not known by these names, as ones made by hand are."""

    def sizes(self, pool: StoragePool) -> StoragePool:
        """The pool with its capacity, allocation and free space as they are now."""

    def find_sources(self, source: str | None) -> str: ...

    def placed(self, pool: StoragePool, volume: StorageVolume) -> StorageVolume:
        """The description with key and path, as it will be here."""

    def create(self, volume: StorageVolume, store: Keeper, *, preallocate: bool) -> None: ...
    def refreshed(self, volume: StorageVolume) -> StorageVolume | None: ...
    def remove(self, volume: StorageVolume, flags: int) -> None: ...
    def examined(self, volume: StorageVolume) -> StorageVolume | None:
        """The volume as a refresh of the pool would find it."""

    def resize(self, volume: StorageVolume, capacity: int, flags: int) -> None: ...
    def clone(
        self,
        source: StorageVolume,
        volume: StorageVolume,
        store: Keeper,
        flags: int,
        directories: Collection[str],
    ) -> None:
        """Make `volume` with what is in `source`; `directories` are those of active pools."""

    def wipe(self, volume: StorageVolume, algorithm: int, ending: Event) -> None:
        """Overwrite it; raises wiping.Interrupted once `ending` is set."""

    def open(self, volume: StorageVolume, *, writable: bool) -> int:
        """A descriptor of its contents; raises OSError."""


SERVED = {"dir": "directory", "fs": "filesystem", "logical": "logical"}
_LATER = {
    "netfs": "mount the share yourself, and define a pool of type 'dir' there",
    "disk": "use a pool of type 'logical' on the disk, or give the partition itself to the machine",
    "iscsi": "log in with iscsiadm, and give the block device itself to the machine",
    "scsi": "give the block device itself to the machine: <disk type='block'>",
    "mpath": "give the block device itself to the machine: <disk type='block'>",
}


def backend_of(kind: str) -> Backend:
    """The backend of a type of pool; loaded when it is first needed.

    Raises:
        ConfigUnsupported: pools of that type are not served.
    """
    if kind not in SERVED:
        raise ConfigUnsupported(
            f"pools of type '{kind}' are not served by this version of virtoryd",
            cure=_LATER.get(kind, "pools of the types dir, fs and logical are served"),
            domain=FROM_STORAGE,
        )
    from importlib import import_module

    module = import_module(f"virtory.driver.storage.{SERVED[kind]}")
    backend: Backend = module.BACKEND
    return backend


def no_discovery(kind: str) -> NotSupported:
    """The answer of a type whose sources can not be looked for."""
    return NotSupported(
        f"pool type '{kind}' does not support source discovery", domain=FROM_STORAGE
    )
