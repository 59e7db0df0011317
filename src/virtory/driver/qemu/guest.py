"""One running domain: its process, monitor, agent and consoles, its lock and what is cached of it.

The rule kept here: nothing else changes a running domain. Whoever wants to takes `job(…)`, whose
holder's name is in the error that the others get; facts that QEMU reports come in by `events`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import time
from typing import TYPE_CHECKING, Any, TypeVar

from virtory.driver.qemu import events, resources
from virtory.driver.qemu.console import Consoles
from virtory.driver.qemu.monitor import MonitorGone
from virtory.driver.qemu.qmp import QmpError
from virtory.errors import InternalError, OperationFailed, OperationTimeout, VirtoryError
from virtory.model.flags import DomainState
from virtory.model.lifecycle import Trigger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from virtory.driver.interface import DomainRef, Owner
    from virtory.driver.qemu.agent import Agent
    from virtory.driver.qemu.disks.block_job import BlockJob
    from virtory.driver.qemu.monitor import Monitor
    from virtory.driver.qemu.plan import Plan
    from virtory.driver.qemu.process import Process
    from virtory.driver.qemu.qmp import Event
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.table import Entry
    from virtory.driver.qemu.transfer import Transfer
    from virtory.model.domain import Domain

_log = logging.getLogger(__name__)
T = TypeVar("T")

LOCK_TIMEOUT_S = 30.0
PATIENCE_S = 30.0
"""How long a caller waits for a QEMU that does not answer: it is stopped, or its storage hangs."""
END_GRACE_S = 10.0
UNPLUG_TIMEOUT_S = 5.0
"""How long the guest's answer is waited for, as in libvirt; it may come later."""
TRAY_TIMEOUT_S = 5.0
LAST_ANSWERS_S = 0.5
# libvirt tells these ends with the number that the domain had, all others without one.
_ENDED_BY_ITSELF = frozenset((Trigger.STOPPED, Trigger.PROCESS_DIED))


