"""A guest's addresses as the host knows them: by the leases of its networks, by its neighbours.

The rule kept here: no guest is asked. User-mode networks give out addresses inside QEMU, hence none
is seen here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.interface import InterfaceAddress, IpAddress
from virtory.driver.network.changes import leases_of
from virtory.driver.network.netlink import Netlink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.network.networks import Networks
    from virtory.driver.network.table import Entry
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.plan import Tap


def _entries(guest: Guest, networks: Networks | None) -> Iterator[tuple[Tap, Entry]]:
    """Each of its taps that is on a virtual network, with the network."""
    for tap in guest.plan.taps:
        if networks is not None and tap.network is not None:
            entry = networks.table.find(bytes.fromhex(tap.network))
            if entry is not None:
                yield tap, entry


def leased(guest: Guest, networks: Networks | None) -> list[InterfaceAddress]:
    """What our DHCP servers gave it."""
    found = []
    for tap, entry in _entries(guest, networks):
        addresses = [
            IpAddress(int(lease.family == 6), lease.address, prefix)
            for lease, _, prefix in leases_of(entry, tap.guest_mac)
        ]
        if addresses:
            found.append(InterfaceAddress(tap.name, tap.guest_mac, addresses))
    return found


def leased_hostname(guest: Guest, networks: Networks | None) -> str | None:
    """The name that it told a DHCP server of ours."""
    for tap, entry in _entries(guest, networks):
        for lease, _, _ in leases_of(entry, tap.guest_mac):
            if lease.hostname:
                return lease.hostname
    return None


def seen(guest: Guest) -> list[InterfaceAddress]:
    """What the host's neighbour tables tell of its MACs; blocking."""
    found = []
    with Netlink() as netlink:
        neighbours = netlink.neighbours()
    for tap in guest.plan.taps:
        addresses = [
            IpAddress(int(":" in each.address), each.address, 0)
            for each in neighbours
            if each.mac == tap.guest_mac
        ]
        if addresses:
            found.append(InterfaceAddress(tap.name, tap.guest_mac, addresses))
    return found
