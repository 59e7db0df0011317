"""Devices of the host: none are listed yet, and every answer says so truthfully."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_NODEDEV, ConfigUnsupported, NodeDeviceNotFound
from virtory.wire.remote import node_device

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(node_device.NODE_NUM_OF_DEVICES)
def node_num_of_devices(
    _peer: Peer, _args: node_device.NodeNumOfDevicesArgs
) -> node_device.NodeNumOfDevicesRet:
    return node_device.NodeNumOfDevicesRet(0)


@serves(node_device.NODE_LIST_DEVICES)
def node_list_devices(
    _peer: Peer, _args: node_device.NodeListDevicesArgs
) -> node_device.NodeListDevicesRet:
    return node_device.NodeListDevicesRet([])


@serves(node_device.CONNECT_LIST_ALL_NODE_DEVICES)
def list_all_node_devices(
    _peer: Peer, _args: node_device.ConnectListAllNodeDevicesArgs
) -> node_device.ConnectListAllNodeDevicesRet:
    return node_device.ConnectListAllNodeDevicesRet([], 0)


@serves(node_device.NODE_DEVICE_LOOKUP_BY_NAME)
def node_device_lookup_by_name(
    _peer: Peer, args: node_device.NodeDeviceLookupByNameArgs
) -> NoReturn:
    raise NodeDeviceNotFound(f"no node device with matching name '{args.name}'")


@serves(node_device.NODE_DEVICE_CREATE_XML)
def node_device_create_xml(_peer: Peer, _args: node_device.NodeDeviceCreateXmlArgs) -> NoReturn:
    raise _unserved()


@serves(node_device.NODE_DEVICE_DEFINE_XML)
def node_device_define_xml(_peer: Peer, _args: node_device.NodeDeviceDefineXmlArgs) -> NoReturn:
    raise _unserved()


@serves(node_device.CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY)
def node_device_event_register_any(
    peer: Peer, _args: node_device.ConnectNodeDeviceEventRegisterAnyArgs
) -> node_device.ConnectNodeDeviceEventRegisterAnyRet:
    return node_device.ConnectNodeDeviceEventRegisterAnyRet(peer.subscribed.add())


@serves(node_device.CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY)
def node_device_event_deregister_any(
    peer: Peer, args: node_device.ConnectNodeDeviceEventDeregisterAnyArgs
) -> None:
    peer.subscribed.remove(args.callback_id)


def _unserved() -> ConfigUnsupported:
    """What a definition of a mediated or virtual node device is answered with."""
    return ConfigUnsupported(
        "mediated or virtual node devices are not served by this version of virtoryd",
        cure="make it with the tools of this host",
        domain=FROM_NODEDEV,
    )
