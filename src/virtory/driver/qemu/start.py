"""Starting a domain: choose, write down, take, spawn, greet, let run, save, announce.

The rule kept here: the plan is on disk before anything in it is taken, and the new state is on disk
before it is told; whatever goes wrong in between, `release` leaves nothing behind. `checkpoint`
names each step, so that a test can end the daemon there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import time
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu import affinity, events, resources
from virtory.driver.qemu.agent import Agent
from virtory.driver.qemu.events import AGENT_CHANNEL
from virtory.driver.qemu.guest import Guest, translated
from virtory.driver.qemu.host import host_memory
from virtory.driver.qemu.live import with_terminals
from virtory.driver.qemu.monitor import MonitorGone, connect
from virtory.driver.qemu.process import Identity, Process, Spawn, abandon, spawn
from virtory.driver.qemu.qmp import QmpError
from virtory.driver.qemu.strays import MARK
from virtory.errors import (
    DomainNotFound,
    InternalError,
    OperationAborted,
    OperationInvalid,
    OperationTimeout,
    SystemCallFailed,
)
from virtory.model.events import AgentLifecycle, DiskChange, Lifecycle
from virtory.model.flags import (
    DomainEventAgentReason,
    DomainEventAgentState,
    DomainEventDiskChange,
    DomainEventLifecycle,
    DomainEventResumed,
    DomainStart,
)
from virtory.model.lifecycle import Trigger

if TYPE_CHECKING:
    from virtory.driver.interface import Owner
    from virtory.driver.qemu.monitor import Monitor
    from virtory.driver.qemu.preparation import Preparation, Wanted
    from virtory.driver.qemu.resources import Acquired
    from virtory.driver.qemu.resumption import Resumption
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.table import Entry
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.character import CharacterDevice

GREETING_TIMEOUT_S = 60.0
_LIMITS = ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 65536))
_QUOTED = 4000
_TERMINAL = re.compile(r"(?:pty:)?(/dev/pts/[0-9]+)")
_NO_NEWS = ("# ", "char device redirected to ")


async def start(
    runtime: Runtime,
    preparation: Preparation,
    entry: Entry,
    wanted: Wanted,
    flags: int,
    owner: Owner | None,
    resumption: Resumption | None = None,
) -> None:
    """Start the domain; when it returns it runs (or is paused, by flag), saved and announced.

    With a `resumption` it does not boot: its memory is brought back. Once begun it goes on, even
    when the caller is cancelled.
    """
    try:
        guest = await _begun(runtime, preparation, entry, wanted, flags, owner)
    except BaseException:
        if resumption is not None:
            resumption.close()
        raise
    work = asyncio.ensure_future(
        _start(guest, preparation, resumption, paused=bool(flags & DomainStart.PAUSED))
    )
    work.add_done_callback(lambda _: runtime.table.let_go(entry))
    if resumption is not None:
        work.add_done_callback(lambda _: resumption.close())
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        work.add_done_callback(lambda done: done.cancelled() or done.exception())
        raise


async def _begun(
    runtime: Runtime,
    preparation: Preparation,
    entry: Entry,
    wanted: Wanted,
    flags: int,
    owner: Owner | None,
) -> Guest:
    """The guest, planned and known, the entry held; raises why it can not be started."""
    defined = wanted.xml is None and entry.row is not None
    await runtime.mending.again(entry.uuid)
    if runtime.table.find(entry.uuid) is not entry:  # nobody would find what is started of it
        raise DomainNotFound(f"domain '{entry.name}' was undefined before it was started")
    if entry.guest is not None or entry in runtime.starting:
        raise OperationInvalid("domain is already running")
    if entry.busy is not None:
        raise OperationInvalid(f"domain is just being {entry.busy}", cure="wait until that is done")
    runtime.strays.refuse(entry)
    runtime.starting.add(entry)
    runtime.table.hold(entry)
    try:
        async with entry.turn, preparation.dealing(wanted.domain):
            if defined and entry.row is None:
                raise DomainNotFound(f"domain '{entry.name}' was undefined before it was started")
            guest = await _planned(runtime, preparation, entry, wanted, flags)
            if flags & DomainStart.AUTODESTROY:
                guest.owner = owner
                if getattr(owner, "closed", False):  # it left before there was anything to end
                    guest.ending = Trigger.DESTROYED
            runtime.table.attach(entry, guest)
        runtime.announce(entry, *_missing_media(guest, wanted.domain), save=False)
    except BaseException:
        runtime.table.let_go(entry)
        raise
    finally:
        runtime.starting.discard(entry)
    return guest


async def _planned(
    runtime: Runtime, preparation: Preparation, entry: Entry, wanted: Wanted, flags: int
) -> Guest:
    number = runtime.records.store.next_domain_id()
    domain, plan = await preparation.plan(wanted.domain, number)
    if flags & DomainStart.RESET_NVRAM:
        await asyncio.to_thread(resources.forget_nvram, plan)
    text = None if entry.is_persistent else wanted.text()
    return Guest(runtime, entry, domain, plan, text)


def _missing_media(guest: Guest, definition: Domain) -> list[DiskChange]:
    """Optional media that are not there: the drives are empty in this run."""
    live = {disk.target.dev: disk for disk in guest.domain.devices.disks}
    return [
        DiskChange(
            guest.ref,
            disk.path,
            None,
            live[disk.target.dev].alias or "",
            DomainEventDiskChange.CHANGE_MISSING_ON_START,
        )
        for disk in definition.devices.disks
        if disk.path and live[disk.target.dev].source is None
    ]


async def _start(
    guest: Guest, preparation: Preparation, resumption: Resumption | None, *, paused: bool
) -> None:
    async with guest.job("start"):
        runtime = guest.runtime
        guest.step(Trigger.STARTING)
        try:
            await guest.settled()
            runtime.checkpoint("planned")
            await _launch(guest, preparation, resumption)
            if guest.agent is not None:
                state = DomainEventAgentState.DISCONNECTED
                told = AgentLifecycle(guest.ref, state, DomainEventAgentReason.DOMAIN_STARTED)
                runtime.announce(guest.entry, told, save=False)
            if resumption is None:
                guest.balloon_kib = guest.domain.memory.kib  # until its driver gives some back
                if not paused:
                    guest.held_back = []  # it may end, or be stopped, before we know that it runs
                    await guest.execute("cont")
            _refuse_if_ended(guest)
        except BaseException as error:
            await _undo(guest)
            raise _explained(error, guest) from None
        guest.starting = False
        runtime.checkpoint("running")
        if resumption is not None:
            await resumption.go_on(guest, paused=paused)
        elif paused:
            guest.step(Trigger.BOOTED_PAUSED)
        else:
            kind, detail = DomainEventLifecycle.RESUMED, DomainEventResumed.UNPAUSED
            runtime.announce(guest.entry, Lifecycle(guest.ref, kind, detail))
            guest.step(Trigger.BOOTED)
            events.catch_up(guest)
        with contextlib.suppress(SystemCallFailed):
            await guest.settled()  # logged already, and it runs: nobody may be told that it failed
        runtime.checkpoint("saved")


# -- the process -------------------------------------------------------------------------------


class _Log:
    """QEMU's own words about this start."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._begin = os.stat(path).st_size
        except OSError:
            self._begin = 0

    def said(self) -> str:
        try:
            with open(self.path, "rb") as file:
                file.seek(self._begin)
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        lines = [line for line in text.splitlines() if not line.startswith(_NO_NEWS)]
        return "\n".join(lines)[-_QUOTED:].strip()


