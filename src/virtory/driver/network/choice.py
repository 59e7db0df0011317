"""Choosing what a network's description leaves open: a bridge's name, MAC, a free subnet.

The rule kept here: choosing takes nothing. What the host has comes in as a `Surroundings` value,
read once.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import socket
from typing import TYPE_CHECKING, Any, NamedTuple

from virtory.driver.network.netlink import Netlink
from virtory.errors import FROM_NETWORK, InternalError, SystemCallFailed
from virtory.model.values import Mac, Uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from virtory.driver.network.netlink import Link, Route
    from virtory.model.network import Network
    from virtory.model.network.addresses import Subnet

BRIDGE = "virbr"
_KERNEL = 2
_MOST = 1000


class Surroundings(NamedTuple):
    """What of the host a choice depends on."""

    links: tuple[Link, ...]
    routes: tuple[Route, ...]

    def device(self, index: int) -> str:
        """The name of a device by its number."""
        return next((link.name for link in self.links if link.number == index), f"#{index}")


def surroundings() -> Surroundings:
    """The host as it is now; takes a millisecond."""
    try:
        with Netlink() as netlink:
            return Surroundings(tuple(netlink.links()), tuple(netlink.routes()))
    except OSError as error:
        raise SystemCallFailed(
            f"cannot read the host's links and routes: {error.strerror}",
            errno=error.errno,
            domain=FROM_NETWORK,
        ) from None


def with_identity(network: Network, bridges: Iterable[str], here: Surroundings) -> Network:
    """The same with a UUID, and for a network of ours with a bridge's name and MAC."""
    from virtory.model.network.network import Bridge, ForwardInterface, NetworkMac

    changes: dict[str, Any] = {"connections": None}
    if network.uuid is None:
        changes["uuid"] = Uuid.random()
    if network.is_ours:
        bridge = network.bridge or Bridge()
        if bridge.name is None or "%d" in bridge.name:
            taken = {*bridges, *(link.name for link in here.links)}
            bridge = dataclasses.replace(bridge, name=free_bridge(taken, bridge.name))
        changes["bridge"] = dataclasses.replace(
            bridge,
            stp=True if bridge.stp is None else bridge.stp,
            delay=0 if bridge.delay is None else bridge.delay,
        )
        if network.mac is None:
            changes["mac"] = NetworkMac(address=Mac.random())
    forward = network.forward
    if forward is not None and forward.mode == "none":
        changes["forward"] = None
    elif forward is not None and forward.pf is None:
        devices = [each.dev for each in forward.interfaces]
        if forward.dev is not None and forward.dev not in devices:
            row = (ForwardInterface(dev=forward.dev), *forward.interfaces)
            changes["forward"] = dataclasses.replace(forward, interfaces=row)
        elif devices:
            changes["forward"] = dataclasses.replace(forward, dev=devices[0])
    return dataclasses.replace(network, **changes)


def free_bridge(taken: set[str], pattern: str | None = None) -> str:
    """The first name of the pattern (`virbr%d`) that is not taken."""
    pattern = pattern or f"{BRIDGE}%d"
    for number in range(_MOST):
        name = pattern.replace("%d", str(number), 1)
        if name not in taken:
            return name
    raise InternalError(f"Bridge generation exceeded max id {_MOST - 1}", domain=FROM_NETWORK)


def free_subnet(here: Surroundings, others: Iterable[Subnet]) -> Subnet | None:
    """The first of 192.168.122.0/24 … 192.168.254.0/24 that nobody here has; None: none is."""
    taken = list(others)
    for third in range(122, 255):
        candidate = ipaddress.ip_network(f"192.168.{third}.0/24")
        if is_free(candidate, here) and not any(_overlap(each, candidate) for each in taken):
            return candidate
    return None


def is_free(subnet: Subnet, here: Surroundings) -> bool:
    """Whether no route of the host leads into or over the subnet."""
    return not any(_overlap(theirs, subnet) for theirs, _ in _routed(here))


def _overlap(one: Subnet, other: Subnet) -> bool:
    return one.version == other.version and one.overlaps(other)


def _routed(here: Surroundings) -> Iterable[tuple[Subnet, Route]]:
    for route in here.routes:
        if route.destination is None or route.prefix == 0 or route.destination.startswith("fe80:"):
            continue
        yield ipaddress.ip_network(f"{route.destination}/{route.prefix}", strict=False), route


def refuse_overlap(
    network: Network, bridge: str, here: Surroundings, owner: Callable[[str], str | None]
) -> None:
    """InternalError when a subnet of the network is on a device of the host already.

    Args:
        network: what is to be started.
        bridge: its own bridge, which does not count.
        here: the host.
        owner: which network of ours has a device; None: none.
    """
    from virtory.model.network.addresses import subnets

    for mine in subnets(network):
        for theirs, route in _routed(here):
            device = here.device(route.device)
            inside = theirs.prefixlen >= mine.prefixlen or route.protocol == _KERNEL
            if device != bridge and inside and _overlap(theirs, mine):
                other = owner(device)
                whose = f"interface {device}"
                raise InternalError(
                    f"Network is already in use by {whose}: {mine} of network '{network.name}' "
                    f"overlaps {theirs} of " + (f"network '{other}'" if other else whose),
                    cure="give the network another subnet, such as "
                    f"{free_subnet(here, subnets(network)) or 'one of 10.0.0.0/8'}",
                    domain=FROM_NETWORK,
                )


def routes_lost_with_ipv6(here: Surroundings) -> list[str]:
    """Devices whose IPv6 default route came by advertisement and would go with forwarding on."""
    lost = []
    for route in here.routes:
        if route.family == socket.AF_INET6 and route.prefix == 0 and route.protocol == 9:
            device = here.device(route.device)
            try:
                with open(f"/proc/sys/net/ipv6/conf/{device}/accept_ra") as file:
                    if file.read().strip() != "2":
                        lost.append(device)
            except OSError:
                continue
    return lost
