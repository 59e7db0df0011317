"""What QEMU reports, and what follows from it: one function for each QMP event.

The rule kept here: a reaction returns at once. It steps the table, publishes, or starts work
beside; an event that does not fit the state (QEMU stops the CPUs of a guest that is being shut
down) is none of a client's business.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import TYPE_CHECKING, Any, Literal

from virtory.model import events as told
from virtory.model.flags import (
    DomainEventAgentReason,
    DomainEventAgentState,
    DomainEventGraphics,
    DomainEventIoError,
    DomainEventTrayChange,
    DomainEventWatchdog,
    DomainRunningReason,
    DomainState,
)
from virtory.model.lifecycle import Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.qmp import Event

AGENT_CHANNEL = "org.qemu.guest_agent.0"
_log = logging.getLogger(__name__)

_WATCHDOG = {
    "none": DomainEventWatchdog.NONE,
    "pause": DomainEventWatchdog.PAUSE,
    "reset": DomainEventWatchdog.RESET,
    "poweroff": DomainEventWatchdog.POWEROFF,
    "shutdown": DomainEventWatchdog.SHUTDOWN,
    "debug": DomainEventWatchdog.DEBUG,
    "inject-nmi": DomainEventWatchdog.INJECTNMI,
}
_IO_ERROR = {
    "stop": DomainEventIoError.PAUSE,
    "report": DomainEventIoError.REPORT,
    "ignore": DomainEventIoError.NONE,
}
_FAMILY = {"ipv4": 0, "ipv6": 1, "unix": 2}
_RECIPIENT = {"hypervisor": 0, "guest": 1}
_QUIET_ENDS = (Trigger.SAVED, Trigger.HALTED_BY_SNAPSHOT, Trigger.REVERTED_OFF)
_RESUMING = (
    Trigger.SAVE_CANCELED,
    Trigger.RESTORED_RUNNING,
    Trigger.REVERTED_RUNNING,
    Trigger.REVERT_BOOTED,
)
_GOING_ON = (*_RESUMING, Trigger.REBOOTED)
_FAILURE = {"ignore": 0, "inject": 1, "fatal": 2, "reset": 3}


def react(guest: Guest, event: Event) -> None:
    """Let what QEMU reports become true."""
    details = json.dumps(event.data) if event.data else None
    guest.runtime.announce(
        guest.entry,
        told.MonitorEvent(guest.ref, event.name, event.seconds, event.microseconds, details),
        save=False,
    )
    if guest.held_back is not None:
        guest.held_back.append(event)
    elif (reaction := _REACTIONS.get(event.name)) is not None:
        reaction(guest, event.data)


def catch_up(guest: Guest) -> None:
    """Let become true what was held back: of a start, until it has succeeded; of a meeting, until
    what was asked first is known."""
    held, guest.held_back = guest.held_back or [], None
    for event in held:
        if (reaction := _REACTIONS.get(event.name)) is not None:
            try:
                reaction(guest, event.data)
            except Exception:
                name = guest.entry.name
                _log.exception("event %s of domain '%s' is passed over", event.name, name)


# -- running, paused, gone ---------------------------------------------------------------------


def _shutdown(guest: Guest, data: dict[str, Any]) -> None:
    _has_been_reset(guest)
    if guest.starting or guest.entry.state == DomainState.SHUTDOWN:
        return
    if data.get("reason") == "guest-panic" and guest.entry.state == DomainState.CRASHED:
        return  # GUEST_PANICKED came before, and decided what follows
    if guest.ending is not None or data.get("reason") == "host-signal":
        if guest.entry.state != DomainState.CRASHED and guest.ending not in _QUIET_ENDS:
            guest.step(Trigger.HOST_SHUTDOWN)  # QEMU ends by itself
    else:
        by_guest, reset = bool(data.get("guest")), data.get("reason") == "guest-reset"
        shut_down(guest, by_guest=by_guest, reset=reset)


def shut_down(guest: Guest, *, by_guest: bool, reset: bool) -> None:
    """The machine is off, its process waits: what follows is what the definition says."""
    action = guest.domain.on_reboot if reset else guest.domain.on_poweroff
    if guest.reboot_wanted or (not reset and action in ("restart", "rename-restart")):
        guest.rebooting = True  # nobody is told of more than the reset
        guest.runtime.run(_start_again(guest), f"rebooting domain '{guest.entry.name}'")
        return
    guest.step(Trigger.GUEST_SHUTDOWN if by_guest else Trigger.HOST_SHUTDOWN)
    if action != "preserve":
        guest.end_soon(Trigger.STOPPED)


async def _start_again(guest: Guest) -> None:
    """What libvirt calls a fake reboot: the same process, its machine reset and set going."""
    with guest.while_it_runs():
        async with guest.job("reboot", patient=True):
            guest.reboot_wanted = False
            await guest.execute("system_reset")
            guest.pause_cause = Trigger.REBOOTED
            await guest.execute("cont")


def _stop(guest: Guest, _: dict[str, Any]) -> None:
    if guest.rebooting:
        return
    cause = guest.pause_cause
    if cause in _GOING_ON:
        cause = None  # that is what a RESUME will mean: this one was under way before
    else:
        guest.pause_cause = None
    if guest.entry.state == DomainState.RUNNING and not guest.starting and guest.ending is None:
        guest.step(cause or Trigger.SUSPENDED)


def _resume(guest: Guest, _: dict[str, Any]) -> None:
    cause, guest.pause_cause = guest.pause_cause, None
    guest.written_out = False
    rebooted, guest.rebooting = guest.rebooting, False
    state = guest.entry.state
    if rebooted and state == DomainState.RUNNING:
        guest.entry.reason = DomainRunningReason.BOOTED
        return
    if guest.starting or guest.ending is not None:
        return
    if state == DomainState.PMSUSPENDED or (
        cause is Trigger.REBOOTED and state == DomainState.CRASHED
    ):
        guest.step(Trigger.REBOOTED)
    elif cause in _RESUMING and state == DomainState.PAUSED:
        guest.step(cause)
    elif state in (DomainState.PAUSED, DomainState.CRASHED):
        guest.step(Trigger.RESUMED)


def _reset(guest: Guest, _: dict[str, Any]) -> None:
    guest.reboot_wanted = False
    _has_been_reset(guest)
    if guest.agent is not None:
        guest.agent.set_connected(False)
    guest.runtime.announce(guest.entry, told.Reboot(guest.ref), save=False)
    if guest.entry.state == DomainState.PMSUSPENDED and guest.ending is None:
        reset_asleep(guest)


def reset_asleep(guest: Guest) -> None:
    """A machine that slept was reset: QEMU does not let it run by itself, as a button would."""
    what = f"letting domain '{guest.entry.name}' run, which was reset asleep"
    guest.runtime.run(_let_run(guest), what)


async def _let_run(guest: Guest) -> None:
    with guest.while_it_runs():
        await guest.execute("cont")


def _has_been_reset(guest: Guest) -> None:
    """Or it ended instead: who waits goes on."""
    if guest.resetting is not None and not guest.resetting.done():
        guest.resetting.set_result(None)


def _panicked(guest: Guest, _: dict[str, Any]) -> None:
    if guest.entry.state == DomainState.RUNNING and guest.ending is None:
        panicked(guest)


def panicked(guest: Guest) -> None:
    """The guest's kernel has given up: what follows is what the definition says."""
    guest.step(Trigger.PANICKED)
    action = guest.domain.on_crash
    if action.startswith("coredump-"):
        what = f"dumping crashed domain '{guest.entry.name}'"
        guest.runtime.run(_dump_crashed(guest, action == "coredump-restart"), what)
    elif action in ("restart", "rename-restart"):
        guest.runtime.run(_start_again(guest), f"restarting crashed domain '{guest.entry.name}'")
    elif action != "preserve":
        guest.end_soon(Trigger.CRASH_DESTROYED)