async def _launch(guest: Guest, preparation: Preparation, resumption: Resumption | None) -> None:
    plan, runtime = guest.plan, guest.runtime
    log = _Log(preparation.log_path(guest.entry.name))
    more = () if resumption is None else resumption.arguments
    identity, acquired = await asyncio.to_thread(_take_and_spawn, guest, preparation, log, more)
    try:
        runtime.checkpoint("spawned")
        guest.process = _watched(identity, guest)
        _refuse_if_ended(guest)
        async with asyncio.timeout(GREETING_TIMEOUT_S):
            path = plan.path("monitor")
            assert path is not None
            # Were our copy of the listening socket open, QEMU's death would not end the connection.
            os.close(acquired.fds.pop(plan.slot("monitor") or 0))
            guest.monitor = await connect(path, guest.on_event, guest.on_monitor_gone)
            await guest.monitor.open()
            await _introduce(guest, guest.monitor, preparation, acquired)
        if plan.helpers:
            await asyncio.to_thread(resources.require_helpers, plan)
        if resumption is not None:
            await resumption.bring(guest)
    except (MonitorGone, ConnectionError) as gone:
        if guest.ending is not None:
            _refuse_if_ended(guest)
        said = _with_paths(log.said(), guest) or f"no message ({gone})"
        raise InternalError(
            f"process exited while connecting to monitor: {said}", cure=_cure(said)
        ) from None
    except TimeoutError:
        raise OperationTimeout(
            f"QEMU of domain '{guest.entry.name}' did not greet in {GREETING_TIMEOUT_S:g} s: "
            f"{log.said() or 'it said nothing'}"
        ) from None
    finally:
        acquired.close()
    runtime.logs.watch([*guest.log_paths(), log.path])


