"""Virtual networks: lists, lookups, definitions, life, leases, events."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_NETWORK, ConfigUnsupported, InternalError, NetworkNotFound
from virtory.model.events import NetworkLifecycle
from virtory.model.flags import NetworkEventId
from virtory.model.list_flags import ConnectListNetworks
from virtory.wire.remote import network

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer
    from virtory.driver.interface.network import NetworkDriver
    from virtory.model.events import Event


def driver_of(peer: Peer) -> NetworkDriver:
    """The driver's networks; ConfigUnsupported says why there are none."""
    if peer.driver.network is None:
        raise ConfigUnsupported(
            "virtual networks need the daemon of root: this one may make no bridges",
            cure="connect to qemu:///system, or give the domain an interface of type 'user'",
            domain=FROM_NETWORK,
        )
    return peer.driver.network


def _names(peer: Peer, flags: int) -> list[str]:
    found = peer.driver.network
    return [] if found is None else [ref.name for ref in found.list_all(flags)]


# -- lists and lookups ---------------------------------------------------------------------------


@serves(network.CONNECT_NUM_OF_NETWORKS)
def num_of_networks(peer: Peer, _args: None) -> network.ConnectNumOfNetworksRet:
    return network.ConnectNumOfNetworksRet(len(_names(peer, ConnectListNetworks.ACTIVE)))


@serves(network.CONNECT_LIST_NETWORKS)
def list_networks(
    peer: Peer, args: network.ConnectListNetworksArgs
) -> network.ConnectListNetworksRet:
    names = _names(peer, ConnectListNetworks.ACTIVE)
    return network.ConnectListNetworksRet(names[: max(0, args.maxnames)])


@serves(network.CONNECT_NUM_OF_DEFINED_NETWORKS)
def num_of_defined_networks(peer: Peer, _args: None) -> network.ConnectNumOfDefinedNetworksRet:
    return network.ConnectNumOfDefinedNetworksRet(len(_names(peer, ConnectListNetworks.INACTIVE)))


@serves(network.CONNECT_LIST_DEFINED_NETWORKS)
def list_defined_networks(
    peer: Peer, args: network.ConnectListDefinedNetworksArgs
) -> network.ConnectListDefinedNetworksRet:
    names = _names(peer, ConnectListNetworks.INACTIVE)
    return network.ConnectListDefinedNetworksRet(names[: max(0, args.maxnames)])


@serves(network.CONNECT_LIST_ALL_NETWORKS)
def list_all_networks(
    peer: Peer, args: network.ConnectListAllNetworksArgs
) -> network.ConnectListAllNetworksRet:
    found = [] if peer.driver.network is None else peer.driver.network.list_all(args.flags)
    return network.ConnectListAllNetworksRet(found if args.need_results else [], len(found))


@serves(network.NETWORK_LOOKUP_BY_NAME)
def lookup_by_name(
    peer: Peer, args: network.NetworkLookupByNameArgs
) -> network.NetworkLookupByNameRet:
    if peer.driver.network is None:
        raise NetworkNotFound(f"no network with matching name '{args.name}'")
    return network.NetworkLookupByNameRet(peer.driver.network.by_name(args.name))


@serves(network.NETWORK_LOOKUP_BY_UUID)
def lookup_by_uuid(
    peer: Peer, args: network.NetworkLookupByUuidArgs
) -> network.NetworkLookupByUuidRet:
    if peer.driver.network is None:
        raise NetworkNotFound(f"no network with matching uuid '{UUID(bytes=args.uuid)}'")
    return network.NetworkLookupByUuidRet(peer.driver.network.by_uuid(args.uuid))


# -- definition ----------------------------------------------------------------------------------


@serves(network.NETWORK_DEFINE_XML)
async def define_xml(peer: Peer, args: network.NetworkDefineXmlArgs) -> network.NetworkDefineXmlRet:
    return network.NetworkDefineXmlRet(await driver_of(peer).define(args.xml, 0))


@serves(network.NETWORK_DEFINE_XML_FLAGS)
async def define_xml_flags(
    peer: Peer, args: network.NetworkDefineXmlFlagsArgs
) -> network.NetworkDefineXmlFlagsRet:
    return network.NetworkDefineXmlFlagsRet(await driver_of(peer).define(args.xml, args.flags))


@serves(network.NETWORK_UNDEFINE)
async def undefine(peer: Peer, args: network.NetworkUndefineArgs) -> None:
    await driver_of(peer).undefine(args.net.uuid)


@serves(network.NETWORK_UPDATE)
async def update(peer: Peer, args: network.NetworkUpdateArgs) -> None:
    await driver_of(peer).update(
        args.net.uuid, args.command, args.section, args.parent_index, args.xml, args.flags
    )


