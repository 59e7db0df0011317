"""Starting and stopping networks, and finding running ones again.

The rule kept here: the plan is on disk before anything in it is taken, and the new state is on disk
before it is told; whatever goes wrong in between, `release` leaves nothing behind. `checkpoint`
names each step, so that a test can end the daemon there.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
from typing import TYPE_CHECKING

from virtory.driver.boot import boot_id
from virtory.driver.network import servers
from virtory.driver.network.leases import Leases
from virtory.driver.network.plan import NetworkPlan
from virtory.driver.store import ForgetObject
from virtory.errors import (
    FROM_NETWORK,
    ConfigUnsupported,
    InternalError,
    OperationInvalid,
    VirtoryError,
)
from virtory.model.events import NetworkLifecycle
from virtory.model.values import Mac, Uuid

if TYPE_CHECKING:
    from virtory.driver.network.choice import Surroundings
    from virtory.driver.network.leases import Lease
    from virtory.driver.network.networks import Networks
    from virtory.driver.network.table import Entry
    from virtory.driver.store import Change
    from virtory.model.network import Network

_log = logging.getLogger(__name__)
DEFINED, UNDEFINED, STARTED, STOPPED = range(4)


def plan_of(network: Network, entry: Entry, networks: Networks, here: Surroundings) -> NetworkPlan:
    """What starting the network takes; looks at the host, takes nothing."""
    from virtory.driver.network import dnsmasq, firewall
    from virtory.driver.network.limits import table_of
    from virtory.model.network.addresses import host_address, route_subnet

    name = network.bridge.name if network.bridge is not None else None
    directory = os.path.join(networks.directory, str(Uuid.of_bytes(entry.uuid)))
    if not network.is_ours:
        return NetworkPlan(name or "", "", directory, boot_id(), made=False)
    assert name is not None and network.bridge is not None
    _refuse_clashes(network, name, networks, here)
    addresses = [host_address(ip) for ip in network.ips]
    routes = [(route_subnet(route), route) for route in network.routes]
    ruled = network.mode != "open"
    purpose = f"network '{network.name}'"
    if ruled:
        firewall.find_program("nft", "nftables", purpose)
    return NetworkPlan(
        bridge=name,
        mac=str(network.mac.address if network.mac is not None else Mac.random()),
        directory=directory,
        boot=boot_id(),
        stp=network.bridge.stp is not False,
        delay_s=network.bridge.delay or 0,
        mtu=None if network.mtu is None else network.mtu.size,
        addresses=tuple((str(each.ip), each.network.prefixlen) for each in addresses),
        routes=tuple(
            (str(where.network_address), where.prefixlen, route.gateway, route.metric)
            for where, route in routes
        ),
        ipv6=bool(network.ipv6) or any(each.version == 6 for each in addresses),
        forwards=_forwards(network, here),
        table=table_of(name) if ruled else None,
        limited=network.bandwidth is not None,
        foreign=firewall.others(firewall.survey()) if ruled else (),
        dnsmasq=firewall.find_program("dnsmasq", "dnsmasq-base", purpose)
        if dnsmasq.wanted(network)
        else None,
    )


def _refuse_clashes(network: Network, name: str, networks: Networks, here: Surroundings) -> None:
    from virtory.driver.network import choice

    if any(link.name == name for link in here.links):
        raise InternalError(
            f"bridge name '{name}' already in use: the host has a device '{name}'",
            cure="give the network another bridge name",
            domain=FROM_NETWORK,
        )
    choice.refuse_overlap(network, name, here, networks.owner_of)


def _forwards(network: Network, here: Surroundings) -> tuple[str, ...]:
    """The families whose forwarding the network needs; refused where the host would lose routes."""
    from virtory.driver.network import choice
    from virtory.model.network.addresses import subnets

    if network.forward is None:
        return ()
    families = sorted({f"ipv{subnet.version}" for subnet in subnets(network)})
    if "ipv6" in families and (lost := choice.routes_lost_with_ipv6(here)):
        raise ConfigUnsupported(
            f"network '{network.name}' needs IPv6 forwarding, and with it the host would lose the"
            f" routes that it learns on {', '.join(lost)}",
            cure=f"sudo sysctl net.ipv6.conf.{lost[0]}.accept_ra=2",
            domain=FROM_NETWORK,
        )
    return tuple(families)


async def start(networks: Networks, entry: Entry) -> None:
    """Start the network; when it returns it runs, saved and announced. Its lock is held."""
    if entry.active:
        raise OperationInvalid("network is already active", domain=FROM_NETWORK)
    network = entry.network(inactive=True)
    await asyncio.shield(asyncio.ensure_future(_start(networks, entry, network)))


async def start_transient(networks: Networks, entry: Entry, network: Network) -> None:
    """Start a network from a description that is not kept, or not the one that is; as `start`."""
    if entry.active:
        raise OperationInvalid(f"network is already active as '{entry.name}'", domain=FROM_NETWORK)
    await asyncio.shield(asyncio.ensure_future(_start(networks, entry, network)))


async def _start(networks: Networks, entry: Entry, network: Network) -> None:
    from virtory.driver.network import choice
    from virtory.model.network import format_network

    network = with_nat_ports(network)
    async with networks.starting:
        here = await asyncio.to_thread(choice.surroundings)
        plan = await asyncio.to_thread(plan_of, network, entry, networks, here)
        entry.plan, entry.live = plan, format_network(network)
        await _take(networks, entry, network, plan)
    networks.checkpoint("net-saved")
    listen(networks, entry)
    networks.watch()
    networks.bus.publish(NetworkLifecycle(entry.ref, STARTED, 0))


async def _take(networks: Networks, entry: Entry, network: Network, plan: NetworkPlan) -> None:
    """Take what is planned, with nothing left of it on an error."""
    from virtory.driver.network import resources

    try:
        await networks.store.save(entry.row())
        networks.checkpoint("net-planned")
        await asyncio.to_thread(resources.acquire, network, plan, networks.checkpoint)
        await asyncio.to_thread(networks.plug_in_again, entry, plan)
        entry.active = True
        await networks.store.save(entry.row())
    except BaseException:
        entry.active = False
        await asyncio.to_thread(resources.release, plan)
        entry.plan = entry.live = None
        with contextlib.suppress(Exception):
            await networks.store.save(_row_after(entry))
        raise


def with_nat_ports(network: Network) -> Network:
    """A running network says which source ports it gives out, chosen or not."""
    from virtory.model.network.network import Nat, NatPorts

    forward = network.forward
    if forward is None or forward.mode != "nat":
        return network
    nat = forward.nat or Nat()
    if nat.port is not None:
        return network
    nat = dataclasses.replace(nat, port=NatPorts(start=1024, end=65535))
    return dataclasses.replace(network, forward=dataclasses.replace(forward, nat=nat))


async def stop(networks: Networks, entry: Entry) -> None:
    """Stop the network: nothing of it is left, and it is announced."""
    async with entry.lock:
        if not entry.active or entry.plan is None:
            raise OperationInvalid(f"network '{entry.name}' is not active", domain=FROM_NETWORK)
        await asyncio.shield(asyncio.ensure_future(_stop(networks, entry, entry.plan)))


async def _stop(networks: Networks, entry: Entry, plan: NetworkPlan) -> None:
    from virtory.driver.network import resources

    entry.active = False
    try:
        await networks.store.save(entry.row())  # from here on the next daemon goes on releasing
        networks.checkpoint("net-stopping")
        deafen(entry)
        await asyncio.to_thread(resources.release, plan)
    except BaseException:
        entry.active = True  # what is left of it can be destroyed again
        listen(networks, entry)
        with contextlib.suppress(VirtoryError):
            await networks.store.save(entry.row())
        raise
    networks.checkpoint("net-released")
    entry.plan = entry.live = None
    entry.ports.clear()
    networks.watch()
    await networks.store.save(_row_after(entry))
    if entry.definition is None:
        networks.table.remove(entry)
    networks.bus.publish(NetworkLifecycle(entry.ref, STOPPED, 0))


def _row_after(entry: Entry) -> Change:
    from virtory.driver.network.table import KIND

    return entry.row() if entry.definition is not None else ForgetObject(KIND, entry.uuid)


# -- leases --------------------------------------------------------------------------------------


def listen(networks: Networks, entry: Entry) -> None:
    """Hear of the network's leases from now on."""
    if entry.plan is not None and entry.plan.dnsmasq is not None:

        def changed(lease: Lease, valid: bool) -> None:
            networks.lease_changed(entry, lease, valid)

        deafen(entry)
        entry.leases = Leases(entry.plan, changed)
        entry.leases.listen()
        servers.watch(networks, entry)


