"""Watching the dnsmasq of each running network: one that ends by itself is started again.

The rule kept here: it is told by a pidfd, never asked for. One that ends again at once has a reason
that another start does not cure: that is said, and it is left.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from virtory.errors import VirtoryError

if TYPE_CHECKING:
    from virtory.driver.network.networks import Networks
    from virtory.driver.network.table import Entry

_log = logging.getLogger(__name__)
_AT_ONCE_S = 10.0


def watch(networks: Networks, entry: Entry) -> None:
    """Hear of its end from now on."""
    from virtory.driver.network import resources
    from virtory.driver.qemu.process import Process

    unwatch(entry)
    if entry.plan is None or entry.plan.dnsmasq is None:
        return
    identity = resources.serving(entry.plan)
    if identity is None:
        networks.run(_revive(networks, entry))
        return

    def ended(_: int | None) -> None:
        entry.server = None
        networks.run(_revive(networks, entry))

    try:
        entry.server = Process(identity, ended)
    except OSError:  # just now
        networks.run(_revive(networks, entry))


def unwatch(entry: Entry) -> None:
    """Its end is expected, or of no interest any more."""
    if entry.server is not None:
        entry.server.release()
        entry.server = None


async def _revive(networks: Networks, entry: Entry) -> None:
    from virtory.driver.network import resources

    async with entry.lock:
        if not entry.active or entry.plan is None or entry.server is not None:
            return
        now = time.monotonic()
        if entry.revived is not None and now - entry.revived < _AT_ONCE_S:
            _log.error(
                "dnsmasq of network '%s' ends again and again: guests on it get no addresses. Its "
                "words are in the system's log; then: virtory net-destroy, net-start",
                entry.name,
            )
            return
        entry.revived = now
        _log.info("dnsmasq of network '%s' has ended and is started again", entry.name)
        try:
            await asyncio.to_thread(resources.make_whole, entry.network(), entry.plan)
        except (VirtoryError, OSError) as error:
            _log.error("dnsmasq of network '%s' can not be started again: %s", entry.name, error)
            return
        watch(networks, entry)
