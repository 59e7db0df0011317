"""The network `default`: there from the first start, on a subnet and a bridge that are free here.

The rule kept here: it is like libvirt's, so that `--network network=default` means what people
expect; it gives way to whatever else the host has. One difference: its bridge, which leads nowhere
but to the guests, has no spanning tree, with which Linux lets nothing through to a new guest for
twice two seconds (`BR_MIN_FORWARD_DELAY`).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from virtory.driver.network.choice import free_bridge, free_subnet, is_free, surroundings
from virtory.model.values import Mac

if TYPE_CHECKING:
    from virtory.model.network.addresses import Subnet
    from virtory.model.values import Uuid

_XML = """\
<network>
  <name>default</name>
  <uuid>{uuid}</uuid>
  <forward mode='nat'>
    <nat>
      <port start='1024' end='65535'/>
    </nat>
  </forward>
  <bridge name='{bridge}' stp='off' delay='0'/>
  <mac address='{mac}'/>
  <ip address='{first}' netmask='255.255.255.0'>
    <dhcp>
      <range start='{second}' end='{last}'/>
    </dhcp>
  </ip>
</network>
"""
_USUAL: Subnet = ipaddress.ip_network("192.168.122.0/24")


def xml(uuid: Uuid | str, mac: str | None = None) -> str:
    """Its definition, fit for the host as it is now."""
    here = surroundings()
    subnet = free_subnet(here, ()) or _USUAL  # with none free its start says what is in the way
    return _XML.format(
        uuid=uuid,
        bridge=free_bridge({link.name for link in here.links}),
        mac=mac or Mac.random(),
        first=subnet[1],
        second=subnet[2],
        last=subnet[-2],
    )


def moved(definition: str) -> str | None:
    """Another definition when the bridge or the subnet is somebody else's by now; else None."""
    from virtory.model.network import parse_network
    from virtory.model.network.addresses import subnets

    network = parse_network(definition, lenient=True)
    here = surroundings()
    (mine,) = subnets(network)
    bridge = network.bridge.name if network.bridge is not None else None
    if all(link.name != bridge for link in here.links) and is_free(mine, here):
        return None
    assert network.uuid is not None and network.mac is not None
    return xml(network.uuid, network.mac.address)
