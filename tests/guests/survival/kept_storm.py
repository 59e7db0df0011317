"""A storm over what is kept: disks, snapshots, saved states, networks, while the daemon is killed.

The rule kept here: what a disk holds is known by its hash. Whatever the daemon was doing when it
was killed, each disk and each snapshot holds what it held before or after it, no chain is broken,
and no process, link, rule, file or descriptor is left that belongs to nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import re
import select
import signal
import subprocess
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from daemon_process import answering
from storm import Report, rage

import virtory
from virtory.errors import ConnectionLost, OperationInvalid
from virtory.model.flags import (
    DomainBlockCommit,
    DomainState,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from daemon_process import DaemonProcess

NAMES = uuid.UUID("3b1b7f4e-90b5-4c59-8a25-0d1f2f4c7a10")
SIZE = 4 << 20
ANSWER_S = 90.0
AIMED_S = 20.0
FIRST_S = 0.2  # how long a work is thought to take until one has been seen
DISK_ONLY, REUSE, NO_METADATA = 16, 32, 4  # of VIR_DOMAIN_SNAPSHOT_CREATE_*
COMMITTED = 1 << 20  # bytes that a commit brings down, at four times that a second
AIMS = {
    "snapshot": (),
    "revert": ("destroy", "snapshot"),
    "snapshot delete": ("snapshot",),
    "commit": ("start", "snapshot delete"),
    "managed save": ("start",),
    "clone": ("undefine",),
    "net-start": ("net-destroy",),
}
"""What a kill is aimed at, and what leads there when it can not be done yet."""
ISOLATED = """
set -e
umount --recursive --lazy /sys
mount -t sysfs sysfs /sys
ip link set lo up
echo ready
exec cat
"""


@contextlib.contextmanager
def namespaces() -> Any:
    """Network and mount namespaces that outlive each daemon: the words to enter them.

    Whatever still lives in them when they end, such as a network's server, ends with them.
    """
    command = ["unshare", "--net", "--mount", "--propagation", "private", "bash", "-c", ISOLATED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        try:
            yield ["nsenter", "--target", str(holder.pid), "--net", "--mount"]
        finally:
            for pid in living_in(os.readlink(f"/proc/{holder.pid}/ns/net")) - {holder.pid}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert holder.stdin is not None
            holder.stdin.close()
            holder.wait(60)


def living_in(namespace: str) -> set[int]:
    """The processes in a network namespace."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{entry}/ns/net") == namespace:
                    found.add(int(entry))
    return found


class Truth(NamedTuple):
    """What is so: the disk's content and each snapshot's by hash, and what runs."""

    content: str
    snapshots: frozenset[tuple[str, str]] = frozenset()
    running: bool = False
    saved: bool = False
    connected: bool = False
    clone: str = ""  # what the clone's disk holds, if there is one


