"""Virtual CPUs that come to a running machine and leave it.

The rule kept here: QEMU is asked which there are; those that it started with stay, since it can
unplug only what has a name.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from virtory.driver.qemu import affinity
from virtory.driver.qemu.hotplug.plugging import answered
from virtory.driver.qemu.machine_memory import plugged_vcpus
from virtory.driver.qemu.part import both
from virtory.driver.qemu.start import threads_in
from virtory.errors import (
    ConfigUnsupported,
    InvalidArgument,
    OperationFailed,
    OperationTimeout,
    OperationUnsupported,
)
from virtory.model.domain.cpu import OneVcpu, Vcpus

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.part import Edit

_NONE_FITS = "failed to find appropriate hotpluggable vcpus to reach the desired target vcpu count"


class Slot(NamedTuple):
    """One place for a virtual CPU; `alias` is None for one that is there from the start."""

    number: int
    there: bool
    alias: str | None
    driver: str
    properties: dict[str, Any]


async def slots(guest: Guest) -> list[Slot]:
    """query-hotpluggable-cpus: every place, by number."""
    told = await guest.execute("query-hotpluggable-cpus")
    order = ("socket-id", "die-id", "cluster-id", "core-id", "thread-id")
    told.sort(key=lambda one: tuple(int(one["props"].get(name, 0)) for name in order))
    found = []
    for number, one in enumerate(told):
        path = str(one.get("qom-path") or "")
        name = path.rpartition("/")[2] if path.startswith("/machine/peripheral/") else None
        found.append(Slot(number, bool(path), name, str(one["type"]), dict(one["props"])))
    return found


async def set_count(guest: Guest, count: int, edit: Edit | None) -> None:
    """Plug or unplug virtual CPUs until there are `count`; `edit` is made with it.

    Raises ConfigUnsupported when too few can be unplugged; then nothing has changed.
    """
    places = await slots(guest)
    now = sum(place.there for place in places)
    if count > now:
        free = [place for place in places if not place.there][: count - now]
        if len(free) < count - now:
            raise ConfigUnsupported(_NONE_FITS)
        await plug(guest, free, edit)
    else:
        gone = [place for place in reversed(places) if place.there and place.alias]
        gone = gone[: now - count]
        if len(gone) < now - count:
            raise ConfigUnsupported(
                _NONE_FITS,
                cure="only vCPUs that were plugged in can be unplugged; use --config and a restart",
            )
        await unplug(guest, gone, edit)


async def plug_defined(guest: Guest) -> None:
    """Plug in those that the description of a machine that is just being started has plugged in."""
    if wanted := plugged_vcpus(guest.domain):
        for place in await slots(guest):
            if place.number in wanted and not place.there:
                await guest.execute("device_add", _arguments(place))


def _arguments(place: Slot) -> dict[str, Any]:
    return {"driver": place.driver, "id": f"vcpu{place.number}", **place.properties}


async def plug(guest: Guest, places: list[Slot], edit: Edit | None) -> None:
    """Plug in virtual CPUs, one after the other."""
    try:
        for place in places:
            await guest.execute("device_add", _arguments(place))
            guest.runtime.checkpoint("vcpu: plugged")
    except BaseException:
        await settle(guest, None)  # those before it are there
        raise
    await settle(guest, edit)


async def unplug(guest: Guest, places: list[Slot], edit: Edit | None) -> None:
    """Ask the guest to let go of virtual CPUs, and wait for each."""
    try:
        for place in places:
            await _unplug_one(guest, place.alias or "")
    except BaseException:
        await settle(guest, None)
        raise
    await settle(guest, edit)


async def _unplug_one(guest: Guest, alias: str) -> None:
    answer = asyncio.get_running_loop().create_future()
    guest.unplugging[alias] = answer
    try:
        await guest.execute("device_del", {"id": alias})
        if await answered(guest, answer, guest.unplug_timeout_s):
            return
    finally:
        guest.unplugging.pop(alias, None)
    if answer.done():
        raise OperationFailed("vcpu unplug request was rejected by the guest")
    # Under emulation QEMU 7.2 lets go of the vCPU but never says so. The guest's ACPI_DEVICE_OST
    # does, but a Linux that was asked for the next one right then was seen to stand still: only
    # of one that leaves later than this it is heard (`plugging.on_vcpu_left`).
    if any(place.alias == alias for place in await slots(guest)):
        raise OperationTimeout(
            "vcpu unplug request timed out. Unplug result must be manually inspected in the domain"
        )


async def settle(guest: Guest, edit: Edit | None) -> None:
    """Learn from QEMU which there are; pin the new ones; save."""
    threads = threads_in(await guest.execute("query-cpus-fast"))
    places = await slots(guest)
    for number, thread in threads.items():
        chosen = affinity.vcpu_processors(guest.domain, number) or affinity.anywhere()
        affinity.pin(thread, chosen, f"vCPU {number}")

    def show() -> None:
        guest.vcpu_threads = threads
        domain, count = guest.domain, len(threads)
        current = None if count == domain.vcpu.count else count
        vcpus = domain.vcpus
        if vcpus is not None or any(place.alias for place in places):
            vcpus = _described(places)
        guest.domain = replace(domain, vcpu=replace(domain.vcpu, current=current), vcpus=vcpus)

    await both(guest, edit, show)


def _described(places: list[Slot]) -> Vcpus:
    """Which there are, and which of them were plugged in: another process has to begin alike."""
    orders = itertools.count(1)
    return Vcpus(
        vcpus=tuple(
            OneVcpu(
                id=place.number,
                enabled=place.there,
                hotpluggable=not place.there or place.alias is not None,
                order=next(orders) if place.there else None,
            )
            for place in places
        )
    )


async def switch(guest: Guest, numbers: frozenset[int], *, on: bool) -> None:
    """Plug in or unplug just these virtual CPUs."""
    places = await slots(guest)
    if any(number >= len(places) for number in numbers):
        raise InvalidArgument(f"vcpu id is out of range: there are {len(places)}")
    chosen = [place for place in places if place.number in numbers]
    for place in chosen:
        if place.there is on:
            raise InvalidArgument(f"vcpu '{place.number}' is already in requested state")
        if not on and place.alias is None:
            raise OperationUnsupported(
                f"vcpu '{place.number}' can't be unplugged",
                cure="it was there from the start; only those plugged in later can go",
            )
    await (plug(guest, chosen, None) if on else unplug(guest, chosen, None))
