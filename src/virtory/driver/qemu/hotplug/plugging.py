"""Devices that come to a running machine and leave it.

The rule kept here: what is about to be plugged in is on disk before QEMU hears of it, and a device
counts as gone only when QEMU says that the guest has let go of it. Whatever is cut off, a failure
or a killed daemon, ends as before or as after: `recover` asks QEMU which devices there are.

Everything here is called while holding the guest's job lock.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver import device_edit
from virtory.driver.qemu import growth
from virtory.driver.qemu.aliases import next_alias
from virtory.driver.qemu.devices import Wiring, disk
from virtory.driver.qemu.disks import disk_limits
from virtory.driver.qemu.hotplug.items import describe, fragment, owned, undoing
from virtory.driver.qemu.live import with_plan, with_terminals
from virtory.driver.qemu.part import both, found_edit
from virtory.driver.qemu.start import terminal_in
from virtory.errors import OperationFailed, OperationUnsupported, VirtoryError
from virtory.model.domain.devices.device import is_users_alias
from virtory.model.events import DeviceAdded, DeviceRemoved

if TYPE_CHECKING:
    from virtory.driver.qemu.devices import Item
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.part import Edit
    from virtory.driver.qemu.plan import Plan
    from virtory.driver.qemu.preparation import Preparation
    from virtory.model.domain import Domain

_log = logging.getLogger(__name__)

_COMMANDS = {
    "object": "object-add",
    "blockdev": "blockdev-add",
    "chardev": "chardev-add",
    "netdev": "netdev_add",
    "device": "device_add",
}
_CARRIERS = ("scsi", "virtio-serial")
"""Controllers that are plugged in with the first device that needs them."""


# -- plugging in -------------------------------------------------------------------------------


async def placed(guest: Guest, preparation: Preparation, device: Any) -> list[Any]:
    """The device with all that it leaves unsaid, after the controllers that it needs.

    Raises what `Preparation.completed` raises, InternalError when there is no place for it.
    """
    domain = guest.domain
    if not is_users_alias(device.alias):
        device = replace(device, alias=None)
    field = device_edit.field_of(device, domain.devices)
    row = getattr(domain.devices, field)
    wanted = device_edit.appended(_without_mirrors(domain), device)
    whole = await preparation.completed(wanted, grow=False)
    value = getattr(whole.devices, field)
    new = value if not isinstance(value, tuple) else value[_place_of(field, device, row, value)]
    carriers = []
    if field != "controllers":
        known = {(each.type, each.index) for each in domain.devices.controllers}
        for each in whole.devices.controllers:
            if (each.type, each.index) not in known:
                if each.type not in _CARRIERS:
                    raise OperationUnsupported(
                        f"the machine has no {each.type} controller {each.index} for "
                        f"{device_edit.kind_of(device)}, and none can be added while it runs",
                        cure="add the device with --config and restart the domain",
                    )
                carriers.append(each)
    return [*carriers, new]


def _without_mirrors(domain: Domain) -> Domain:
    """As it would be defined: a running job's copy is no part of a definition."""
    disks = tuple(replace(each, mirror=None) for each in domain.devices.disks)
    return replace(domain, devices=replace(domain.devices, disks=disks))


def _place_of(field: str, device: Any, row: tuple[Any, ...], value: tuple[Any, ...]) -> int:
    """Where the passes have left the new device."""
    if field == "disks":
        return next(n for n, each in enumerate(value) if each.target.dev == device.target.dev)
    return len(row)


async def rehearse(guest: Guest, preparation: Preparation, device: Any) -> None:
    """Raise what planning the device raises, before a controller is plugged in for it."""
    device = replace(device, alias=_alias(guest.domain, device))
    await asyncio.to_thread(fragment, guest.plan, guest.domain, await preparation.host(), device)


