"""`<networkport>`: where something is plugged into a network.

The rule kept here: a value says what the XML says, in libvirt's order.
"""

from __future__ import annotations

from typing import Annotated

from virtory.codec import xml
from virtory.codec.xml import At, Attr, Element, YesNo
from virtory.model.domain.devices.interface import Bandwidth, VirtualPort, Vlan
from virtory.model.values import Mac, Uuid


class PortOwner(Element):
    """`<owner>`: whose it is."""

    name: str
    uuid: Uuid


class PortMac(Element):
    """`<mac>`: the address of what is plugged in."""

    address: Attr[Mac]


class PortPlug(Element):
    """`<plug>`: the host's side."""

    type: Attr[str]
    bridge: Attr[str | None] = None
    dev: Attr[str | None] = None
    mode: Attr[str | None] = None
    mac_table_manager: Annotated[str | None, At("@macTableManager")] = None
    managed: Attr[YesNo | None] = None


class NetworkPort(Element, tag="networkport"):
    """`<networkport>`."""

    uuid: Uuid | None = None
    owner: PortOwner
    group: str | None = None
    mac: PortMac
    virtualport: VirtualPort | None = None
    bandwidth: Bandwidth | None = None
    isolated: Annotated[YesNo | None, At("port/@isolated")] = None
    vlan: Vlan | None = None
    rxfilters: Annotated[YesNo | None, At("rxfilters/@trustGuest")] = None
    plug: PortPlug | None = None


def parse_port(text: str) -> NetworkPort:
    """The port that `text` describes.

    Raises:
        XmlError: malformed, hostile or invalid; all problems at once.
    """
    return xml.parse(NetworkPort, text)


def format_port(port: NetworkPort) -> str:
    """The description as `virsh net-port-dumpxml` prints it."""
    return xml.format(port)
