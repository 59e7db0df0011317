"""A daemon with the in-memory driver, and clients that see every byte's meaning."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from virtory.daemon.config import Config
from virtory.daemon.places import Places
from virtory.daemon.server import Server
from virtory.driver.memory.driver import MemoryDriver
from virtory.link import memory
from virtory.link.unix import UnixLink
from virtory.wire import remote  # noqa: F401  # the package, so that `find` can load its files
from virtory.wire.incoming import (
    Event,
    Failure,
    Reply,
    StreamAborted,
    StreamData,
    StreamFinished,
    StreamHole,
)
from virtory.wire.remote import connect
from virtory.wire.session import CLIENT, Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from virtory.link.link import Link

XML = """<domain type='test'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>2</vcpu>
<os><type>hvm</type></os><devices><console type='pty'/>
<disk type='file' device='disk'><source file='/{name}.img'/><target dev='vda' bus='virtio'/></disk>
</devices></domain>"""


class Client:
    """The other end of one connection: a session in the client's role and what came out of it."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.session = link.session
        self.events: deque[Event] = deque()
        self.order: list[str] = []
        self.streamed: dict[int, bytearray] = {}
        self.ended: dict[int, Any] = {}
        self.holes = 0
        self.lost: Any = None
        self.gone = asyncio.Event()
        self._replies: dict[int, asyncio.Future[Reply]] = {}
        self._changed = asyncio.Event()
        link.start(self._on_incoming, self._on_lost)

    def send(self, procedure: Any, args: Any = None, fds: tuple[int, ...] = ()) -> int:
        """Ask without waiting; the call's serial."""
        serial = self.session.call(procedure, args, fds)
        self._replies[serial] = asyncio.get_running_loop().create_future()
        self.link.flush()
        return serial

    async def reply(self, serial: int) -> Reply:
        return await self._replies[serial]

    async def call(self, procedure: Any, args: Any = None, fds: tuple[int, ...] = ()) -> Any:
        return (await self.reply(self.send(procedure, args, fds))).ret

    async def open(self, uri: str | None = "test:///default", flags: int = 0) -> Client:
        await self.call(connect.CONNECT_OPEN, connect.ConnectOpenArgs(uri, flags))
        return self

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until what arrived makes the condition true."""
        while not condition():
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 60)

    def close(self) -> None:
        self.link.close()

    def _on_incoming(self, values: list[Any]) -> None:
        for value in values:
            if isinstance(value, Reply):
                self.order.append(value.procedure.name)
                self._replies[value.serial].set_result(value)
            elif isinstance(value, Failure):
                self._replies[value.serial].set_exception(value.error)
            elif isinstance(value, Event):
                self.order.append(value.procedure.name)
                self.events.append(value)
            elif isinstance(value, StreamData):
                self.streamed.setdefault(value.serial, bytearray()).extend(value.data)
                if not value.data:
                    self.ended[value.serial] = "end of data"
            elif isinstance(value, StreamHole):
                self.holes += value.length
                self.streamed.setdefault(value.serial, bytearray()).extend(bytes(value.length))
            elif isinstance(value, StreamFinished):
                self.ended[value.serial] = "finished"
            elif isinstance(value, StreamAborted):
                self.ended[value.serial] = value.error or "aborted"
        self._changed.set()

    def _on_lost(self, error: Any) -> None:
        self.lost = error
        for future in self._replies.values():
            if not future.done():
                future.cancel()
        self.session.end(error) if error else None
        self.gone.set()
        self._changed.set()


class Daemon:
    """A server under test, and whoever is connected to it."""

    def __init__(self, server: Server, directory: Path) -> None:
        self.server = server
        self.driver = server.driver
        self.directory = directory
        self.socket = str(directory / "sock")
        self.clients: list[Client] = []

    def connect(self, *, read_only: bool = False) -> Client:
        """A client over a pair of links in memory; not opened yet."""
        mine, theirs = memory.pair(Session(CLIENT), self.server.session())
        self.server.serve(theirs, read_only=read_only)
        self.clients.append(Client(mine))
        return self.clients[-1]

    async def open(self, *, read_only: bool = False) -> Client:
        return await self.connect(read_only=read_only).open()

    async def connect_unix(self, *, read_only: bool = False) -> Client:
        """A client over the daemon's socket; not opened yet."""
        import socket

        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        path = f"{self.socket}-ro" if read_only else self.socket
        await asyncio.get_running_loop().sock_connect(sock, path)
        self.clients.append(Client(UnixLink(sock, Session(CLIENT))))
        return self.clients[-1]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Let the loop turn until the condition holds; for what only the server sees."""
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.001)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> logging.Logger:
    caplog.set_level(logging.DEBUG, logger="virtory.test")
    return logging.getLogger("virtory.test")


@pytest.fixture
def start_daemon(log: logging.Logger, tmp_path: Path) -> Callable[..., Awaitable[Daemon]]:
    """Start a daemon, with another driver or configuration when asked; the test stops it."""

    async def start(driver: Any = None, config: Config | None = None) -> Daemon:
        server = Server(driver or MemoryDriver(), config or Config(), log, private=True)
        daemon = Daemon(server, tmp_path)
        places = Places(str(tmp_path), daemon.socket, f"{daemon.socket}-ro", [], False)
        await server.start(places)
        return daemon

    return start


@pytest.fixture
async def daemon(start_daemon: Callable[..., Awaitable[Daemon]]) -> AsyncIterator[Daemon]:
    started = await start_daemon()
    before = len(os.listdir("/proc/self/fd"))
    yield started
    for client in started.clients:
        client.close()
    await started.until(lambda: not started.server.peers)
    await started.server.stop()
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.fixture
def xml() -> Callable[[str], str]:
    """A small domain's definition by name."""
    return lambda name: XML.format(name=name)
