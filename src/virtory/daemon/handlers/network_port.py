"""Ports of virtual networks: who is plugged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.daemon.handlers.network import driver_of
from virtory.model.refs import Param
from virtory.wire.remote import network_port as port
from virtory.wire.remote.types import NonnullNetworkPort, TypedParam

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(port.NETWORK_LIST_ALL_PORTS)
def list_all_ports(peer: Peer, args: port.NetworkListAllPortsArgs) -> port.NetworkListAllPortsRet:
    found = driver_of(peer).list_ports(args.network.uuid, args.flags)
    sent = found if args.need_results else []
    refs = [NonnullNetworkPort(args.network, each) for each in sent]
    return port.NetworkListAllPortsRet(refs, len(found))


@serves(port.NETWORK_PORT_LOOKUP_BY_UUID)
def lookup_by_uuid(
    peer: Peer, args: port.NetworkPortLookupByUuidArgs
) -> port.NetworkPortLookupByUuidRet:
    found = driver_of(peer).port(args.network.uuid, args.uuid)
    return port.NetworkPortLookupByUuidRet(NonnullNetworkPort(args.network, found))


@serves(port.NETWORK_PORT_GET_XML_DESC)
def get_xml_desc(peer: Peer, args: port.NetworkPortGetXmlDescArgs) -> port.NetworkPortGetXmlDescRet:
    xml = driver_of(peer).port_xml(args.port.net.uuid, args.port.uuid, args.flags)
    return port.NetworkPortGetXmlDescRet(xml)


@serves(port.NETWORK_PORT_CREATE_XML)
async def create_xml(
    peer: Peer, args: port.NetworkPortCreateXmlArgs
) -> port.NetworkPortCreateXmlRet:
    made = await driver_of(peer).create_port(args.network.uuid, args.xml, args.flags)
    return port.NetworkPortCreateXmlRet(NonnullNetworkPort(args.network, made))


@serves(port.NETWORK_PORT_DELETE)
async def delete(peer: Peer, args: port.NetworkPortDeleteArgs) -> None:
    await driver_of(peer).delete_port(args.port.net.uuid, args.port.uuid, args.flags)


@serves(port.NETWORK_PORT_GET_PARAMETERS)
def get_parameters(
    peer: Peer, args: port.NetworkPortGetParametersArgs
) -> port.NetworkPortGetParametersRet:
    found = driver_of(peer).port_parameters(args.port.net.uuid, args.port.uuid, args.flags)
    sent = [TypedParam(*each) for each in found[: args.nparams]]
    return port.NetworkPortGetParametersRet(sent, len(found))


@serves(port.NETWORK_PORT_SET_PARAMETERS)
def set_parameters(peer: Peer, args: port.NetworkPortSetParametersArgs) -> None:
    given = [Param(*each) for each in args.params]
    driver_of(peer).set_port_parameters(args.port.net.uuid, args.port.uuid, given, args.flags)