def _watched(identity: Identity, guest: Guest) -> Process:
    """The new process, ours to end; one that can not be watched (no descriptor is left) ends."""
    try:
        return Process(identity, guest.on_exit)
    except OSError as error:
        abandon(identity)
        raise SystemCallFailed(
            f"cannot watch process {identity.pid} of domain '{guest.entry.name}': {error.strerror}",
            errno=error.errno,
            cure="raise the daemon's limit of open files (LimitNOFILE= of its unit)",
        ) from None


def _take_and_spawn(
    guest: Guest, preparation: Preparation, log: _Log, more: tuple[str, ...]
) -> tuple[Identity, Acquired]:
    """Everything that blocks, in one go; runs in a thread."""
    plan, checkpoint = guest.plan, guest.runtime.checkpoint
    acquired = resources.acquire(plan)
    try:
        checkpoint("acquired")
        argv = [*preparation.command_line(guest.domain, plan, acquired.fds), *more]
        os.makedirs(os.path.dirname(log.path), 0o700, exist_ok=True)
        order = Spawn(
            argv=argv,
            environment={**preparation.environment(guest.domain), MARK: plan.directory},
            directory=plan.directory,
            log_path=log.path,
            log_header=f"# {time.strftime('%Y-%m-%d %H:%M:%S%z')} starting: {' '.join(argv)}\n",
            fds=list(acquired.fds.values()),
            credentials=resources.credentials(plan),
            limits=(*_LIMITS, *host_memory.limits(guest.domain)),
        )
        return spawn(order), acquired
    except OSError as error:
        acquired.close()
        raise SystemCallFailed(
            f"cannot start '{plan.emulator}': {error.filename or ''}: {error.strerror}",
            errno=error.errno,
        ) from None
    except BaseException:
        acquired.close()
        raise


# -- getting acquainted ------------------------------------------------------------------------


def _cure(said: str) -> str | None:
    """What to do about QEMU's last words, where it is known."""
    if "cannot set up guest memory" in said:
        return "give it less memory: the host has no more for it"
    return None


