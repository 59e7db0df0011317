"""A daemon with a host in memory, in a thread of the test's own process."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

from virtory.daemon.config import Config
from virtory.daemon.places import Places
from virtory.daemon.server import Server
from virtory.driver.memory.driver import MemoryDriver

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

LOG = logging.getLogger("virtory.test")


class DaemonThread:
    """`with DaemonThread(directory) as daemon:` serves one fresh host, whose time stands still."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.socket = str(directory / "sock")
        self.uri = f"test+unix:///default?socket={self.socket}"
        self._directory = str(directory)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> DaemonThread:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(60)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.driver = MemoryDriver(clock=lambda: 0.0, time_ns=lambda: 1_700_000_000_000_000_000)
        server = Server(self.driver, Config(), LOG, private=True)
        places = Places(self._directory, self.socket, f"{self.socket}-ro", [], False)
        await server.start(places)
        self._ready.set()
        await self._ended.wait()
        await server.stop()