async def plug(
    guest: Guest, preparation: Preparation, device: Any, edit: Edit | None = None
) -> None:
    """Plug in a device that `placed` made; `edit` is made in the definition with it.

    When it raises, machine, host and definition are as they were.
    """
    device = replace(device, alias=_alias(guest.domain, device))
    if device_edit.field_of(device, guest.domain.devices) == "interfaces":
        await preparation.networks_ready((device,))
    if getattr(device, "iotune", None) is not None:
        disk_limits.refuse_bursts_alone(device.iotune)
    more = await asyncio.to_thread(
        fragment, guest.plan, guest.domain, await preparation.host(), device
    )
    device = live_device(guest.domain, device, growth.joined(guest.plan, more))
    domain = device_edit.added(guest.domain, device)
    intent = {"device": _text(device), **(edit.noted() if edit is not None else {})}
    checkpoint = guest.runtime.checkpoint
    async with growth.grown(guest, more, intent) as names:
        checkpoint("plug: grown")
        items = describe(device, Wiring(domain, guest.plan, names))
        terminals = await make(guest, items)
        await _adjust(guest, device)
    checkpoint("plug: plugged")
    guest.terminals.update(terminals)
    await _settle(guest, device, edit)
    checkpoint("plug: saved")


def _alias(domain: Domain, device: Any) -> str:
    field = device_edit.field_of(device, domain.devices)
    return next_alias(field, device, domain.devices)


def live_device(domain: Domain, device: Any, plan: Plan) -> Any:
    """The device with what the plan has chosen for it."""
    single = with_plan(device_edit.alone(domain, device), plan).devices
    ((_, _, new),) = device_edit.held(single, device_edit.field_of(device, single))
    return new


def _text(device: Any) -> str:
    from virtory.model.domain import format_device

    return format_device(device)


async def make(guest: Guest, items: list[Item]) -> dict[str, str]:
    """Have QEMU make the items, all or none; the pseudo terminals that it opened, by alias."""
    terminals = {}
    made = []
    try:
        for item in items:
            answer = await guest.execute(_COMMANDS[item.kind], item.value)
            made.append(item)
            guest.runtime.checkpoint(f"plug: {item.kind}")
            pty = answer.get("pty") if isinstance(answer, dict) else None
            if item.kind == "chardev" and (path := terminal_in(pty)) is not None:
                terminals[str(item.value["id"]).removeprefix("char")] = path
    except BaseException as error:
        await unmake(guest, made)
        if isinstance(error, VirtoryError) and "does not support hotplugging" in error.detail:
            error.cure = error.cure or "the machine needs <acpi/> in <features> (from a restart on)"
        raise
    return terminals


async def _adjust(guest: Guest, device: Any) -> None:
    """What is told of a device once it is there. It can not fail but with QEMU itself."""
    if getattr(device, "link", None) == "down":
        await guest.execute("set_link", {"name": device.alias, "up": False})
    if getattr(device, "iotune", None) is not None:
        for step in disk.throttle_steps(device):
            await guest.execute(step.command, step.arguments)


async def unmake(guest: Guest, items: list[Item]) -> bool:
    """Take back what stands behind a device that is gone, or was never there.

    Returns whether nothing of it is in use any more.
    """
    free = True
    for command, arguments in undoing(items):
        try:
            await guest.execute(command, arguments)
        except VirtoryError as error:
            free = free and "in use" not in error.detail
    return free


async def _settle(guest: Guest, device: Any, edit: Edit | None) -> None:
    """The device is there: let it be known, on disk first."""

    def show() -> None:
        domain = device_edit.added(guest.domain, device)
        guest.domain = with_terminals(domain, guest.terminals) if guest.terminals else domain
        guest.plugging = None
        guest.capacities.clear()

    await both(guest, edit, show, DeviceAdded(guest.ref, device.alias))


# -- unplugging --------------------------------------------------------------------------------


