"""Waiting for a machine: a stream of `Progress` values from its console, its port and its events.

The rule kept here: it only observes. It takes nothing that somebody else may want (virtoryd's
console history rather than the console itself), and however the wait ends, the machine goes on.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from virtory.errors import ConnectionLost, NotSupported, OperationFailed, VirtoryError
from virtory.provision import ssh
from virtory.provision.phases import Phase, Progress, Tracker, clean
from virtory.provision.reach import reached

if TYPE_CHECKING:
    from virtory.provision.machine import Machine
    from virtory.provision.manifest import Manifest

STALL_S = 60.0
HISTORY_EVERY_S = 0.1
PROBE_EVERY_S = 1.0
PROBE_EARLY_EVERY_S = 5.0
"""While no console says that a kernel is up. In QEMU's user network a connection then hangs,
and comes to the server later though it was given up: `info usernet` keeps it as SYN_SENT."""
PROBE_AT_MOST_EVERY_S = 0.25
PROBE_FOR_S = 8.0
MOST_PROBES = 4
"""Dropbear turns a caller away who has five connections without a login; a slow guest forgets
those that were given up only after a while."""
FEW_HANGING = 3
"""So many that hang leave room for a login and another, even if the server has them all by then."""
ASK_AFTER_S = 30.0
HISTORY = 1 << 18
_STOPPED, _CRASHED = 5, 8
_BEFORE_KERNEL = (Phase.PROCESS, Phase.FIRMWARE, Phase.KERNEL)

Signal = Callable[[Tracker, float], list[Progress]]


async def watch(
    machine: Machine, *, until: Phase = Phase.CLOUD_INIT, stall_s: float = STALL_S
) -> AsyncIterator[Progress]:
    """Yield reports until the phase `until` is over or the machine is off (FAILED).

    Times count from the call. A STALLED report is given after `stall_s` seconds without any sign
    of life, then after each doubling, and at once for a console line that is known to mean trouble;
    the wait goes on. Breaking out of the loop or cancelling leaves the machine as it is.
    """
    without = _without(machine.manifest)
    tracker = Tracker(until=until, without=without, stall_s=stall_s, name=machine.name)
    loop = asyncio.get_running_loop()
    started = loop.time()
    for report in tracker.begin(0.0):
        yield report
    async with machine.domain.host.events("lifecycle", "reboot", domain=machine.domain) as events:
        if not await machine.domain.is_active():
            for report in tracker.stopped(0.0, "the machine is off"):
                yield report
            return
        signals: asyncio.Queue[Signal | BaseException] = asyncio.Queue()
        watcher = _Watcher(machine, tracker, signals)
        tasks = watcher.start(events)
        try:
            for report in tracker.over(loop.time() - started, Phase.PROCESS, "QEMU runs"):
                yield report
            while not tracker.finished:
                for report in await _next(signals, tracker, started):
                    yield report
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _without(manifest: Manifest) -> dict[Phase, str]:
    skipped = {}
    if manifest.direct:
        skipped[Phase.FIRMWARE] = "QEMU loads the kernel itself"
    if manifest.cloud_init == "none":
        skipped[Phase.CLOUD_INIT] = "this image reads no seed"
    return skipped


async def _next(
    signals: asyncio.Queue[Signal | BaseException], tracker: Tracker, started: float
) -> list[Progress]:
    loop = asyncio.get_running_loop()
    wait = tracker.next_tick() - (loop.time() - started)
    try:
        signal = await asyncio.wait_for(signals.get(), max(wait, 0.01))
    except TimeoutError:
        return tracker.tick(loop.time() - started)
    if isinstance(signal, BaseException):
        raise signal
    return signal(tracker, loop.time() - started)


class _Watcher:
    """The tasks that turn what can be observed into signals for the tracker."""

    def __init__(
        self,
        machine: Machine,
        tracker: Tracker,
        signals: asyncio.Queue[Signal | BaseException],
    ) -> None:
        self._machine = machine
        self._tracker = tracker
        self._signals = signals
        self._spoke = asyncio.Event()
        self._quiet = True
        self._mute = True
        self._listens = False
        self._answered_mute = asyncio.Event()
        self._hanging = 0
        self.probe_for_s = PROBE_FOR_S

    def start(self, events: Any) -> list[asyncio.Task[None]]:
        """The running tasks; the caller cancels them."""
        jobs = [self._events(events), self._console(), self._port(), self._seed()]
        return [asyncio.create_task(self._guarded(job)) for job in jobs]

    async def _guarded(self, job: Awaitable[None]) -> None:
        try:
            await job
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._signals.put_nowait(error)

    async def _events(self, events: Any) -> None:
        async for event in events:
            if event.kind == "reboot":
                self._signals.put_nowait(Tracker.rebooted)
            elif event.event in (_STOPPED, _CRASHED):
                why = "the machine crashed" if event.event == _CRASHED else "the machine went off"
                self._signals.put_nowait(_stopped(why))

    def _heard(self, data: bytes) -> None:
        self._listens = True
        if data:
            self._quiet = self._mute = False
            self._signals.put_nowait(self._fed(data))

    def _fed(self, data: bytes) -> Signal:
        def feed(tracker: Tracker, now: float) -> list[Progress]:
            reports = tracker.feed(now, data)
            self._spoke.set()  # what it means for the phase is known now
            return reports

        return feed

    async def _console(self) -> None:
        domain = self._machine.domain
        seen = b""
        while True:
            try:
                history = await domain.console_history(limit=HISTORY)
            except NotSupported:
                await self._console_stream()
                return
            except ConnectionLost:
                raise
            except VirtoryError:
                return  # it has no serial port, or has just gone off: other signals tell
            self._heard(since(seen, history))
            seen = history
            await asyncio.sleep(HISTORY_EVERY_S)

    async def _console_stream(self) -> None:
        """For daemons that keep no history: the console itself, unless somebody uses it."""
        with suppress(OperationFailed):
            async with await self._machine.domain.open_console() as stream:
                while data := await stream.read():
                    self._heard(data)

    async def _port(self) -> None:
        """Connections are tried side by side: one that came before the guest's network hangs.

        It does so for seconds after the network is there, and holds the place of another.
        """
        attempts: dict[asyncio.Task[Greeting | None], float] = {}
        has_network = False
        try:
            while True:
                if not has_network and self._tracker.phase is Phase.SSH:
                    has_network = True
                    await _give_up(attempts)
                if len(attempts) < MOST_PROBES:
                    now = asyncio.get_running_loop().time()
                    attempts[asyncio.create_task(self._greeted())] = now
                self._spoke.clear()
                found = await self._answer(attempts)
                if found is not None:
                    await _give_up(attempts)
                    words = await self._let_in(found)
                    self._signals.put_nowait(_over(Phase.SSH, words))
                    if self._mute:
                        self._answered_mute.set()
                    return
        finally:
            await _give_up(attempts)

    async def _let_in(self, found: Greeting) -> str:
        """What the server says to one that it lets go of then.

        That is one that comes after all others, unless few hang: it takes them in turn, and
        one that is slow still has those that were given up. It may greet one of them and yet turn
        the next away: who logs in now must not be one too many.
        """
        if self._hanging > FEW_HANGING:
            found.writer.close()
            while (last := await self._greeted()) is None:  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(PROBE_AT_MOST_EVERY_S)
            found = last
        await found.end()
        return found.words

    async def _greeted(self) -> Greeting | None:
        manifest = await reached(self._machine.domain, self._machine.manifest)
        if manifest is None:
            return None
        self._hanging += 1  # still so where it is given up, or its time is over
        until = asyncio.get_running_loop().time() + self.probe_for_s
        found = await greeting(manifest, self.probe_for_s)
        if asyncio.get_running_loop().time() < until:
            self._hanging -= 1
        return found

    async def _answer(
        self, attempts: dict[asyncio.Task[Greeting | None], float]
    ) -> Greeting | None:
        """The first greeting; None after a while, sooner when the guest says something."""
        loop = asyncio.get_running_loop()
        turn = loop.time() + (PROBE_EARLY_EVERY_S if self._is_early else PROBE_EVERY_S)
        spoke = asyncio.create_task(self._spoke_near_ssh())
        try:
            while (left_s := turn - loop.time()) > 0 and not spoke.done():
                done, _ = await asyncio.wait(
                    {*attempts, spoke}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
                )
                refused = False
                for task in done & attempts.keys():
                    begun = attempts.pop(task)
                    if (found := task.result()) is not None:
                        return found
                    refused |= loop.time() - begun < self.probe_for_s
                if refused and not spoke.done():
                    # It came at once: the next attempt waits its turn. One that hung had its own.
                    turn = min(turn, loop.time() + PROBE_AT_MOST_EVERY_S)
            return None
        finally:
            spoke.cancel()
            await asyncio.gather(spoke, return_exceptions=True)

    @property
    def _is_early(self) -> bool:
        """Whether nobody can answer yet, as far as we hear; silence counts where we would.

        What goes on from its saved memory is as silent, and answers the first who asks.
        """
        return self._listens and self._tracker.phase in _BEFORE_KERNEL

    async def _spoke_near_ssh(self) -> None:
        """Return when the guest says something while its server may come up, or its kernel has."""
        early = self._is_early
        await asyncio.sleep(PROBE_AT_MOST_EVERY_S)
        while True:
            await self._spoke.wait()
            if self._tracker.phase is Phase.SSH or early is not self._is_early:
                return
            self._spoke.clear()

    async def _seed(self) -> None:
        """Where the console does not say that cloud-init is done, its result file does.

        Logging in costs the guest time, so it is asked only after a long silence; and once at
        once where a machine answers that never said a word: it goes on from its saved memory.
        """
        while True:
            self._quiet = True
            with suppress(TimeoutError):
                async with asyncio.timeout(ASK_AFTER_S):
                    await self._answered_mute.wait()
            asked_at_once = self._answered_mute.is_set()
            self._answered_mute.clear()
            if asked_at_once or (self._quiet and self._tracker.phase is Phase.CLOUD_INIT):
                manifest = await reached(self._machine.domain, self._machine.manifest)
                found = None if manifest is None else await cloud_init_result(manifest)
                if found is not None:
                    self._signals.put_nowait(_over(Phase.CLOUD_INIT, found))
                    return


def _over(phase: Phase, evidence: str) -> Signal:
    return lambda tracker, now: tracker.over(now, phase, evidence)


def _stopped(why: str) -> Signal:
    return lambda tracker, now: tracker.stopped(now, why)


class Greeting(NamedTuple):
    """What an SSH server says first, and the connection on which it said so."""

    words: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def end(self) -> None:
        """Leave, and wait until the server has let go of it, too; not for ever."""
        try:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(PROBE_FOR_S):
                    self.writer.write_eof()
                    while await self.reader.read(1 << 16):
                        pass
        finally:
            self.writer.close()


async def greeting(manifest: Manifest, for_s: float) -> Greeting | None:
    """How the SSH server greets; None when it did not in time."""
    with suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(for_s):
            reader, writer = await asyncio.open_connection(manifest.host, manifest.port)
            try:
                while line := await reader.readline():
                    if line.startswith(b"SSH-"):
                        return Greeting(clean(line).strip(), reader, writer)
            except BaseException:
                writer.close()
                raise
            writer.close()
    return None


async def _give_up(attempts: dict[asyncio.Task[Greeting | None], float]) -> None:
    for task in attempts:
        task.cancel()
    for found in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(found, Greeting):
            found.writer.close()
    attempts.clear()


async def cloud_init_result(manifest: Manifest) -> str | None:
    """What cloud-init left when it finished, by ssh; None while there is nothing."""
    words = ssh.argv(manifest, ["cat", "/run/cloud-init/result.json"], batch=True)
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        out, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    with suppress(ValueError, KeyError, TypeError):
        errors = "; ".join(map(str, json.loads(out)["v1"]["errors"]))
        return f"finished with errors: {clean(errors.encode())}" if errors else "finished"
    return None


def since(seen: bytes, history: bytes) -> bytes:
    """What `history`, of which only the end is kept, has more than `seen`."""
    if history.startswith(seen):
        return history[len(seen) :]
    tail = seen[-1024:]
    at = history.rfind(tail)
    return history if at < 0 else history[at + len(tail) :]
