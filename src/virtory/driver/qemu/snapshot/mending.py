"""Snapshot works that a daemon left unfinished: finished or undone when the next one starts.

The rule kept here: taking is undone, going back and deleting are finished; each may be repeated.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.snapshot import internal, kept_state
from virtory.driver.qemu.snapshot.snapshots import family_of
from virtory.errors import VirtoryError
from virtory.model.flags import DomainState

if TYPE_CHECKING:
    from virtory.driver.journal import Work
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.preparation import Preparation
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.table import Entry


async def mend(
    runtime: Runtime,
    preparation: Preparation,
    work: Work,
    step: dict[str, Any],
) -> None:
    """Take up one work at its last step."""
    entry = runtime.table.find(bytes.fromhex(step["domain"]))
    if entry is None:
        await work.done()
        return
    if step["step"] == "inside":
        await _undo_inside(entry, step)
        await work.done()
    elif step["step"] == "revert":
        await _go_back(runtime, preparation, entry, step)
        await work.done()
    elif step["step"] == "delete":
        await _delete(entry, work, step)
    elif step["step"] == "branch":
        from virtory.driver.qemu.snapshot import branching

        await branching.mend(entry, step)
        await work.done()
    elif step["step"] == "merge":
        from virtory.driver.qemu.snapshot import merging

        await merging.mend(runtime, entry, step)
        await work.done()
    else:
        from virtory.driver.qemu.snapshot import overlays

        await overlays.mend(entry, work, step)


async def _undo_inside(entry: Entry, step: dict[str, Any]) -> None:
    guest, name = entry.guest, step["name"]
    if guest is not None:
        await _drop_open(guest, name, step["paths"])
        if step["ran"] and entry.state == DomainState.PAUSED:
            with contextlib.suppress(VirtoryError):
                await guest.execute("cont")
    else:
        await internal.unattended(step["paths"])
        await internal.each("-d", name, await internal.with_name(name, step["paths"]))
        await internal.without_leaks(step["paths"])
    await kept_state.drop(step["files"])


async def _drop_jobs(guest: Guest) -> None:
    for job in await guest.execute("query-jobs"):
        if str(job["id"]).startswith("snapshot-"):
            await internal.conclude(guest, str(job["id"]))


async def _drop_open(guest: Guest, name: str, paths: list[str]) -> list[str]:
    """What QEMU was told to do goes on without a daemon: wait for its end, then undo it.

    Returns the paths that QEMU does not have open.
    """
    await _drop_jobs(guest)
    tops, others = internal.opened(guest, paths)
    if tops:
        await internal.drop(guest, name, tops)
    return others


async def _go_back(
    runtime: Runtime, preparation: Preparation, entry: Entry, step: dict[str, Any]
) -> None:
    from virtory.driver.qemu.snapshot.reverting import Reverting

    if entry.guest is not None:
        await _drop_jobs(entry.guest)
    else:
        await _calm(preparation, entry, step["name"])
    reverting = Reverting(runtime, preparation)
    await reverting.revert(entry, step["name"], step["flags"], noted=True)


async def _calm(preparation: Preparation, entry: Entry, name: str) -> None:
    """Nobody writes to a stopped machine's images any more, and nothing in them is lost space."""
    from virtory.driver.qemu.snapshot.draft import at_paths
    from virtory.driver.qemu.snapshot.taking import internal_paths
    from virtory.model.snapshot import parse_snapshot

    kept = family_of(entry).by_name.get(name)
    if kept is not None and not kept.external:
        snapshot = parse_snapshot(kept.xml, lenient=True)
        paths = internal_paths(at_paths(snapshot, preparation.volume))
        await internal.unattended(paths)
        await internal.without_leaks(paths)


async def _delete(entry: Entry, work: Work, step: dict[str, Any]) -> None:
    name, guest = step["name"], entry.guest
    paths = step["paths"]
    if guest is not None:
        paths = await _drop_open(guest, name, paths)
    await internal.unattended(paths)
    await internal.each("-d", name, await internal.with_name(name, paths))
    await internal.without_leaks(paths)
    await work.done(*family_of(entry).remove([name]))
    await kept_state.drop(step["files"])
