"""`<interface>` of the host: a network device as it is now.

The rule kept here: what the kernel shows, in libvirt's form; nothing that could be configured.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec import xml
from virtory.codec.xml import At, Attr, Element, OnOff
from virtory.model.node_device import NetLink


class Port(Element, tag="interface"):
    """`<interface>` inside another one: what it is put together from."""

    type: Attr[Literal["ethernet", "bridge", "bond", "vlan"] | None] = None
    name: Attr[str]
    link: NetLink | None = None
    mac: Annotated[str | None, At("mac/@address")] = None


class BridgeOf(Element, tag="bridge"):
    """`<bridge>`: spanning tree and its forward delay in seconds, and the ports."""

    stp: Attr[OnOff] = False
    delay: Attr[str] = "0.00"
    ports: tuple[Port, ...] = ()


class Miimon(Element, tag="miimon"):
    """`<miimon>`: how a bond watches its links; milliseconds."""

    freq: Attr[int]
    updelay: Attr[int | None] = None
    downdelay: Attr[int | None] = None


class BondOf(Element, tag="bond"):
    """`<bond>`."""

    mode: Attr[str | None] = None
    miimon: Miimon | None = None
    ports: tuple[Port, ...] = ()


class VlanOf(Element, tag="vlan"):
    """`<vlan>`: a tag on another interface."""

    tag: Attr[int]
    on: Annotated[Port, At("interface")]


class HostInterface(Element, tag="interface"):
    """`<interface>`."""

    type: Attr[Literal["ethernet", "bridge", "bond", "vlan"]]
    name: Attr[str]
    mtu: Annotated[int | None, At("mtu/@size")] = None
    link: NetLink | None = None
    mac: Annotated[str | None, At("mac/@address")] = None
    bridge: BridgeOf | None = None
    bond: BondOf | None = None
    vlan: VlanOf | None = None


def format_interface(interface: HostInterface) -> str:
    """As libvirt writes it."""
    return xml.format(interface)


def parse_interface(text: str | bytes) -> HostInterface:
    """Raises: XmlError, ConfigUnsupported."""
    return xml.parse(HostInterface, text)