async def _dump_crashed(guest: Guest, restart: bool) -> None:
    from virtory.driver.qemu.crash_dump import keep_memory

    await keep_memory(guest)
    if restart:
        await _start_again(guest)
    else:
        guest.end_soon(Trigger.CRASH_DESTROYED)


async def _dump_rung(guest: Guest) -> None:
    """The watchdog has stopped it to be looked at; then it goes on."""
    from virtory.driver.qemu.crash_dump import keep_memory

    await keep_memory(guest)
    with guest.while_it_runs():
        async with guest.job("watchdog", patient=True):
            if guest.entry.state == DomainState.PAUSED:
                await guest.execute("cont")


def _crash_loaded(guest: Guest, _: dict[str, Any]) -> None:
    if guest.entry.state == DomainState.RUNNING:
        guest.step(Trigger.CRASH_LOADED)


def _suspended(guest: Guest, _: dict[str, Any]) -> None:
    if guest.entry.state == DomainState.RUNNING:
        guest.step(Trigger.PM_SUSPENDED)
        guest.runtime.announce(guest.entry, told.PmSuspend(guest.ref, 0))


def _suspended_to_disk(guest: Guest, _: dict[str, Any]) -> None:
    if guest.entry.state == DomainState.RUNNING:
        guest.step(Trigger.PM_SUSPENDED_DISK)
        guest.runtime.announce(guest.entry, told.PmSuspendDisk(guest.ref, 0))


