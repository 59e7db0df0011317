"""A storm: clients that define, start, query and end machines while the daemon is killed.

The rule kept here: whatever the daemon acknowledged is so for ever, whatever it did not acknowledge
is either so or not so, and there is no third. Each machine but the shared ones belongs to one
worker, which keeps the book of what must, or may, be so.
"""

from __future__ import annotations

import asyncio
import os
import random
import select
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from daemon_process import answering

import virtory
from virtory.errors import ConnectionLost, DomainNotFound, OperationInvalid, VirtoryError
from virtory.model.flags import DomainState, DomainXml

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from daemon_process import DaemonProcess, Seen

NAMES = uuid.UUID("6b3f8f6e-5b0b-4f3e-9a53-0d1f2f4c7a10")
UNFORESEEN = "the daemon's log says why"


class Truth(NamedTuple):
    """What is so of one machine: `title` None is "not defined"; `owned` ends with its client."""

    title: str | None = None
    autostart: bool = False
    state: str = "off"
    owned: bool = False

    @property
    def running(self) -> bool:
        return self.state != "off"


class Machine:
    """A machine of a worker's, and every truth that is possible about it now."""

    def __init__(self, name: str, devices: str) -> None:
        self.name = name
        self.uuid = uuid.uuid5(NAMES, name)
        self.devices = devices
        self.possible = {Truth()}
        self.id: int | None = None  # of the acknowledged run

    def xml(self, title: str) -> str:
        return (
            f"<domain type='qemu'><name>{self.name}</name><uuid>{self.uuid}</uuid>"
            f"<title>{title}</title><memory unit='MiB'>24</memory><vcpu>1</vcpu>"
            "<os><type arch='x86_64' machine='pc'>hvm</type></os>"
            f"<devices><serial type='pty'/>{self.devices}</devices></domain>"
        )

    @property
    def truth(self) -> Truth:
        """What is so for certain."""
        (only,) = self.possible
        return only

    @property
    def directory(self) -> str:
        return f"{self.id}-{str(self.uuid)[:8]}"


def passt(address: str, number: int) -> str:
    """An interface served by passt, recognisable by the loopback address of its forward."""
    return (
        "<interface type='user'><model type='virtio'/><backend type='passt'/>"
        f"<portForward proto='tcp' address='{address}'><range start='{2000 + number}' to='22'/>"
        "</portForward></interface>"
    )


