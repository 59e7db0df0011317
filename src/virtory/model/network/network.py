"""`<network>`: what guests are plugged into.

The rule kept here: a value says what the XML says, in libvirt's order; bridge names, addresses and
MACs that the daemon chose are added by the driver, in another value.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, OnOff, Range, Verbatim, YesNo
from virtory.model.domain.devices.address import PciAddress
from virtory.model.domain.devices.interface import Bandwidth, VirtualPort, Vlan
from virtory.model.network.dns import Dns
from virtory.model.values import Mac, Uuid

DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"
"""The namespace of options that dnsmasq is given as they stand."""

ForwardMode = Literal[
    "none", "nat", "route", "open", "bridge", "private", "vepa", "passthrough", "hostdev"
]  # fmt: skip
Family = Literal["ipv4", "ipv6"]
Port = Annotated[int, Range(1, 65535)]
Prefix = Annotated[int | None, Range(0, 128)]


class NatAddress(Element):
    """`<address>` of `<nat>`: the source addresses that guests' connections get."""

    start: Attr[str]
    end: Attr[str | None] = None


class NatPorts(Element):
    """`<port>` of `<nat>`: the source ports that guests' connections get."""

    start: Attr[Port]
    end: Attr[Port]


class Nat(Element):
    """`<nat>`: how addresses are translated; `ipv6` says that IPv6 ones are too."""

    ipv6: Attr[YesNo | None] = None
    address: NatAddress | None = None
    port: NatPorts | None = None


class ForwardInterface(Element, tag="interface"):
    """`<interface>` of `<forward>`: a device of the host that traffic leaves by."""

    dev: Attr[str]
    connections: Attr[int | None] = None


class PhysicalFunction(Element):
    """`<pf>`: the network device whose virtual functions are given out."""

    dev: Attr[str]
    connections: Attr[int | None] = None


class Forward(Element):
    """`<forward>`: how guests reach what is beyond the host."""

    dev: Attr[str | None] = None
    mode: Attr[ForwardMode] = "nat"
    managed: Attr[YesNo | None] = None
    driver: Annotated[str | None, At("driver/@name")] = None
    nat: Nat | None = None
    pf: PhysicalFunction | None = None
    interfaces: tuple[ForwardInterface, ...] = ()
    addresses: tuple[PciAddress, ...] = ()


class Bridge(Element):
    """`<bridge>`: the host's bridge; `delay` in seconds."""

    name: Attr[str | None] = None
    zone: Attr[str | None] = None
    stp: Attr[OnOff | None] = None
    delay: Attr[Annotated[int | None, Range(0, 65535)]] = None
    mac_table_manager: Annotated[Literal["kernel", "libvirt"] | None, At("@macTableManager")] = None


class DnsDomain(Element):
    """`<domain>`: the DNS domain of the guests."""

    name: Attr[str]
    local_only: Annotated[YesNo | None, At("@localOnly")] = None


class Lease(Element):
    """`<lease>`: how long an address is given for; 0 is for ever."""

    expiry: Attr[Annotated[int, Range(0, 4294967295)]]
    unit: Attr[Literal["seconds", "minutes", "hours"]] = "minutes"

    @property
    def seconds(self) -> int:
        """In seconds; without a unit the number counts minutes."""
        return self.expiry * {"seconds": 1, "hours": 3600}.get(self.unit, 60)


class DhcpRange(Element, tag="range"):
    """`<range>`: addresses to give out."""

    start: Attr[str]
    end: Attr[str]
    lease: Lease | None = None


class DhcpHost(Element, tag="host"):
    """`<host>`: the address of one guest, known by MAC, client id or name."""

    mac: Attr[Mac | None] = None
    id: Attr[str | None] = None
    name: Attr[str | None] = None
    ip: Attr[str]
    lease: Lease | None = None


class Bootp(Element):
    """`<bootp>`: what a guest that boots over the network loads."""

    file: Attr[str]
    server: Attr[str | None] = None


class Dhcp(Element):
    """`<dhcp>`: who gets which address."""

    ranges: tuple[DhcpRange, ...] = ()
    hosts: tuple[DhcpHost, ...] = ()
    bootp: Bootp | None = None


class NetworkIp(Element, tag="ip", opened=True):
    """`<ip>`: the host's address on the network, hence the subnet."""

    family: Attr[Family | None] = None
    address: Attr[str | None] = None
    netmask: Attr[str | None] = None
    prefix: Attr[Prefix] = None
    local_ptr: Annotated[YesNo | None, At("@localPtr")] = None
    tftp: Annotated[str | None, At("tftp/@root")] = None
    dhcp: Dhcp | None = None


class NetworkRoute(Element, tag="route"):
    """`<route>`: a subnet that a guest is the gateway of."""

    family: Attr[Family | None] = None
    address: Attr[str]
    netmask: Attr[str | None] = None
    prefix: Attr[Prefix] = None
    gateway: Attr[str]
    metric: Attr[Annotated[int | None, Range(1, 2147483647)]] = None


class Portgroup(Element, tag="portgroup", opened=True):
    """`<portgroup>`: a kind of port that interfaces ask for by name."""

    name: Attr[str]
    default: Attr[YesNo | None] = None
    trust_guest_rx_filters: Annotated[YesNo | None, At("@trustGuestRxFilters")] = None
    vlan: Vlan | None = None
    bandwidth: Bandwidth | None = None
    virtualport: VirtualPort | None = None


class DnsmasqOption(Element, tag="dnsmasq:option", prefixes={"dnsmasq": DNSMASQ}):
    """`<dnsmasq:option>`: one line of dnsmasq's configuration."""

    value: Attr[str]


class DnsmasqOptions(Element, prefixes={"dnsmasq": DNSMASQ}):
    """`<dnsmasq:options>`: lines that dnsmasq is given as they stand."""

    options: tuple[DnsmasqOption, ...] = ()


class NetworkMtu(Element):
    """`<mtu>`: the largest packet in bytes."""

    size: Attr[Annotated[int, Range(68, 65535)]]


class NetworkMac(Element):
    """`<mac>`: the bridge's address."""

    address: Attr[Mac]


class Network(Element, tag="network", prefixes={"dnsmasq": DNSMASQ}):
    """`<network>`: `connections` is how many guests are plugged into a running one."""

    connections: Attr[int | None] = None
    ipv6: Attr[YesNo | None] = None
    trust_guest_rx_filters: Annotated[YesNo | None, At("@trustGuestRxFilters")] = None
    name: str
    uuid: Uuid | None = None
    title: str | None = None
    description: str | None = None
    metadata: Verbatim | None = None
    forward: Forward | None = None
    bridge: Bridge | None = None
    mtu: NetworkMtu | None = None
    mac: NetworkMac | None = None
    domain: DnsDomain | None = None
    dns: Dns | None = None
    vlan: Vlan | None = None
    bandwidth: Bandwidth | None = None
    ips: tuple[NetworkIp, ...] = ()
    routes: tuple[NetworkRoute, ...] = ()
    virtualport: VirtualPort | None = None
    portgroups: tuple[Portgroup, ...] = ()
    dnsmasq_options: Annotated[DnsmasqOptions | None, At("dnsmasq:options")] = None

    @property
    def mode(self) -> str:
        """How it forwards; `isolated` when it does not."""
        mode = "none" if self.forward is None else self.forward.mode
        return "isolated" if mode == "none" else mode

    @property
    def is_ours(self) -> bool:
        """Whether the daemon makes its bridge, gives out its addresses and sets its rules."""
        return self.mode in ("isolated", "nat", "route", "open")