class Keeper:
    """One client with a machine, its disk and a network of its own, and what may be so of them."""

    def __init__(self, storm: KeptStorm, number: int) -> None:
        self.storm = storm
        self.number = number
        self.random = random.Random(f"{storm.seed}/{number}")
        self.name = f"kept{number}"
        self.disk = storm.images / f"{self.name}.qcow2"
        self.cloned = storm.images / f"{self.name}c.qcow2"
        self.overlay = storm.images / f"{self.name}.over"
        self.bridge = f"vks{number}"
        self.made = 0
        self.written = 0
        run("qemu-img", "create", "-q", "-f", "qcow2", str(self.disk), str(SIZE))
        self.disk.chmod(0o666)
        self.possible = {Truth(digest(str(self.disk)))}
        self.host: Any = None
        self.forgetting = False
        self.of_running: set[str] = set()  # snapshots that a revert lets run

    @property
    def truth(self) -> Truth:
        (only,) = self.possible
        return only

    def xml(self, clone: bool = False) -> str:
        name, disk = (f"{self.name}c", self.cloned) if clone else (self.name, self.disk)
        return (
            f"<domain type='qemu'><name>{name}</name><uuid>{uuid.uuid5(NAMES, name)}</uuid>"
            "<memory unit='MiB'>24</memory><vcpu>1</vcpu>"
            "<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>"
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
            f"<source file='{disk}'/><target dev='vda' bus='virtio'/></disk>"
            "</devices></domain>"
        )

    def network_xml(self) -> str:
        third = 200 + self.number
        return (
            f"<network><name>{self.name}</name><forward mode='nat'/><bridge name='{self.bridge}'/>"
            f"<ip address='192.168.{third}.1' netmask='255.255.255.0'><dhcp>"
            f"<range start='192.168.{third}.2' end='192.168.{third}.99'/></dhcp></ip></network>"
        )

    async def define(self, host: Any) -> None:
        await host.define_domain(self.xml())
        await host.define_network(self.network_xml())

    async def work(self) -> None:
        try:
            async with virtory.connect(self.storm.daemon.uri) as self.host:
                self.domain = await self.host.domain(self.name)
                self.network = await self.host.network(self.name)
                while not self.storm.over.is_set():
                    await self._chosen()()
                    self.storm.done["all"] += 1
        except ConnectionLost:
            if not self.storm.daemon_may_die:
                raise

    def _chosen(self) -> Callable[[], Awaitable[None]]:
        """Anything, or rather what the next kill is aimed at."""
        choices, aim = self._choices(), self.storm.aim
        if aim is not None and self.random.random() < 0.7:
            for name in (aim, *AIMS[aim]):
                if name in choices:
                    return choices[name]
        return self.random.choice(list(choices.values()))

    def _choices(self) -> dict[str, Callable[[], Awaitable[None]]]:
        truth, domain = self.truth, self.domain
        choices: dict[str, Callable[[], Awaitable[None]]] = {}

        def offer(name: str, after: Truth, call: Callable[[], Awaitable[Any]]) -> None:
            choices[name] = lambda: self._do(name, after, call)

        start, save = domain.start, domain.managed_save
        if truth.connected:
            offer("net-destroy", truth._replace(connected=False), self.network.destroy)
        else:
            offer("net-start", truth._replace(connected=True), self.network.start)
        if truth.running:
            off = truth._replace(running=False)
            offer("destroy", off, domain.destroy)
            offer("managed save", off._replace(saved=True), save)
        else:
            offer("start", truth._replace(running=True, saved=False), start)
            if not truth.saved:
                choices["write"] = self._write
        if not truth.saved:
            self._offer_snapshots(offer, truth)
            if truth.running and not truth.snapshots:
                choices["commit"] = self._commit
            if truth.clone:
                choices["undefine"] = self._forget_clone
            else:
                made = truth._replace(clone=truth.content)
                xml = self.xml(clone=True)
                offer("clone", made, lambda: self.host.clone_domain(domain, xml))
        return choices

    async def _forget_clone(self) -> None:
        clone = await self.host.domain(f"{self.name}c")
        self.forgetting = True
        await self._do("undefine", self.truth._replace(clone=""), clone.undefine)
        self.cloned.unlink()
        self.forgetting = False

    async def _commit(self) -> None:
        """Put an overlay with new data over the disk and merge it back, as a backup does."""
        xml = (
            "<domainsnapshot><memory snapshot='no'/><disks>"
            f"<disk name='vda' snapshot='external'><source file='{self.overlay}'/>"
            "<driver type='qcow2'/></disk></disks></domainsnapshot>"
        )
        content = await asyncio.to_thread(self._overlaid)
        after = self.truth._replace(content=content)
        flags = DISK_ONLY | NO_METADATA | REUSE
        with self.storm.doing(self, "commit"):
            self.possible = {self.truth, after}
            await soon(f"{self.name}'s overlay", self.domain.create_snapshot(xml, flags=flags))
            self.possible = {after}
            await soon(f"merging {self.name}", merge(self.host, self.domain))
        self.overlay.unlink()
        self.storm.done["commit"] += 1

    def _overlaid(self) -> str:
        """Make the overlay; what the disk holds with it on top."""
        self.written += 1
        pattern, offset = (self.number * 50 + self.written) % 255 + 1, COMMITTED
        run("qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", "qcow2", "-b", str(self.disk),
            str(self.overlay), str(SIZE))  # fmt: skip
        self.overlay.chmod(0o666)
        alone = {"driver": "file", "filename": str(self.overlay)}
        node = json.dumps({"driver": "qcow2", "file": alone, "backing": None})
        run("qemu-io", "-c", f"write -q -P {pattern} {offset} {COMMITTED}", f"json:{node}")
        return digest(str(self.disk), patch=(offset, bytes([pattern]) * COMMITTED))

    def _offer_snapshots(self, offer: Any, truth: Truth) -> None:
        if not self.storm.snapshots:
            return
        if len(truth.snapshots) < 4:
            name = f"s{self.made}"
            self.made += 1
            after = truth._replace(snapshots=truth.snapshots | {(name, truth.content)})
            xml = f"<domainsnapshot><name>{name}</name></domainsnapshot>"
            offer("snapshot", after, lambda: self.domain.create_snapshot(xml))
        if truth.snapshots:
            name, content = self.random.choice(sorted(truth.snapshots))
            after = truth._replace(snapshots=truth.snapshots - {(name, content)})
            offer("snapshot delete", after, lambda: self._of(name, "delete"))
            if not truth.running:
                after = truth._replace(content=content, running=self._runs_in(name))
                offer("revert", after, lambda: self._of(name, "revert"))

    def _runs_in(self, name: str) -> bool:
        return name in self.of_running

    async def _of(self, name: str, action: str) -> None:
        snapshot = await self.domain.snapshot(name)
        await getattr(snapshot, action)()

    async def _write(self) -> None:
        """Change what the disk holds, while nobody else has it."""
        self.written += 1
        pattern = (self.number * 50 + self.written) % 255 + 1
        offset = self.random.randrange(0, SIZE >> 16) << 16
        words = ("-f", "qcow2", "-c", f"write -q -P {pattern} {offset} 65536", str(self.disk))
        await asyncio.to_thread(run, "qemu-io", *words)
        content = await asyncio.to_thread(digest, str(self.disk))
        self.possible = {self.truth._replace(content=content)}
        self.storm.done["write"] += 1

    async def _do(self, name: str, after: Truth, call: Callable[[], Awaitable[Any]]) -> None:
        before = self.truth
        if name == "snapshot" and before.running:
            self.of_running |= {pair[0] for pair in after.snapshots - before.snapshots}
        self.possible = {before, after}
        with self.storm.doing(self, name):
            await soon(f"{name} of {self.name}", call())
        self.possible = {after}
        self.storm.done[name] += 1

    # -- after a restart -------------------------------------------------------------------------
    async def verify(self, host: Any) -> None:
        domain, network = await host.domain(self.name), await host.network(self.name)
        running = await self._settled(domain)
        saved = await domain.has_managed_save()
        connected = await network.is_active()
        names = set()
        if self.storm.snapshots:
            names = {each.name for each in await domain.snapshots()}
        kept = [
            truth
            for truth in self.possible
            if (truth.running, truth.saved, truth.connected) == (running, saved, connected)
            and {name for name, _ in truth.snapshots} == names
        ]
        found = (running, saved, connected, names)
        assert kept, f"{self.name}: {found} is none of {self.possible}"
        if running:
            if f"'{self.overlay}'" in await domain.xml(inactive=True):
                await soon(f"merging {self.name} after a kill", merge(host, domain))
            await domain.destroy()  # its image is read only when nobody has it
            kept = [truth._replace(running=False) for truth in kept]
        self.overlay.unlink(missing_ok=True)
        kept = await self._verify_clone(host, kept)
        await asyncio.to_thread(sound, self.disk)
        content = await asyncio.to_thread(digest, str(self.disk))
        inside = {name: await asyncio.to_thread(digest, str(self.disk), name) for name in names}
        certain = {
            truth for truth in kept if truth.content == content and dict(truth.snapshots) == inside
        }
        assert certain, f"{self.name}: {content} with {inside} is none of {kept}"
        assert set(images_inside(self.disk)) == names, f"{self.name}: {images_inside(self.disk)}"
        self.possible = {certain.pop()}

    async def _settled(self, domain: Any) -> bool:
        """Whether it runs, once the daemon has finished what was under way at its kill.

        A destroy would not wait for that: it interrupts a start, also one that goes back in time.
        """
        if (await domain.state()).state == DomainState.SHUTOFF:
            return False
        with contextlib.suppress(OperationInvalid):
            await answering(domain)
            await soon(f"suspending {self.name} after a kill", domain.suspend())
        return (await domain.state()).state != DomainState.SHUTOFF

    async def _verify_clone(self, host: Any, kept: list[Truth]) -> list[Truth]:
        """The clone is there whole, or not at all."""
        names = {each.name for each in await host.list_domains()}
        if f"{self.name}c" in names:
            await asyncio.to_thread(sound, self.cloned)
            content = await asyncio.to_thread(digest, str(self.cloned))
            right = [truth for truth in kept if truth.clone == content]
            assert right, f"{self.name}'s clone holds {content}: none of {kept}"
            return right
        if self.forgetting:  # the file was ours to remove
            self.cloned.unlink(missing_ok=True)
        self.forgetting = False
        if any(truth.clone for truth in kept) and not all(truth.clone for truth in kept):
            return [truth for truth in kept if not truth.clone]
        return kept

    async def settle(self, host: Any) -> None:
        domain, network = await host.domain(self.name), await host.network(self.name)
        for act in (domain.destroy, network.destroy):
            with contextlib.suppress(OperationInvalid):
                await act()
        await domain.undefine(managed_save=True, snapshots_metadata=True)
        await network.undefine()
        if self.truth.clone:
            await (await host.domain(f"{self.name}c")).undefine()
            self.cloned.unlink()


