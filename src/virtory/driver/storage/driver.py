"""The storage driver: all pools and volumes of this daemon.

The rule kept here: what has been defined or started is on disk before it is announced; a daemon
that starts again finds each pool as it was, but after a reboot only what is defined.
"""

from __future__ import annotations

import asyncio
import json
import logging
from threading import Event
from typing import TYPE_CHECKING, Any

from virtory.driver.storage import wiping
from virtory.driver.storage.backend import backend_of
from virtory.driver.storage.contents import Contents
from virtory.driver.storage.pools import Pools
from virtory.driver.storage.table import Pool, PoolTable
from virtory.driver.storage.usage import Usage, nobody
from virtory.driver.store import ForgetIntent
from virtory.errors import VirtoryError
from virtory.model.storage_pool import parse_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from virtory.driver.bus import Bus
    from virtory.driver.storage.backend import Backend, Keeper
    from virtory.driver.storage.table import Volume
    from virtory.driver.storage.usage import Users
    from virtory.driver.store import Intent, ObjectRow

_log = logging.getLogger(__name__)


class Storage(Pools, Contents):
    """Pools, and the volumes in them."""

    def __init__(
        self,
        store: Keeper,
        bus: Bus,
        users: Users = nobody,
        backends: Callable[[str], Backend] = backend_of,
    ) -> None:
        super().__init__(PoolTable(), store, bus, backends)
        self._usage = Usage(self._table, users, backends)
        self._ending = Event()
        self._wipes: set[asyncio.Task[None]] = set()

    def load(self, rows: Sequence[ObjectRow]) -> None:
        """Know again what was defined or ran; what can not be understood is logged and kept."""
        for row in rows:
            try:
                extra = json.loads(row.extra)
                pool = Pool(parse_pool(row.xml), persistent=extra["persistent"])
                if extra.get("live") is not None:
                    pool.redefinition, pool.definition = pool.definition, parse_pool(extra["live"])
                pool.autostart = extra["autostart"]
                pool.starting = extra.get("boot") == self.boot
            except (VirtoryError, ValueError, KeyError) as error:
                _log.error("storage pool '%s' can not be understood: %s", row.name, error)
            else:
                self._table.add(pool)

    async def resume(self, *, autostart: bool) -> None:
        """Take up again what ran when the last daemon ended; start what starts by itself."""
        for pool in self._table:
            ran, pool.starting = pool.starting, False
            if ran or (autostart and pool.autostart):
                try:
                    await self._resumed(pool, ran=ran)
                except VirtoryError as error:
                    _log.error("storage pool '%s' could not be started: %s", pool.name, error)
            if not pool.persistent and not pool.active:
                await self._forget(pool)

    async def _resumed(self, pool: Pool, *, ran: bool) -> None:
        backend = self._backend(pool.definition.type)
        if ran and not await asyncio.to_thread(backend.is_started, pool.definition):
            await self._stopped(pool)
            return
        if not ran:
            await asyncio.to_thread(backend.start, pool.definition)
        await self._look(pool)
        pool.active = True
        if not ran:
            await self._save(pool)

    # -- wipes that an earlier daemon began ----------------------------------------------------
    def go_on_wiping(self, intents: Sequence[Intent]) -> None:
        """Finish them beside all else; until then nobody else has these volumes."""
        for intent in intents:
            step = json.loads(intent.step)
            volumes = [volume for _, volume in self._all() if volume.path == step["path"]]
            for volume in volumes:
                volume.users += 1
            task = asyncio.get_running_loop().create_task(self._wiped(intent, step, volumes))
            self._wipes.add(task)
            task.add_done_callback(self._wipes.discard)

    async def _wiped(self, intent: Intent, step: dict[str, Any], volumes: list[Volume]) -> None:
        try:
            await asyncio.to_thread(wiping.go_on, step, self._ending)
        except wiping.Interrupted:
            return
        except VirtoryError as error:
            _log.error("the wipe of '%s' was cut off and can not be ended: %s", step["path"], error)
        finally:
            for volume in volumes:
                volume.users -= 1
        await self._store.save(ForgetIntent(intent.key))

    async def idle(self) -> None:
        """Wait until they are finished."""
        if self._wipes:
            await asyncio.wait(self._wipes)

    async def end(self) -> None:
        """Let wipes stop where they are, for the next daemon to go on."""
        self._ending.set()
        await self.idle()