class Guest:
    """A domain that has a process, or is getting one.

    `domain` is the live configuration, with everything that was chosen for this run; replacing it
    is the only way to change it. `balloon_kib` follows QEMU's events.
    """

    def __init__(
        self, runtime: Runtime, entry: Entry, domain: Domain, plan: Plan, configuration: str | None
    ) -> None:
        self.runtime = runtime
        self.entry = entry
        self.plan = plan
        self.configuration_text = configuration  # of a transient domain: what it was made from
        self.process: Process | None = None
        self.monitor: Monitor | None = None
        self.meeting: asyncio.Future[bool] | None = None  # with a QEMU found again
        self.agent: Agent | None = None
        self.consoles = Consoles()
        self.owner: Owner | None = None  # ends with this client: AUTODESTROY
        self.starting = True
        self.ending: Trigger | None = None  # why its process is being ended
        self.pause_cause: Trigger | None = None  # what the next STOP event means
        self.reboot_wanted = False  # the next shutdown is a reboot
        self.rebooting = False  # its machine was off and is being reset
        self.resetting: asyncio.Future[None] | None = None  # until QEMU has done so
        self.held_back: list[Event] | None = None  # for after a start or a meeting
        self.balloon_kib = 0
        self.vcpu_threads: dict[int, int] = {}  # by number; some may be missing amid them
        self.terminals: dict[str, str] = {}  # alias → path of the pseudo terminal
        self.capacities: dict[str, int] = {}  # disk alias → bytes the guest sees, once asked
        self.bounded = False  # some image has, or has had, a write threshold
        self.messages: list[str] = []
        self.plugging: dict[str, Any] | None = None  # what `hotplug` is about to make
        self.unplugging: dict[str, asyncio.Future[bool]] = {}  # alias → whether the guest agreed
        self.asked_to_go: set[str] = set()  # devices that the guest has not let go of yet
        self.tray_openings: dict[str, asyncio.Future[None]] = {}  # alias → a tray that is awaited
        self.unplugged_edits: dict[str, dict[str, str]] = {}  # alias → what its end does beside
        self.transfer: Transfer | None = None  # of its memory, into or out of a file
        self.vcpu_left = False  # one left late: somebody will look which
        self.written_out = False  # until it runs, QEMU leaves its images to whoever reads the file
        self.concluding: dict[str, asyncio.Future[None]] = {}  # QEMU's jobs whose end is awaited
        self.block_jobs: dict[str, BlockJob] = {}  # by the disk's target
        self.block_waiters: dict[str, list[asyncio.Future[str | None]]] = {}  # by the job's id
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lock_timeout_s = LOCK_TIMEOUT_S
        self.patience_s = PATIENCE_S
        self.end_grace_s = END_GRACE_S
        self.unplug_timeout_s = UNPLUG_TIMEOUT_S
        self.tray_timeout_s = TRAY_TIMEOUT_S
        self._lock = asyncio.Lock()
        self._holder: str | None = None
        self._held_since = 0.0
        self._live_xml: dict[bool, str] = {}
        self.domain = domain

    @property
    def plan(self) -> Plan:
        """What it has taken, or is about to take; `growth` changes it."""
        return self._plan

    @plan.setter
    def plan(self, plan: Plan) -> None:
        self._plan = plan
        self.plan_json = json.dumps(plan.to_json())

    @property
    def id(self) -> int:
        return self.plan.domain_id

    @property
    def ref(self) -> DomainRef:
        return self.entry.ref

    @property
    def pid(self) -> int:
        return 0 if self.process is None else self.process.identity.pid

    @property
    def domain(self) -> Domain:
        return self._domain

    @domain.setter
    def domain(self, domain: Domain) -> None:
        self._domain = domain
        self._live_xml.clear()
        balloon, vcpu = domain.devices.balloon, domain.vcpu
        usable = balloon is not None and balloon.model.startswith("virtio")
        self.balloon_alias = balloon.alias if balloon is not None and usable else None
        self.sizes = domain.memory.kib, vcpu.current or vcpu.count  # for `info`: KiB, virtual CPUs

    @property
    def has_balloon(self) -> bool:
        return self.balloon_alias is not None

    def xml(self, *, secure: bool) -> str:
        """The live configuration's text; made once for each change."""
        text = self._live_xml.get(secure)
        if text is None:
            from virtory.model.domain import format_domain, without_secrets

            domain = self._domain if secure else without_secrets(self._domain)
            text = self._live_xml[secure] = format_domain(domain)
        return text

    # -- the lock ------------------------------------------------------------------------------
    @contextlib.asynccontextmanager
    async def job(self, name: str, *, patient: bool = False) -> AsyncIterator[None]:
        """Hold the domain's lock; OperationTimeout names who holds it instead.

        `patient`: wait as long as it takes; for what QEMU reports, which somebody must deal with.
        """
        try:
            async with asyncio.timeout(None if patient else self.lock_timeout_s):
                await self._lock.acquire()
        except TimeoutError:
            raise OperationTimeout(
                f"cannot acquire state change lock (held by {self._holder})",
                cure=f"wait for '{self._holder}' on domain '{self.entry.name}', or destroy it",
            ) from None
        self._holder, self._held_since = name, time.monotonic()
        try:
            self.require_running()
            yield
        finally:
            self._holder = None
            self._lock.release()

    @contextlib.contextmanager
    def while_it_runs(self) -> Iterator[None]:
        """Around what QEMU's reports begin: that the machine ends first is no failure of it."""
        try:
            yield
        except VirtoryError:
            if not self.is_ending:
                raise

    @property
    def held(self) -> tuple[str, float] | None:
        """Who holds the lock, and for how many seconds."""
        if self._holder is None:
            return None
        return self._holder, time.monotonic() - self._held_since

    @property
    def is_ending(self) -> bool:
        """Whether its process has ended, or is about to."""
        gone = self.monitor is not None and self.monitor.gone is not None
        return gone or self.finished.done() or self.ending is not None

    def require_running(self) -> None:
        """It may have ended while somebody waited for the lock."""
        self.entry.running()
        if self.finished.done():
            raise self.gone()

    def gone(self) -> OperationFailed:
        """The error for who waited for it; how QEMU ended, where nobody wanted it to."""
        if self.ending is None and (code := self._exit_code()):
            how = f"by signal {-code}" if code < 0 else f"with status {code}"
            return OperationFailed(
                f"domain is no longer running: its QEMU ended {how}",
                cure=f"see what it said last, in '{self.entry.name}.log' of the daemon's log "
                "directory, and start the domain again",
            )
        return OperationFailed("domain is no longer running")

    def _exit_code(self) -> int | None:
        """As `Process` tells it; None while it runs, or when nobody knows."""
        ended = self.process.ended if self.process is not None else None
        return ended.result() if ended and ended.done() and not ended.cancelled() else None

    # -- QEMU ----------------------------------------------------------------------------------
    async def execute(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        *,
        fds: tuple[int, ...] = (),
        timeout_s: float | None = None,
    ) -> Any:
        """One monitor command's answer, with QEMU's refusal in libvirt's words."""
        monitor = self.met()
        if timeout_s is not None and monitor.unanswered_s > timeout_s:
            raise self._silent(monitor)  # who asks again and again does not make it more
        try:
            async with asyncio.timeout(timeout_s):
                return await monitor.execute(name, arguments, fds)
        except QmpError as error:
            raise translated(error) from None
        except MonitorGone:
            raise self.gone() from None
        except TimeoutError:
            raise OperationTimeout(
                f"QEMU of domain '{self.entry.name}' did not answer '{name}' in {timeout_s:g} s",
                cure=self._cure,
            ) from None

    async def soon(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """As `execute`, for what is harmless whenever QEMU does it: it is not waited for longer."""
        return await self.execute(name, arguments, timeout_s=self.patience_s)

    async def patiently(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it to its end; OperationTimeout when QEMU falls silent, and it goes on by itself.

        For what can neither be given up half-way nor known to be done without QEMU's answer.
        """
        task = self.runtime.begin(work)
        try:
            while not (await asyncio.wait([task], timeout=self.patience_s))[0]:
                if (monitor := self.monitor) and monitor.unanswered_s >= self.patience_s:
                    raise self._silent(monitor, "; what was begun goes on when it does")
        except BaseException:
            task.add_done_callback(self._ended_unheard)
            raise
        return task.result()

    def _ended_unheard(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            name = self.entry.name
            _log.warning("what was begun on domain '%s' and not waited for failed: %s", name, error)

    def _silent(self, monitor: Monitor, more: str = "") -> OperationTimeout:
        return OperationTimeout(
            f"QEMU of domain '{self.entry.name}' has not answered for "
            f"{monitor.unanswered_s:.0f} s{more}",
            cure=self._cure,
        )

    @property
    def _cure(self) -> str:
        return f"see whether process {self.pid} or its storage hangs, wait, or destroy the domain"

    def met(self) -> Monitor:
        """The monitor; OperationFailed while there is none yet."""
        if self.monitor is not None:
            return self.monitor
        if self.starting:
            raise OperationFailed("domain is not running yet, it is being started")
        raise OperationFailed(
            f"QEMU of domain '{self.entry.name}', process {self.pid}, has not answered since "
            "this daemon began",
            cure=self._cure,
        )

    def on_event(self, event: Event) -> None:
        """What QEMU reports; what is wrong with one report keeps back no answer behind it."""
        try:
            events.react(self, event)
        except Exception:
            _log.exception("event %s of domain '%s' is passed over", event.name, self.entry.name)

    def on_monitor_gone(self, reason: MonitorGone) -> None:
        """QEMU ended, or its monitor is unusable: without one it can not be ruled, so it ends."""
        if self.process is not None and not self.starting and self.ending is None:
            self.runtime.run(self._end_unreachable(), f"ending domain '{self.entry.name}'")

    async def _end_unreachable(self) -> None:
        assert self.process is not None
        done, _ = await asyncio.wait([self.process.ended], timeout=2)
        if not done and self.entry.state == DomainState.SHUTDOWN:  # it said so; it takes its time
            self.ending = Trigger.STOPPED
            await self.end_process(END_GRACE_S)
        elif not done:
            from virtory.model.events import ControlError

            self.runtime.announce(self.entry, ControlError(self.ref), save=False)
            self.ending = Trigger.UNREACHABLE
            await self.end_process()

    # -- state ---------------------------------------------------------------------------------
    def disk_of(self, data: dict[str, Any]) -> tuple[str, str]:
        """The alias and path of the disk that a QMP event names, by its node or its device."""
        node, device = str(data.get("node-name") or ""), str(data.get("device") or "")
        images = self.plan.images
        target = next((i.target for i in images if node in (i.node, i.file_node)), "").rstrip("!")
        for disk in self._domain.devices.disks:
            alias = disk.alias or disk.target.dev
            if disk.target.dev == target or (device and device == alias):
                return alias, disk.path or ""
        return device or node, ""

    def step(self, trigger: Trigger) -> None:
        self.runtime.step(self.entry, trigger)

    async def settled(self) -> None:
        await self.runtime.settled(self.entry)

    @property
    def is_running(self) -> bool:
        return self.entry.state == DomainState.RUNNING

    # -- the end -------------------------------------------------------------------------------
    def end_soon(self, trigger: Trigger) -> None:
        """End the process for this reason; `finished` tells when all is done."""
        if self.ending is None:
            self.ending = trigger
        self.runtime.run(self._end(), f"ending domain '{self.entry.name}'")

    async def _end(self) -> None:
        if self.process is not None:
            await self.end_process()

    async def end_process(self, grace_s: float | None = None, *, force: bool = True) -> bool:
        """As `Process.end`; a machine that was only being started is not asked first."""
        assert self.process is not None
        grace_s = self.end_grace_s if grace_s is None else grace_s
        if self.starting and force:
            self.process.signal(signal.SIGKILL)
        elif self.monitor is not None:
            await self.monitor.fall_silent(LAST_ANSWERS_S)
        if await self.process.end(grace_s, force=force):
            return True
        if self.monitor is not None:
            self.monitor.speak_again()
        return False

    def on_exit(self, code: int | None) -> None:
        """The process has ended: release everything, then tell."""
        if not self.starting:
            self.runtime.run(self.finish(), f"releasing domain '{self.entry.name}'")

    async def finish(self) -> None:
        """The process is no more: release, save, tell."""
        entry, runtime = self.entry, self.runtime
        runtime.table.hold(entry)
        try:
            self.let_go()
            try:
                await asyncio.to_thread(resources.release, self.plan)
            except Exception:  # it has ended all the same, and can be started again
                _log.exception("not all that domain '%s' had could be given back", entry.name)
            trigger, ref = self._last_trigger(), entry.ref
            runtime.table.detach(entry)
            runtime.step(entry, trigger, ref if trigger in _ENDED_BY_ITSELF else None)
            entry.updated = False
            with contextlib.suppress(
                Exception
            ):  # logged already; the domain has ended all the same
                await runtime.settled(entry)
        finally:
            runtime.table.let_go(entry)
            if not self.finished.done():
                self.finished.set_result(None)

    def _last_trigger(self) -> Trigger:
        if self.ending is not None:
            return self.ending
        ended_by_itself = self.entry.state == DomainState.SHUTDOWN
        return Trigger.STOPPED if ended_by_itself else Trigger.PROCESS_DIED

    def let_go(self) -> None:
        """Close every connection to it; the process is not touched."""
        if self.meeting is not None:
            self.meeting.cancel()
        if self.monitor is not None:
            self.monitor.close()
        if self.agent is not None:
            self.agent.close()
        self.consoles.close()
        self.runtime.logs.forget(self.log_paths())

    def log_paths(self) -> list[str]:
        """The files that QEMU and the guest write to."""
        return [file.path for file in self.plan.files if file.mode == "append"]


def translated(error: QmpError) -> InternalError:
    """libvirt's words for a command that QEMU refused."""
    if error.error_class == "CommandNotFound":
        return InternalError(
            f"The command '{error.command}' was not found by QEMU",
            cure="use a QEMU that has it",
        )
    return InternalError(f"unable to execute QEMU command '{error.command}': {error.description}")
