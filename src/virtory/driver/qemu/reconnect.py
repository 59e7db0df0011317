"""Finding running domains again after a restart, and clearing up behind those that are gone.

The rule kept here: every domain that was running when the daemon ended is visited, each by itself:
what goes wrong with one is logged and concerns no other. A process alive is adopted as it is, even
when it does not answer yet; a dead one, or one whose start was never finished, is released.
"""

from __future__ import annotations

import asyncio
import json
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu import events, resources
from virtory.driver.qemu.disks import block
from virtory.driver.qemu.guest import Guest
from virtory.driver.qemu.monitor import MonitorGone, connect
from virtory.driver.qemu.plan import Plan
from virtory.driver.qemu.process import Identity, Process, find_by_variable
from virtory.driver.qemu.qmp import QmpError
from virtory.driver.qemu.start import agent_of
from virtory.driver.qemu.strays import MARK
from virtory.driver.qemu.table import Entry
from virtory.driver.store import ForgetRunning, SetAside
from virtory.errors import OperationFailed, VirtoryError
from virtory.model.domain import parse_domain
from virtory.model.flags import DomainShutoffReason, DomainState
from virtory.model.lifecycle import Trigger

if TYPE_CHECKING:
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.store import RunningRow
    from virtory.model.domain import Domain

_log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 2.0
"""How long a restart waits for an answer; QEMU may be stopped, or the host be short of breath."""

END_TIMEOUT_S = 2.0
_SILENT = "QEMU of domain '%s', process %d, does not answer; it is waited for"

# What QEMU's run state means for a domain that was thought to be running, and for a paused one.
_FROM_RUNNING = {
    "paused": Trigger.SUSPENDED,
    "debug": Trigger.SUSPENDED,
    "prelaunch": Trigger.SUSPENDED,
    "finish-migrate": Trigger.SUSPENDED,
    "postmigrate": Trigger.SUSPENDED,
    "internal-error": Trigger.SUSPENDED,
    "io-error": Trigger.IO_ERROR,
    "watchdog": Trigger.WATCHDOG_PAUSED,
    "guest-panicked": Trigger.PANICKED,
    "suspended": Trigger.PM_SUSPENDED,
    "shutdown": Trigger.GUEST_SHUTDOWN,
}
_FROM_PAUSED = {"running": Trigger.RESUMED, "shutdown": Trigger.GUEST_SHUTDOWN}


async def reconnect(runtime: Runtime, rows: list[RunningRow]) -> None:
    """Visit every domain that was running; returns when each is what it is."""
    visits = [_visit(runtime, row) for row in rows]
    for row, outcome in zip(
        rows, await asyncio.gather(*visits, return_exceptions=True), strict=True
    ):
        if isinstance(outcome, BaseException):
            _log.error(
                "domain '%s' can not be found again: %s", row.name, outcome, exc_info=outcome
            )