async def soon(what: str, awaited: Awaitable[Any]) -> Any:
    """What comes of it; a call that is not answered is named."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return await awaited
    except TimeoutError:
        raise AssertionError(f"{what}: no answer in {ANSWER_S:g} s") from None


async def merge(host: Any, domain: Any) -> None:
    """Commit the running machine's overlay into its disk, and go on with the disk."""
    active = DomainBlockCommit.ACTIVE | DomainBlockCommit.BANDWIDTH_BYTES
    async with host.events("block-job-2", domain=domain) as events:
        if await domain.block_job("vda") is None:
            await domain.block_commit("vda", bandwidth=4 * COMMITTED, flags=active)
        job = await domain.block_job("vda")
        while job is not None and job.current != job.end:
            assert await events.next(60), f"{domain.name}: neither ready nor an event: {job}"
            job = await domain.block_job("vda")
    await domain.block_job_abort("vda", pivot=True)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def sound(path: Path) -> None:
    """Nothing is damaged; clusters that nobody uses (status 3) are lost space, not lost data."""
    command = ("qemu-img", "check", "-q", str(path))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stdout + done.stderr


def digest(path: str, snapshot: str | None = None, patch: tuple[int, bytes] | None = None) -> str:
    """Of what a guest reads from an image, or from an internal snapshot in it.

    With a patch it is of what would be read with that written, and a machine may have the image.
    """
    target = f"{path}.{uuid.uuid4().hex[:8]}.raw"
    words = ["-l", f"snapshot.name={snapshot}"] if snapshot else []
    words += ["-U"] if patch is not None else []
    try:
        run("qemu-img", "convert", *words, "-f", "qcow2", "-O", "raw", path, target)
        with open(target, "r+b") as file:
            if patch is not None:
                file.seek(patch[0])
                file.write(patch[1])
                file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)


