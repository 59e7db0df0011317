"""Putting a snapshot's description back: after an undefine, from another host, edited by a user.

The rule kept here: only what is known changes, never an image; what can not be true is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from virtory.driver.qemu.snapshot.draft import DISK_SNAPSHOT, named
from virtory.driver.qemu.snapshot.snapshots import family_of
from virtory.errors import FROM_DOMAIN_SNAPSHOT, InvalidArgument, XmlError
from virtory.model.snapshot_flags import SnapshotCreate

if TYPE_CHECKING:
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.table import Entry
    from virtory.driver.snapshot_family import Family
    from virtory.model.snapshot import Snapshot

_STATES = ("running", "paused", "shutoff", "blocked", "crashed", "pmsuspended", DISK_SNAPSHOT)


async def redefine(runtime: Runtime, entry: Entry, asked: Snapshot, flags: int) -> str:
    """Keep the description as it is given; its name."""
    from virtory.driver.qemu.snapshot.taking import kept_of

    family = family_of(entry)
    _refuse_wrong(asked, entry)
    snapshot = named(asked, family, redefine=True)
    name = str(snapshot.name)
    parent = asked.parent.name if asked.parent is not None else None
    _refuse_loop(family, name, parent)
    former = family.by_name.get(name)
    if snapshot.domain is None:
        domain = entry.configuration() if entry.is_persistent else entry.current()
        snapshot = replace(snapshot, domain=domain)
    snapshot = replace(
        snapshot,
        creation_time=asked.creation_time or snapshot.creation_time,
        cookie=None,
        active=None,
    )
    kept = kept_of(snapshot, former.files if former is not None else {})
    current = bool(flags & SnapshotCreate.CURRENT)
    await runtime.records.store.save(*family.put(kept, current=current))
    return name


def _refuse_wrong(asked: Snapshot, entry: Entry) -> None:
    if asked.name is None:
        raise XmlError("a redefined snapshot must have a name", domain=FROM_DOMAIN_SNAPSHOT)
    if asked.state not in _STATES:
        raise XmlError(
            f"/domainsnapshot/state: Invalid state '{asked.state}' in domain snapshot XML",
            cure=f"one of {', '.join(_STATES)}",
        )
    uuid = asked.domain.uuid if asked.domain is not None else None
    if uuid is not None and uuid.raw != entry.uuid:
        raise InvalidArgument(f"definition for snapshot {asked.name} must use uuid of its domain")


def _refuse_loop(family: Family, name: str, parent: str | None) -> None:
    if parent is None:
        return
    if parent == name:
        raise InvalidArgument(f"cannot set snapshot {name} as its own parent")
    if parent not in family.by_name:
        raise InvalidArgument(f"parent {parent} for snapshot {name} not found")
    if name in family.by_name and parent in {one.name for one in family.descendants(name)}:
        raise InvalidArgument(f"parent {parent} would create cycle to {name}")
