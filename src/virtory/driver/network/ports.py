"""Network ports: what is plugged in. Guests' come with their plans; clients may make others.

The rule kept here: a guest's port is read from what the guest has taken, so that it can not outlive
it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from virtory.driver.known_flags import refuse_unknown
from virtory.errors import (
    FROM_NETWORK,
    ConfigUnsupported,
    InvalidArgument,
    NetworkPortNotFound,
    OperationInvalid,
)
from virtory.model.values import Uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from virtory.driver.network.table import Entry, NetworkTable
    from virtory.driver.store import Store
    from virtory.model.refs import Param

_RECLAIM = 1


class GuestPort(NamedTuple):
    """A guest's interface on a network; `device` is its tap."""

    network: bytes
    port: bytes
    owner_name: str
    owner: bytes
    mac: str
    device: str | None
    bridge: str


class Ports:
    """The part of the driver that knows who is plugged in."""

    table: NetworkTable
    store: Store
    guests: Callable[[], Iterable[GuestPort]]

    def ports_of(self, entry: Entry) -> dict[bytes, str]:
        """UUID → XML of every port."""
        found = {
            each.port: _guest_xml(each) for each in self.guests() if each.network == entry.uuid
        }
        return {**found, **entry.ports}

    def list_ports(self, uuid: bytes, flags: int) -> list[bytes]:
        refuse_unknown(flags, 0, "networkListAllPorts")
        entry = self.table.get(uuid)
        _refuse_inactive(entry)
        return list(self.ports_of(entry))

    def port(self, uuid: bytes, port: bytes) -> bytes:
        """The port's UUID, if it exists."""
        self._port_xml(self.table.get(uuid), port)
        return port

    def port_xml(self, uuid: bytes, port: bytes, flags: int) -> str:
        refuse_unknown(flags, 0, "networkPortGetXMLDesc")
        return self._port_xml(self.table.get(uuid), port)

    async def create_port(self, uuid: bytes, xml: str, flags: int) -> bytes:
        """A port of a client's; it is kept while the network runs."""
        from virtory.model.network.port import PortPlug, format_port, parse_port

        refuse_unknown(flags, _RECLAIM, "networkPortCreateXML")
        entry = self.table.get(uuid)
        _refuse_inactive(entry)
        port = parse_port(xml)
        uuid_ = port.uuid or Uuid.random()
        port = dataclasses.replace(port, uuid=uuid_)
        if uuid_.raw in self.ports_of(entry) and not flags & _RECLAIM:
            raise OperationInvalid(
                f"network port UUID '{uuid_}' exists already", domain=FROM_NETWORK
            )
        bridge = entry.network().bridge
        if port.plug is None and bridge is not None:
            port = dataclasses.replace(port, plug=PortPlug(type="network", bridge=bridge.name))
        entry.ports[uuid_.raw] = format_port(port)
        await self.store.save(entry.row())
        return uuid_.raw

    async def delete_port(self, uuid: bytes, port: bytes, flags: int) -> None:
        refuse_unknown(flags, 0, "networkPortDelete")
        entry = self.table.get(uuid)
        self._port_xml(entry, port)
        if port not in entry.ports:
            raise OperationInvalid(
                f"network port '{Uuid.of_bytes(port)}' is a running guest's",
                cure="detach the guest's interface",
                domain=FROM_NETWORK,
            )
        del entry.ports[port]
        await self.store.save(entry.row())

    def port_parameters(self, uuid: bytes, port: bytes, flags: int) -> list[Param]:
        """No traffic is limited yet: there are none."""
        self._port_xml(self.table.get(uuid), port)
        return []

    def set_port_parameters(
        self, uuid: bytes, port: bytes, params: list[Param], flags: int
    ) -> None:
        self._port_xml(self.table.get(uuid), port)
        if any(each.value for each in params):
            raise ConfigUnsupported(
                "the traffic of a network port is not limited yet", domain=FROM_NETWORK
            )
        if not params:
            raise InvalidArgument("no parameters are given", domain=FROM_NETWORK)

    def _port_xml(self, entry: Entry, port: bytes) -> str:
        xml = self.ports_of(entry).get(port)
        if xml is None:
            raise NetworkPortNotFound(f"no network port with matching uuid '{Uuid.of_bytes(port)}'")
        return xml


def _refuse_inactive(entry: Entry) -> None:
    if not entry.active:
        raise OperationInvalid(f"network '{entry.name}' is not active", domain=FROM_NETWORK)


def _guest_xml(port: GuestPort) -> str:
    from virtory.model.network.port import (
        NetworkPort,
        PortMac,
        PortOwner,
        PortPlug,
        format_port,
    )
    from virtory.model.values import Mac

    return format_port(
        NetworkPort(
            uuid=Uuid.of_bytes(port.port),
            owner=PortOwner(name=port.owner_name, uuid=Uuid.of_bytes(port.owner)),
            mac=PortMac(address=Mac.parse(port.mac)),
            plug=PortPlug(type="network", bridge=port.bridge),
        )
    )