async def unplug(guest: Guest, device: Any, edit: Edit | None = None) -> bool:
    """Ask the guest to let go of the device; whether it has, or may still do so later.

    `edit` is made in the definition in either case. Raises OperationFailed when the guest refuses;
    then nothing has changed.
    """
    alias = device.alias or ""
    if alias in guest.unplugging:
        raise OperationFailed(f"device {alias} is already in the process of unplug")
    guest.unplugging[alias] = answer = asyncio.get_running_loop().create_future()
    try:
        if edit is not None:
            guest.unplugged_edits[alias] = edit.noted()
            await guest.runtime.commit(guest.entry)
        guest.runtime.checkpoint("unplug: begun")
        asked_before = alias in guest.asked_to_go
        guest.asked_to_go.add(alias)
        guest.runtime.announce(guest.entry)
        try:
            gone = await _ask(guest, alias)
        except VirtoryError:  # QEMU has not passed it on
            if not asked_before:
                guest.asked_to_go.discard(alias)
            raise
        guest.runtime.checkpoint("unplug: asked")
        gone = gone or await answered(guest, answer, guest.unplug_timeout_s)
        if answer.done() and not answer.result():
            guest.asked_to_go.discard(alias)
            raise OperationFailed(
                "unplug of device was rejected by the guest",
                cure=f"see in the guest what uses '{alias}'",
            )
    except Exception:  # cut off by a cancellation, it is finished by the next daemon
        guest.unplugged_edits.pop(alias, None)
        guest.runtime.announce(guest.entry)
        raise
    finally:
        guest.unplugging.pop(alias, None)
    guest.unplugged_edits.pop(alias, None)
    if gone:
        await removed(guest, alias, edit)
    else:
        await both(guest, edit)
    return gone


