"""`net-update`: one part of a network's description added, changed or removed.

The rule kept here: pure; the changed description is checked as a whole before it is returned.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, TypeVar

from virtory.codec import xml
from virtory.codec.xml import Attr, Element, Problem, error_of
from virtory.errors import (
    FROM_NETWORK,
    InvalidArgument,
    OperationInvalid,
    OperationUnsupported,
    XmlError,
)
from virtory.model.network.addresses import host_address
from virtory.model.network.dns import Dns, DnsHost, ServiceRecord, TextRecord
from virtory.model.network.network import (
    Dhcp,
    DhcpHost,
    DhcpRange,
    ForwardInterface,
    Portgroup,
)
from virtory.model.network.problems import problems, unserved
from virtory.model.values import Mac

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.model.network.network import Network, NetworkIp

MODIFY, DELETE, ADD_LAST, ADD_FIRST = 1, 2, 3, 4
DHCP_HOST, DHCP_RANGE, FORWARD_INTERFACE, PORTGROUP = 4, 5, 7, 9
DNS_HOST, DNS_TXT, DNS_SRV = 10, 11, 12

SECTIONS: Final = {
    "bridge": 1,
    "domain": 2,
    "ip": 3,
    "ip-dhcp-host": DHCP_HOST,
    "ip-dhcp-range": DHCP_RANGE,
    "forward": 6,
    "forward-interface": FORWARD_INTERFACE,
    "forward-pf": 8,
    "portgroup": PORTGROUP,
    "dns-host": DNS_HOST,
    "dns-txt": DNS_TXT,
    "dns-srv": DNS_SRV,
}
"""virsh's word → virNetworkUpdateSection."""

COMMANDS: Final = {
    "modify": MODIFY,
    "delete": DELETE,
    "add-last": ADD_LAST,
    "add": ADD_LAST,
    "add-first": ADD_FIRST,
}
"""virsh's word → virNetworkUpdateCommand."""

_CLASSES: Final[dict[int, type[Element]]] = {
    DHCP_HOST: DhcpHost,
    DHCP_RANGE: DhcpRange,
    FORWARD_INTERFACE: ForwardInterface,
    PORTGROUP: Portgroup,
    DNS_HOST: DnsHost,
    DNS_TXT: TextRecord,
    DNS_SRV: ServiceRecord,
}
T = TypeVar("T")


class GoneHost(Element, tag="host"):
    """`<host>` of a DHCP host that is to go: as much of it as tells it from others."""

    mac: Attr[Mac | None] = None
    id: Attr[str | None] = None
    name: Attr[str | None] = None
    ip: Attr[str | None] = None


def updated(network: Network, command: int, section: int, parent_index: int, text: str) -> Network:
    """The network with one part changed.

    Raises:
        OperationInvalid: the part is there already, or is not there, or can not be changed so.
        OperationUnsupported: a section or a part that is not changed in place.
        XmlError: what it makes of the network is wrong; all problems at once.
    """
    if command not in (MODIFY, DELETE, ADD_LAST, ADD_FIRST):
        raise InvalidArgument(f"unknown update command {command}", domain=FROM_NETWORK)
    cls = _CLASSES.get(section)
    if cls is None:
        name = next((word for word, number in SECTIONS.items() if number == section), str(section))
        raise OperationUnsupported(
            f"can't update '{name}' section of network '{network.name}'",
            cure="change the definition with net-edit, then restart the network",
            domain=FROM_NETWORK,
        )
    if (section, command) == (DHCP_HOST, DELETE):
        cls = GoneHost
    part: Any = xml.parse(cls, text)
    changed = _WORK[section](network, command, parent_index, part)
    found = [Problem(*each) for each in problems(changed)]
    found += [Problem(*each, unsupported=True) for each in unserved(changed)]
    if found:
        error = error_of(found, "network")
        error.domain = FROM_NETWORK
        raise error
    return changed


def _changed(
    row: tuple[T, ...], command: int, part: T, same: Callable[[T], bool], what: str
) -> tuple[T, ...]:
    """The row with the part in it, or without the one that is the same."""
    places = [number for number, each in enumerate(row) if same(each)]
    if command in (ADD_LAST, ADD_FIRST):
        if places:
            raise OperationInvalid(f"there is an existing {what} already", domain=FROM_NETWORK)
        return (*row, part) if command == ADD_LAST else (part, *row)
    if not places:
        raise OperationInvalid(f"couldn't locate a matching {what}", domain=FROM_NETWORK)
    if len(places) > 1:
        raise OperationInvalid(f"several entries match the {what}", domain=FROM_NETWORK)
    new = (part,) if command == MODIFY else ()
    return (*row[: places[0]], *new, *row[places[0] + 1 :])


def _refuse_modify(command: int, what: str) -> None:
    if command == MODIFY:
        raise OperationUnsupported(
            f"{what} cannot be modified, only added or deleted", domain=FROM_NETWORK
        )


# -- addresses -----------------------------------------------------------------------------------


def _ip_place(network: Network, parent_index: int, address: str | None) -> int:
    """Which `<ip>` is meant: the one named by number, or the one whose subnet has the address."""
    if parent_index >= 0:
        if parent_index >= len(network.ips):
            raise OperationInvalid(
                f"couldn't update dhcp in network '{network.name}': it has no <ip> number "
                f"{parent_index}",
                domain=FROM_NETWORK,
            )
        return parent_index
    family = 6 if ":" in (address or "") else 4
    candidates = [n for n, ip in enumerate(network.ips) if host_address(ip).version == family]
    with_dhcp = [n for n in candidates if network.ips[n].dhcp is not None]
    for number in (*with_dhcp, *candidates):
        return number
    raise OperationInvalid(
        f"couldn't find an <ip> element of family ipv{family} in network '{network.name}'",
        domain=FROM_NETWORK,
    )


