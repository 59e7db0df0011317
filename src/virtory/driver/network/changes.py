"""Changing a network while it runs, its metadata, and who has which address.

The rule kept here: a change that can not be put in force changes nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from virtory.driver.interface.network import DhcpLease
from virtory.driver.known_flags import refuse_unknown
from virtory.errors import FROM_NETWORK, OperationInvalid, VirtoryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.network.leases import Lease
    from virtory.driver.network.table import Entry, NetworkTable
    from virtory.driver.store import Store
    from virtory.model.network import Network

LIVE, CONFIG = 1, 2


class Changes:
    """The part of the driver that changes networks."""

    table: NetworkTable
    store: Store
    listen: Callable[[Entry], None]
    deafen: Callable[[Entry], None]

    async def update(
        self, uuid: bytes, command: int, section: int, parent_index: int, xml: str, flags: int
    ) -> None:
        """`command` and `section` are those of virNetworkUpdateCommand and -Section."""
        from virtory.model.network.update import updated

        refuse_unknown(flags, LIVE | CONFIG, "networkUpdate")
        entry = self.table.get(uuid)
        async with entry.lock:
            live, config = _affected(entry, flags)
            network = changed = definition = None
            if config:
                definition = updated(
                    entry.network(inactive=True), command, section, parent_index, xml
                )
            if live:
                network = entry.network()
                changed = updated(network, command, section, parent_index, xml)
            if network is not None and changed is not None:
                await self._put_in_force(entry, network, changed)
            if definition is not None:
                await self.keep(entry, definition)

    async def _put_in_force(self, entry: Entry, former: Network, changed: Network) -> None:
        """The saved description first: a daemon that comes after a crash makes it true."""
        from virtory.driver.network import resources

        before = entry.live, entry.plan
        self._set_live(entry, changed)
        try:
            await self.store.save(entry.row())
        except VirtoryError:
            entry.live, entry.plan = before
            raise
        plan = entry.plan
        if plan is None or not plan.made:
            return
        self.deafen(entry)
        try:
            await asyncio.to_thread(resources.change, former, changed, plan)
        except BaseException:
            entry.live, entry.plan = before
            await self.store.save(entry.row())
            if before[1] is not None:
                await asyncio.to_thread(resources.change, changed, former, before[1])
            raise
        finally:
            self.listen(entry)

    def _set_live(self, entry: Entry, network: Network) -> None:
        from virtory.driver.network import dnsmasq, firewall
        from virtory.model.network import format_network

        plan = entry.plan
        if plan is not None and plan.made and plan.dnsmasq is None and dnsmasq.wanted(network):
            purpose = f"network '{entry.name}'"
            path = firewall.find_program("dnsmasq", "dnsmasq-base", purpose)
            entry.plan = dataclasses.replace(plan, dnsmasq=path)
        entry.live = format_network(network)

    async def keep(self, entry: Entry, network: Network) -> None:
        """Save a definition; on an error the former one stays."""
        from virtory.model.network import format_network

        former = entry.definition, entry.is_own_default
        entry.definition, entry.is_own_default = format_network(network), False
        try:
            await self.store.save(entry.row())
        except VirtoryError:
            entry.definition, entry.is_own_default = former
            raise

    def dhcp_leases(self, uuid: bytes, mac: str | None, flags: int) -> list[DhcpLease]:
        refuse_unknown(flags, 0, "networkGetDHCPLeases")
        return [
            DhcpLease(
                bridge,
                lease.expires,
                int(lease.family == 6),
                lease.mac,
                lease.iaid,
                lease.address,
                prefix,
                lease.hostname,
                lease.client_id,
            )
            for lease, bridge, prefix in leases_of(self.table.get(uuid), mac)
        ]


def leases_of(entry: Entry, mac: str | None) -> list[tuple[Lease, str, int]]:
    """The valid leases of a running network, of one MAC or of all."""
    if entry.leases is None or entry.plan is None:
        return []
    prefixes = {6 if ":" in address else 4: prefix for address, prefix in entry.plan.addresses}
    return [
        (lease, entry.plan.bridge, prefixes.get(lease.family, 0))
        for lease in entry.leases.valid(None if mac is None else mac.lower())
    ]


def _affected(entry: Entry, flags: int) -> tuple[bool, bool]:
    """Whether the running network and the definition are meant; no flag: what there is now."""
    live, config = bool(flags & LIVE), bool(flags & CONFIG)
    if not flags:
        live, config = entry.active, not entry.active
    if live and not entry.active:
        raise OperationInvalid("network is not running", domain=FROM_NETWORK)
    if config and entry.definition is None:
        raise OperationInvalid(
            "can't change the persistent config of a transient network", domain=FROM_NETWORK
        )
    return live, config