@serves(network.NETWORK_GET_XML_DESC)
def get_xml_desc(peer: Peer, args: network.NetworkGetXmlDescArgs) -> network.NetworkGetXmlDescRet:
    return network.NetworkGetXmlDescRet(driver_of(peer).xml(args.net.uuid, args.flags))


@serves(network.NETWORK_GET_AUTOSTART)
def get_autostart(
    peer: Peer, args: network.NetworkGetAutostartArgs
) -> network.NetworkGetAutostartRet:
    return network.NetworkGetAutostartRet(int(driver_of(peer).autostart(args.net.uuid)))


@serves(network.NETWORK_SET_AUTOSTART)
async def set_autostart(peer: Peer, args: network.NetworkSetAutostartArgs) -> None:
    await driver_of(peer).set_autostart(args.net.uuid, bool(args.autostart))


# -- life ----------------------------------------------------------------------------------------


@serves(network.NETWORK_CREATE_XML)
async def create_xml(peer: Peer, args: network.NetworkCreateXmlArgs) -> network.NetworkCreateXmlRet:
    return network.NetworkCreateXmlRet(await driver_of(peer).create_xml(args.xml, 0))


@serves(network.NETWORK_CREATE_XML_FLAGS)
async def create_xml_flags(
    peer: Peer, args: network.NetworkCreateXmlFlagsArgs
) -> network.NetworkCreateXmlFlagsRet:
    return network.NetworkCreateXmlFlagsRet(await driver_of(peer).create_xml(args.xml, args.flags))


@serves(network.NETWORK_CREATE)
async def create(peer: Peer, args: network.NetworkCreateArgs) -> None:
    await driver_of(peer).create(args.net.uuid)


@serves(network.NETWORK_DESTROY)
async def destroy(peer: Peer, args: network.NetworkDestroyArgs) -> None:
    await driver_of(peer).destroy(args.net.uuid)


# -- state ---------------------------------------------------------------------------------------


@serves(network.NETWORK_IS_ACTIVE)
def is_active(peer: Peer, args: network.NetworkIsActiveArgs) -> network.NetworkIsActiveRet:
    return network.NetworkIsActiveRet(int(driver_of(peer).is_active(args.net.uuid)))


@serves(network.NETWORK_IS_PERSISTENT)
def is_persistent(
    peer: Peer, args: network.NetworkIsPersistentArgs
) -> network.NetworkIsPersistentRet:
    return network.NetworkIsPersistentRet(int(driver_of(peer).is_persistent(args.net.uuid)))


@serves(network.NETWORK_GET_BRIDGE_NAME)
def get_bridge_name(
    peer: Peer, args: network.NetworkGetBridgeNameArgs
) -> network.NetworkGetBridgeNameRet:
    return network.NetworkGetBridgeNameRet(driver_of(peer).bridge_name(args.net.uuid))


@serves(network.NETWORK_GET_DHCP_LEASES)
def get_dhcp_leases(
    peer: Peer, args: network.NetworkGetDhcpLeasesArgs
) -> network.NetworkGetDhcpLeasesRet:
    leases = driver_of(peer).dhcp_leases(args.net.uuid, args.mac, args.flags)
    sent = [network.NetworkDhcpLease(*each) for each in leases] if args.need_results else []
    return network.NetworkGetDhcpLeasesRet(sent, len(leases))


# -- events --------------------------------------------------------------------------------------


@serves(network.CONNECT_NETWORK_EVENT_REGISTER_ANY)
def event_register_any(
    peer: Peer, args: network.ConnectNetworkEventRegisterAnyArgs
) -> network.ConnectNetworkEventRegisterAnyRet:
    if args.event_id != NetworkEventId.LIFECYCLE:
        raise InternalError(f"unsupported network event ID {args.event_id}", domain=FROM_NETWORK)

    def tell(callback: int, event: Event) -> None:
        assert isinstance(event, NetworkLifecycle)
        message = network.NetworkEventLifecycleMsg(
            callback, event.network, event.event, event.detail
        )
        peer.emit(network.NETWORK_EVENT_LIFECYCLE, message)

    uuid = None if args.net is None else args.net.uuid
    callback = peer.subscribed.add(NetworkLifecycle, uuid, tell)
    return network.ConnectNetworkEventRegisterAnyRet(callback)


@serves(network.CONNECT_NETWORK_EVENT_DEREGISTER_ANY)
def event_deregister_any(peer: Peer, args: network.ConnectNetworkEventDeregisterAnyArgs) -> None:
    peer.subscribed.remove(args.callback_id)