class Worker:
    """One client with machines of its own; its connection ends when the daemon does."""

    def __init__(self, storm: Storm, number: int) -> None:
        self.storm = storm
        self.random = random.Random(f"{storm.seed}/{number}")
        self.machines = [
            Machine(
                f"w{number}-{index}",
                passt(storm.address, 10 * number + index) if storm.address and index == 0 else "",
            )
            for index in range(storm.machines)
        ]
        self.host: Any = None
        self.titles = 0
        self.consoles: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Do one thing after the other until the storm ends or the connection does."""
        try:
            async with virtory.connect(self.storm.daemon.uri) as self.host:
                while not self.storm.over.is_set():
                    if self.random.random() < self.storm.shared_part:
                        await self._meddle()
                    else:
                        await self._act(self.random.choice(self.machines))
                    self.storm.done["all"] += 1
                for machine in self.machines:
                    await self._settle(machine)
        except ConnectionLost:
            if not self.storm.daemon_may_die:
                raise
        finally:
            for task in self.consoles:
                task.cancel()
            await asyncio.gather(*self.consoles, return_exceptions=True)

    # -- machines of its own -------------------------------------------------------------------
    async def _act(self, machine: Machine) -> None:
        truth = machine.truth
        self.titles += 1
        title = f"t{self.titles}"
        choices: list[Callable[[], Awaitable[None]]] = []

        def offer(name: str, after: Truth, call: Callable[[], Awaitable[Any]]) -> None:
            choices.append(lambda: self._do(machine, name, after, call))

        domain = virtory_domain(self.host, machine)
        how = self.random.choice(("running", "running", "paused"))
        owned = self.random.random() < 0.2
        flags = {"paused": how == "paused", "autodestroy": owned}
        xml = machine.xml(title)
        defined = truth._replace(
            title=title, autostart=truth.autostart if truth.title is not None else False
        )
        offer("define", defined, lambda: self.host.define_domain(xml))
        if truth.title is not None:
            offer("undefine", truth._replace(title=None, autostart=False), domain.undefine)
            turned = not truth.autostart
            offer(
                "autostart",
                truth._replace(autostart=turned),
                lambda: domain.set_autostart(turned),
            )
        if truth.running:
            off = truth._replace(state="off", owned=False)
            choices += [lambda: self._query(domain), lambda: self._open_console(domain)]
            offer("destroy", off, domain.destroy)
            if truth.state == "running":
                offer("suspend", truth._replace(state="paused"), domain.suspend)
            else:
                offer("resume", truth._replace(state="running"), domain.resume)
        else:
            on = truth._replace(state=how, owned=owned)
            if truth.title is not None:
                start = self._started(machine, lambda: domain.start(**flags), domain)
                choices += [lambda: self._do(machine, "start", on, start)] * 2
            else:
                create = self._started(machine, lambda: self.host.create_domain(xml, **flags))
                offer("create", on, create)
        await self.random.choice(choices)()

    async def _do(
        self, machine: Machine, name: str, after: Truth, call: Callable[[], Awaitable[Any]]
    ) -> None:
        before = machine.truth
        machine.possible = {before, after}
        await call()  # ConnectionLost leaves both possible; any other error fails the storm
        machine.possible = {after}
        self.storm.done[name] += 1
        self.storm.acted.set()

    def _started(
        self, machine: Machine, call: Callable[[], Awaitable[Any]], domain: Any = None
    ) -> Callable[[], Awaitable[None]]:
        async def started() -> None:
            machine.id = None
            made = await call()
            machine.id = (domain if domain is not None else made).id

        return started

    async def _query(self, domain: Any) -> None:
        for ask in self.random.sample([domain.info, domain.state, domain.xml, domain.refresh], 2):
            await ask()
        if self.random.random() < 0.3:
            await self.host.domain_stats()
        names = [each.name for each in await self.host.list_domains()]
        for machine in self.machines:
            truth = machine.truth
            assert (machine.name in names) == (truth.running or truth.title is not None)
        self.storm.done["query"] += 1

    async def _open_console(self, domain: Any) -> None:
        stream = await domain.open_console(force=True)
        await stream.write(b"typed\r")

        async def read() -> None:
            try:
                while await stream.read():
                    pass
            except VirtoryError:
                pass  # the machine, or the daemon, has ended

        task = asyncio.get_running_loop().create_task(read())
        self.consoles.add(task)
        task.add_done_callback(self.consoles.discard)
        self.storm.done["console"] += 1

    async def _settle(self, machine: Machine) -> None:
        """The storm is over: let it go off, and be forgotten."""
        domain = virtory_domain(self.host, machine)
        truth = machine.truth
        if truth.running:
            await domain.destroy()
        if truth.title is not None:
            await domain.undefine()
        machine.possible = {Truth()}

    # -- machines of everybody -----------------------------------------------------------------
    async def _meddle(self) -> None:
        """Do anything to a machine that others do anything to: refusals are right, chaos is not."""
        shared = self.random.choice(self.storm.shared)
        domain = virtory_domain(self.host, shared)
        xml = shared.xml("anybody's")
        action = self.random.choice(
            [
                lambda: self.host.define_domain(xml),
                lambda: self.host.create_domain(xml, paused=True),
                lambda: self.host.create_domain(xml, autodestroy=True),
                domain.start,
                domain.start,
                domain.undefine,
                domain.destroy,
                domain.destroy,
                domain.suspend,
                domain.resume,
                domain.xml,
            ]
        )
        try:
            await action()
        except ConnectionLost:
            raise
        except VirtoryError as error:
            assert UNFORESEEN not in str(error), error
            self.storm.refused[f"{type(error).__name__}: {error.detail}"] += 1
        self.storm.done["meddle"] += 1


def virtory_domain(host: Any, machine: Machine) -> Any:
    """A handle without asking whether there is such a domain."""
    from virtory.client.domain import Domain
    from virtory.wire.remote.types import NonnullDomain

    return Domain(host, NonnullDomain(machine.name, machine.uuid.bytes, -1))


class Storm:
    """Workers against one daemon; `rage` for a while, `verify` after a restart, `calm` at the end.

    Args:
        address: a loopback address for passt's forwards, unique to this storm; "" for no passt.
    """

    def __init__(
        self,
        daemon: DaemonProcess,
        seed: int,
        *,
        workers: int = 4,
        machines: int = 3,
        address: str = "",
        shared_part: float = 0.25,
    ) -> None:
        self.daemon = daemon
        self.seed = seed
        self.address = address
        self.machines = machines
        self.shared_part = shared_part
        self.shared = [Machine(f"shared-{index}", "") for index in range(2)]
        self.workers = [Worker(self, number) for number in range(workers)]
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.over = asyncio.Event()
        self.acted = asyncio.Event()
        self.daemon_may_die = True

    async def rage(
        self, duration_s: float, kill: Callable[[], None] | None, *, until_some_run: bool = False
    ) -> None:
        """As `rage` for all workers; `until_some_run`: so that the next daemon has some to find."""
        enough = self._some_run if until_some_run else None
        await rage(self, self.workers, duration_s, kill, enough)

    async def _some_run(self) -> None:
        """Until two machines run that are to outlive the daemon, also where that takes long."""
        machines = [machine for worker in self.workers for machine in worker.machines]
        while True:
            certain = [m.truth for m in machines if len(m.possible) == 1]
            if sum(truth.running and not truth.owned for truth in certain) >= 2:
                return
            self.acted.clear()
            await self.acted.wait()

    # -- after a restart -----------------------------------------------------------------------
    async def verify(self, before: dict[str, Seen]) -> None:
        """What was acknowledged is so, what was not is so or not; `before` ran at the kill."""
        async with virtory.connect(self.daemon.uri) as host:
            known = {domain.name: domain for domain in await host.list_domains()}
            for worker in self.workers:
                for machine in worker.machines:
                    await self._verify(machine, known.get(machine.name), before)
            strangers = set(known) - {m.name for w in self.workers for m in w.machines}
            assert strangers <= {machine.name for machine in self.shared}, strangers
            for machine in self.shared:
                await end_and_forget(virtory_domain(host, machine))
        self.account()

    async def _verify(self, machine: Machine, domain: Any, before: dict[str, Seen]) -> None:
        possible = {
            truth._replace(state="off", owned=False) if truth.owned else truth
            for truth in machine.possible
        }
        found = Truth() if domain is None else await observed(domain)
        assert found in possible, f"{machine.name}: {found} is none of {possible}"
        if all(truth.running for truth in possible):
            assert domain.id == machine.id, f"{machine.name}: {domain.id} was {machine.id}"
            assert before[machine.directory].alive, f"{machine.name}: its QEMU has ended"
            await answering(domain)  # a busy host lets it take its time
        elif found.running:  # a destroy may be under way: make it certain
            assert domain is not None
            try:
                await domain.destroy()
            except (OperationInvalid, DomainNotFound):
                pass
            found = found._replace(state="off")
        machine.possible = {found}

    def account(self) -> None:
        """Nothing is there that belongs to nobody, and nothing is missing."""
        machines = [m for w in self.workers for m in w.machines]
        active = {m.directory for m in machines if m.truth.running}
        guests = self.daemon.guests()
        assert set(guests) == active
        assert self.daemon.run_directories() == active
        defined = {m.name for m in machines if m.truth.title is not None}
        running = {m.name for m in machines if m.truth.running}
        assert self.daemon.rows() == (defined, running, [])
        assert self.daemon.corpses() == []
        sockets = {path.parent.name for path in (self.daemon.state / "run").glob("*/*.sock")}
        assert sockets == active

    async def calm(self) -> None:
        """Everybody has finished; forget what is everybody's: then nothing at all may be left."""
        async with virtory.connect(self.daemon.uri) as host:
            for machine in self.shared:
                await end_and_forget(virtory_domain(host, machine))
            assert await host.list_domains() == []
        self.account()


