"""Deleting an external snapshot: what was written since then goes down into the image it froze.

The rule kept here: the snapshot is forgotten first, then images are merged, so that no snapshot is
ever listed whose state is half gone. Where several images stand on the frozen one it stays as it
is, as does one with states inside: what others need is never merged away.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from virtory.driver.journal import Journal
from virtory.driver.qemu import transfer
from virtory.driver.qemu.disks import block_job, disk_chain, offline_chain
from virtory.driver.qemu.disks.image_chain import chain
from virtory.driver.qemu.disks.shared_images import refuse_writing
from virtory.driver.qemu.part import redefining
from virtory.driver.qemu.snapshot import internal, kept_state
from virtory.driver.qemu.snapshot.branching import forget_needless
from virtory.driver.qemu.snapshot.overlays import overlays_of, remove
from virtory.driver.qemu.snapshot.snapshots import family_of
from virtory.driver.qemu.snapshot.taking import WORK, kept_of
from virtory.errors import (
    ConfigUnsupported,
    OperationInvalid,
    SystemCallFailed,
    VirtoryError,
)
from virtory.model.events import BlockJob2
from virtory.model.flags import DomainBlockCommit, DomainBlockJob
from virtory.model.snapshot import parse_snapshot

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.snapshot.deleting import Deleting
    from virtory.driver.qemu.table import Entry
    from virtory.driver.snapshot_family import Family, Kept
    from virtory.driver.store import Change
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.disk import BackingStore
    from virtory.model.snapshot import Snapshot


class Merge(NamedTuple):
    """One image that goes down into the one below it; `children` stand on it now."""

    target: str
    upper: str
    base: str
    base_format: str
    children: tuple[str, ...]
    ours: bool  # we made it, so it goes afterwards


async def delete(deleting: Deleting, entry: Entry, kept: Kept) -> None:
    """Delete one external snapshot."""
    runtime, family = deleting.runtime, family_of(entry)
    snapshot = parse_snapshot(kept.xml, lenient=True)
    await _refuse_busy(entry, snapshot)
    merges = await asyncio.to_thread(_merges, entry, family, kept, snapshot)
    for merge in merges:
        refuse_writing(runtime.table, entry, [merge.base, merge.upper])
    memory = kept.files.get("memory")
    work = await Journal(runtime.records.store).begin(
        WORK,
        step="merge",
        domain=entry.uuid.hex(),
        merges=[list(merge) for merge in merges],
        memory=memory,
        files=kept.files,
    )
    made = kept.files.get("made", [])
    former = dict(family.by_name), family.current
    changes = family.remove([kept.name])
    changes += _hand_on(family, kept.parent, made)
    try:
        await runtime.records.store.save(*changes)
    except BaseException:
        family.by_name, family.current = former
        await work.done()
        raise
    runtime.checkpoint("snapshot forgotten")
    await asyncio.to_thread(remove, [memory] if memory else [])
    await kept_state.drop(kept.files)
    try:
        for merge in merges:
            await _carry_out(deleting, entry, merge)
    except VirtoryError as error:
        error.cure = error.cure or (
            f"snapshot '{kept.name}' is forgotten and nothing of the machine is lost: its disk "
            "stands on one image more, which virsh blockcommit merges when that can be"
        )
        raise
    finally:
        await work.done()
    await forget_needless(runtime, entry)


async def _refuse_busy(entry: Entry, snapshot: Snapshot) -> None:
    """Raise when a job is at work on a disk of it; one that is just ending is waited for."""
    from virtory.driver.qemu.disks import block_job_course

    guest = entry.guest
    if guest is None:
        return
    jobs = [guest.block_jobs.get(target) for target in overlays_of(snapshot)]
    for job in jobs:
        if job is not None and job.stage == "finalizing":
            with contextlib.suppress(VirtoryError):  # that is told to who asked for it
                await block_job_course.wait(guest, block_job_course.waiter(guest, job))
    try:
        async with guest.job("snapshot delete"):
            transfer.refuse_written_out(guest)
            for target in overlays_of(snapshot):
                block_job.refuse(guest, target)
    except VirtoryError:
        if not guest.is_ending:
            raise


def _hand_on(family: Family, parent: str | None, made: list[str]) -> list[Change]:
    """Who else knows now that these images are ours: a snapshot that stays, if there is one."""
    heir = family.by_name.get(parent or "") or next(iter(family.by_name.values()), None)
    if heir is None or not made:
        return []
    files = {**heir.files, "made": [*heir.files.get("made", []), *made]}
    return family.put(heir._replace(files=files), current=False)


# -- choosing ----------------------------------------------------------------------------------


def _merges(entry: Entry, family: Family, kept: Kept, snapshot: Snapshot) -> list[Merge]:
    """What can be merged without taking anything from anybody. Blocking."""
    assert snapshot.domain is not None
    _require_present(entry, kept, snapshot)
    others = [
        parse_snapshot(other.xml, lenient=True)
        for other in family.by_name.values()
        if other.name != kept.name
    ]
    links = _links(entry, others)
    frozen = _frozen(others)
    made = {path for one in family.by_name.values() for path in one.files.get("made", ())}
    found = []
    for target in overlays_of(snapshot):
        path, image_format = _sources_with_format(snapshot.domain).get(target, ("", ""))
        base = os.path.realpath(path) if path else ""
        uppers = {upper for upper, below in links.items() if below == base}
        if not base or len(uppers) != 1 or path in frozen or base in frozen:
            continue
        (upper,) = uppers
        if internal.names_in(upper):
            continue
        children = tuple(sorted(top for top, below in links.items() if below == upper))
        ours = any(os.path.realpath(one) == upper for one in made)
        found.append(Merge(target, upper, base, image_format, children, ours))
    return found


def _require_present(entry: Entry, kept: Kept, snapshot: Snapshot) -> None:
    """A stopped machine's images are there: without them the snapshot is the only way back."""
    if entry.guest is not None or entry.row is None:
        return
    present = _sources_with_format(entry.configuration())
    for target in overlays_of(snapshot):
        if target in present:
            try:
                with contextlib.suppress(ConfigUnsupported):  # of what is there, but not as named
                    chain(*present[target])
            except SystemCallFailed as error:
                error.cure = (
                    f"put it back, or go back: virsh snapshot-revert {entry.name} '{kept.name}'; "
                    "virsh snapshot-delete --metadata forgets the snapshot all the same"
                )
                raise


