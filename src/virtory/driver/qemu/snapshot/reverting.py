"""Going back to a snapshot: where the running machine fits, in it; else in a new process.

The rule kept here: the state that was current is given up only once nothing can refuse any more;
from then on the work is in the journal, and a daemon that finds it goes back all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from virtory.driver.journal import Journal
from virtory.driver.qemu.definition_of import definition_of
from virtory.driver.qemu.disks.block_job import refuse_any
from virtory.driver.qemu.disks.shared_images import refuse_writing
from virtory.driver.qemu.part import Part
from virtory.driver.qemu.preparation import Wanted
from virtory.driver.qemu.resumption import Resumption
from virtory.driver.qemu.snapshot import internal, kept_state, overwritten
from virtory.driver.qemu.snapshot.draft import at_paths, volumes_of, with_excluded
from virtory.driver.qemu.snapshot.snapshots import family_of, occupy
from virtory.driver.qemu.snapshot.taking import WORK, internal_images, internal_paths
from virtory.driver.qemu.start import start
from virtory.driver.qemu.table import row_of
from virtory.errors import OperationAborted, OperationFailed, OperationInvalid, VirtoryError
from virtory.model.events import Lifecycle
from virtory.model.flags import DomainEventDefined, DomainEventLifecycle, DomainStart
from virtory.model.lifecycle import Trigger
from virtory.model.snapshot import parse_snapshot
from virtory.model.snapshot_flags import SnapshotRevert

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.table import Entry
    from virtory.driver.snapshot_family import Kept
    from virtory.model.domain import Domain
    from virtory.model.snapshot import Snapshot

_STEPS = (
    Trigger.FROM_SNAPSHOT,
    Trigger.REVERTED_RUNNING,
    Trigger.REVERTED_PAUSED,
    Trigger.REVERTED_PAUSED,
)


class Reverting(Part):
    """One machine going back."""

    steps = _STEPS

    async def revert(self, entry: Entry, name: str, flags: int, *, noted: bool = False) -> None:
        """Make the machine as the snapshot has it; `noted`: that is in the journal already."""
        kept = family_of(entry).get(name)
        overwritten.refuse(entry, kept)
        snapshot = parse_snapshot(kept.xml, lenient=True)
        if snapshot.domain is None:
            raise OperationInvalid(
                f"snapshot '{name}' lacks domain '{entry.name}' rollback info",
                cure="redefine it with its <domain>",
            )
        present = definition_of(entry.guest) if entry.guest is not None else entry.configuration()
        snapshot = with_excluded(snapshot, present)
        if not entry.is_persistent and kept.state in ("shutoff", "disk-snapshot") and not flags & 3:
            raise OperationInvalid(
                "transient domain needs to request run or pause to revert to inactive snapshot"
            )
        if len(family_of(entry)) > 1 and not kept.external:
            from virtory.driver.qemu.snapshot.merging import refuse_shared

            paths = internal_paths(at_paths(snapshot, volumes_of(entry, self.preparation.volume)))
            await asyncio.to_thread(refuse_shared, family_of(entry), name, paths)
        if not kept.external:
            refuse_writing(
                self._table,
                entry,
                internal_paths(at_paths(snapshot, volumes_of(entry, self.preparation.volume))),
            )
        work = None
        if not noted:
            journal = Journal(self._runtime.records.store)
            work = await journal.begin(
                WORK, step="revert", domain=entry.uuid.hex(), name=name, flags=flags
            )
        self._table.hold(entry)  # a transient domain is nobody else's meanwhile
        try:
            await self._revert(entry, kept, snapshot, flags)
        finally:
            self._table.let_go(entry)
            if work is not None:
                await work.done()

    async def _revert(self, entry: Entry, kept: Kept, snapshot: Snapshot, flags: int) -> None:
        from virtory.driver.qemu.snapshot import branching

        if kept.external:
            await branching.revert(self, entry, kept, snapshot, flags)
            return
        if kept.state in ("running", "paused"):
            await self._to_live(entry, kept, snapshot, flags)
        else:
            await self._to_off(entry, kept, snapshot, flags)
        await branching.forget_needless(self._runtime, entry)

    # -- to a state with memory ----------------------------------------------------------------
    async def _to_live(self, entry: Entry, kept: Kept, snapshot: Snapshot, flags: int) -> None:
        runs = kept.state == "running" or bool(flags & SnapshotRevert.RUNNING)
        runs = runs and not flags & SnapshotRevert.PAUSED
        guest = entry.guest
        going = kept.files.get("asked_to_go")
        if guest is not None and not guest.starting and not going and _fits(guest, snapshot):
            try:
                await self._in_place(guest, kept, snapshot, runs=runs)
            except OperationFailed:
                _refuse_destroyed(guest)
                if guest.process is None or guest.process.ended.done():
                    raise
            else:
                return
        assert snapshot.domain is not None
        await self.preparation.refuse_without_images(snapshot.domain)
        await self.end(entry)

        async def fetch(fresh: Guest) -> None:
            await internal.go_back(fresh, kept.name, internal_images(fresh, snapshot))
            fresh.asked_to_go = set(kept.files.get("asked_to_go", ()))  # that is in its memory

        resumption = Resumption(fetch, (), runs=runs, steps=_STEPS)
        await self.start_as(entry, snapshot, resumption, DomainStart.PAUSED * (not runs))
        await self.became(entry, kept.name, snapshot)

    async def _in_place(self, guest: Guest, kept: Kept, snapshot: Snapshot, *, runs: bool) -> None:
        """The same process gets other memory and disks: milliseconds, and no client is cut off."""
        async with guest.job("revert"):
            refuse_any(guest)
            images = internal_images(guest, snapshot)
            if guest.is_running:
                guest.pause_cause = Trigger.REVERT_PAUSED
                await guest.execute("stop")
            self._runtime.checkpoint("revert stopped")
            await internal.go_back(guest, kept.name, images)
            self._runtime.checkpoint("revert loaded")
            if guest.has_balloon:
                answer = await guest.execute("query-balloon")
                guest.balloon_kib = int(answer["actual"]) // 1024
            if runs:
                guest.pause_cause = Trigger.REVERTED_RUNNING
                await guest.execute("cont")
            else:
                guest.step(Trigger.REVERTED_PAUSED)
            await guest.settled()
        await self.became(guest.entry, kept.name, snapshot)

    # -- to a machine that was off -------------------------------------------------------------
    async def _to_off(self, entry: Entry, kept: Kept, snapshot: Snapshot, flags: int) -> None:
        paths = internal_paths(at_paths(snapshot, volumes_of(entry, self.preparation.volume)))
        missing = sorted(set(paths) - set(await internal.with_name(kept.name, paths)))
        if missing:
            raise OperationFailed(
                f"image '{missing[0]}' has no snapshot named '{kept.name}' any more",
                cure=f"forget it: virsh snapshot-delete {entry.name} {kept.name} --metadata",
            )
        if flags & 3 and snapshot.domain is not None:
            await self.preparation.refuse_without_images(snapshot.domain)
        await self.end(entry)
        occupy(self._runtime, entry, "reverted")
        self._table.hold(entry)
        try:
            await internal.each("-a", kept.name, paths)
            self._runtime.checkpoint("revert applied")
            await kept_state.bring_back(kept.files)
            await self.became(entry, kept.name, snapshot, announce=False)
        finally:
            entry.busy = None
            self._table.let_go(entry)
        if flags & 3:
            await self.boot_as(entry, snapshot, flags)
        self.announce(entry)

    # -- what all of them need -----------------------------------------------------------------
    async def end(self, entry: Entry) -> None:
        """The running process goes; its state is given up."""
        guest = entry.guest
        if guest is None:
            return
        _refuse_destroyed(guest)
        guest.ending = Trigger.REVERTED_OFF
        entry.returning = True  # the snapshots of a transient domain stay, too
        try:
            if guest.process is not None:  # else it is just being started, and stops doing so
                await guest.end_process()
            await guest.finished
        finally:
            entry.returning = False
        if guest.ending is not Trigger.REVERTED_OFF:
            _refuse_destroyed(guest)

    async def boot_as(self, entry: Entry, snapshot: Snapshot, flags: int) -> None:
        """Start the machine afresh from disks that are as they were."""
        runs = bool(flags & SnapshotRevert.RUNNING)

        async def fetch(_: Guest) -> None:
            return

        steps = (*_STEPS[:1], Trigger.REVERT_BOOTED, *_STEPS[2:])
        resumption = Resumption(fetch, (), runs=runs, steps=steps)
        await self.start_as(entry, snapshot, resumption, DomainStart.PAUSED * (not runs))

    async def start_as(
        self, entry: Entry, snapshot: Snapshot, resumption: Resumption, flags: int
    ) -> None:
        """A new process for the machine as the snapshot describes it."""
        assert snapshot.domain is not None
        domain = replace(snapshot.domain, id=None)
        wanted = Wanted(domain, None)
        if domain.uuid is None or domain.uuid.raw != entry.uuid:
            raise OperationInvalid(f"the snapshot is of another machine than '{entry.name}'")
        await start(
            *(self._runtime, self._preparation, entry, wanted), *(int(flags), None, resumption)
        )

    async def became(
        self, entry: Entry, name: str, snapshot: Snapshot, *, announce: bool = True
    ) -> None:
        """The definition is the snapshot's, and the machine stems from it: saved, then told."""
        domain = snapshot.inactive_domain or snapshot.domain
        async with entry.turn:
            saved = entry.row is not None and entry.row.managed_save
            if entry.row is not None and domain is not None:
                take_definition(entry, domain)
            changes = family_of(entry).mark(name)
            await self._runtime.records.store.save(*changes)
            await self._runtime.commit(entry)
        if saved:
            await self._preparation.clear_save(entry.uuid)
        if announce:
            self.announce(entry)

    def announce(self, entry: Entry) -> None:
        if entry.row is not None:
            kind, detail = DomainEventLifecycle.DEFINED, DomainEventDefined.FROM_SNAPSHOT
            self._runtime.announce(entry, Lifecycle(entry.ref, kind, detail), save=False)


