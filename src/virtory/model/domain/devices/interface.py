"""`<interface>`: network cards and what they are plugged into.

The rule kept here: the description says what is wanted; the names of taps that the host made for a
running machine (`target`) come and go with it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, OnOff, Range, YesNo
from virtory.model.domain.devices.address import HostAddress
from virtory.model.domain.devices.device import Device, VirtioOptions
from virtory.model.values import Mac

InterfaceType = Literal[
    "user", "network", "bridge", "ethernet", "direct", "vhostuser", "internal", "mcast",
    "client", "server", "udp", "hostdev", "vdpa", "null", "vds",
]  # fmt: skip
InterfaceMode = Literal["vepa", "private", "bridge", "passthrough", "server", "client"]
Port = Annotated[int, Range(1, 65535)]
GENERATED_NAMES = ("vnet", "macvtap", "macvlan", "vif")
"""Beginnings of devices' names that a daemon chose for one run."""


class InterfaceMac(Element):
    """`<mac>`: the card's address."""

    address: Attr[Mac]
    type: Attr[Literal["generated", "static"] | None] = None
    check: Attr[YesNo | None] = None


class PeerAddress(Element):
    """`<local>` of `<source>`: the near end of a UDP tunnel."""

    address: Attr[str | None] = None
    port: Attr[Port | None] = None


class InterfaceSource(Element):
    """`<source>`: what it is plugged into; which attributes count follows the `type`."""

    network: Attr[str | None] = None
    portgroup: Attr[str | None] = None
    portid: Attr[str | None] = None
    bridge: Attr[str | None] = None
    mac_table_manager: Annotated[Literal["kernel", "libvirt"] | None, At("@macTableManager")] = None
    dev: Attr[str | None] = None
    type: Attr[Literal["unix"] | None] = None
    path: Attr[str | None] = None
    mode: Attr[InterfaceMode | None] = None
    name: Attr[str | None] = None
    address: Attr[str | None] = None
    port: Attr[Port | None] = None
    local: PeerAddress | None = None
    host_address: Annotated[HostAddress | None, At("address")] = None


class VirtualPortParameters(Element):
    """`<parameters>` of a virtual port."""

    managerid: Attr[int | None] = None
    typeid: Attr[int | None] = None
    typeidversion: Attr[int | None] = None
    instanceid: Attr[str | None] = None
    interfaceid: Attr[str | None] = None
    profileid: Attr[str | None] = None


class VirtualPort(Element):
    """`<virtualport>`: the port profile of an Open vSwitch or 802.1Qbg/h switch."""

    type: Attr[str | None] = None
    parameters: VirtualPortParameters | None = None


class Rate(Element):
    """`<inbound>`, `<outbound>`: KiB a second (`average`, `peak`, `floor`), KiB (`burst`)."""

    average: Attr[int | None] = None
    peak: Attr[int | None] = None
    floor: Attr[int | None] = None
    burst: Attr[int | None] = None


class Bandwidth(Element):
    """`<bandwidth>`: traffic limits."""

    inbound: Rate | None = None
    outbound: Rate | None = None


class VlanTag(Element, tag="tag"):
    """`<tag>` of a VLAN."""

    id: Attr[Annotated[int, Range(0, 4095)]]
    native_mode: Annotated[Literal["tagged", "untagged"] | None, At("@nativeMode")] = None


class Vlan(Element):
    """`<vlan>`: the VLANs that its frames belong to."""

    trunk: Attr[YesNo | None] = None
    tags: tuple[VlanTag, ...] = ()


class Ip(Element, tag="ip"):
    """`<ip>`: an address that the guest's side is given."""

    address: Attr[str]
    family: Attr[Literal["ipv4", "ipv6"] | None] = None
    prefix: Attr[Annotated[int | None, Range(0, 128)]] = None
    peer: Attr[str | None] = None


class Route(Element, tag="route"):
    """`<route>` on the guest's side."""

    family: Attr[Literal["ipv4", "ipv6"] | None] = None
    address: Attr[str]
    netmask: Attr[str | None] = None
    prefix: Attr[Annotated[int | None, Range(0, 128)]] = None
    gateway: Attr[str]
    metric: Attr[int | None] = None


class PortRange(Element, tag="range"):
    """`<range>`: host ports `start` to `end`, sent to guest ports from `to` on, or `exclude`d."""

    start: Attr[Port]
    end: Attr[Port | None] = None
    to: Attr[Port | None] = None
    exclude: Attr[YesNo | None] = None