def _frozen(others: list[Snapshot]) -> set[str]:
    """Images whose very content is an external snapshot's state."""
    return {
        path
        for other in others
        if other.domain is not None
        for target, path in _sources(other.domain).items()
        if target in overlays_of(other)
    }


def _is_in(kept: Kept, paths: list[str]) -> bool:
    """Whether it is inside just these images: then it does not stand on them. No parsing."""
    if kept.external or "<backingStore" in kept.xml:
        return False
    return all(f"'{path}'" in kept.xml for path in paths)


def refuse_shared(family: Family, name: str, paths: list[str]) -> None:
    """Refuse to write over images that other snapshots need as they are. Blocking."""
    others = {
        one.name: parse_snapshot(one.xml, lenient=True)
        for one in family.by_name.values()
        if one.name != name and not _is_in(one, paths)
    }
    mine = {os.path.realpath(path) for path in paths}
    for other, snapshot in others.items():
        below = set(_links(None, [snapshot]).values()) | _frozen([snapshot])
        if shared := sorted(mine & below):
            raise OperationInvalid(
                f"image '{shared[0]}' holds snapshot '{name}' and is also below snapshot "
                f"'{other}', whose state going back would overwrite",
                cure=f"delete snapshot '{other}' first, or go back to that one",
            )


def _links(entry: Entry | None, others: list[Snapshot]) -> dict[str, str]:
    """Image → the image right below it, of all that the machine and its snapshots know."""
    domains = [entry.configuration()] if entry is not None and entry.is_persistent else []
    if entry is not None and entry.guest is not None:
        domains.append(entry.guest.domain)
    domains += [other.domain for other in others if other.domain is not None]
    links: dict[str, str] = {}
    for domain in domains:
        for path, image_format in _sources_with_format(domain).values():
            try:
                row = [link.path for link in chain(path, image_format)]
            except VirtoryError:
                continue
            links.update(itertools.pairwise(row))
    return links


def _sources_with_format(domain: Domain) -> dict[str, tuple[str, str]]:
    found = {}
    for disk in domain.devices.disks:
        if disk.path is not None:
            found[disk.target.dev] = (disk.path, disk.format)
    return found


def _sources(domain: Domain) -> dict[str, str]:
    return {t: os.path.realpath(path) for t, (path, _) in _sources_with_format(domain).items()}


# -- doing -------------------------------------------------------------------------------------


async def _carry_out(deleting: Deleting, entry: Entry, merge: Merge) -> None:
    guest = entry.guest
    if guest is not None:
        row = [image.path for image in guest.plan.chain(merge.target)]
        if merge.upper in row:
            await _merge_live(deleting, guest, merge, is_top=row[0] == merge.upper)
            aside = [child for child in merge.children if child not in row]
            for child in aside:  # of another branch, which QEMU does not have open
                await offline_chain.rename_backing(child, "qcow2", merge.base, merge.base_format)
            await _point_down(deleting.runtime, entry, merge)
            if merge.ours:
                await asyncio.to_thread(remove, [merge.upper])
            return
        if merge.base in row:
            return  # the running machine reads it
    await merge_off(deleting.runtime, entry, merge)


