"""Taking a snapshot, of a running, paused or stopped machine, inside its images or beside them.

The rule kept here: what is about to be made is in the journal before it is made; the last save has
the new definition, the snapshot and the end of the work together. Whatever goes wrong before that,
the machine goes on with the images it had, and what was made for it is removed.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from virtory.driver.journal import Journal
from virtory.driver.qemu.definition_of import definition_of
from virtory.driver.qemu.disks.block_job import refuse_any
from virtory.driver.qemu.domain_lifecycle import refuse_off
from virtory.driver.qemu.part import Part
from virtory.driver.qemu.snapshot import internal, kept_state
from virtory.driver.qemu.snapshot import redefine as snapshot_redefine
from virtory.driver.qemu.snapshot.draft import located, named, volumes_of, whole
from virtory.driver.qemu.snapshot.snapshots import family_of, occupy
from virtory.driver.snapshot_family import Kept
from virtory.errors import OperationFailed, OperationInvalid, VirtoryError
from virtory.model.flags import DomainState
from virtory.model.lifecycle import Trigger
from virtory.model.snapshot import format_snapshot, parse_snapshot
from virtory.model.snapshot_flags import SnapshotCreate

if TYPE_CHECKING:
    from typing import Any

    from virtory.driver.journal import Work
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.plan import Image
    from virtory.driver.qemu.table import Entry
    from virtory.driver.store import Change
    from virtory.model.domain import Domain
    from virtory.model.snapshot import Snapshot

WORK = "snapshot"
_STATES = {DomainState.RUNNING: "running", DomainState.PAUSED: "paused"}


class Taking(Part):
    """One snapshot being taken."""

    async def take(self, entry: Entry, xml: str, flags: int) -> str:
        """Take it; its name."""
        asked = parse_snapshot(xml, lenient=True)
        redefine = bool(flags & SnapshotCreate.REDEFINE)
        family = family_of(entry)
        if redefine:
            return await snapshot_redefine.redefine(self._runtime, entry, asked, flags)
        asked = named(asked, family, redefine=False)
        guest = entry.guest
        if guest is None:
            return await self._take_off(entry, asked, flags)
        async with guest.job("snapshot"):
            refuse_any(guest)
            if guest.entry.state == DomainState.PMSUSPENDED:
                raise OperationInvalid(
                    "qemu doesn't support taking snapshots of PMSUSPENDED guests",
                    cure="wake it up: virsh dompmwakeup",
                )
            name = await self._take_live(guest, asked, flags)
            if flags & SnapshotCreate.HALT:
                guest.ending = Trigger.HALTED_BY_SNAPSHOT
                await guest.end_process()
        if flags & SnapshotCreate.HALT:
            await guest.finished
        return name

    # -- stopped -------------------------------------------------------------------------------
    async def _take_off(self, entry: Entry, asked: Snapshot, flags: int) -> str:
        occupy(self._runtime, entry, "snapshotted")
        self._table.hold(entry)
        try:
            domain = entry.configuration()
            snapshot = whole(
                asked,
                located(domain, self.preparation.volume),
                None,
                state="shutoff",
                disk_only=bool(flags & SnapshotCreate.DISK_ONLY),
                parent=family_of(entry).current,
                reuse=bool(flags & SnapshotCreate.REUSE_EXT),
            )
            if snapshot.is_external:
                from virtory.driver.qemu.snapshot.overlays import take_off

                return await take_off(self, entry, snapshot, flags)
            return await self._inside_off(entry, snapshot, domain, flags)
        finally:
            entry.busy = None
            self._table.let_go(entry)

    async def _inside_off(
        self, entry: Entry, snapshot: Snapshot, domain: Domain, flags: int
    ) -> str:
        name = str(snapshot.name)
        paths = internal_paths(snapshot)
        await _refuse_taken(name, paths)
        files = await kept_state.planned(self._preparation, domain, name)
        work = await self.begin(entry, "inside", name=name, paths=paths, files=files, ran=False)
        try:
            await kept_state.keep(files)
            self._runtime.checkpoint("snapshot state kept")
            async with internal.at_work("-c", name, paths):
                kept = kept_of(replace(snapshot, domain=domain), files)
        except BaseException:
            await undo_inside(name, paths, files)
            await work.done()
            raise
        self._runtime.checkpoint("snapshot taken")
        await self.finish(entry, kept, flags, work)
        return name

    # -- running or paused ---------------------------------------------------------------------
    async def _take_live(self, guest: Guest, asked: Snapshot, flags: int) -> str:
        entry, domain = guest.entry, definition_of(guest)
        snapshot = whole(
            asked,
            located(domain, volumes_of(entry, self.preparation.volume)),
            entry.configuration() if entry.is_persistent else None,
            state=_STATES.get(entry.state, "paused"),
            disk_only=bool(flags & SnapshotCreate.DISK_ONLY),
            parent=family_of(entry).current,
            reuse=bool(flags & SnapshotCreate.REUSE_EXT),
        )
        if snapshot.is_external:
            from virtory.driver.qemu.snapshot.overlays import take_live

            return await take_live(self, guest, snapshot, flags)
        return await self._inside_live(guest, replace(snapshot, domain=domain), flags)

    async def _inside_live(self, guest: Guest, snapshot: Snapshot, flags: int) -> str:
        entry, name, ran = guest.entry, str(snapshot.name), guest.is_running
        images = internal_images(guest, snapshot)
        paths = [image.path for image in images]
        await _refuse_taken(name, paths)
        work = await self.begin(entry, "inside", name=name, paths=paths, files={}, ran=ran)
        process = guest.process
        try:
            if ran:
                guest.pause_cause = Trigger.SNAPSHOT_PAUSED
                await guest.execute("stop")
            refuse_off(guest)
            self._runtime.checkpoint("snapshot stopped")
            await internal.take(guest, name, images)
        except BaseException:
            try:
                await internal.drop(guest, name, images)
            except VirtoryError:
                if guest.is_ending and process is not None:  # in the midst of it
                    await process.ended
                    await undo_inside(name, paths, {})
                    await internal.without_leaks(paths)
            await work.done()
            raise
        finally:
            if ran and not flags & SnapshotCreate.HALT:
                with contextlib.suppress(VirtoryError):
                    await guest.execute("cont")
        self._runtime.checkpoint("snapshot taken")
        files = {"asked_to_go": sorted(guest.asked_to_go)} if guest.asked_to_go else {}
        await self.finish(entry, kept_of(snapshot, files), flags, work)
        return name

    # -- the end -------------------------------------------------------------------------------
    async def begin(self, entry: Entry, step: str, **what: Any) -> Work:
        """Write down what is about to be made."""
        journal = Journal(self._runtime.records.store)
        return await journal.begin(WORK, step=step, domain=entry.uuid.hex(), **what)

    async def finish(self, entry: Entry, kept: Kept, flags: int, work: Work, *more: Change) -> None:
        """The snapshot, what else changes, and the end of the work in one save."""
        changes, family = list(more), family_of(entry)
        former = dict(family.by_name), family.current
        if not flags & SnapshotCreate.NO_METADATA:
            changes += family.put(kept, current=True)
        try:
            await work.done(*changes)
        except BaseException:
            family.by_name, family.current = former
            raise
        self._runtime.checkpoint("snapshot saved")


def kept_of(snapshot: Snapshot, files: dict[str, Any]) -> Kept:
    """What is kept of a snapshot."""
    return Kept(
        str(snapshot.name),
        snapshot.parent.name if snapshot.parent is not None else None,
        str(snapshot.state),
        snapshot.creation_time or 0,
        snapshot.is_external,
        format_snapshot(replace(snapshot, parent=None)),
        files,
    )


def internal_paths(snapshot: Snapshot) -> list[str]:
    """The images that hold the snapshot, as its own domain names them."""
    assert snapshot.domain is not None
    inside = {disk.name for disk in snapshot.every_disk if disk.snapshot == "internal"}
    paths = []
    for disk in snapshot.domain.devices.disks:
        if disk.target.dev in inside and disk.source is not None:
            if disk.path is None:
                raise OperationFailed(f"disk '{disk.target.dev}' has no file of this host")
            paths.append(disk.path)
    return paths


def variables_inside(snapshot: Snapshot) -> list[str]:
    """The qcow2 image of UEFI variables, which a running machine's snapshot is in, too."""
    nvram = snapshot.domain.os.nvram if snapshot.domain is not None else None
    if nvram is None or nvram.format != "qcow2" or nvram.path is None:
        return []
    return [nvram.path]


def internal_images(guest: Guest, snapshot: Snapshot) -> list[Image]:
    """The running machine's images that hold, or will hold, the snapshot."""
    inside = {disk.name for disk in snapshot.every_disk if disk.snapshot == "internal"}
    tops = [guest.plan.chain(disk.target.dev)[0] for disk in guest.domain.devices.disks
            if disk.target.dev in inside]  # fmt: skip
    if not tops:
        raise OperationInvalid("none of the machine's disks holds the snapshot")
    return tops


async def _refuse_taken(name: str, paths: list[str]) -> None:
    taken = await internal.with_name(name, paths)
    if taken:
        raise OperationFailed(
            f"image '{taken[0]}' has a snapshot named '{name}' already, that no daemon made",
            cure=f"choose another name, or remove it: qemu-img snapshot -d {name} '{taken[0]}'",
        )


async def undo_inside(name: str, paths: list[str], files: dict[str, Any]) -> None:
    """As if it had never been begun; for images that nobody has open."""
    with contextlib.suppress(VirtoryError):
        await internal.each("-d", name, await internal.with_name(name, paths))
    await kept_state.drop(files)
