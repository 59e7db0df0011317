"""The volumes of a machine's disks, to be deleted with its definition.

The rule kept here: every volume that is deleted was named, by its target, its path, or as one of
all; what is in no pool is told and left alone.
"""

from __future__ import annotations

from virtory.cli import described
from virtory.errors import (
    OperationInvalid,
    StoragePoolNotFound,
    StorageVolumeNotFound,
    VirtoryError,
)
from virtory.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain
    from virtory.client.storage import StorageVolume


class Doomed(NamedTuple):
    """A disk's volume."""

    target: str
    source: str
    volume: StorageVolume


async def chosen(terminal: Terminal, machine: Domain, names: list[str] | None) -> list[Doomed]:
    """The volumes of the disks with these targets or sources; of all disks for None.

    Raises:
        OperationInvalid: the machine runs.
        StorageVolumeNotFound: no disk is called so.
    """
    if await machine.is_active():
        raise OperationInvalid(
            f"the volumes of '{machine.name}' can not be deleted while it runs",
            cure=f"stop it first: virtory destroy {machine.name}",
        )
    found: list[Doomed] = []
    left = None if names is None else set(names)
    for disk in described.disks(described.read(await machine.xml(inactive=True))):
        if disk.source is None or (left is not None and not left & {disk.target, disk.source}):
            continue
        if left is not None:
            left -= {disk.target, disk.source}
        if names is None and disk.device in ("cdrom", "floppy"):
            continue  # a medium is shared more often than not
        try:
            volume = await _volume(terminal, disk)
        except (StorageVolumeNotFound, StoragePoolNotFound):
            terminal.warn(f"'{disk.target}' ({disk.source}) is in no pool: remove it yourself")
        else:
            found.append(Doomed(disk.target, disk.source, volume))
    if left:
        raise StorageVolumeNotFound(
            f"no disk of '{machine.name}' is called {', '.join(sorted(left))}",
            cure=f"virtory domblklist {machine.name}",
        )
    return found


async def _volume(terminal: Terminal, disk: described.Disk) -> StorageVolume:
    if disk.type == "volume":
        return await (await terminal.host.storage_pool(disk.pool or "")).volume(disk.source or "")
    return await terminal.host.volume_by_path(disk.source or "")


async def removed(doomed: list[Doomed], *, wiped: bool, flags: int) -> tuple[list[str], int]:
    """Delete them, each told in a line; how many could not be."""
    lines, failures = [], 0
    for target, source, volume in doomed:
        try:
            if wiped:
                await volume.wipe()
                lines.append(f"Wiping volume '{target}'({source}) ... Done.")
            await volume.delete(flags=flags)
            lines.append(f"Volume '{target}'({source}) removed.")
        except VirtoryError as error:
            lines.append(f"Failed to remove storage volume '{target}'({source}): {error}")
            failures += 1
    return lines, failures