def _understood(row: RunningRow) -> tuple[Plan, dict[str, Any], Domain]:
    """Plan, what is remembered, and live description; ValueError says what is wrong with them."""
    try:
        plan = Plan.from_json(json.loads(row.plan))
        remembered = dict(json.loads(row.extra))
        return plan, remembered, parse_domain(row.xml, lenient=True)
    except (VirtoryError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


async def _visit(runtime: Runtime, row: RunningRow) -> None:
    try:
        plan, remembered, domain = _understood(row)
    except ValueError as error:
        _log.error(
            "the record of domain '%s', process %d, is damaged and set aside: %s",
            row.name,
            row.pid,
            error,
        )
        await runtime.records.store.save(SetAside(row.uuid, str(error)), ForgetRunning(row.uuid))
        return
    entry = runtime.table.find(row.uuid)
    if entry is None:
        entry = Entry(row.name, row.uuid)
        runtime.table.add(entry)
    entry.saved_running = row
    if row.pid == 0:
        await _clear_unfinished(runtime, entry, plan)
        return
    guest = Guest(runtime, entry, domain, plan, remembered.get("configuration"))
    guest.vcpu_threads = {int(n): int(thread) for n, thread in remembered.get("vcpus", {}).items()}
    guest.terminals = dict(remembered.get("terminals", {}))
    guest.messages = list(remembered.get("messages", ()))
    guest.plugging = remembered.get("plugging")
    guest.unplugged_edits = dict(remembered.get("unplugged_edits") or {})
    guest.asked_to_go = set(remembered.get("asked_to_go") or ())
    guest.written_out = bool(remembered.get("written_out"))
    if jobs := remembered.get("block_jobs"):
        from virtory.driver.qemu.disks.block_job import BlockJob

        guest.block_jobs = {target: BlockJob.of_plain(job) for target, job in jobs.items()}
    entry.state, entry.reason = row.state, row.reason
    entry.updated = bool(remembered.get("updated"))
    runtime.table.attach(entry, guest)
    guest.starting = False
    try:
        guest.process = Process(Identity(row.pid, row.start_time), guest.on_exit)
    except (ProcessLookupError, OSError):
        _log.info("domain '%s' ended while no daemon ran", row.name)
        await asyncio.to_thread(resources.release, plan, search=True)
        await guest.finish()
        return
    await adopt(guest)
    if remembered.get("owned"):  # its owner went with the former daemon
        guest.end_soon(Trigger.DESTROYED)
        await guest.finished


async def _clear_unfinished(runtime: Runtime, entry: Entry, plan: Plan) -> None:
    """A start that was cut off: nobody was told of it, so nobody is told of its end."""
    mark = f"{MARK}={plan.directory}"
    identity = await asyncio.to_thread(find_by_variable, mark, plan.directory)
    if identity is not None:
        try:
            process = Process(identity, lambda _: None)
        except (ProcessLookupError, OSError):
            pass
        else:
            if not await process.killed():
                process.release()
                raise OperationFailed(
                    f"process {identity.pid} of a start that was cut off is stuck"
                )
    await asyncio.to_thread(resources.release, plan, search=True)
    entry.state, entry.reason = DomainState.SHUTOFF, DomainShutoffReason.FAILED
    runtime.table.hold(entry)
    try:
        await runtime.commit(entry)
    finally:
        runtime.table.let_go(entry)


async def adopt(guest: Guest) -> None:
    """Take up the conversation with a QEMU that is alive; one that is silent is waited for.

    A host that is short of breath keeps it from answering for seconds: that is no fault yet.
    """
    guest.meeting = asyncio.ensure_future(_meet(guest))
    done, _ = await asyncio.wait([guest.meeting], timeout=ANSWER_TIMEOUT_S)
    if not done:
        _log.info(_SILENT, guest.entry.name, guest.pid)
        warning = partial(_log.warning, _SILENT, guest.entry.name, guest.pid)
        later = asyncio.get_running_loop().call_later(guest.patience_s, warning)
        guest.meeting.add_done_callback(lambda _: later.cancel())
        guest.meeting.add_done_callback(partial(_go_on, guest))
    elif guest.meeting.cancelled() or not guest.meeting.result():
        await guest.finished


def _go_on(guest: Guest, meeting: asyncio.Future[bool]) -> None:
    """It answers, or has ended: what was cut off of it and had to wait for that can be ended."""
    assert guest.process is not None
    ended = guest.process.ended  # cancelled where only this daemon ends
    if not meeting.cancelled() or (ended.done() and not ended.cancelled()):
        what = f"ending what was cut off of domain '{guest.entry.name}'"
        guest.runtime.run(_end_cut_off(guest, meeting), what)


async def _end_cut_off(guest: Guest, meeting: asyncio.Future[bool]) -> None:
    if meeting.cancelled() or not meeting.result():
        await guest.finished
    await guest.runtime.mending.again(guest.entry.uuid)


async def _meet(guest: Guest) -> bool:
    """Whether QEMU can be ruled again; otherwise its end is under way."""
    assert guest.process is not None
    monitor = None
    try:
        path = guest.plan.path("monitor")
        if path is None:
            raise MonitorGone("its plan names no monitor")
        monitor = await connect(path, guest.on_event, guest.on_monitor_gone)
        await monitor.open()
        guest.monitor = monitor
        guest.agent = agent_of(guest)
        await _catch_up(guest)
        await _devices(guest)
        await _catch_up_with_disks(guest)
    except (MonitorGone, QmpError, OSError) as error:
        done, _ = await asyncio.wait([guest.process.ended], timeout=END_TIMEOUT_S)
        if not done:
            _log.error(
                "domain '%s' can not be ruled any more and is ended: %s", guest.entry.name, error
            )
            guest.end_soon(Trigger.UNREACHABLE)
        return False
    except asyncio.CancelledError:
        if monitor is not None:
            monitor.close()
        raise
    guest.runtime.logs.watch(guest.log_paths())
    return True


async def _catch_up(guest: Guest) -> None:
    """Learn what has happened meanwhile; what QEMU reports amid the answers comes after them."""
    guest.held_back = []
    try:
        await _learn(guest)
    finally:
        events.catch_up(guest)


async def _learn(guest: Guest) -> None:
    assert guest.monitor is not None
    execute = guest.monitor.execute
    status = execute("query-status")
    ports = execute("query-chardev")
    balloon = execute("query-balloon") if guest.has_balloon else None
    nodes = execute("query-named-block-nodes", {"flat": True}) if guest.plan.images else None
    _channels(guest, await ports)
    maximum = guest.domain.memory.kib
    guest.balloon_kib = maximum
    if balloon is not None:
        guest.balloon_kib = await _actual(balloon, maximum)
    guest.bounded = nodes is not None and bool(block.bounds_in(await nodes))
    became = (await status)["status"]
    guest.written_out = became == "postmigrate" or (guest.written_out and became != "running")
    known = guest.entry.state
    if known == DomainState.RUNNING:
        trigger = _FROM_RUNNING.get(became)
    elif known in (DomainState.PAUSED, DomainState.PMSUSPENDED, DomainState.CRASHED):
        trigger = _FROM_PAUSED.get(became)
        if known == DomainState.PMSUSPENDED and trigger is Trigger.RESUMED:
            trigger = Trigger.WOKEN
    else:
        trigger = None
    if trigger is Trigger.GUEST_SHUTDOWN or known == DomainState.SHUTDOWN:
        guest.entry.state = DomainState.RUNNING if trigger is None else known
        events.shut_down(guest, by_guest=True, reset=False)
    elif trigger is Trigger.PANICKED:
        events.panicked(guest)
    elif known == DomainState.PMSUSPENDED and became == "prelaunch":
        events.reset_asleep(guest)
    elif trigger is not None:
        guest.step(trigger)


async def _devices(guest: Guest) -> None:
    """Devices that came or went meanwhile, and those that were just coming."""
    from virtory.driver.qemu.hotplug import plugging

    try:
        async with guest.job("find devices"):
            await plugging.recover(guest)
    except VirtoryError as error:
        if not guest.is_ending:
            _log.error("devices of domain '%s' can not be found again: %s", guest.entry.name, error)


async def _catch_up_with_disks(guest: Guest) -> None:
    """Block jobs go on by themselves; what they wait for is done now."""
    beside = any(image.target.endswith("!") for image in guest.plan.images)
    if not guest.block_jobs and not beside:
        return
    from virtory.driver.qemu.disks import block_job_course

    try:
        async with guest.job("reconnect", patient=True):
            await block_job_course.catch_up(guest)
    except VirtoryError as error:
        if not guest.is_ending:
            _log.error("block jobs of domain '%s' can not go on: %s", guest.entry.name, error)


async def _actual(balloon: asyncio.Future[Any], maximum: int) -> int:
    try:
        return int((await balloon)["actual"]) // 1024
    except QmpError:
        return maximum  # no driver in the guest yet


def _channels(guest: Guest, ports: list[dict[str, Any]]) -> None:
    """Who listens in the guest now."""
    for port in ports:
        alias = str(port.get("label", "")).removeprefix("char")
        opened = bool(port.get("frontend-open"))
        for channel in guest.domain.devices.channels:
            if channel.alias == alias and channel.target.type == "virtio":
                if guest.agent is not None and channel.target.name == events.AGENT_CHANNEL:
                    guest.agent.set_connected(opened)
                events.set_channel_state(guest, alias, opened)