async def rage(
    storm: Any,
    actors: list[Any],
    duration_s: float,
    kill: Callable[[], None] | None,
    enough: Callable[[], Awaitable[None]] | None = None,
    strike: asyncio.Future[None] | None = None,
) -> None:
    """Let all work for a time and until there is `enough`, then kill the daemon, or with None let
    everybody finish and settle.

    A storm says when it is `over`, and whether its `daemon_may_die`; `strike` ends it sooner.
    """
    storm.over.clear()
    storm.daemon_may_die = kill is not None
    tasks = [asyncio.create_task(actor.work()) for actor in actors]
    try:
        ends: list[asyncio.Future[None]] = [*tasks, *([strike] if strike is not None else [])]
        await asyncio.wait(ends, timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
        if enough is not None:
            waiting = asyncio.ensure_future(enough())
            await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        ended_early = any(task.done() for task in tasks)
        if kill is not None and not ended_early:
            kill()
        storm.over.set()
        async with asyncio.timeout(120):
            await asyncio.gather(*tasks)
        assert not ended_early, f"the daemon ended by itself: {storm.daemon.said()}"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def observed(domain: Any) -> Truth:
    """What the daemon says of a domain."""
    state = (await domain.state()).state
    title, autostart = None, False
    if await domain.is_persistent():
        xml = await domain.xml(flags=DomainXml.INACTIVE)
        title = xml.partition("<title>")[2].partition("</title>")[0]
        autostart = await domain.autostart()
    words = {DomainState.RUNNING: "running", DomainState.PAUSED: "paused"}
    return Truth(title, autostart, words.get(state, "off"))


async def end_and_forget(domain: Any) -> None:
    for act in (domain.destroy, domain.undefine):
        try:
            await act()
        except (OperationInvalid, DomainNotFound):
            pass


class Report(NamedTuple):
    """What a campaign measured; times in seconds."""

    kills: int
    restarts_s: list[float]
    adopted: int
    descriptors: tuple[int, int]  # of a daemon that has done nothing, and of one after its storm
    rss_kib: int


async def campaign(storm: Storm, kills: int, mean_s: float) -> Report:
    """Kill the daemon so often, at random moments of the storm and now and then of its restart.

    Ends with a daemon that lives through a storm, after which it must hold nothing.
    """
    daemon, chance = storm.daemon, random.Random(f"{storm.seed}/kills")
    restarts, adopted = [], 0
    daemon.start()
    before = len(daemon.descriptors())
    for number in range(kills):
        after_s = chance.expovariate(1 / mean_s)
        await storm.rage(after_s, daemon.kill, until_some_run=number % 2 == 1)
        running = daemon.guests()
        while chance.random() < 0.2:
            begun = daemon.spawn()
            select.select([begun], [], [], chance.uniform(0, 0.4))
            daemon.kill()
            os.close(begun)
        daemon.start()
        restarts.append(daemon.ready_s)
        await storm.verify(running)
        adopted += sum(m.truth.running for w in storm.workers for m in w.machines)
    await storm.rage(2 * mean_s, None)
    await storm.calm()
    after = daemon.descriptors()
    return Report(kills, restarts, adopted, (before, len(after)), daemon.status("VmRSS"))
