"""Who needs what is in a volume: machines, and images that stand on it.

The rule kept here: what the user names may go, what others need through it may not. A volume that
a machine runs with, or that is below another image, is neither changed nor deleted; one that is
only named by a machine that is off is the user's to change.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, NamedTuple, Protocol

from virtory.driver import image_lock
from virtory.driver.storage.failures import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from virtory.driver.storage.backend import Backend
    from virtory.driver.storage.table import Pool, PoolTable, Volume
    from virtory.errors import OperationInvalid
    from virtory.model.storage_volume import StorageVolume


class Use(NamedTuple):
    """How a machine uses an image: what it is to the machine, in words, and what frees it."""

    what: str
    cure: str
    medium: bool = False  # as a CD or a floppy, which it only reads


class Users(Protocol):
    """Who uses the image at this path."""

    def __call__(self, path: str) -> Sequence[Use]: ...


def nobody(path: str) -> Sequence[Use]:
    """A driver without machines."""
    return ()


class Usage:
    """What is asked before a volume is changed or deleted."""

    def __init__(
        self, table: PoolTable, users: Users, backend_of: Callable[[str], Backend]
    ) -> None:
        self._table = table
        self._users = users
        self._backend_of = backend_of

    async def refuse(self, pool: Pool, volume: Volume, *, deleting: bool = False) -> None:
        """OperationInvalid when somebody needs what is in the volume as it is."""
        path = _real(volume.path)
        for use in self._users(path):
            if not (deleting and use.medium):
                raise in_use(volume.name, use.what, use.cure)
        standing = await asyncio.to_thread(self._standing_on, pool, path)
        if standing is not None:
            raise in_use(
                volume.name,
                f"it is below the image '{standing}'",
                "delete that first, or make it independent: "
                f"qemu-img rebase -f qcow2 -b '' '{standing}'",
            )

    def _standing_on(self, pool: Pool, path: str) -> str | None:
        """The image in an active pool whose header names this one below itself; blocking.

        The volume's own pool is looked at for images that were made by hand, too.
        """
        if not os.path.lexists(path):
            return None  # it is gone already
        backend = self._backend_of(pool.definition.type)
        for found in backend.unseen(pool.definition, pool.volumes):
            if _is_below(path, found):
                return _path(found)
        for other in self._table:
            for each in list(other.volumes.values()) if other.active else ():
                if _is_below(path, each.description):
                    now = self._backend_of(other.definition.type).examined(each.description)
                    if now is not None and _is_below(path, now):
                        return each.path
        return None


def _real(path: str) -> str:
    return os.path.realpath(path)


def _path(volume: StorageVolume) -> str:
    return (volume.target.path if volume.target is not None else None) or ""


def _is_below(path: str, volume: StorageVolume) -> bool:
    below = volume.backing_store
    return below is not None and bool(below.path) and _real(below.path or "") == path


def lock(fd: int, name: str) -> None:
    """The volume's contents are ours until `fd` is closed; OperationInvalid when QEMU has them."""
    if not image_lock.take(fd):
        raise locked(name)


def locked(name: str) -> OperationInvalid:
    """The error for a volume that some QEMU has open."""
    return in_use(
        name,
        "a running machine or another program has it open",
        "of a running machine's disk: virsh blockresize DOMAIN TARGET SIZE; else end who has it "
        "open",
    )


def in_use(name: str, what: str, cure: str) -> OperationInvalid:
    """The error for a volume that is needed as it is."""
    return invalid(f"volume '{name}' is still in use: {what}", cure)
