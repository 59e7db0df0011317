"""dnsmasq's files for one network: what it serves, and to whom.

The rule kept here: pure, text only. What `net-update` can change while the network runs (hosts,
names) is kept in files of its own, which dnsmasq reads again on SIGHUP; a change of the rest needs
another dnsmasq.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from virtory.model.network.addresses import host_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.network.plan import NetworkPlan
    from virtory.model.network.addresses import HostAddress
    from virtory.model.network.network import DhcpHost, Lease, Network, NetworkIp

# Whatever it is told of a lease goes through the pipe as one line: bash's and dash's printf are
# built in, so this takes a millisecond. Without a daemon to read it the line is lost, not waited
# for: the pipe is opened for both directions. A daemon that comes later reads the file of leases.
SCRIPT = """#!/bin/sh
exec 3<>'{events}'
printf '%s\\t%s\\t%s\\t%s\\t%s\\t%s\\t%s\\t%s\\n' "$1" "$2" "$3" "${{4:-*}}" \\
    "${{DNSMASQ_LEASE_EXPIRES:-0}}" "${{DNSMASQ_CLIENT_ID:-*}}" "${{DNSMASQ_IAID:-*}}" \\
    "${{DNSMASQ_MAC:-*}}" >&3
"""


_PLAIN = re.compile(r"[A-Za-z0-9/._=+@:-]+")


def wanted(network: Network) -> bool:
    """Whether the network needs a dnsmasq at all."""
    dns = network.dns is None or network.dns.enable is not False
    return network.is_ours and bool(network.ips) and (dns or any(_serves(ip) for ip in network.ips))


def _serves(ip: NetworkIp) -> bool:
    return ip.dhcp is not None or ip.tftp is not None or host_address(ip).version == 6


def configuration(network: Network, plan: NetworkPlan, user: str) -> str:
    """The file that dnsmasq is started with."""
    lines = [
        "# made by virtory; a change is lost: use net-edit or net-update",
        "strict-order",
        f"user={user}",
        f"dhcp-scriptuser={user}",
        f"pid-file={plan.pid_file}",
        "except-interface=lo",
        "bind-dynamic",
        f"interface={plan.bridge}",
        *_dns(network),
        *_dhcp(network, plan),
        f"addn-hosts={plan.names}",
    ]
    if network.dnsmasq_options is not None:
        lines += [option.value for option in network.dnsmasq_options.options]
    return "\n".join(lines) + "\n"


def _dns(network: Network) -> Iterator[str]:
    dns = network.dns
    if dns is not None and dns.enable is False:
        yield "port=0"
    domain = network.domain
    if domain is not None:
        if domain.local_only:
            yield f"local=/{domain.name}/"
        yield f"domain={domain.name}"
        yield "expand-hosts"
    if network.mode == "isolated":
        yield "no-resolv"
    if dns is None:
        return
    if dns.forward_plain_names is False:
        yield "domain-needed"
        yield "local=//"
    if any(each.domain is None for each in dns.forwarders):
        yield "no-resolv"
    for each in dns.forwarders:
        yield f"server={f'/{each.domain}/' if each.domain else ''}{each.addr or '#'}"
    for txt in dns.txts:
        yield f"txt-record={txt.name},{_quoted(txt.value)}"
    for srv in dns.srvs:
        place = f"_{srv.service}._{srv.protocol}" + (f".{srv.domain}" if srv.domain else "")
        if srv.target:
            values = [srv.target, srv.port or 0, srv.priority or 0, srv.weight or 0]
            given = [srv.port, srv.priority, srv.weight]
            while given and given[-1] is None:
                given.pop()
            place += "".join(f",{each}" for each in values[: len(given) + 1])
        yield f"srv-host={place}"
    for ip in network.ips:
        if ip.local_ptr:
            yield f"local=/{_reverse(host_address(ip))}/"


def _quoted(text: str) -> str:
    """A value that dnsmasq takes as it is, whatever is in it."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _reverse(address: HostAddress) -> str:
    """The zone of reverse lookups for the subnet, on whole labels."""
    width = 8 if address.version == 4 else 4
    labels = address.network.network_address.reverse_pointer.split(".")
    return ".".join(labels[len(labels) - 2 - address.network.prefixlen // width :])


def _dhcp(network: Network, plan: NetworkPlan) -> Iterator[str]:
    leased, most = False, 0
    for ip in network.ips:
        interface = host_address(ip)
        if interface.version == 6:
            yield from _ipv6(ip, interface)
        dhcp = ip.dhcp
        if dhcp is not None and (dhcp.ranges or dhcp.hosts):
            leased = True
            for each in dhcp.ranges:
                size = f"{interface.netmask}" if interface.version == 4 else f"{_bits(interface)}"
                yield f"dhcp-range={each.start},{each.end},{size}{_duration(each.lease)}"
                most += _count(each.start, each.end)
            if not dhcp.ranges:
                prefix = "" if interface.version == 4 else f",{_bits(interface)}"
                yield f"dhcp-range={interface.network.network_address},static{prefix}"
                most += len(dhcp.hosts)
            if dhcp.bootp is not None:
                server = f",,{_quoted(dhcp.bootp.server)}" if dhcp.bootp.server else ""
                yield f"dhcp-boot={_quoted(dhcp.bootp.file)}{server}"
        if ip.tftp is not None:
            yield "enable-tftp"
            yield f"tftp-root={_quoted(ip.tftp)}"
    if leased:
        if network.mode == "isolated":
            yield "dhcp-option=3"  # nobody to go through
        yield "dhcp-no-override"
        yield "dhcp-authoritative"
        yield f"dhcp-lease-max={min(most, 1 << 24)}"
        yield f"dhcp-hostsfile={plan.dhcp_hosts}"
        yield f"dhcp-leasefile={plan.leases}"
        yield f"dhcp-script={plan.script}"
        if network.mtu is not None:
            yield f"dhcp-option=option:mtu,{network.mtu.size}"


def _ipv6(ip: NetworkIp, interface: HostAddress) -> Iterator[str]:
    """Guests learn the router, and by default their address, from advertisements."""
    managed = ip.dhcp is not None and (ip.dhcp.ranges or ip.dhcp.hosts)
    if not managed:
        yield f"dhcp-range={interface.network.network_address},ra-only"
    yield "enable-ra"


def _bits(interface: HostAddress) -> int:
    return interface.network.prefixlen


def _count(start: str, end: str) -> int:
    return int(ipaddress.ip_address(end)) - int(ipaddress.ip_address(start)) + 1


def _duration(lease: Lease | None) -> str:
    if lease is None:
        return ""
    return f",{lease.seconds}" if lease.expiry else ",infinite"


def dhcp_hosts(network: Network) -> str:
    """The addresses that are kept for certain guests."""
    lines = []
    for ip in network.ips:
        for host in ip.dhcp.hosts if ip.dhcp is not None else ():
            lines.append(_dhcp_host(host))
    return "".join(f"{line}\n" for line in lines)


def _dhcp_host(host: DhcpHost) -> str:
    parts: list[str] = [] if host.mac is None else [str(host.mac)]
    if host.id is not None:
        parts.append(f"id:{host.id}")
    parts.append(f"[{host.ip}]" if ":" in host.ip else host.ip)
    if host.name is not None:
        parts.append(host.name)
    return ",".join(parts) + _duration(host.lease)


def names(network: Network) -> str:
    """The addresses that have names, whoever has them."""
    hosts = network.dns.hosts if network.dns is not None else ()
    rows = [[host.ip, *(each.name for each in host.names)] for host in hosts]
    return "".join("\t".join(row) + "\n" for row in rows)
