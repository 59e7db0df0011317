"""The storage driver: all pools and volumes of this daemon.

The rule kept here: what has been defined or started is on disk before it is announced; a daemon
that starts again finds each pool as it was, but after a reboot only what is defined.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

from virtory.driver.storage.contents import Contents
from virtory.driver.storage.pools import Pools
from virtory.driver.storage.table import Pool, PoolTable
from virtory.errors import VirtoryError
from virtory.model.storage_pool import parse_pool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.bus import Bus
    from virtory.driver.storage.backend import Keeper
    from virtory.driver.store import ObjectRow

_log = logging.getLogger(__name__)


class Storage(Pools, Contents):
    """Pools, and the volumes in them."""

    def __init__(self, store: Keeper, bus: Bus) -> None:
        super().__init__(PoolTable(), store, bus)

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