async def _introduce(
    guest: Guest, monitor: Monitor, preparation: Preparation, acquired: Acquired
) -> None:
    """Ask and tell all that must be before the first instruction, in one volley."""
    domain = guest.domain
    if domain.vcpus is not None:
        from virtory.driver.qemu.hotplug import vcpus

        await vcpus.plug_defined(guest)
    threads = monitor.execute("query-cpus-fast")
    terminals = monitor.execute("query-chardev") if _has_terminals(domain) else None
    told = []
    for step in preparation.setup(domain, guest.plan):
        for slot in step.slots:
            name = {"fdname": f"slot{slot}"}
            told.append(monitor.execute("getfd", name, (acquired.fds[slot],)))
        told.append(monitor.execute(step.command, step.arguments))
    iothreads = monitor.execute("query-iothreads") if affinity.is_wanted(domain) else None
    guest.vcpu_threads = threads_in(await threads)
    if iothreads is not None and guest.process is not None:
        by_number = affinity.iothreads_in(await iothreads)
        affinity.apply(domain, guest.process.identity.pid, guest.vcpu_threads, by_number)
    if terminals is not None:
        guest.terminals = terminals_in(await terminals)
        guest.domain = with_terminals(domain, guest.terminals)
    for one in told:
        await one
    guest.balloon_kib = (domain.current_memory or domain.memory).kib
    guest.agent = agent_of(guest)


def threads_in(answer: list[dict[str, Any]]) -> dict[int, int]:
    """query-cpus-fast: the thread of each virtual CPU that there is, by its number."""
    return dict(sorted((int(cpu["cpu-index"]), int(cpu["thread-id"])) for cpu in answer))


def terminals_in(answer: list[dict[str, Any]]) -> dict[str, str]:
    """query-chardev: the pseudo terminal of each device that has one, by alias."""
    named = ((one["label"], terminal_in(one.get("filename"))) for one in answer)
    return {str(label).removeprefix("char"): path for label, path in named if path is not None}


def terminal_in(said: object) -> str | None:
    """The path of a terminal as QEMU tells it, which the guest may be behind: nothing else."""
    found = _TERMINAL.fullmatch(str(said))
    return found[1] if found is not None else None


def _ports(domain: Domain) -> tuple[CharacterDevice, ...]:
    devices = domain.devices
    return (*devices.consoles, *devices.serials, *devices.parallels, *devices.channels)


def _has_terminals(domain: Domain) -> bool:
    return any(port.type == "pty" for port in _ports(domain))


def agent_of(guest: Guest) -> Agent | None:
    """The guest agent's end of its channel, if the domain has one that listens on a socket."""
    for channel in guest.domain.devices.channels:
        if channel.target.name == AGENT_CHANNEL and channel.type == "unix":
            path = guest.plan.path(f"char:{channel.alias}")
            if path is None and channel.source is not None:
                path = channel.source.path
            if path is not None:
                return Agent(path, guest.entry.name)
    return None


# -- when it fails -----------------------------------------------------------------------------


def _with_paths(said: str, guest: Guest) -> str:
    """QEMU's words with the files' own names: it knows them by their descriptors only."""
    for file in sorted(guest.plan.files, key=lambda file: -file.fdset):  # 12 before 1
        said = said.replace(f"/dev/fdset/{file.fdset}", file.path)
    return said


def _refuse_if_ended(guest: Guest) -> None:
    if guest.ending is not None:
        raise OperationAborted(f"domain '{guest.entry.name}' was destroyed while it was started")
    if guest.process is not None and guest.process.ended.done():
        raise MonitorGone("QEMU ended as soon as it was started")


async def _undo(guest: Guest) -> None:
    """Leave nothing: no process, no resource, no row."""
    runtime, entry = guest.runtime, guest.entry
    guest.let_go()
    try:
        if guest.process is not None:
            await guest.end_process(2.0)
        await asyncio.to_thread(resources.release, guest.plan)
    finally:
        runtime.table.detach(entry)
        runtime.step(entry, Trigger.START_FAILED)
        with contextlib.suppress(Exception):
            await runtime.settled(entry)
        guest.finished.set_result(None)


def _explained(error: BaseException, guest: Guest) -> BaseException:
    if guest.ending is not None and not isinstance(error, asyncio.CancelledError):
        return OperationAborted(f"domain '{guest.entry.name}' was destroyed while it was started")
    if isinstance(error, QmpError):
        return translated(error)
    if isinstance(error, MonitorGone):
        return InternalError(f"domain '{guest.entry.name}' ended while it was started: {error}")
    return error
