"""What the store keeps of a domain, made from what is in memory.

The rule kept here: only differences are written. The rows that are on disk are remembered with the
entry; a pause costs one small update, not the whole description again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from virtory.driver.store import (
    ForgetDomain,
    ForgetRunning,
    RunningRow,
    ShutoffReason,
    State,
)

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.table import Entry
    from virtory.driver.store import Change, Done, Store
    from virtory.errors import VirtoryError


class Records:
    """The store as the guests see it."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def begin_saving(self, entry: Entry, done: Done) -> None:
        """Bring the disk up to date with this domain as it is now.

        `done` is called once it is on disk, or with what went wrong: at once where nothing differs.
        """
        running = self._running(entry)
        changes = [*self._definition(entry), *self._run(entry, running)]
        row = entry.row
        if row is None and running is None and entry.snapshots and not entry.returning:
            changes += entry.snapshots.forget()
            entry.snapshots = None
        if not changes:
            done(None)
            return

        def saved(error: VirtoryError | None) -> None:
            if error is None:
                entry.saved_row, entry.saved_running = row, running
            done(error)

        self.store.begin_saving(changes, saved)

    def _definition(self, entry: Entry) -> list[Change]:
        row, saved = entry.row, entry.saved_row
        if row is None:
            return [] if saved is None else [ForgetDomain(saved.uuid)]
        if entry.guest is None and row.reason != entry.reason:
            row = entry.row = row._replace(reason=entry.reason)
        if saved is None or row is saved:
            return [row] if saved is None else []
        if row._replace(reason=saved.reason) == saved:
            return [ShutoffReason(row.uuid, row.reason)] if row != saved else []
        return [row]

    def _run(self, entry: Entry, running: RunningRow | None) -> list[Change]:
        saved = entry.saved_running
        if running is None:
            return [] if saved is None else [ForgetRunning(entry.uuid)]
        if saved is None or running == saved:
            return [running] if saved is None else []
        if running._replace(state=saved.state, reason=saved.reason) == saved:
            return [State(entry.uuid, running.state, running.reason)]
        return [running]

    def _running(self, entry: Entry) -> RunningRow | None:
        guest = entry.guest
        if guest is None:
            return None
        process = guest.process
        spawned = process is not None and not guest.starting
        return RunningRow(
            uuid=entry.uuid,
            name=entry.name,
            id=guest.id,
            pid=process.identity.pid if process is not None and spawned else 0,
            start_time=process.identity.start_time if process is not None and spawned else 0,
            state=entry.state,
            reason=entry.reason,
            plan=guest.plan_json,
            sockets="{}",
            xml=guest.xml(secure=True),
            extra=json.dumps(remembered(guest)),
        )


def remembered(guest: Guest) -> dict[str, Any]:
    """What a restarted daemon can not ask QEMU again, or not cheaply."""
    jobs = {target: job.to_plain() for target, job in guest.block_jobs.items()}
    return {
        "block_jobs": jobs,
        "vcpus": guest.vcpu_threads,
        "terminals": guest.terminals,
        "messages": guest.messages,
        "owned": guest.owner is not None,
        "updated": guest.entry.updated,
        "configuration": guest.configuration_text,
        "plugging": guest.plugging,
        "unplugged_edits": guest.unplugged_edits,
        "asked_to_go": sorted(guest.asked_to_go),
        "written_out": guest.written_out,
    }