def images_inside(path: Path) -> list[str]:
    """The internal snapshots of an image."""
    told = json.loads(run("qemu-img", "info", "--output=json", str(path)))
    return [each["name"] for each in told.get("snapshots", [])]


class KeptStorm:
    """Keepers against one daemon, which is killed at random moments and started again."""

    def __init__(
        self,
        daemon: DaemonProcess,
        entered: list[str],
        seed: int,
        keepers: int = 3,
        snapshots: bool = True,
    ) -> None:
        self.daemon = daemon
        self.entered = entered
        self.seed = seed
        self.images = daemon.directory / "images"
        self.images.mkdir()
        self.images.chmod(0o777)
        self.snapshots = snapshots
        self.keepers = [Keeper(self, number) for number in range(keepers)]
        self.done: Counter[str] = Counter()
        self.over = asyncio.Event()
        self.daemon_may_die = True
        self.aim: str | None = None
        self.met: Counter[str] = Counter()  # works that the state had half done at a kill
        self._chance = random.Random(f"{seed}/strikes")
        self._strike: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._took: dict[str, float] = {}
        self._under_way: dict[Keeper, str] = {}

    async def begin(self) -> None:
        async with virtory.connect(self.daemon.uri) as host:
            for keeper in self.keepers:
                await keeper.define(host)

    async def rage(
        self, duration_s: float, kill: Callable[[], None] | None, aim: str | None = None
    ) -> None:
        """As `rage` for all keepers; with an aim the kill comes in the midst of such a work."""
        self.aim = aim
        aimed = aim is not None and kill is not None
        self._strike = asyncio.get_running_loop().create_future() if aimed else None

        def strike() -> None:
            assert kill is not None
            kill()
            self._count()

        weather = strike if kill is not None else None
        await rage(self, self.keepers, duration_s, weather, strike=self._strike)
        self.aim = None

    async def learn(self) -> None:
        """See how long each kind of work takes here, so that kills come in the midst of it."""
        while unseen := [name for name in AIMS if name not in self._took]:
            await self.rage(1.0, None, unseen[0])

    @contextlib.contextmanager
    def doing(self, keeper: Keeper, name: str) -> Iterator[None]:
        """A keeper is about this; if a kill is aimed at it, it comes at a random moment of it."""
        loop, strike = asyncio.get_running_loop(), self._strike
        self._under_way[keeper] = name
        begun, armed = loop.time(), False
        if name == self.aim and self._timer is None and strike is not None and not strike.done():
            armed = True
            wait_s = self._chance.uniform(0.2, 0.9) * self._took.get(name, FIRST_S)
            self._timer = loop.call_later(wait_s, strike.set_result, None)
        try:
            yield
            self._took[name] = loop.time() - begun
        finally:
            self._under_way.pop(keeper, None)
            if armed and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _count(self) -> None:
        """Which works the daemon has left half done."""
        works = self.daemon.works()
        for keeper, name in self._under_way.items():
            own = uuid.uuid5(NAMES, keeper.name).hex, f"{keeper.name} ", f"network {keeper.name}"
            if any(mark in work for mark in own for work in works):
                self.met[name] += 1
            elif name == self.aim:  # too soon: the machine is slower than it was
                self._took[name] = 1.5 * self._took.get(name, FIRST_S)

    async def verify(self) -> None:
        async with virtory.connect(self.daemon.uri) as host:
            for keeper in self.keepers:
                await keeper.verify(host)
        self.account()

    def account(self) -> None:
        """Nothing is there that belongs to nobody."""
        assert self.daemon.guests() == {}
        assert self.daemon.corpses() == []
        runs = {name for name in self.daemon.run_directories() if name[:1].isdigit()}
        assert runs == set(), runs
        networks = {k.bridge for k in self.keepers if k.truth.connected}
        found = bridges(self.entered)
        assert found == networks, f"{found} instead of {networks}"
        count = dnsmasqs(self.daemon.state)
        assert count == len(networks), f"{count} processes of dnsmasq for {networks}"
        rules = run(*self.entered, "nft", "list", "ruleset")
        ruled = set(re.findall(r"vks\d+", rules))
        assert ruled == networks, f"{ruled} instead of {networks}: {rules}"
        known = {keeper.disk.name for keeper in self.keepers}
        known |= {keeper.cloned.name for keeper in self.keepers if keeper.truth.clone}
        files = set(os.listdir(self.images))
        assert files == known, f"{files} instead of {known}"

    async def calm(self) -> None:
        async with virtory.connect(self.daemon.uri) as host:
            for keeper in self.keepers:
                await keeper.settle(host)
                keeper.possible = {Truth("")}
            assert await host.list_domains() == []
        self.account()


