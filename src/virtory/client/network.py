"""Virtual networks, their leases and ports.

The rule kept here: a network is named by its UUID; its definition and its running state are two.
"""

from __future__ import annotations

from virtory.client.handle import Handle, NamedHandle, uuid_bytes, uuid_text
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virtory.client import parameters, results
    from virtory.client.results import Params
    from virtory.wire.remote import network as w
    from virtory.wire.remote import network_port as w_network_port
else:
    parameters = Later("virtory.client.parameters")
    results = Later("virtory.client.results")
    w = Later("virtory.wire.remote.network")
    w_network_port = Later("virtory.wire.remote.network_port")

MOST_PARAMETERS = 16


class Network(NamedHandle):
    """A virtual network of a host."""

    __slots__ = ()

    async def xml(self, *, inactive: bool = False, flags: int = 0) -> str:
        """`NETWORK_GET_XML_DESC`: its description, live while it runs unless `inactive`."""
        args = w.NetworkGetXmlDescArgs(self.ref, flags | inactive)
        return (await self._call(w.NETWORK_GET_XML_DESC, args)).xml

    async def start(self) -> None:
        """`NETWORK_CREATE`: start it."""
        await self._call(w.NETWORK_CREATE, w.NetworkCreateArgs(self.ref))

    async def destroy(self) -> None:
        """`NETWORK_DESTROY`: stop it; guests on it lose their link."""
        await self._call(w.NETWORK_DESTROY, w.NetworkDestroyArgs(self.ref))

    async def undefine(self) -> None:
        """`NETWORK_UNDEFINE`: forget its definition."""
        await self._call(w.NETWORK_UNDEFINE, w.NetworkUndefineArgs(self.ref))

    async def is_active(self) -> bool:
        """`NETWORK_IS_ACTIVE`: whether it runs."""
        args = w.NetworkIsActiveArgs(self.ref)
        return bool((await self._call(w.NETWORK_IS_ACTIVE, args)).active)

    async def is_persistent(self) -> bool:
        """`NETWORK_IS_PERSISTENT`: whether it has a definition."""
        args = w.NetworkIsPersistentArgs(self.ref)
        return bool((await self._call(w.NETWORK_IS_PERSISTENT, args)).persistent)

    async def autostart(self) -> bool:
        """`NETWORK_GET_AUTOSTART`: whether it starts with the daemon."""
        args = w.NetworkGetAutostartArgs(self.ref)
        return bool((await self._call(w.NETWORK_GET_AUTOSTART, args)).autostart)

    async def set_autostart(self, autostart: bool = True) -> None:
        """`NETWORK_SET_AUTOSTART`: start it with the daemon, or not."""
        args = w.NetworkSetAutostartArgs(self.ref, int(autostart))
        await self._call(w.NETWORK_SET_AUTOSTART, args)

    async def bridge_name(self) -> str:
        """`NETWORK_GET_BRIDGE_NAME`: the host's bridge device."""
        args = w.NetworkGetBridgeNameArgs(self.ref)
        return (await self._call(w.NETWORK_GET_BRIDGE_NAME, args)).name

    async def update(
        self, command: int, section: int, xml: str, *, parent_index: int = -1, flags: int = 0
    ) -> None:
        """`NETWORK_UPDATE`: change one part: command 1 modify, 2 delete, 3 add last, 4 add first.

        Sections as in libvirt's `virNetworkUpdateSection`: 4 is a DHCP host, 10 a DNS host.
        """
        args = w.NetworkUpdateArgs(self.ref, command, section, parent_index, xml, flags)
        await self._call(w.NETWORK_UPDATE, args)

    async def dhcp_leases(
        self, mac: str | None = None, *, flags: int = 0
    ) -> list[results.DhcpLease]:
        """`NETWORK_GET_DHCP_LEASES`: the addresses given out, of one MAC or of all."""
        args = w.NetworkGetDhcpLeasesArgs(self.ref, mac, 1, flags)
        ret = await self._call(w.NETWORK_GET_DHCP_LEASES, args)
        return [
            results.DhcpLease(
                lease.iface,
                lease.expirytime,
                6 if lease.type else 4,
                lease.mac,
                lease.iaid,
                lease.ipaddr,
                lease.prefix,
                lease.hostname,
                lease.clientid,
            )
            for lease in ret.leases
        ]

    # -- ports ---------------------------------------------------------------------------------
    async def ports(self, *, flags: int = 0) -> list[NetworkPort]:
        """`NETWORK_LIST_ALL_PORTS`: what is plugged in."""
        args = w_network_port.NetworkListAllPortsArgs(self.ref, 1, flags)
        ret = await self._call(w_network_port.NETWORK_LIST_ALL_PORTS, args)
        return [NetworkPort(self.host, ref) for ref in ret.ports]

    async def port(self, uuid: str | bytes) -> NetworkPort:
        """`NETWORK_PORT_LOOKUP_BY_UUID`: the port with this UUID."""
        args = w_network_port.NetworkPortLookupByUuidArgs(self.ref, uuid_bytes(uuid))
        ret = await self._call(w_network_port.NETWORK_PORT_LOOKUP_BY_UUID, args)
        return NetworkPort(self.host, ret.port)

    async def create_port(self, xml: str, *, flags: int = 0) -> NetworkPort:
        """`NETWORK_PORT_CREATE_XML`: plug something in."""
        args = w_network_port.NetworkPortCreateXmlArgs(self.ref, xml, flags)
        ret = await self._call(w_network_port.NETWORK_PORT_CREATE_XML, args)
        return NetworkPort(self.host, ret.port)


class NetworkPort(Handle):
    """Where something is plugged into a network."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<NetworkPort {self.uuid} of {self.ref.net.name!r}>"

    @property
    def uuid(self) -> str:
        """Its UUID in lower case with hyphens."""
        return uuid_text(self.ref.uuid)

    async def xml(self, *, flags: int = 0) -> str:
        """`NETWORK_PORT_GET_XML_DESC`: its description."""
        args = w_network_port.NetworkPortGetXmlDescArgs(self.ref, flags)
        return (await self._call(w_network_port.NETWORK_PORT_GET_XML_DESC, args)).xml

    async def parameters(self, *, flags: int = 0) -> Params:
        """`NETWORK_PORT_GET_PARAMETERS`: its bandwidth (`inbound.average …`)."""
        args = w_network_port.NetworkPortGetParametersArgs(
            self.ref, MOST_PARAMETERS, flags | parameters.STRING_OKAY
        )
        ret = await self._call(w_network_port.NETWORK_PORT_GET_PARAMETERS, args)
        return parameters.values_of(ret.params)

    async def set_parameters(self, params: Mapping[str, Any], *, flags: int = 0) -> None:
        """`NETWORK_PORT_SET_PARAMETERS`: as `parameters` names them."""
        args = w_network_port.NetworkPortSetParametersArgs(
            self.ref, parameters.typed(params), flags
        )
        await self._call(w_network_port.NETWORK_PORT_SET_PARAMETERS, args)

    async def delete(self, *, flags: int = 0) -> None:
        """`NETWORK_PORT_DELETE`: unplug it."""
        await self._call(
            w_network_port.NETWORK_PORT_DELETE,
            w_network_port.NetworkPortDeleteArgs(self.ref, flags),
        )