def _woken(guest: Guest, _: dict[str, Any]) -> None:
    if guest.entry.state == DomainState.PMSUSPENDED:
        guest.step(Trigger.WOKEN)
        guest.runtime.announce(guest.entry, told.PmWakeup(guest.ref, 0))


def _watchdog(guest: Guest, data: dict[str, Any]) -> None:
    action = data.get("action", "none")
    if action == "pause":
        guest.pause_cause = Trigger.WATCHDOG_PAUSED
        if any(each.action == "dump" for each in guest.domain.devices.watchdogs):
            what = f"dumping domain '{guest.entry.name}', whose watchdog rang"
            guest.runtime.run(_dump_rung(guest), what)
    event = told.Watchdog(guest.ref, _WATCHDOG.get(action, DomainEventWatchdog.NONE))
    guest.runtime.announce(guest.entry, event, save=False)


# -- devices -----------------------------------------------------------------------------------


def _io_error(guest: Guest, data: dict[str, Any]) -> None:
    action = data.get("action", "report")
    if action == "stop":
        guest.pause_cause = Trigger.IO_ERROR
    alias, path = guest.disk_of(data)
    number = _IO_ERROR.get(action, DomainEventIoError.NONE)
    reason = "enospc" if data.get("nospace") else ""
    guest.runtime.announce(
        guest.entry,
        told.IoError(guest.ref, path, alias, number),
        told.IoErrorReason(guest.ref, path, alias, number, reason),
        save=False,
    )


def _tray(guest: Guest, data: dict[str, Any]) -> None:
    opened = bool(data.get("tray-open"))
    alias = str(data.get("id") or data.get("device") or "")
    waiting = guest.tray_openings.get(alias)
    if opened and waiting is not None and not waiting.done():
        waiting.set_result(None)
    devices = guest.domain.devices
    disks = tuple(
        dataclasses.replace(
            disk,
            target=dataclasses.replace(disk.target, tray="open" if opened else None),
        )
        if disk.alias == alias
        else disk
        for disk in devices.disks
    )
    guest.domain = dataclasses.replace(
        guest.domain, devices=dataclasses.replace(devices, disks=disks)
    )
    reason = DomainEventTrayChange.CHANGE_OPEN if opened else DomainEventTrayChange.CHANGE_CLOSE
    guest.runtime.announce(guest.entry, told.TrayChange(guest.ref, alias, reason))