def _with_dhcp(network: Network, place: int, **changes: Any) -> Network:
    ip: NetworkIp = network.ips[place]
    dhcp: Dhcp | None = dataclasses.replace(ip.dhcp or Dhcp(), **changes)
    if dhcp == Dhcp():
        dhcp = None
    row = (*network.ips[:place], dataclasses.replace(ip, dhcp=dhcp), *network.ips[place + 1 :])
    return dataclasses.replace(network, ips=row)


def _dhcp_host(
    network: Network, command: int, parent_index: int, host: DhcpHost | GoneHost
) -> Network:
    if (host.mac, host.id, host.name, host.ip) == (None, None, None, None):
        raise XmlError(f"no mac, name or ip says which host of network '{network.name}' is meant")
    place = _ip_place(network, parent_index, host.ip)
    dhcp = network.ips[place].dhcp or Dhcp()

    def known_as(other: DhcpHost) -> list[bool]:
        return [
            getattr(other, name) == getattr(host, name)
            for name in ("mac", "id", "name")
            if getattr(host, name) is not None
        ]

    if command == DELETE:

        def same(other: DhcpHost) -> bool:
            return all(known_as(other)) and host.ip in (None, other.ip)
    elif command == MODIFY:

        def same(other: DhcpHost) -> bool:
            return any(known_as(other))
    else:

        def same(other: DhcpHost) -> bool:
            return any(known_as(other)) or other.ip == host.ip

    what = f"dhcp host entry in network '{network.name}'"
    return _with_dhcp(network, place, hosts=_changed(dhcp.hosts, command, host, same, what))


def _dhcp_range(network: Network, command: int, parent_index: int, part: DhcpRange) -> Network:
    _refuse_modify(command, "dhcp ranges")
    place = _ip_place(network, parent_index, part.start)
    dhcp = network.ips[place].dhcp or Dhcp()
    ends = (part.start, part.end)
    what = f"dhcp range entry in network '{network.name}'"
    row = _changed(dhcp.ranges, command, part, lambda r: (r.start, r.end) == ends, what)
    return _with_dhcp(network, place, ranges=row)


# -- the rest ------------------------------------------------------------------------------------


def _interface(network: Network, command: int, _: int, part: ForwardInterface) -> Network:
    _refuse_modify(command, "forward interface entries")
    forward = network.forward
    if forward is None:
        raise OperationInvalid(f"network '{network.name}' does not forward", domain=FROM_NETWORK)
    what = f"forward interface in network '{network.name}'"
    row = _changed(forward.interfaces, command, part, lambda each: each.dev == part.dev, what)
    return dataclasses.replace(network, forward=dataclasses.replace(forward, interfaces=row))


def _portgroup(network: Network, command: int, _: int, part: Portgroup) -> Network:
    what = f"portgroup in network '{network.name}' named '{part.name}'"
    row = _changed(network.portgroups, command, part, lambda each: each.name == part.name, what)
    return dataclasses.replace(network, portgroups=row)


def _with_dns(network: Network, **changes: Any) -> Network:
    dns: Dns | None = dataclasses.replace(network.dns or Dns(), **changes)
    return dataclasses.replace(network, dns=None if dns == Dns() else dns)


def _dns_host(network: Network, command: int, _: int, part: DnsHost) -> Network:
    _refuse_modify(command, "DNS HOST records")
    names = {each.name for each in part.names}

    def same(other: DnsHost) -> bool:
        theirs = {each.name for each in other.names}
        if command == DELETE:
            return other.ip == part.ip and names <= theirs
        return other.ip == part.ip or bool(names & theirs)

    row = (network.dns or Dns()).hosts
    what = f"DNS HOST record in network '{network.name}'"
    return _with_dns(network, hosts=_changed(row, command, part, same, what))


def _dns_txt(network: Network, command: int, _: int, part: TextRecord) -> Network:
    _refuse_modify(command, "DNS TXT records")
    row = (network.dns or Dns()).txts
    what = f"DNS TXT record in network '{network.name}' with name '{part.name}'"
    changed = _changed(row, command, part, lambda each: each.name == part.name, what)
    return _with_dns(network, txts=changed)


def _dns_srv(network: Network, command: int, _: int, part: ServiceRecord) -> Network:
    _refuse_modify(command, "DNS SRV records")
    given = [name for name in ("service", "protocol", "domain", "target") if getattr(part, name)]
    row = (network.dns or Dns()).srvs
    what = f"DNS SRV record in network '{network.name}'"

    def same(other: ServiceRecord) -> bool:
        return all(getattr(other, name) == getattr(part, name) for name in given)

    return _with_dns(network, srvs=_changed(row, command, part, same, what))


_WORK: Final[dict[int, Callable[[Network, int, int, Any], Network]]] = {
    DHCP_HOST: _dhcp_host,
    DHCP_RANGE: _dhcp_range,
    FORWARD_INTERFACE: _interface,
    PORTGROUP: _portgroup,
    DNS_HOST: _dns_host,
    DNS_TXT: _dns_txt,
    DNS_SRV: _dns_srv,
}
