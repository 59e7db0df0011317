"""Networks in memory: `test:///default` has one, `default`, running.

The rule kept here: nothing is taken of the host; descriptions and states are as for real.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from virtory.codec.xml import Problem, error_of
from virtory.driver.interface.network import DhcpLease
from virtory.driver.memory.flags_check import only
from virtory.errors import (
    FROM_NETWORK,
    InternalError,
    NetworkNotFound,
    NetworkPortNotFound,
    OperationFailed,
    OperationInvalid,
)
from virtory.model.events import NetworkLifecycle
from virtory.model.list_flags import ConnectListNetworks as List
from virtory.model.network import Network, format_network, parse_network, problems, unserved
from virtory.model.network.network import Bridge, NetworkMac
from virtory.model.network.port import format_port, parse_port
from virtory.model.network.update import updated
from virtory.model.refs import NamedRef
from virtory.model.values import Mac, Uuid

if TYPE_CHECKING:
    from virtory.driver.bus import Bus
    from virtory.model.refs import Param

DEFAULT = """\
<network>
  <name>default</name>
  <uuid>dd8fe884-6c02-601e-7551-cca97df1c5df</uuid>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='on' delay='0'/>
  <mac address='52:54:00:7e:57:00'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='192.168.122.128' end='192.168.122.253'/>
    </dhcp>
  </ip>