def bridges(entered: list[str]) -> set[str]:
    found = json.loads(run(*entered, "ip", "-json", "link", "show", "type", "bridge") or "[]")
    return {link["ifname"] for link in found if link.get("ifname", "").startswith("vks")}


def dnsmasqs(state: Path) -> int:
    """Servers of this state directory; each of them is two processes of the same words."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    words = file.read()
                with open(f"/proc/{entry}/stat") as file:
                    zombie = file.read().rpartition(")")[2].split()[0] == "Z"
                if b"dnsmasq" in words and os.fsencode(state) in words and not zombie:
                    found.add(words)
    return len(found)


async def kept_campaign(
    storm: KeptStorm, kills: int, mean_s: float, *, learn: bool = False
) -> Report:
    """Kill the daemon so often: at random moments of each kind of work, of any, of its restart."""
    daemon, chance = storm.daemon, random.Random(f"{storm.seed}/kills")
    restarts = []
    daemon.start()
    await storm.begin()
    if learn:
        await storm.learn()
    before = len(daemon.descriptors())
    for number in range(1, kills + 1):
        aim = min(AIMS, key=lambda name: storm.met[name]) if number % 10 else None
        longest_s = AIMED_S if aim is not None else chance.expovariate(1 / mean_s)
        await storm.rage(longest_s, daemon.kill, aim)
        while chance.random() < 0.2:
            begun = daemon.spawn()
            select.select([begun], [], [], chance.uniform(0, 0.4))
            daemon.kill()
            os.close(begun)
        daemon.start()
        restarts.append(daemon.ready_s)
        await storm.verify()
    await storm.rage(2 * mean_s, None)
    await storm.verify()
    await storm.calm()
    after = daemon.descriptors()
    return Report(kills, restarts, 0, (before, len(after)), daemon.status("VmRSS"))