async def _merge_live(deleting: Deleting, guest: Guest, merge: Merge, *, is_top: bool) -> None:
    """QEMU does it while the guest goes on."""
    from virtory.driver.qemu.disks import block_job_course
    from virtory.driver.qemu.disks.block_jobs import BlockJobs

    blocks = BlockJobs(deleting.runtime, deleting.preparation)
    uuid, target = guest.entry.uuid, merge.target
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def heard(event: Any) -> None:
        if event.target == target and event.status == DomainBlockJob.READY and not ready.done():
            ready.set_result(None)

    listener = deleting.runtime.bus.listen(heard, BlockJob2, uuid=uuid)
    try:
        flags = DomainBlockCommit.ACTIVE if is_top else 0
        await blocks.block_commit(uuid, target, merge.base, merge.upper, 0, flags, merging=True)
        job = guest.block_jobs.get(target)
        ended = block_job_course.waiter(guest, job) if job is not None else None
        if is_top and ended is not None:
            ends: list[asyncio.Future[Any]] = [ready, ended, guest.finished]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if ready.done() and not ended.done():
                await blocks.block_job_abort(uuid, target, DomainBlockJob.ABORT_PIVOT)
        if ended is not None:
            await block_job_course.wait(guest, ended)
    finally:
        listener.close()


async def merge_off(runtime: Runtime, entry: Entry, merge: Merge) -> None:
    """Images that nobody has open; may be repeated."""
    if await asyncio.to_thread(os.path.exists, merge.upper):
        await offline_chain.commit(merge.upper, "qcow2", merge.base)
    runtime.checkpoint("images merged")
    for child in merge.children:
        await offline_chain.rename_backing(child, "qcow2", merge.base, merge.base_format)
    await _point_down(runtime, entry, merge)
    runtime.checkpoint("descriptions point down")
    if merge.ours:
        await asyncio.to_thread(remove, [merge.upper])


async def _point_down(runtime: Runtime, entry: Entry, merge: Merge) -> None:
    """Whatever named the upper image names the lower one."""
    family = family_of(entry)
    changes: list[Change] = []
    for kept in list(family.by_name.values()):
        if merge.upper not in kept.xml:
            continue
        snapshot = parse_snapshot(kept.xml, lenient=True)
        domain, inactive = snapshot.domain, snapshot.inactive_domain
        changed = replace(
            snapshot,
            domain=_moved(domain, merge) if domain is not None else None,
            inactive_domain=_moved(inactive, merge) if inactive is not None else None,
        )
        if changed != snapshot:
            fresh = kept_of(changed, kept.files)._replace(parent=kept.parent)
            changes += family.put(fresh, current=False)
    if changes:
        await runtime.records.store.save(*changes)
    async with redefining(runtime, entry):
        if entry.is_persistent and merge.upper in entry.definition().xml:
            disk_chain.rewrite(entry, _moved(entry.configuration(), merge))


def _moved(domain: Domain, merge: Merge) -> Domain:
    disk = disk_chain.disk_named(domain, merge.target)
    if disk is None or disk.source is None:
        return domain
    store = disk.backing_store
    if not disk_chain.is_same(disk, merge.upper):
        below = _lowered(store, merge)
        return (
            domain
            if below == store
            else disk_chain.with_disk(domain, replace(disk, backing_store=below))
        )
    driver = replace(disk.driver, type=merge.base_format) if disk.driver is not None else None
    changed = replace(
        disk,
        driver=driver,
        source=disk_chain.source_of(merge.base, is_device=disk.type == "block"),
        backing_store=None if store is None else store.backing_store,
    )
    return disk_chain.with_disk(domain, changed)


def _lowered(store: BackingStore | None, merge: Merge) -> BackingStore | None:
    """The images below a disk's, without the upper one of those that were merged."""
    if store is None:
        return None
    if store.source is not None and merge.upper in (store.source.file, store.source.dev):
        return store.backing_store
    return replace(store, backing_store=_lowered(store.backing_store, merge))


async def mend(runtime: Runtime, entry: Entry, step: dict[str, Any]) -> None:
    """The snapshot is forgotten already; what is not merged yet and can be, is."""
    await asyncio.to_thread(remove, [step["memory"]] if step["memory"] else [])
    await kept_state.drop(step["files"])
    if entry.guest is not None:
        return  # the chain is whole, only longer; what QEMU began it ends
    for row in step["merges"]:
        target, upper, base, base_format, children, ours = row
        merge = Merge(target, upper, base, base_format, tuple(children), ours)
        await internal.unattended([upper, *children])
        await merge_off(runtime, entry, merge)