def deafen(entry: Entry) -> None:
    """Hear no more of them, nor of their server's end."""
    servers.unwatch(entry)
    if entry.leases is not None:
        entry.leases.close()
        entry.leases = None


# -- after a restart -----------------------------------------------------------------------------


async def restore_rules(networks: Networks) -> None:
    """After somebody changed the host's packet rules: what is missing of ours is put back."""
    from virtory.driver.network import firewall

    chains = await asyncio.to_thread(firewall.survey)
    for entry in networks.table:
        async with entry.lock:
            plan = entry.plan
            if not entry.active or plan is None or plan.table is None:
                continue
            if await asyncio.to_thread(firewall.is_complete, plan, chains):
                continue
            entry.plan = plan.with_foreign(firewall.others(chains))
            try:
                await networks.store.save(entry.row())
                await asyncio.to_thread(firewall.apply, entry.network(), entry.plan)
                _log.info("the packet rules of network '%s' are in force again", entry.name)
            except VirtoryError as error:
                now = firewall.others(await asyncio.to_thread(firewall.survey))
                if now == entry.plan.foreign:  # else they have changed again, which is told, too
                    _log.error("the rules of network '%s' stay incomplete: %s", entry.name, error)


async def find_again(networks: Networks, entry: Entry) -> None:
    """Take up a network that an earlier daemon started, or clear up behind it.

    One that runs goes on running; parts that are missing (its dnsmasq was killed, its rules were
    flushed) are made again. One whose bridge is gone, by a reboot or another's hand, is off.
    """
    from virtory.driver.network import resources

    plan = entry.plan
    if plan is None:
        return
    same_boot = plan.boot == boot_id()
    if (
        entry.active
        and same_boot
        and (not plan.made or await asyncio.to_thread(resources.has_bridge, plan))
    ):
        network = entry.network()
        try:
            await asyncio.to_thread(resources.make_whole, network, plan)
        except Exception as error:
            _log.error("network '%s' can not be made whole again: %s", entry.name, error)
        listen(networks, entry)
        return
    await asyncio.to_thread(resources.clear, plan)
    entry.active, entry.plan, entry.live = False, None, None
    entry.ports.clear()
    await networks.store.save(_row_after(entry))
    if entry.definition is None:
        networks.table.remove(entry)
