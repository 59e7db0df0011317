"""The storage driver on a state and directories of its own, started anew when a test wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from virtory.driver.bus import Bus
from virtory.driver.journal import Journal, Mending
from virtory.driver.storage import unnamed, wiping
from virtory.driver.storage.backend import backend_of
from virtory.driver.storage.driver import Storage
from virtory.driver.store import Store
from virtory.model import events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from virtory.driver.storage.backend import Backend

POOL = "<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"


class Host:
    """One daemon's storage; `again` is the next daemon on the same state."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.told: list[Any] = []
        self._open(backend_of)

    def _open(self, backends: Callable[[str], Backend]) -> None:
        self.store = Store(str(self.directory / "state"))
        self.loaded = self.store.load()
        self.bus = Bus()
        self.bus.listen(self.told.append, events.StoragePoolEvent)
        self.storage = Storage(self.store, self.bus, backends=backends)

    async def again(
        self,
        *,
        booted: bool = False,
        boot: str | None = None,
        backends: Callable[[str], Backend] = backend_of,
    ) -> Storage:
        await self.end()
        self._open(backends)
        if boot is not None:
            self.storage.boot = boot
        wipes = [intent for intent in self.loaded.intents if intent.kind == wiping.KIND]
        others = [intent for intent in self.loaded.intents if intent.kind != wiping.KIND]
        await Mending(Journal(self.store), {unnamed.KIND: unnamed.mend}).recover(others)
        self.storage.load([row for row in self.loaded.objects if row.kind == "pool"])
        await self.storage.resume(autostart=booted)
        self.storage.go_on_wiping(wipes)
        return self.storage

    async def end(self) -> None:
        """Stop, as a daemon does."""
        await self.storage.end()
        self.store.close()

    async def pool(self, name: str = "p", *, path: Path | None = None) -> bytes:
        """A running pool's UUID."""
        path = path or self.directory / name
        xml = POOL.format(name=name, path=path)
        uuid = (await self.storage.define_pool(xml, 0)).uuid
        await self.storage.build_pool(uuid, 0)
        await self.storage.start_pool(uuid, 0)
        return uuid

    async def volume(
        self, pool: bytes, name: str, size: int = 1 << 20, format: str = "raw", more: str = ""
    ) -> Any:
        xml = (
            f"<volume><name>{name}</name><capacity>{size}</capacity><allocation>0</allocation>"
            f"<target><format type='{format}'/></target>{more}</volume>"
        )
        return await self.storage.create_volume(pool, xml, 0)

    def names(self, pool: bytes) -> list[str]:
        return sorted(ref.name for ref in self.storage.list_volumes(pool, 0))


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    (tmp_path / "state").mkdir()
    host = Host(tmp_path)
    yield host
    await host.end()