async def answered(guest: Guest, answer: asyncio.Future[bool], limit_s: float) -> bool:
    """Wait for the guest's answer; whether it has agreed in time.

    Raises OperationFailed when the machine ends meanwhile.
    """
    either: list[asyncio.Future[Any]] = [answer, guest.finished]
    await asyncio.wait(either, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    if guest.finished.done():
        raise guest.gone()
    return answer.done() and answer.result()


async def _ask(guest: Guest, alias: str) -> bool:
    """Send the request; whether QEMU does not know the device at all (any more)."""
    from virtory.driver.qemu.guest import translated
    from virtory.driver.qemu.monitor import MonitorGone
    from virtory.driver.qemu.qmp import QmpError

    try:
        await guest.met().execute("device_del", {"id": alias})
    except QmpError as error:
        if error.error_class == "DeviceNotFound":
            return True
        raise translated(error) from None
    except MonitorGone:
        raise guest.gone() from None
    return False


async def removed(guest: Guest, alias: str, edit: Edit | None = None) -> None:
    """QEMU has the device no more: take away what stood behind it, save, tell."""
    gone = device_edit.by_alias(guest.domain.devices, alias)
    if gone is None:
        return
    less = owned(guest.plan, gone.device)
    await unmake(guest, describe(gone.device, Wiring(guest.domain, guest.plan)))
    guest.runtime.checkpoint("unplug: undone")

    def hide() -> None:
        now = device_edit.by_alias(guest.domain.devices, alias)
        if now is not None:
            guest.domain = device_edit.removed(guest.domain, now)
        guest.terminals.pop(alias, None)
        guest.capacities.clear()

    await growth.shrink(guest, less, hide, edit)
    guest.runtime.checkpoint("unplug: saved")
    guest.runtime.announce(guest.entry, DeviceRemoved(guest.ref, alias), save=False)


# -- what comes by itself ----------------------------------------------------------------------


def on_deleted(guest: Guest, alias: str) -> None:
    """DEVICE_DELETED: who waits for it goes on; when nobody does, the guest took its time."""
    guest.asked_to_go.discard(alias)
    waiting = guest.unplugging.get(alias)
    if waiting is None and alias.startswith("vcpu"):
        guest.runtime.run(_vcpu_gone(guest), f"removing '{alias}'")
    elif waiting is None:
        guest.runtime.run(_removed_late(guest, alias), f"removing device '{alias}'")
    elif not waiting.done():
        waiting.set_result(True)


def on_vcpu_left(guest: Guest) -> None:
    """When nobody waits for one any more, the guest took its time; it may say so without end."""
    if not guest.vcpu_left and not any(alias.startswith("vcpu") for alias in guest.unplugging):
        guest.vcpu_left = True
        guest.runtime.run(_vcpu_gone(guest), "removing a virtual CPU")


async def _removed_late(guest: Guest, alias: str) -> None:
    if guest.starting or guest.ending is not None:
        return
    with guest.while_it_runs():
        async with guest.job("remove device", patient=True):
            await removed(guest, alias)


async def _vcpu_gone(guest: Guest) -> None:
    with guest.while_it_runs():
        async with guest.job("remove virtual CPU", patient=True):
            guest.vcpu_left = False
            await _find_vcpus(guest)


def on_refused(guest: Guest, alias: str) -> None:
    """DEVICE_UNPLUG_GUEST_ERROR: the guest keeps the device."""
    guest.asked_to_go.discard(alias)
    waiting = guest.unplugging.get(alias)
    if waiting is not None and not waiting.done():
        waiting.set_result(False)


# -- after a restart ---------------------------------------------------------------------------


async def recover(guest: Guest) -> None:
    """Finish or undo what a daemon was about when it ended; find what left meanwhile."""
    await _find_vcpus(guest)
    plugged, guest.plugging = guest.plugging, None
    edits, guest.unplugged_edits = guest.unplugged_edits, {}
    if plugged is not None and "medium" in plugged:
        from virtory.driver.qemu.hotplug import media

        await media.recover(guest, plugged)
        plugged = None
    if plugged is None and not _pluggable(guest.domain):
        return
    there = {str(child["name"]) for child in await guest.execute("qom-list", {"path": _PERIPHERAL})}
    if plugged is not None:
        await _recover_plugged(guest, plugged, there)
    for one in _pluggable(guest.domain):
        device = one.device
        items = describe(device, Wiring(guest.domain, guest.plan))
        made = [item.value.get("id") for item in items if item.kind == "device"]
        if device.alias in made and device.alias not in there:
            await _finished_going(guest, device)
            await removed(guest, device.alias, found_edit(guest.entry, edits.get(device.alias, {})))


async def _finished_going(guest: Guest, device: Any) -> None:
    """QEMU shows a device no more before it has let go of what is behind it: then it tells."""
    told = guest.unplugging[device.alias] = asyncio.get_running_loop().create_future()
    try:
        if not await unmake(guest, describe(device, Wiring(guest.domain, guest.plan))):
            async with asyncio.timeout(guest.unplug_timeout_s):
                await told
    except TimeoutError:
        _log.warning("device '%s' is gone, but QEMU keeps what was behind it", device.alias)
    finally:
        guest.unplugging.pop(device.alias, None)


async def _find_vcpus(guest: Guest) -> None:
    """Virtual CPUs that came or went."""
    if guest.domain.vcpu.count > 1 or not guest.vcpu_threads:
        told = await guest.execute("query-cpus-fast")
        if len(told) != len(guest.vcpu_threads):
            from virtory.driver.qemu.hotplug import vcpus

            await vcpus.settle(guest, None)


_PERIPHERAL = "/machine/peripheral"


def _pluggable(domain: Domain) -> list[device_edit.Held]:
    fields = ("disks", "interfaces", "channels", "inputs", "watchdogs", "rngs", "vsock",
              "hostdevs", "redirdevs", "filesystems", "memories", "controllers")  # fmt: skip
    return [one for one in device_edit.every(domain.devices) if one.field in fields]


async def _recover_plugged(guest: Guest, plugged: dict[str, Any], there: set[str]) -> None:
    from virtory.model.domain import parse_device

    device: Any = parse_device(plugged["device"], lenient=True)
    known = device_edit.by_alias(guest.domain.devices, device.alias)
    if known is not None:
        return
    if device.alias in there:
        await _settle(guest, device, found_edit(guest.entry, plugged))
        return
    less = owned(guest.plan, device)
    domain = device_edit.added(guest.domain, device)
    await unmake(guest, describe(device, Wiring(guest.domain, guest.plan)._replace(domain=domain)))
    await growth.shrink(guest, less)