def _deleted(guest: Guest, data: dict[str, Any]) -> None:
    if alias := data.get("device"):
        from virtory.driver.qemu.hotplug import plugging

        plugging.on_deleted(guest, alias)


def _ejected(guest: Guest, data: dict[str, Any]) -> None:
    """The guest's word (ACPI _OST, "ejection request": success); of an emulated vCPU, the only."""
    info = data.get("info") or {}
    if (info.get("slot-type"), info.get("source"), info.get("status")) == ("CPU", 3, 0):
        from virtory.driver.qemu.hotplug import plugging

        plugging.on_vcpu_left(guest)


def _unplug_refused(guest: Guest, data: dict[str, Any]) -> None:
    if alias := data.get("device"):
        from virtory.driver.qemu.hotplug import plugging

        plugging.on_refused(guest, alias)
        guest.runtime.announce(guest.entry, told.DeviceRemovalFailed(guest.ref, alias), save=False)


def _balloon(guest: Guest, data: dict[str, Any]) -> None:
    guest.balloon_kib = int(data.get("actual", 0)) // 1024
    event = told.BalloonChange(guest.ref, guest.balloon_kib)
    guest.runtime.announce(guest.entry, event, save=False)


def _rtc(guest: Guest, data: dict[str, Any]) -> None:
    offset, clock = int(data.get("offset", 0)), guest.domain.clock
    is_variable = clock.offset == "variable"
    if is_variable:  # QEMU counts from the time it was started with
        offset += guest.plan.clock_adjustment
        changed = dataclasses.replace(clock, adjustment=str(offset))
        guest.domain = dataclasses.replace(guest.domain, clock=changed)
    guest.runtime.announce(guest.entry, told.RtcChange(guest.ref, offset), save=is_variable)


def _port(guest: Guest, data: dict[str, Any]) -> None:
    """A program in the guest opened or closed a virtio-serial port."""
    set_channel_state(guest, str(data.get("id", "")), bool(data.get("open")))


def set_channel_state(guest: Guest, alias: str, opened: bool) -> None:
    """Let the live description say who listens; tell of the agent."""
    state: Literal["connected", "disconnected"] = "connected" if opened else "disconnected"
    devices = guest.domain.devices
    for number, channel in enumerate(devices.channels):
        if channel.alias != alias:
            continue
        agent = guest.agent if channel.target.name == AGENT_CHANNEL else None
        if agent is not None:  # a reset ended it, of which the port may not have told
            agent.set_connected(opened)
        if channel.target.state == state:
            continue
        target = dataclasses.replace(channel.target, state=state)
        changed = dataclasses.replace(channel, target=target)
        channels = (*devices.channels[:number], changed, *devices.channels[number + 1 :])
        guest.domain = dataclasses.replace(
            guest.domain, devices=dataclasses.replace(devices, channels=channels)
        )
        if agent is not None:
            event = told.AgentLifecycle(
                guest.ref,
                DomainEventAgentState.CONNECTED if opened else DomainEventAgentState.DISCONNECTED,
                DomainEventAgentReason.CHANNEL,
            )
            guest.runtime.announce(guest.entry, event, save=False)


def _memory_failed(guest: Guest, data: dict[str, Any]) -> None:
    flags = data.get("flags") or {}
    event = told.MemoryFailure(
        guest.ref,
        _RECIPIENT.get(data.get("recipient", ""), 0),
        _FAILURE.get(data.get("action", ""), 0),
        bool(flags.get("action-required")) | bool(flags.get("recursive")) << 1,
    )
    guest.runtime.announce(guest.entry, event, save=False)


# -- displays ----------------------------------------------------------------------------------


def _migration(guest: Guest, data: dict[str, Any]) -> None:
    """Memory is on its way into a file, or out of one."""
    if guest.transfer is not None:
        guest.transfer.report(str(data.get("status", "")))