class PortForward(Element, tag="portForward"):
    """`<portForward>`: ports of the host that reach a guest on user-mode networking."""

    proto: Attr[Literal["tcp", "udp"]]
    address: Attr[str | None] = None
    dev: Attr[str | None] = None
    ranges: tuple[PortRange, ...] = ()


class InterfaceTarget(Element):
    """`<target>`: the host's end."""

    dev: Attr[str | None] = None
    managed: Attr[YesNo | None] = None


class HostOffloads(Element):
    """`<host>` of `<driver>`: offloads from host to guest."""

    csum: Attr[OnOff | None] = None
    gso: Attr[OnOff | None] = None
    tso4: Attr[OnOff | None] = None
    tso6: Attr[OnOff | None] = None
    ecn: Attr[OnOff | None] = None
    ufo: Attr[OnOff | None] = None
    mrg_rxbuf: Attr[OnOff | None] = None


class GuestOffloads(Element):
    """`<guest>` of `<driver>`: offloads from guest to host."""

    csum: Attr[OnOff | None] = None
    tso4: Attr[OnOff | None] = None
    tso6: Attr[OnOff | None] = None
    ecn: Attr[OnOff | None] = None
    ufo: Attr[OnOff | None] = None


class InterfaceDriver(VirtioOptions):
    """`<driver>`: back end, queues and offloads of a virtio card."""

    name: Attr[Literal["qemu", "vhost", "kvm", "vfio", "xen"] | None] = None
    txmode: Attr[Literal["iothread", "timer"] | None] = None
    ioeventfd: Attr[OnOff | None] = None
    event_idx: Attr[OnOff | None] = None
    queues: Attr[int | None] = None
    rx_queue_size: Attr[int | None] = None
    tx_queue_size: Attr[int | None] = None
    rss: Attr[OnOff | None] = None
    rss_hash_report: Attr[OnOff | None] = None
    host: HostOffloads | None = None
    guest: GuestOffloads | None = None


class Backend(Element):
    """`<backend>`: the program that carries user-mode traffic, or the tap and vhost devices."""

    type: Attr[Literal["default", "passt"] | None] = None
    tap: Attr[str | None] = None
    vhost: Attr[str | None] = None
    log_file: Annotated[str | None, At("@logFile")] = None


class FilterParameter(Element, tag="parameter"):
    """`<parameter>` of a filter."""

    name: Attr[str]
    value: Attr[str]


class FilterRef(Element):
    """`<filterref>`: the network filter that its frames pass."""

    filter: Attr[str]
    parameters: tuple[FilterParameter, ...] = ()


class Tune(Element):
    """`<tune>`: the socket buffer's size in bytes."""

    sndbuf: int | None = None


class Teaming(Element):
    """`<teaming>`: a pair of cards of which one stays over a migration."""

    type: Attr[Literal["persistent", "transient"]]
    persistent: Attr[str | None] = None


class CoalesceRx(Element):
    """`<rx>` of `<coalesce>`."""

    frames_max: Annotated[int | None, At("frames/@max")] = None


class Coalesce(Element):
    """`<coalesce>`: how many frames wait for one interrupt."""

    rx: CoalesceRx | None = None


class Interface(Device, tag="interface"):
    """`<interface>`: one network card."""

    type: Attr[InterfaceType]
    managed: Attr[YesNo | None] = None
    trust_guest_rx_filters: Annotated[YesNo | None, At("@trustGuestRxFilters")] = None
    mac: InterfaceMac | None = None
    source: InterfaceSource | None = None
    vlan: Vlan | None = None
    virtualport: VirtualPort | None = None
    bandwidth: Bandwidth | None = None
    isolated: Annotated[YesNo | None, At("port/@isolated")] = None
    ips: tuple[Ip, ...] = ()
    routes: tuple[Route, ...] = ()
    port_forwards: tuple[PortForward, ...] = ()
    script: Annotated[str | None, At("script/@path")] = None
    downscript: Annotated[str | None, At("downscript/@path")] = None
    target: InterfaceTarget | None = None
    model: Annotated[str | None, At("model/@type")] = None
    driver: InterfaceDriver | None = None
    backend: Backend | None = None
    filterref: FilterRef | None = None
    tune: Tune | None = None
    teaming: Teaming | None = None
    link: Annotated[Literal["up", "down"] | None, At("link/@state")] = None
    mtu: Annotated[int | None, At("mtu/@size")] = None
    coalesce: Coalesce | None = None
