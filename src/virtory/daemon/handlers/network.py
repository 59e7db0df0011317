"""Networks: none are served yet, and every answer says so truthfully."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_NETWORK, ConfigUnsupported, NetworkNotFound
from virtory.wire.remote import network

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(network.CONNECT_NUM_OF_NETWORKS)
def num_of_networks(_peer: Peer, _args: None) -> network.ConnectNumOfNetworksRet:
    return network.ConnectNumOfNetworksRet(0)


@serves(network.CONNECT_LIST_NETWORKS)
def list_networks(
    _peer: Peer, _args: network.ConnectListNetworksArgs
) -> network.ConnectListNetworksRet:
    return network.ConnectListNetworksRet([])


@serves(network.CONNECT_NUM_OF_DEFINED_NETWORKS)
def num_of_defined_networks(_peer: Peer, _args: None) -> network.ConnectNumOfDefinedNetworksRet:
    return network.ConnectNumOfDefinedNetworksRet(0)


@serves(network.CONNECT_LIST_DEFINED_NETWORKS)
def list_defined_networks(
    _peer: Peer, _args: network.ConnectListDefinedNetworksArgs
) -> network.ConnectListDefinedNetworksRet:
    return network.ConnectListDefinedNetworksRet([])


@serves(network.CONNECT_LIST_ALL_NETWORKS)
def list_all_networks(
    _peer: Peer, _args: network.ConnectListAllNetworksArgs
) -> network.ConnectListAllNetworksRet:
    return network.ConnectListAllNetworksRet([], 0)


@serves(network.NETWORK_LOOKUP_BY_NAME)
def network_lookup_by_name(_peer: Peer, args: network.NetworkLookupByNameArgs) -> NoReturn:
    raise NetworkNotFound(f"no network with matching name '{args.name}'")


@serves(network.NETWORK_LOOKUP_BY_UUID)
def network_lookup_by_uuid(_peer: Peer, args: network.NetworkLookupByUuidArgs) -> NoReturn:
    raise NetworkNotFound(f"no network with matching uuid '{UUID(bytes=args.uuid)}'")


@serves(network.NETWORK_DEFINE_XML)
def network_define_xml(_peer: Peer, _args: network.NetworkDefineXmlArgs) -> NoReturn:
    raise _unserved()


@serves(network.NETWORK_DEFINE_XML_FLAGS)
def network_define_xml_flags(_peer: Peer, _args: network.NetworkDefineXmlFlagsArgs) -> NoReturn:
    raise _unserved()


@serves(network.NETWORK_CREATE_XML)
def network_create_xml(_peer: Peer, _args: network.NetworkCreateXmlArgs) -> NoReturn:
    raise _unserved()


@serves(network.NETWORK_CREATE_XML_FLAGS)
def network_create_xml_flags(_peer: Peer, _args: network.NetworkCreateXmlFlagsArgs) -> NoReturn:
    raise _unserved()


@serves(network.CONNECT_NETWORK_EVENT_REGISTER_ANY)
def network_event_register_any(
    peer: Peer, _args: network.ConnectNetworkEventRegisterAnyArgs
) -> network.ConnectNetworkEventRegisterAnyRet:
    return network.ConnectNetworkEventRegisterAnyRet(peer.subscribed.add())


@serves(network.CONNECT_NETWORK_EVENT_DEREGISTER_ANY)
def network_event_deregister_any(
    peer: Peer, args: network.ConnectNetworkEventDeregisterAnyArgs
) -> None:
    peer.subscribed.remove(args.callback_id)


def _unserved() -> ConfigUnsupported:
    """What a definition of a virtual network is answered with."""
    return ConfigUnsupported(
        "virtual networks are not served by this version of virtoryd",
        cure="give the domain an interface of type 'user', which needs no network",
        domain=FROM_NETWORK,
    )
