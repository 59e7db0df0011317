"""A network's packet rules, as text for nft(8).

The rule kept here: pure, and one text is one transaction. Everything stands in a table of the
network's own; in other programs' chains stand only rules that accept, marked with our comment.

What each mode lets through is what libvirt's does: guests reach the host's DHCP and DNS, each
other, and by mode what is beyond the host; nothing from beyond reaches a guest on `nat` unless it
answers one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.network.limits import limit_rules, limits
from virtory.model.network.addresses import subnets

if TYPE_CHECKING:
    from virtory.driver.network.plan import NetworkPlan
    from virtory.model.network.addresses import Subnet
    from virtory.model.network.network import Network

TABLE = "virtory_"
_SERVICES = (
    ("ip", "udp dport { 53, 67 }"),
    ("ip", "tcp dport { 53, 67 }"),
    ("ip6", "udp dport { 53, 547 }"),
    ("ip6", "tcp dport 53"),
    ("ip6", "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }"),
)
_TFTP = ("ip", "udp dport 69")


def rules(network: Network, plan: NetworkPlan) -> str:
    """The transaction that puts the network's rules in force, whether or not they were."""
    assert plan.table is not None
    table = plan.table
    lines = [f"add table inet {table}", f"delete table inet {table}", f"table inet {table} {{"]
    for name, hook, content in (
        ("input", "type filter hook input priority filter", _input(network, plan)),
        ("forward", "type filter hook forward priority filter", _forward(network, plan)),
        ("postrouting", "type nat hook postrouting priority srcnat", _nat(network)),
    ):
        if content:
            lines += [f"  chain {name} {{", f"    {hook}; policy accept;"]
            lines += [f"    {line}" for line in content]
            lines.append("  }")
    lines.append("}")
    if plan.limited:
        lines += limit_rules(plan.bridge, limits(network.bandwidth))
    return "\n".join(lines) + "\n"


def no_rules(plan: NetworkPlan) -> str:
    """The transaction that takes the network's own table away."""
    lines = [f"add table inet {plan.table}", f"delete table inet {plan.table}"]
    lines += limit_rules(plan.bridge, {}) if plan.limited else []
    return "\n".join(lines) + "\n"


def mark(plan: NetworkPlan) -> str:
    """The comment of our rules in other programs' chains."""
    return f"virtory {plan.bridge}"


def _services(network: Network) -> list[tuple[str, str]]:
    tftp = any(ip.tftp is not None for ip in network.ips)
    return [*_SERVICES, _TFTP] if tftp else [*_SERVICES]


def _input(network: Network, plan: NetworkPlan) -> list[str]:
    return [f'iifname "{plan.bridge}" {rule} accept' for _, rule in _services(network)]


def _device(network: Network) -> str | None:
    forward = network.forward
    if forward is None:
        return None
    return forward.dev or (forward.interfaces[0].dev if forward.interfaces else None)


def _translates(network: Network, subnet: Subnet) -> bool:
    nat = network.forward.nat if network.forward is not None else None
    return network.mode == "nat" and (subnet.version == 4 or bool(nat and nat.ipv6))


def _family(subnet: Subnet) -> str:
    return "ip" if subnet.version == 4 else "ip6"


def _passes(network: Network, plan: NetworkPlan) -> list[str]:
    """What may be forwarded to and from the bridge."""
    bridge, device = plan.bridge, _device(network)
    lines = [f'iifname "{bridge}" oifname "{bridge}" accept']
    if network.mode not in ("nat", "route"):
        return lines
    to, come = (f' oifname "{device}"', f'iifname "{device}" ') if device else ("", "")
    for subnet in subnets(network):
        family = _family(subnet)
        answers = " ct state established,related" if _translates(network, subnet) else ""
        lines.append(f'iifname "{bridge}"{to} {family} saddr {subnet} accept')
        lines.append(f'{come}oifname "{bridge}" {family} daddr {subnet}{answers} accept')
    for route in network.routes if network.mode == "route" else ():
        from virtory.model.network.addresses import route_subnet

        where = route_subnet(route)
        family = _family(where)
        lines.append(f'iifname "{bridge}"{to} {family} saddr {where} accept')
        lines.append(f'{come}oifname "{bridge}" {family} daddr {where} accept')
    return lines


def _forward(network: Network, plan: NetworkPlan) -> list[str]:
    bridge = plan.bridge
    return [
        *_passes(network, plan),
        f'oifname "{bridge}" reject',
        f'iifname "{bridge}" reject',
    ]


def _nat(network: Network) -> list[str]:
    lines: list[str] = []
    nat = network.forward.nat if network.forward is not None else None
    device = _device(network)
    to = f' oifname "{device}"' if device else ""
    for subnet in subnets(network):
        if not _translates(network, subnet):
            continue
        family = _family(subnet)
        everybody = ("224.0.0.0/24", "255.255.255.255") if family == "ip" else ("ff02::/16",)
        source = f"{family} saddr {subnet}"
        lines += [f"{source} {family} daddr {each} return" for each in everybody]
        beyond = f"{source} {family} daddr != {subnet}{to}"
        ports = f":{nat.port.start}-{nat.port.end}" if nat and nat.port else ":1024-65535"
        address = nat.address if nat is not None and family == "ip" else None
        if address is None:
            lines.append(f"meta l4proto {{ tcp, udp }} {beyond} masquerade to {ports}")
            lines.append(f"{beyond} masquerade")
        else:
            span = address.start + (f"-{address.end}" if address.end else "")
            lines.append(f"meta l4proto {{ tcp, udp }} {beyond} snat ip to {span}{ports}")
            lines.append(f"{beyond} snat ip to {span}")
    return lines


# -- among other programs' rules -----------------------------------------------------------------


def foreign_rules(network: Network, plan: NetworkPlan, hook: str, tool: str) -> list[str]:
    """What another program's chain must let through, in the words of `tool`: nft or iptables.

    What passes there is still judged in the network's own table.
    """
    bridge = plan.bridge
    if tool == "nft":
        comment = f'comment "{mark(plan)}"'
        if hook == "forward":
            return [f'{way} "{bridge}" accept {comment}' for way in ("iifname", "oifname")]
        return [f'iifname "{bridge}" {rule} accept {comment}' for _, rule in _services(network)]
    end = f'-m comment --comment "{mark(plan)}" -j ACCEPT'
    if hook == "forward":
        return [f"{way} {bridge} {end}" for way in ("-i", "-o")]
    is_v6 = tool.startswith("ip6tables")
    ports = [("udp", 53), ("tcp", 53)]
    ports += [("udp", 547)] if is_v6 else [("udp", 67), ("tcp", 67)]
    if not is_v6 and _TFTP in _services(network):
        ports.append(("udp", 69))
    lines = [f"-i {bridge} -p {protocol} --dport {port} {end}" for protocol, port in ports]
    return lines + ([f"-i {bridge} -p ipv6-icmp {end}"] if is_v6 else [])
