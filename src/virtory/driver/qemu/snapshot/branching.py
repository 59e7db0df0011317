"""Going back to an external snapshot: its images stay as they are, new ones on top of them begin.

The rule kept here: images that we made and that no snapshot and no definition needs any more go
once the machine is where it was to be; nobody else's file ever does.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver.journal import Journal
from virtory.driver.qemu.disks.image_chain import chain
from virtory.driver.qemu.disks.shared_images import user_of
from virtory.driver.qemu.save_reading import Reading
from virtory.driver.qemu.snapshot import kept_state
from virtory.driver.qemu.snapshot.overlays import make_overlay, over, overlays_of, remove
from virtory.driver.qemu.snapshot.snapshots import family_of, occupy
from virtory.driver.qemu.snapshot.taking import WORK
from virtory.errors import OperationFailed, VirtoryError
from virtory.model.flags import DomainStart
from virtory.model.snapshot import parse_snapshot
from virtory.model.snapshot_flags import SnapshotRevert

if TYPE_CHECKING:
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.snapshot.reverting import Reverting
    from virtory.driver.qemu.table import Entry
    from virtory.driver.snapshot_family import Kept
    from virtory.driver.store import Change
    from virtory.model.domain import Domain
    from virtory.model.snapshot import Snapshot

_BUSY = "reverted"


async def revert(
    reverting: Reverting, entry: Entry, kept: Kept, snapshot: Snapshot, flags: int
) -> None:
    """Go back to an external snapshot."""
    assert snapshot.domain is not None
    targets = list(overlays_of(snapshot))
    images = await asyncio.to_thread(_images, snapshot.domain, targets, kept.name)
    memory = kept.files.get("memory") or (snapshot.memory.file if snapshot.memory else None)
    if memory is not None and kept.state in ("running", "paused"):
        async with Reading(memory):  # it is there, with its description
            await asyncio.to_thread(_refuse_cut_off, memory, kept)
    if memory is not None or flags & (SnapshotRevert.RUNNING | SnapshotRevert.PAUSED):
        await reverting.preparation.refuse_without_images(snapshot.domain)
    if entry.guest is None:
        occupy(reverting.runtime, entry, _BUSY)
    try:
        moved = await _branch(reverting, entry, kept, snapshot, images)
    finally:
        if entry.busy == _BUSY:
            entry.busy = None
    try:
        await _run_again(reverting, entry, kept, moved, memory, flags)
    finally:  # not before: a disk that was attached to the running machine is in no definition
        await forget_needless(reverting.runtime, entry)
    reverting.announce(entry)


async def _branch(
    reverting: Reverting,
    entry: Entry,
    kept: Kept,
    snapshot: Snapshot,
    images: dict[str, tuple[str, str]],
) -> Snapshot:
    """New images, and a definition that names them; the snapshot with these, too."""
    assert snapshot.domain is not None
    fresh = {target: _free_name(path) for target, (path, _) in images.items()}
    made = list(fresh.values())
    work = await Journal(reverting.runtime.records.store).begin(
        WORK, step="branch", domain=entry.uuid.hex(), made=made
    )
    try:
        for target, path in fresh.items():
            await asyncio.to_thread(make_overlay, path, *images[target])
        reverting.runtime.checkpoint("branch made")
        await reverting.end(entry)
        if entry.busy is None:
            occupy(reverting.runtime, entry, _BUSY)
        await kept_state.bring_back(kept.files)
        moved = replace(
            snapshot,
            domain=over(snapshot.domain, fresh),
            inactive_domain=(
                over(snapshot.inactive_domain, fresh) if snapshot.inactive_domain else None
            ),
        )
        files = {**kept.files, "made": [*kept.files.get("made", []), *made]}
        family = family_of(entry)
        await reverting.runtime.records.store.save(
            *family.put(family.get(kept.name)._replace(files=files), current=False)
        )
        await reverting.became(entry, kept.name, moved, announce=False)
    except BaseException:
        await asyncio.to_thread(remove, made)
        await work.done()
        raise
    reverting.runtime.checkpoint("branch saved")
    await work.done()
    return moved


async def _run_again(
    reverting: Reverting,
    entry: Entry,
    kept: Kept,
    moved: Snapshot,
    memory: str | None,
    flags: int,
) -> None:
    """A process for it, when it had one or is to have one."""
    if memory is not None and kept.state in ("running", "paused"):
        await _resume(reverting, entry, kept, moved, memory, flags)
    elif flags & (SnapshotRevert.RUNNING | SnapshotRevert.PAUSED):
        await reverting.boot_as(entry, moved, flags)


async def _resume(
    reverting: Reverting, entry: Entry, kept: Kept, moved: Snapshot, memory: str, flags: int
) -> None:
    """A new process goes on from the memory's file."""
    runs = kept.state == "running" or bool(flags & SnapshotRevert.RUNNING)
    runs = runs and not flags & SnapshotRevert.PAUSED
    async with Reading(memory) as reading:
        resumption = await reading.resumption(runs=runs, steps=reverting.steps)
        try:
            paused = DomainStart.PAUSED * (not runs)
            await reverting.start_as(entry, moved, resumption, paused)
        except VirtoryError as error:
            raise reading.explained(error) from None