def _refuse_destroyed(guest: Guest) -> None:
    """Who destroys a machine that is on its way back wants it to be off."""
    if guest.ending is not None:
        raise OperationAborted(
            f"domain '{guest.entry.name}' was destroyed while it went back to a snapshot"
        )


def take_definition(entry: Entry, domain: Domain) -> None:
    """Let the definition be this one under the machine's present name; the caller saves."""
    from virtory.model.domain import format_domain

    row = entry.definition()
    domain = replace(domain, id=None, name=entry.name)
    text = format_domain(domain)
    if text != row.xml:
        fresh = row_of(domain, entry.uuid, text, autostart=row.autostart)
        entry.row = fresh._replace(reason=row.reason)
    elif row.managed_save:
        entry.row = row._replace(managed_save=False)


def _fits(guest: Guest, snapshot: Snapshot) -> bool:
    """Whether the running machine is, for its guest, the one that the snapshot has.

    One that has a device on its way out is not: the reset that loading begins with lets it go at
    that moment, for which QEMU 7.2 waits for itself for ever.
    """
    assert snapshot.domain is not None
    if guest.asked_to_go or guest.written_out:
        return False
    with contextlib.suppress(VirtoryError):
        return _seen(definition_of(guest)) == _seen(snapshot.domain)
    return False


def _seen(domain: Domain) -> Domain:
    """The description without what a guest does not see or what comes back with its memory."""
    graphics = tuple(
        replace(each, passwd=None, passwd_valid_to=None, connected=None)
        for each in domain.devices.graphics
    )
    return replace(
        domain,
        id=None,
        title=None,
        description=None,
        metadata=None,
        current_memory=None,
        devices=replace(domain.devices, graphics=graphics),
    )
