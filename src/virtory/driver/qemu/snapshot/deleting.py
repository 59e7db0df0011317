"""Deleting snapshots: one, one with all below it, or only those below; of any kind.

The rule kept here: the machine's present state and the other snapshots stay as they are, whatever
goes. Children are deleted first; each snapshot goes as a whole, in a save of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.journal import Journal
from virtory.driver.qemu.part import Part
from virtory.driver.qemu.snapshot import internal, kept_state
from virtory.driver.qemu.snapshot.draft import at_paths, volumes_of
from virtory.driver.qemu.snapshot.snapshots import family_of, occupy
from virtory.driver.qemu.snapshot.taking import WORK, internal_paths, variables_inside
from virtory.errors import VirtoryError
from virtory.model.snapshot import parse_snapshot
from virtory.model.snapshot_flags import SnapshotDelete

if TYPE_CHECKING:
    from virtory.driver.qemu.table import Entry
    from virtory.driver.snapshot_family import Kept

_BUSY = "relieved of a snapshot"


class Deleting(Part):
    """Snapshots going away."""

    async def delete(self, entry: Entry, name: str, flags: int) -> None:
        """Delete what the flags say of `name` and those below it."""
        family = family_of(entry)
        family.get(name)
        doomed: list[str] = []
        if flags & (SnapshotDelete.CHILDREN | SnapshotDelete.CHILDREN_ONLY):
            doomed = [kept.name for kept in reversed(family.descendants(name))]
        if not flags & SnapshotDelete.CHILDREN_ONLY:
            doomed.append(name)
        if flags & SnapshotDelete.METADATA_ONLY:
            copies = [family.by_name[each].files for each in doomed]
            await self._runtime.records.store.save(*family.remove(doomed))
            for files in copies:
                await kept_state.drop(files)
            return
        if is_off := entry.guest is None:
            occupy(self._runtime, entry, _BUSY)
        self._table.hold(entry)
        try:
            for each in doomed:
                await self._delete(entry, family.get(each))
        finally:
            if is_off:
                entry.busy = None
            self._table.let_go(entry)

    async def _delete(self, entry: Entry, kept: Kept) -> None:
        if kept.external:
            from virtory.driver.qemu.snapshot import merging

            await merging.delete(self, entry, kept)
            return
        snapshot = parse_snapshot(kept.xml, lenient=True)
        paths = internal_paths(at_paths(snapshot, volumes_of(entry, self.preparation.volume)))
        paths += variables_inside(snapshot)
        work = await Journal(self._runtime.records.store).begin(
            WORK,
            step="delete",
            domain=entry.uuid.hex(),
            name=kept.name,
            paths=paths,
            files=kept.files,
        )
        try:
            await self._drop(entry, kept.name, paths)
        except BaseException:
            await work.done()  # it is listed still, and can be deleted again: not by a later daemon
            raise
        self._runtime.checkpoint("snapshot dropped")
        await work.done(*family_of(entry).remove([kept.name]))
        await kept_state.drop(kept.files)

    async def _drop(self, entry: Entry, name: str, paths: list[str]) -> None:
        guest = entry.guest
        if guest is None:
            await self._drop_off(name, paths)
            return
        try:
            async with guest.job("snapshot delete"):
                await self._drop_live(entry, name, paths)
            return
        except VirtoryError:
            if not guest.is_ending:
                raise
        await guest.finished  # in the midst of it: its images are nobody's now
        occupy(self._runtime, entry, _BUSY)
        try:
            await self._drop_off(name, paths)
            await internal.without_leaks(paths)
        finally:
            entry.busy = None

    async def _drop_live(self, entry: Entry, name: str, paths: list[str]) -> None:
        """From images that QEMU has open by QEMU, from the others by qemu-img."""
        guest = entry.running()
        tops, others = internal.opened(guest, paths)
        if tops:
            await internal.drop(guest, name, tops)
        await self._drop_off(name, others)

    async def _drop_off(self, name: str, paths: list[str]) -> None:
        await internal.each("-d", name, await internal.with_name(name, paths))
