"""A running guest takes further host resources, and gives some back: its plan grows and shrinks.

The rule kept here: the larger plan is on disk before anything new in it is taken, and the smaller
one only after what it lacks was given back. A *fragment* is a Plan of the same guest that holds
just the new rows, so `resources.acquire` and `release` serve it as they serve a start.

    fragment = growth.fragment(guest.plan, files=(OpenFile(slot, path, "rw", slot, purpose),))
    async with growth.grown(guest, fragment, intent) as names:  # slot → what QMP calls it
        …blockdev-add, device_add…                 # when this fails, the plan is as it was
    await growth.shrink(guest, fragment)           # when the device is gone

Call it while holding the guest's job lock.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu import resources
from virtory.driver.qemu.part import both
from virtory.driver.qemu.process import unlock
from virtory.errors import VirtoryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.part import Edit
    from virtory.driver.qemu.plan import OpenFile, OpenMode, Plan, Tap

_ROWS = ("directories", "files", "listens", "pairs", "helpers", "images", "links", "cids", "taps")
_TAKEN_OVER = ("vsock",)
"""Purposes of files whose descriptor itself a device wants, not a way to open it."""
_HELPER_FAILS_MS = 100  # what is wrong with its arguments or the host, it says within that


def fragment(plan: Plan, **rows: tuple[Any, ...]) -> Plan:
    """The same guest's plan with these rows and no others."""
    return _with(plan, {name: rows.get(name, ()) for name in _ROWS})


def joined(plan: Plan, more: Plan) -> Plan:
    """The plan with a fragment's rows too."""
    rows: dict[str, Any] = {name: (*getattr(plan, name), *getattr(more, name)) for name in _ROWS}
    return _with(plan, rows | {"last_image": next_image_index(more) - 1})


def without(plan: Plan, less: Plan) -> Plan:
    """The plan without a fragment's rows."""
    rows = {
        name: tuple(row for row in getattr(plan, name) if row not in getattr(less, name))
        for name in _ROWS
    }
    return _with(plan, rows)


def _with(plan: Plan, rows: dict[str, Any]) -> Plan:
    return replace(plan, **rows)


def next_slot(plan: Plan) -> int:
    """The first slot above all that the plan uses."""
    used = [row.slot for rows in (plan.files, plan.listens, plan.pairs) for row in rows]
    used += [slot for tap in plan.taps for slot in (*tap.slots, *tap.vhost_slots)]
    return max(used, default=0) + 1


def next_image_index(plan: Plan) -> int:
    """The first image index above all that the plan has used; a fragment counts on."""
    return max(plan.last_image, *(image.index for image in plan.images), 0) + 1


async def grow(guest: Guest, more: Plan) -> dict[int, str]:
    """Save the larger plan, take what is new, pass QEMU the descriptors.

    Returns what QMP calls each descriptor: files are in the fdset of their own number (their path
    is `/dev/fdset/N`), sockets are named `slotN`. When it raises, nothing of the fragment is left.
    """
    async with grown(guest, more) as names:
        return names


@contextlib.asynccontextmanager
async def grown(
    guest: Guest, more: Plan, intent: dict[str, Any] | None = None
) -> AsyncIterator[dict[int, str]]:
    """`grow` for a body that uses it; when that raises, too, nothing of the fragment is left.

    `intent` is what a daemon that finds the larger plan must know (`Guest.plugging`). It stays
    noted after the body, for who settles what was made.
    """
    former = guest.plugging
    guest.plugging = intent or former
    guest.plan = joined(guest.plan, more)
    try:
        await guest.runtime.commit(guest.entry)
        yield await _taken(guest, more)
    except BaseException:
        guest.plugging = former
        await shrink(guest, more)
        raise


async def put_tap(guest: Guest, former: Tap, tap: Tap) -> None:
    """Save that a tap is another by now."""
    taps = tuple(tap if each == former else each for each in guest.plan.taps)
    guest.plan = replace(guest.plan, taps=taps)
    await guest.runtime.commit(guest.entry)


async def shrink(
    guest: Guest, less: Plan, live: Callable[[], None] = lambda: None, edit: Edit | None = None
) -> None:
    """QEMU closes the descriptors, what they stand for is released, the smaller plan is saved.

    `live` and `edit` become true with that, as in `part.both`.
    """
    for file in less.files:
        if file.purpose in _TAKEN_OVER:
            continue
        with contextlib.suppress(VirtoryError):  # QEMU has it no more, or has ended
            await guest.execute("remove-fd", {"fdset-id": file.fdset})
    for slot in _sockets(less):
        with contextlib.suppress(VirtoryError):  # a device took it over
            await guest.execute("closefd", {"fdname": f"slot{slot}"})
    await asyncio.to_thread(resources.release, less)

    def smaller() -> None:
        guest.plan = without(guest.plan, less)
        live()

    await both(guest, edit, smaller)


async def pass_again(guest: Guest, file: OpenFile, mode: OpenMode) -> int:
    """Another descriptor of a file joins its fdset, of which QEMU picks by access mode.

    Returns its number in QEMU. Raises SystemCallFailed when the daemon may not open the file so.
    """
    row = replace(file, mode=mode, create=False)
    acquired = await asyncio.to_thread(resources.acquire, fragment(guest.plan, files=(row,)))
    try:
        arguments = {"fdset-id": file.fdset, "opaque": file.purpose}
        told = await guest.execute("add-fd", arguments, fds=(acquired.fds[file.slot],))
        return int(told["fd"])
    finally:
        acquired.close()


async def keep_only(guest: Guest, file: OpenFile, number: int) -> None:
    """QEMU closes the other descriptors of the fdset.

    They must go: the locks that QEMU took on an image by one descriptor stay, and are in the way,
    for as long as any copy of it is open.
    """
    for fdset in await guest.execute("query-fdsets"):
        for each in fdset["fds"]:
            if fdset["fdset-id"] == file.fdset and each["fd"] != number:
                if not guest.is_running:  # then QEMU closes it only later
                    await asyncio.to_thread(unlock, guest.pid, each["fd"])
                await guest.execute("remove-fd", {"fdset-id": file.fdset, "fd": each["fd"]})


def _sockets(plan: Plan) -> list[int]:
    """The slots of descriptors that QEMU gets by name, and keeps."""
    files = [file.slot for file in plan.files if file.purpose in _TAKEN_OVER]
    taps = [slot for tap in plan.taps for slot in (*tap.slots, *tap.vhost_slots)]
    return [*files, *(row.slot for rows in (plan.listens, plan.pairs) for row in rows), *taps]


async def _taken(guest: Guest, more: Plan) -> dict[int, str]:
    acquired = await asyncio.to_thread(resources.acquire, more)
    try:
        names = await _pass_on(guest, more, acquired.fds)
        if more.helpers:
            await asyncio.to_thread(resources.require_helpers, more, _HELPER_FAILS_MS)
        return names
    finally:
        acquired.close()


async def _pass_on(guest: Guest, more: Plan, fds: dict[int, int]) -> dict[int, str]:
    names: dict[int, str] = {}
    for file in more.files:
        if file.purpose in _TAKEN_OVER:
            continue
        await guest.execute(
            "add-fd",
            {"fdset-id": file.fdset, "opaque": file.purpose},
            fds=(fds[file.slot],),
        )
        names[file.slot] = f"/dev/fdset/{file.fdset}"
    for slot in _sockets(more):
        names[slot] = f"slot{slot}"
        await guest.execute("getfd", {"fdname": names[slot]}, fds=(fds[slot],))
    return names
