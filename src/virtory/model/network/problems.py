"""What is wrong with a network's description, all of it at once; and what is right, but not served.

The rule kept here: pure. What depends on the host (whether a subnet is free) is the driver's.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from virtory.model.network.addresses import (
    Address,
    Subnet,
    Subnets,
    address_of,
    host_address,
    route_subnet,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.model.network.network import Dhcp, Network

    Problems = Iterator[tuple[str, str]]

MOST_LETTERS = 15
_DEVICE = re.compile(r"[A-Za-z0-9_.:-]{1,15}")
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_CLIENT_ID = re.compile(r"[A-Za-z0-9:._*-]+")
_LINE = re.compile(r"[\x00-\x1f\x7f]")


def problems(network: Network) -> list[tuple[str, str]]:
    """Every (XPath, message) that no implementation could serve."""
    return [
        *_identity(network),
        *_forward(network),
        *_ips(network),
        *_routes(network),
        *_dns(network),
        *_portgroups(network),
    ]


def unserved(network: Network) -> list[tuple[str, str]]:
    """Every (XPath, message) that is right, but that this implementation does not do."""
    return list(_unserved(network))


def _identity(network: Network) -> Problems:
    name = network.name
    if not name.strip() or "/" in name or _LINE.search(name) or name in (".", ".."):
        yield (
            "/network/name",
            f"{name!r} is no name of a network",
        )
    if network.title is not None and "\n" in network.title:
        yield "/network/title", "a title is one line"
    bridge = network.bridge
    if bridge is not None and bridge.name is not None and not _is_device(bridge.name):
        yield (
            "/network/bridge/@name",
            f"{bridge.name!r} is no name of a device: at most {MOST_LETTERS} letters, digits,"
            " dots, hyphens, underscores",
        )
    if network.mac is not None and network.mac.address.is_multicast:
        yield "/network/mac/@address", f"{network.mac.address} is a multicast address"
    domain = network.domain
    if domain is not None and not _is_name(domain.name):
        yield "/network/domain/@name", f"{domain.name!r} is no DNS name"
    for number, option in enumerate(_options(network), 1):
        if _LINE.search(option):
            yield f"/network/dnsmasq:options/option[{number}]/@value", "an option is one line"


def _is_device(name: str) -> bool:
    return name not in (".", "..") and _DEVICE.fullmatch(name.replace("%d", "0")) is not None


def _options(network: Network) -> list[str]:
    options = network.dnsmasq_options
    return [] if options is None else [option.value for option in options.options]


def _is_name(text: str) -> bool:
    return len(text) < 254 and _NAME.fullmatch(text) is not None


def _forward(network: Network) -> Problems:
    forward, mode = network.forward, network.mode
    if forward is not None:
        named = [("/@dev", forward.dev)] if forward.dev is not None else []
        named += [
            (f"/interface[{number}]/@dev", each.dev)
            for number, each in enumerate(forward.interfaces, 1)
        ]
        for place, device in named:
            if not _is_device(device) or "%" in device:
                yield f"/network/forward{place}", f"{device!r} is no name of a device"
    if network.is_ours:
        if forward is not None:
            yield from _nat(network)
            if len(forward.interfaces) > 1:
                yield (
                    "/network/forward/interface[2]",
                    f"a network of mode '{mode}' forwards by one device",
                )
        return
    for name in ("domain", "dns"):
        if getattr(network, name) is not None:
            yield f"/network/{name}", f"a network of mode '{mode}' has no DNS of its own"
    if network.ips:
        yield "/network/ip", f"a network of mode '{mode}' gives out no addresses"
    if network.routes:
        yield "/network/route", f"a network of mode '{mode}' has no routes of its own"
    bridge = network.bridge
    has_bridge = bridge is not None and bridge.name is not None
    if mode == "bridge":
        devices = forward is not None and (forward.dev or forward.interfaces or forward.pf)
        if not has_bridge and not devices:
            yield "/network/bridge/@name", "it must name the host's bridge"
        if bridge is not None and (bridge.stp is not None or bridge.delay is not None):
            yield "/network/bridge", "stp and delay belong to whoever made the host's bridge"
    elif has_bridge:
        yield "/network/bridge", f"a network of mode '{mode}' has no bridge"


def _nat(network: Network) -> Problems:
    forward = network.forward
    assert forward is not None
    nat = forward.nat
    if nat is None:
        return
    if forward.mode != "nat":
        yield "/network/forward/nat", f"mode '{forward.mode}' translates nothing"
    if nat.port is not None and nat.port.end < nat.port.start:
        yield "/network/forward/nat/port/@end", f"it is below the start, {nat.port.start}"
    if nat.address is not None:
        place = "/network/forward/nat/address"
        try:
            first = address_of(nat.address.start)
            last = address_of(nat.address.end or nat.address.start)
        except ValueError as error:
            yield place, str(error)
            return
        if first.version != last.version or int(first) > int(last):
            yield place, f"{first} to {last} is no range of addresses"


def _ips(network: Network) -> Problems:
    served = 0
    seen, places = Subnets(), dict[Subnet, str]()
    for number, ip in enumerate(network.ips, 1):
        place = f"/network/ip[{number}]" if len(network.ips) > 1 else "/network/ip"
        try:
            interface = host_address(ip)
        except ValueError as error:
            yield f"{place}/@address", str(error)
            continue
        family = f"ipv{interface.version}"
        if ip.family not in (None, family) or (ip.family is None and family == "ipv6"):
            yield f"{place}/@family", f"{ip.address} is an address of family '{family}'"
        if ip.netmask is not None and ip.prefix is not None:
            yield f"{place}/@prefix", "there is a netmask already"
        other = seen.overlapping(interface.network)
        if other is not None:
            yield place, f"{interface.network} overlaps {other} of {places[other]}"
        else:
            seen.add(interface.network)
            places[interface.network] = place
        if ip.dhcp is not None:
            if interface.version == 4 and (ip.dhcp.ranges or ip.dhcp.hosts):
                served += 1
                if served > 1:
                    yield f"{place}/dhcp", "only one IPv4 subnet of a network can have DHCP"
            yield from _dhcp(f"{place}/dhcp", ip.dhcp, interface.network)
        if ip.tftp is not None and _LINE.search(ip.tftp):
            yield f"{place}/tftp/@root", "it has control letters"


def _dhcp(place: str, dhcp: Dhcp, subnet: Subnet) -> Problems:
    for number, each in enumerate(dhcp.ranges, 1):
        where = f"{place}/range[{number}]" if len(dhcp.ranges) > 1 else f"{place}/range"
        ends = []
        for name, text in (("start", each.start), ("end", each.end)):
            try:
                address = address_of(text)
            except ValueError as error:
                yield f"{where}/@{name}", str(error)
                continue
            if address not in subnet:
                yield f"{where}/@{name}", f"{address} is not in {subnet}"
            elif _means_everybody(address, subnet):
                yield f"{where}/@{name}", f"{address} names the whole subnet {subnet}"
            ends.append(address)
        if len(ends) == 2 and int(ends[0]) > int(ends[1]):
            yield where, f"it starts at {ends[0]}, after its end {ends[1]}"
    yield from _dhcp_hosts(place, dhcp, subnet)
    if dhcp.bootp is not None:
        if _LINE.search(dhcp.bootp.file) or _LINE.search(dhcp.bootp.server or ""):
            yield f"{place}/bootp", "it has control letters"
        if subnet.version == 6:
            yield f"{place}/bootp", "is of IPv4 only"


def _means_everybody(address: Address, subnet: Subnet) -> bool:
    ends = (subnet.network_address, subnet.broadcast_address)
    return subnet.version == 4 and subnet.prefixlen < 31 and address in ends


def _dhcp_hosts(place: str, dhcp: Dhcp, subnet: Subnet) -> Problems:
    seen: dict[tuple[str, Any], int] = {}
    for number, host in enumerate(dhcp.hosts, 1):
        where = f"{place}/host[{number}]" if len(dhcp.hosts) > 1 else f"{place}/host"
        try:
            if address_of(host.ip) not in subnet:
                yield f"{where}/@ip", f"{host.ip} is not in {subnet}"
        except ValueError as error:
            yield f"{where}/@ip", str(error)
        if host.mac is None and host.id is None and host.name is None:
            yield where, "it needs a mac, an id or a name to be known by"
        if host.mac is not None and subnet.version == 6:
            yield f"{where}/@mac", "DHCPv6 knows guests by id or name"
        if host.mac is not None and host.mac.is_multicast:
            yield f"{where}/@mac", f"{host.mac} is a multicast address"
        if host.name is not None and not _is_name(host.name):
            yield f"{where}/@name", f"{host.name!r} is no DNS name"
        if host.id is not None and not _CLIENT_ID.fullmatch(host.id):
            yield f"{where}/@id", f"{host.id!r} is no client id"
        for kind, value in (("ip", host.ip), ("mac", host.mac), ("name", host.name)):
            if value is not None and seen.setdefault((kind, value), number) != number:
                yield f"{where}/@{kind}", f"{value} is host {seen[kind, value]}'s already"


def _routes(network: Network) -> Problems:
    known, told = Subnets(), False
    for ip in network.ips:
        try:
            subnet = host_address(ip).network
        except ValueError:
            told = True  # any gateway may have been in this one
            continue
        if known.overlapping(subnet) is None:
            known.add(subnet)
    for number, route in enumerate(network.routes, 1):
        place = f"/network/route[{number}]" if len(network.routes) > 1 else "/network/route"
        try:
            leads = route_subnet(route)
            gateway = address_of(route.gateway)
        except ValueError as error:
            yield place, str(error)
            continue
        if leads.version != gateway.version:
            yield f"{place}/@gateway", f"{gateway} is of another family than {leads}"
            continue
        if not told and known.overlapping(ipaddress.ip_network(gateway)) is None:
            yield f"{place}/@gateway", f"{gateway} is in no subnet of this network"


def _dns(network: Network) -> Problems:
    dns = network.dns
    if dns is None:
        return
    for number, forwarder in enumerate(dns.forwarders, 1):
        place = f"/network/dns/forwarder[{number}]"
        if forwarder.addr is None and forwarder.domain is None:
            yield place, "it needs an addr, a domain or both"
        if forwarder.addr is not None:
            yield from _address(f"{place}/@addr", forwarder.addr)
        if forwarder.domain is not None and not _is_name(forwarder.domain):
            yield f"{place}/@domain", f"{forwarder.domain!r} is no DNS name"
    for number, txt in enumerate(dns.txts, 1):
        if not _is_name(txt.name):
            yield f"/network/dns/txt[{number}]/@name", f"{txt.name!r} is no DNS name"
        if _LINE.search(txt.value):
            yield f"/network/dns/txt[{number}]/@value", "it has control letters"
    for number, srv in enumerate(dns.srvs, 1):
        place = f"/network/dns/srv[{number}]"
        for name in ("service", "protocol", "domain", "target"):
            value = getattr(srv, name)
            if value is not None and value != "." and not _is_name(value):
                yield f"{place}/@{name}", f"{value!r} is no DNS name"
    for number, host in enumerate(dns.hosts, 1):
        place = f"/network/dns/host[{number}]"
        yield from _address(f"{place}/@ip", host.ip)
        if not host.names:
            yield f"{place}/hostname", "an address needs a name"
        for each in host.names:
            if not _is_name(each.name):
                yield f"{place}/hostname", f"{each.name!r} is no DNS name"


def _address(place: str, text: str) -> Problems:
    try:
        address_of(text)
    except ValueError as error:
        yield place, str(error)


def _portgroups(network: Network) -> Problems:
    names: set[str] = set()
    defaults = 0
    for number, group in enumerate(network.portgroups, 1):
        if group.name in names:
            yield f"/network/portgroup[{number}]/@name", f"there is a '{group.name}' already"
        names.add(group.name)
        defaults += bool(group.default)
        if defaults > 1 and group.default:
            yield f"/network/portgroup[{number}]/@default", "there is a default already"


def _unserved(network: Network) -> Problems:
    if network.mode in ("hostdev", "passthrough"):
        yield (
            "/network/forward/@mode",
            f"'{network.mode}' is not served; nat, route, open, bridge, private, vepa are,"
            " and isolated networks",
        )
    why = "is not served on a Linux bridge"
    holders: list[tuple[str, Any]] = [("/network", network)]
    holders += [
        (f"/network/portgroup[{number}]", group)
        for number, group in enumerate(network.portgroups, 1)
    ]
    for place, holder in holders:
        if holder.vlan is not None:
            yield f"{place}/vlan", f"{why}: it knows no tags of single ports"
        if holder.virtualport is not None:
            yield f"{place}/virtualport", f"{why}: Open vSwitch and 802.1Qbg/h switches have them"
        inbound = holder.bandwidth.inbound if holder.bandwidth is not None else None
        if inbound is not None and inbound.floor:
            yield f"{place}/bandwidth/inbound/@floor", "is not served: no share is kept for anybody"
    if network.bandwidth is not None and network.mode not in ("nat", "route", "isolated"):
        yield "/network/bandwidth", f"is not served with mode '{network.mode}'"
    if network.bridge is not None and network.bridge.zone is not None:
        yield "/network/bridge/@zone", "is not served: firewalld's rules are kept, ours beside them"
    if network.bridge is not None and network.bridge.mac_table_manager == "libvirt":
        yield "/network/bridge/@macTableManager", "'libvirt' is not served; kernel is"