def _dumped(guest: Guest, data: dict[str, Any]) -> None:
    if guest.transfer is not None:
        guest.transfer.error = data.get("error")
        guest.transfer.report(str(data["result"]["status"]))


def _screen(phase: int) -> Callable[[Guest, dict[str, Any]], None]:
    def reaction(guest: Guest, data: dict[str, Any]) -> None:
        server, client = data.get("server") or {}, data.get("client") or {}
        named = (("x509dname", "x509_dname"), ("saslUsername", "sasl_username"))
        subject = tuple((kind, client[key]) for kind, key in named if client.get(key))
        event = told.Graphics(
            guest.ref,
            phase,
            _end(server),
            _end(client),
            str(server.get("auth", "")),
            subject,
        )
        guest.runtime.announce(guest.entry, event, save=False)

    return reaction


def _end(described: dict[str, Any]) -> tuple[int, str, str]:
    family = _FAMILY.get(described.get("family", ""), 0)
    port = described.get("service", described.get("port", ""))  # as VNC and as SPICE calls it
    return family, str(described.get("host", "")), str(port)


def _job(guest: Guest, data: dict[str, Any]) -> None:
    """A long job of QEMU's has a new status."""
    waiter = guest.concluding.get(str(data.get("id", "")))
    if waiter is not None and data.get("status") == "concluded" and not waiter.done():
        waiter.set_result(None)
    if guest.block_jobs:
        from virtory.driver.qemu.disks import block_job_course

        block_job_course.react(guest, data)


def _threshold(guest: Guest, data: dict[str, Any]) -> None:
    """An image was written beyond the offset that somebody had set; QEMU has forgotten it now."""
    for image in guest.plan.images:
        if image.file_node == data.get("node-name"):
            at, beyond = int(data["write-threshold"]), int(data["amount-exceeded"])
            if image.depth == 0 and not image.target.endswith("!"):
                event = told.BlockThreshold(guest.ref, image.target, image.path, at, beyond)
                guest.runtime.announce(guest.entry, event, save=False)
            device = f"{image.target}[{image.index}]"
            event = told.BlockThreshold(guest.ref, device, image.path, at, beyond)
            guest.runtime.announce(guest.entry, event, save=False)


_REACTIONS: dict[str, Callable[[Guest, dict[str, Any]], None]] = {
    "SHUTDOWN": _shutdown,
    "STOP": _stop,
    "RESUME": _resume,
    "RESET": _reset,
    "GUEST_PANICKED": _panicked,
    "GUEST_CRASHLOADED": _crash_loaded,
    "SUSPEND": _suspended,
    "SUSPEND_DISK": _suspended_to_disk,
    "WAKEUP": _woken,
    "WATCHDOG": _watchdog,
    "BLOCK_IO_ERROR": _io_error,
    "DEVICE_TRAY_MOVED": _tray,
    "DEVICE_DELETED": _deleted,
    "DEVICE_UNPLUG_GUEST_ERROR": _unplug_refused,
    "ACPI_DEVICE_OST": _ejected,
    "BALLOON_CHANGE": _balloon,
    "RTC_CHANGE": _rtc,
    "VSERPORT_CHANGE": _port,
    "MEMORY_FAILURE": _memory_failed,
    "MIGRATION": _migration,
    "DUMP_COMPLETED": _dumped,
    "JOB_STATUS_CHANGE": _job,
    "BLOCK_WRITE_THRESHOLD": _threshold,
    "VNC_CONNECTED": _screen(DomainEventGraphics.CONNECT),
    "VNC_INITIALIZED": _screen(DomainEventGraphics.INITIALIZE),
    "VNC_DISCONNECTED": _screen(DomainEventGraphics.DISCONNECT),
    "SPICE_CONNECTED": _screen(DomainEventGraphics.CONNECT),
    "SPICE_INITIALIZED": _screen(DomainEventGraphics.INITIALIZE),
    "SPICE_DISCONNECTED": _screen(DomainEventGraphics.DISCONNECT),
}