def _refuse_cut_off(memory: str, kept: Kept) -> None:
    """QEMU would notice at the end of what is left of it, with the present state given up."""
    whole, size = kept.files.get("memory_bytes", 0), os.stat(memory).st_size
    if size < whole:
        raise OperationFailed(
            f"'{memory}', the memory of snapshot '{kept.name}', was cut off: it has {size} bytes, "
            f"{whole} were written",
            cure="put the whole file back; without it the snapshot has no machine to go back to:"
            " virsh snapshot-delete --metadata forgets it and leaves its images",
        )


def _images(domain: Domain, targets: list[str], name: str) -> dict[str, tuple[str, str]]:
    """The images that the snapshot stands on; all of them are there. Blocking."""
    found = {}
    for disk in domain.devices.disks:
        if disk.target.dev not in targets or disk.source is None:
            continue
        path = disk.path or ""
        if not os.path.exists(path):
            raise OperationFailed(
                f"image '{path}' of disk '{disk.target.dev}' in snapshot '{name}' is gone",
                cure="put it back, or forget the snapshot: virsh snapshot-delete --metadata",
            )
        chain(path, disk.format, disk.backing_store)
        found[disk.target.dev] = (path, disk.format)
    return found


def _free_name(path: str) -> str:
    stem, _, suffix = path.rpartition(".")
    stem = stem if stem and "/" not in suffix else path
    number = int(time.time())
    while os.path.exists(f"{stem}.{number}"):
        number += 1
    return f"{stem}.{number}"


# -- what is needed ----------------------------------------------------------------------------


def _chain_of(domain: Domain) -> set[str]:
    """Every file of the machine's disks. Blocking."""
    needed: set[str] = set()
    for disk in domain.devices.disks:
        if disk.path is None:
            continue
        needed.add(os.path.realpath(disk.path))
        needed |= {link.path for link in chain(disk.path, disk.format, disk.backing_store)}
    return needed


async def forget_needless(runtime: Runtime, entry: Entry) -> None:
    """Remove the images that we made and that nothing stands on or in any more."""
    family = family_of(entry)
    made = {path for kept in family.by_name.values() for path in kept.files.get("made", ())}
    if not made:
        return
    domains = [entry.configuration()] if entry.is_persistent else []
    if entry.guest is not None:
        domains.append(entry.guest.domain)
    for kept in family.by_name.values():
        snapshot = parse_snapshot(kept.xml, lenient=True)
        domains += [d for d in (snapshot.domain, snapshot.inactive_domain) if d is not None]
    made = {path for path in made if user_of(runtime.table, entry, path) is None}
    needless = await asyncio.to_thread(_needless, domains, made)
    await asyncio.to_thread(remove, sorted(needless))
    changes: list[Change] = []
    for kept in list(family.by_name.values()):
        mine = kept.files.get("made", [])
        if needless & set(mine):
            left = [path for path in mine if path not in needless]
            changed = kept._replace(files={**kept.files, "made": left})
            changes += family.put(changed, current=False)
    if changes:
        await runtime.records.store.save(*changes)


def _needless(domains: list[Domain], made: set[str]) -> set[str]:
    needed: set[str] = set()
    try:
        for domain in domains:
            needed |= _chain_of(domain)
    except VirtoryError:
        return set()  # a part of it is gone: then nothing below that can be known, nor removed
    return {path for path in made if os.path.realpath(path) not in needed}


async def mend(entry: Entry, step: dict[str, Any]) -> None:
    """A way back that was cut off: either the definition is the new one, or nothing was done."""
    text = entry.row.xml if entry.row is not None else ""
    if not any(path in text for path in step["made"]):
        await asyncio.to_thread(remove, step["made"])
