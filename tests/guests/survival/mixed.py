"""Many clients that make calls of every kind at once, for a while: none may fail, nothing may grow.

The rule kept here: what a client changes is its own, so that no call has a reason to be refused.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import virtory

if TYPE_CHECKING:
    from daemon_process import DaemonProcess

XML = (
    "<domain type='qemu'><name>{}</name><memory unit='MiB'>24</memory><vcpu>1</vcpu>"
    "<os><type arch='x86_64' machine='pc'>hvm</type></os>"
    "<devices><serial type='pty'/></devices></domain>"
)
POOL = "<pool type='dir'><name>{}</name><target><path>{}</path></target></pool>"
VOLUME = (
    "<volume><name>{}</name><capacity unit='MiB'>1</capacity>"
    "<target><format type='qcow2'/></target></volume>"
)


class Mixed(NamedTuple):
    """What was done, and what the daemon held after a tenth of the time and at the end."""

    done: Counter[str]
    took_s: float
    rss_kib: tuple[int, int]
    descriptors: tuple[int, int]


class Client:
    """One connection and its calls, several of them at any moment."""

    def __init__(self, number: int, done: Counter[str], until: float) -> None:
        self.number = number
        self.random = random.Random(number)
        self.done = done
        self.until = until
        self.made = 0

    async def run(self, uri: str, at_once: int) -> None:
        async with virtory.connect(uri) as self.host:
            self.pool = await self.host.storage_pool("mixed")
            self.shared = await self.host.domain("mixed")
            await asyncio.gather(*(self._calls() for _ in range(at_once)))

    async def _calls(self) -> None:
        asked = [
            ("hostname", lambda: self.host.hostname()),
            ("list", lambda: self.host.list_domains()),
            ("stats", lambda: self.host.domain_stats()),
            ("info", lambda: self.shared.info()),
            ("xml", lambda: self.shared.xml()),
            ("networks", lambda: self.host.list_networks()),
            ("pools", lambda: self.host.list_storage_pools()),
            ("volumes", lambda: self.pool.volumes()),
            ("snapshots", lambda: self.shared.snapshots()),
            ("capabilities", lambda: self.host.capabilities()),
            ("node devices", lambda: self.host.list_node_devices()),
        ]
        changed = [("define", self._define), ("volume", self._volume), ("start", self._start)]
        while time.monotonic() < self.until:
            often = self.random.random()
            name, call = self.random.choice(changed if often < 0.05 else asked)
            await call()
            self.done[name] += 1

    def _name(self) -> str:
        self.made += 1
        return f"m{self.number}-{self.made}"

    async def _define(self) -> None:
        domain = await self.host.define_domain(XML.format(self._name()))
        await domain.set_autostart(True)
        await domain.undefine()

    async def _volume(self) -> None:
        volume = await self.pool.create_volume(VOLUME.format(self._name()))
        await volume.info()
        await volume.delete()

    async def _start(self) -> None:
        if self.random.random() < 0.2:
            domain = await self.host.create_domain(XML.format(self._name()))
            await domain.suspend()
            await domain.destroy()


async def mixed_calls(
    daemon: DaemonProcess, seconds: float, clients: int = 50, at_once: int = 6
) -> Mixed:
    """So many clients with so many calls each at once, for that long."""
    done: Counter[str] = Counter()
    begun = time.monotonic()
    async with virtory.connect(daemon.uri) as host:
        shared = await host.define_domain(XML.format("mixed"))
        await shared.start()
        directory = daemon.directory / "mixed"
        directory.mkdir()
        pool = await host.define_storage_pool(POOL.format("mixed", directory))
        await pool.start()
        crowd = [Client(number, done, begun + seconds) for number in range(clients)]
        running: list[asyncio.Task[Any]] = [
            asyncio.create_task(client.run(daemon.uri, at_once)) for client in crowd
        ]
        await asyncio.wait(running, timeout=seconds / 10, return_when=asyncio.FIRST_EXCEPTION)
        early = daemon.status("VmRSS"), len(daemon.descriptors())
        await asyncio.gather(*running)
        late = daemon.status("VmRSS")
        await shared.destroy()
        await shared.undefine()
        await pool.destroy()
        await pool.undefine()
    return Mixed(
        done, time.monotonic() - begun, (early[0], late), (early[1], len(daemon.descriptors()))
    )
