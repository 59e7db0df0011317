"""Addresses and subnets as a network's description gives them.

The rule kept here: what libvirt leaves implicit (a class's netmask, an IPv6 prefix of 64) is made
explicit here and nowhere else. ValueError says what is wrong with a text.
"""

from __future__ import annotations

import bisect
import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.model.network.network import Network, NetworkIp, NetworkRoute

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network
HostAddress = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def address_of(text: str) -> Address:
    """The address that `text` is.

    Raises:
        ValueError: none, or one with a scope (`%eth0`), whose text could be anything.
    """
    if "%" in text:
        raise ValueError(f"{text!r} names a scope, which only a host's own addresses have")
    return ipaddress.ip_address(text)


class Subnets:
    """Subnets of which none overlaps another, so that each question takes one search."""

    def __init__(self) -> None:
        self._begins: list[tuple[int, int]] = []
        self._subnets: list[Subnet] = []

    def add(self, subnet: Subnet) -> None:
        begin = (subnet.version, int(subnet.network_address))
        place = bisect.bisect(self._begins, begin)
        self._begins.insert(place, begin)
        self._subnets.insert(place, subnet)

    def overlapping(self, subnet: Subnet) -> Subnet | None:
        """One of them that shares addresses with `subnet`."""
        last = int(subnet.broadcast_address)
        place = bisect.bisect(self._begins, (subnet.version, last)) - 1
        found = self._subnets[place] if place >= 0 else None
        if found is None or found.version != subnet.version:
            return None
        return found if int(found.broadcast_address) >= int(subnet.network_address) else None


def host_address(ip: NetworkIp) -> HostAddress:
    """The host's own address with its prefix.

    Raises:
        ValueError: an address, netmask or prefix that is none.
    """
    if not ip.address:
        raise ValueError("it has no address")
    address = address_of(ip.address)
    return ipaddress.ip_interface(f"{address}/{_prefix(ip, address)}")


def subnet(ip: NetworkIp) -> Subnet:
    """The addresses that are on the network."""
    return host_address(ip).network


def subnets(network: Network) -> Iterator[Subnet]:
    """Every subnet of a network whose description has no problems."""
    for ip in network.ips:
        yield subnet(ip)


def route_subnet(route: NetworkRoute) -> Subnet:
    """Where a route leads."""
    address = address_of(route.address)
    return ipaddress.ip_network(f"{address}/{_prefix(route, address)}", strict=True)


def _prefix(where: NetworkIp | NetworkRoute, address: Address) -> int:
    if where.netmask is not None:
        if address.version == 6:
            raise ValueError("an IPv6 address has a prefix, not a netmask")
        mask = int(ipaddress.IPv4Address(where.netmask))
        prefix = 32 - (mask ^ 0xFFFFFFFF).bit_length()
        if mask != 0xFFFFFFFF << (32 - prefix) & 0xFFFFFFFF:
            raise ValueError(f"{where.netmask} is no netmask: its ones do not come first")
        return prefix
    if where.prefix is not None:
        if where.prefix > address.max_prefixlen:
            raise ValueError(f"prefix {where.prefix} is longer than {address.max_prefixlen} bits")
        return where.prefix
    if address.version == 6:
        return 64
    if int(address) == 0:
        return 0
    first = int(address) >> 24  # the classes that came before netmasks
    return 8 if first < 128 else 16 if first < 192 else 24