</network>
"""
_DEFINED, _UNDEFINED, _STARTED, _STOPPED = range(4)
_LEASE = DhcpLease(
    "virbr0", 1900000000, 0, "52:54:00:6b:3c:58", None, "192.168.122.3", 24, "guest", None
)


class _Net:
    """One network; its ports by UUID."""

    def __init__(self, network: Network) -> None:
        assert network.uuid is not None
        self.name = network.name
        self.uuid = network.uuid.raw
        self.definition: Network | None = None
        self.live: Network | None = None
        self.autostart = False
        self.ports: dict[bytes, str] = {}

    @property
    def ref(self) -> NamedRef:
        return NamedRef(self.name, self.uuid)

    @property
    def current(self) -> Network:
        network = self.live or self.definition
        assert network is not None
        return network


class MemoryNetworks:
    """The networks of one test host."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._nets: dict[bytes, _Net] = {}
        network = parse_network(DEFAULT)
        default = _Net(network)
        default.definition = default.live = network
        self._nets[default.uuid] = default

    def _get(self, uuid: bytes) -> _Net:
        net = self._nets.get(uuid)
        if net is None:
            raise NetworkNotFound(f"no network with matching uuid '{Uuid.of_bytes(uuid)}'")
        return net

    def _tell(self, net: _Net, event: int) -> None:
        self._bus.publish(NetworkLifecycle(net.ref, event, 0))

    # -- lists and lookups -----------------------------------------------------------------------
    def list_all(self, flags: int) -> list[NamedRef]:
        only(flags, List.ALL, "testConnectListAllNetworks")
        groups = (
            (List.ACTIVE, List.INACTIVE, lambda net: net.live is not None),
            (List.PERSISTENT, List.TRANSIENT, lambda net: net.definition is not None),
            (List.AUTOSTART, List.NO_AUTOSTART, lambda net: net.autostart),
        )
        return [
            net.ref
            for net in self._nets.values()
            if all(
                not flags & (yes | no) or flags & (yes if answer(net) else no)
                for yes, no, answer in groups
            )
        ]

    def by_name(self, name: str) -> NamedRef:
        net = next((each for each in self._nets.values() if each.name == name), None)
        if net is None:
            raise NetworkNotFound(f"no network with matching name '{name}'")
        return net.ref

    def by_uuid(self, uuid: bytes) -> NamedRef:
        return self._get(uuid).ref

    # -- definition ------------------------------------------------------------------------------
    def _read(self, xml: str) -> tuple[Network, _Net | None]:
        network = parse_network(xml)
        found = [Problem(*each) for each in problems(network)]
        found += [Problem(*each, unsupported=True) for each in unserved(network)]
        if found:
            raise error_of(found, "network")
        known = next((each for each in self._nets.values() if each.name == network.name), None)
        uuid = network.uuid or Uuid.random()
        if known is not None and known.uuid != uuid.raw:
            raise OperationFailed(
                f"network '{network.name}' already exists with uuid {Uuid.of_bytes(known.uuid)}",
                domain=FROM_NETWORK,
            )
        other = self._nets.get(uuid.raw)
        if other is not None and other is not known:
            raise OperationFailed(
                f"network '{other.name}' is already defined with uuid {uuid}", domain=FROM_NETWORK
            )
        network = dataclasses.replace(network, uuid=uuid)
        if network.is_ours:
            bridge = network.bridge or Bridge()
            bridge = dataclasses.replace(
                bridge,
                name=bridge.name or f"virbr{len(self._nets)}",
                stp=bridge.stp is not False,
                delay=bridge.delay or 0,
            )
            mac = network.mac or NetworkMac(address=Mac.random())
            network = dataclasses.replace(network, bridge=bridge, mac=mac)
        return network, known

    async def define(self, xml: str, flags: int) -> NamedRef:
        only(flags, 1, "testNetworkDefineXMLFlags")
        network, known = self._read(xml)
        net = known or _Net(network)
        net.definition = network
        self._nets[net.uuid] = net
        self._tell(net, _DEFINED)
        return net.ref

    async def undefine(self, uuid: bytes) -> None:
        net = self._get(uuid)
        if net.definition is None:
            raise OperationInvalid("can't undefine transient network", domain=FROM_NETWORK)
        net.definition, net.autostart = None, False
        if net.live is None:
            del self._nets[uuid]
        self._tell(net, _UNDEFINED)

    def xml(self, uuid: bytes, flags: int) -> str:
        only(flags, 1, "testNetworkGetXMLDesc")
        net = self._get(uuid)
        network = net.definition if flags and net.definition is not None else net.current
        return format_network(network)

    def autostart(self, uuid: bytes) -> bool:
        return self._get(uuid).autostart

    async def set_autostart(self, uuid: bytes, autostart: bool) -> None:
        net = self._get(uuid)
        if net.definition is None:
            raise OperationInvalid(
                "cannot set autostart for transient network", domain=FROM_NETWORK
            )
        net.autostart = autostart

    async def update(
        self, uuid: bytes, command: int, section: int, parent_index: int, xml: str, flags: int
    ) -> None:
        only(flags, 3, "testNetworkUpdate")
        net = self._get(uuid)
        live = bool(flags & 1) or (not flags and net.live is not None)
        config = bool(flags & 2) or (not flags and net.live is None)
        if live and net.live is None:
            raise OperationInvalid("network is not running", domain=FROM_NETWORK)
        changed = {
            which: updated(network, command, section, parent_index, xml)
            for which, wanted, network in (
                ("live", live, net.live),
                ("definition", config, net.definition),
            )
            if wanted and network is not None
        }
        for which, network in changed.items():
            setattr(net, which, network)

    # -- life ------------------------------------------------------------------------------------
    async def create_xml(self, xml: str, flags: int) -> NamedRef:
        only(flags, 1, "testNetworkCreateXMLFlags")
        network, known = self._read(xml)
        net = known or _Net(network)
        if net.live is not None:
            raise OperationInvalid(
                f"network is already active as '{net.name}'", domain=FROM_NETWORK
            )
        net.live = network
        self._nets[net.uuid] = net
        self._tell(net, _STARTED)
        return net.ref

    async def create(self, uuid: bytes) -> None:
        net = self._get(uuid)
        if net.live is not None:
            raise OperationInvalid("network is already active", domain=FROM_NETWORK)
        net.live = net.definition
        self._tell(net, _STARTED)

    async def destroy(self, uuid: bytes) -> None:
        net = self._get(uuid)
        if net.live is None:
            raise OperationInvalid(f"network '{net.name}' is not active", domain=FROM_NETWORK)
        net.live = None
        net.ports.clear()
        if net.definition is None:
            del self._nets[uuid]
        self._tell(net, _STOPPED)

    # -- state -----------------------------------------------------------------------------------
    def is_active(self, uuid: bytes) -> bool:
        return self._get(uuid).live is not None

    def is_persistent(self, uuid: bytes) -> bool:
        return self._get(uuid).definition is not None

    def bridge_name(self, uuid: bytes) -> str:
        net = self._get(uuid)
        bridge = net.current.bridge
        if bridge is None or bridge.name is None:
            raise InternalError(
                f"network '{net.name}' does not have a bridge name.", domain=FROM_NETWORK
            )
        return bridge.name

    def dhcp_leases(self, uuid: bytes, mac: str | None, flags: int) -> list[DhcpLease]:
        only(flags, 0, "testNetworkGetDHCPLeases")
        net = self._get(uuid)
        served = net.live is not None and net.name == "default"
        return [_LEASE] if served and mac in (None, _LEASE.mac) else []

    # -- ports -----------------------------------------------------------------------------------
    def list_ports(self, uuid: bytes, flags: int) -> list[bytes]:
        only(flags, 0, "testNetworkListAllPorts")
        return list(self._get(uuid).ports)

    def port(self, uuid: bytes, port: bytes) -> bytes:
        if port not in self._get(uuid).ports:
            raise NetworkPortNotFound(f"no network port with matching uuid '{Uuid.of_bytes(port)}'")
        return port

    def port_xml(self, uuid: bytes, port: bytes, flags: int) -> str:
        only(flags, 0, "testNetworkPortGetXMLDesc")
        return self._get(uuid).ports[self.port(uuid, port)]

    async def create_port(self, uuid: bytes, xml: str, flags: int) -> bytes:
        only(flags, 1, "testNetworkPortCreateXML")
        port = parse_port(xml)
        name = port.uuid or Uuid.random()
        self._get(uuid).ports[name.raw] = format_port(dataclasses.replace(port, uuid=name))
        return name.raw

    async def delete_port(self, uuid: bytes, port: bytes, flags: int) -> None:
        only(flags, 0, "testNetworkPortDelete")
        del self._get(uuid).ports[self.port(uuid, port)]

    def port_parameters(self, uuid: bytes, port: bytes, flags: int) -> list[Param]:
        self.port(uuid, port)
        return []

    def set_port_parameters(
        self, uuid: bytes, port: bytes, params: list[Param], flags: int
    ) -> None:
        self.port(uuid, port)
