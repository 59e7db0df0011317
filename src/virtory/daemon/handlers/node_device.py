"""Devices of the host: lists, descriptions; changes are refused by the driver, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_NODEDEV, ConfigUnsupported, NodeDeviceNotFound
from virtory.wire.remote import node_device
from virtory.wire.remote.types import NonnullNodeDevice

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer
    from virtory.driver.interface.node_device import NodeDeviceDriver


def _driver(peer: Peer, name: str) -> NodeDeviceDriver:
    """The driver; without one there is no device of any name."""
    if peer.driver.node_device is None:
        raise NodeDeviceNotFound(f"no node device with matching name '{name}'")
    return peer.driver.node_device


@serves(node_device.NODE_NUM_OF_DEVICES)
async def num_of_devices(
    peer: Peer, args: node_device.NodeNumOfDevicesArgs
) -> node_device.NodeNumOfDevicesRet:
    driver = peer.driver.node_device
    names = await driver.with_capability(args.cap) if driver else []
    return node_device.NodeNumOfDevicesRet(len(names))


@serves(node_device.NODE_LIST_DEVICES)
async def list_devices(
    peer: Peer, args: node_device.NodeListDevicesArgs
) -> node_device.NodeListDevicesRet:
    driver = peer.driver.node_device
    names = await driver.with_capability(args.cap) if driver else []
    return node_device.NodeListDevicesRet(names[: max(0, args.maxnames)])


@serves(node_device.CONNECT_LIST_ALL_NODE_DEVICES)
async def list_all_node_devices(
    peer: Peer, args: node_device.ConnectListAllNodeDevicesArgs
) -> node_device.ConnectListAllNodeDevicesRet:
    driver = peer.driver.node_device
    names = await driver.list_all(args.flags) if driver else []
    devices = [NonnullNodeDevice(name) for name in names] if args.need_results else []
    return node_device.ConnectListAllNodeDevicesRet(devices, len(names))


@serves(node_device.NODE_DEVICE_LOOKUP_BY_NAME)
async def lookup_by_name(
    peer: Peer, args: node_device.NodeDeviceLookupByNameArgs
) -> node_device.NodeDeviceLookupByNameRet:
    name = await _driver(peer, args.name).by_name(args.name)
    return node_device.NodeDeviceLookupByNameRet(NonnullNodeDevice(name))


@serves(node_device.NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN)
async def lookup_scsi_host_by_wwn(
    peer: Peer, args: node_device.NodeDeviceLookupScsiHostByWwnArgs
) -> node_device.NodeDeviceLookupScsiHostByWwnRet:
    name = await _driver(peer, args.wwnn).by_wwn(args.wwnn, args.wwpn)
    return node_device.NodeDeviceLookupScsiHostByWwnRet(NonnullNodeDevice(name))


@serves(node_device.NODE_DEVICE_GET_XML_DESC)
async def get_xml_desc(
    peer: Peer, args: node_device.NodeDeviceGetXmlDescArgs
) -> node_device.NodeDeviceGetXmlDescRet:
    return node_device.NodeDeviceGetXmlDescRet(
        await _driver(peer, args.name).xml(args.name, args.flags)
    )


@serves(node_device.NODE_DEVICE_GET_PARENT)
async def get_parent(
    peer: Peer, args: node_device.NodeDeviceGetParentArgs
) -> node_device.NodeDeviceGetParentRet:
    return node_device.NodeDeviceGetParentRet(await _driver(peer, args.name).parent(args.name))


@serves(node_device.NODE_DEVICE_NUM_OF_CAPS)
async def num_of_caps(
    peer: Peer, args: node_device.NodeDeviceNumOfCapsArgs
) -> node_device.NodeDeviceNumOfCapsRet:
    names = await _driver(peer, args.name).capabilities(args.name)
    return node_device.NodeDeviceNumOfCapsRet(len(names))


@serves(node_device.NODE_DEVICE_LIST_CAPS)
async def list_caps(
    peer: Peer, args: node_device.NodeDeviceListCapsArgs
) -> node_device.NodeDeviceListCapsRet:
    names = await _driver(peer, args.name).capabilities(args.name)
    return node_device.NodeDeviceListCapsRet(names[: max(0, args.maxnames)])


@serves(node_device.NODE_DEVICE_IS_ACTIVE)
async def is_active(
    peer: Peer, args: node_device.NodeDeviceIsActiveArgs
) -> node_device.NodeDeviceIsActiveRet:
    await _driver(peer, args.name).by_name(args.name)
    return node_device.NodeDeviceIsActiveRet(1)


@serves(node_device.NODE_DEVICE_IS_PERSISTENT)
async def is_persistent(
    peer: Peer, args: node_device.NodeDeviceIsPersistentArgs
) -> node_device.NodeDeviceIsPersistentRet:
    kept = await _driver(peer, args.name).is_persistent(args.name)
    return node_device.NodeDeviceIsPersistentRet(int(kept))


@serves(node_device.NODE_DEVICE_GET_AUTOSTART)
async def get_autostart(
    peer: Peer, args: node_device.NodeDeviceGetAutostartArgs
) -> node_device.NodeDeviceGetAutostartRet:
    kept = await _driver(peer, args.name).is_persistent(args.name)
    return node_device.NodeDeviceGetAutostartRet(int(kept))


@serves(node_device.NODE_DEVICE_SET_AUTOSTART)
async def set_autostart(peer: Peer, args: node_device.NodeDeviceSetAutostartArgs) -> None:
    await _driver(peer, args.name).refuse_change(args.name, "set autostart of")


@serves(node_device.NODE_DEVICE_DETTACH)
async def dettach(peer: Peer, args: node_device.NodeDeviceDettachArgs) -> None:
    await _driver(peer, args.name).refuse_change(args.name, "detach")


@serves(node_device.NODE_DEVICE_DETACH_FLAGS)
async def detach_flags(peer: Peer, args: node_device.NodeDeviceDetachFlagsArgs) -> None:
    await _driver(peer, args.name).refuse_change(args.name, "detach")


@serves(node_device.NODE_DEVICE_RE_ATTACH)
async def re_attach(peer: Peer, args: node_device.NodeDeviceReAttachArgs) -> None:
    await _driver(peer, args.name).refuse_change(args.name, "reattach")


@serves(node_device.NODE_DEVICE_RESET)
async def reset(peer: Peer, args: node_device.NodeDeviceResetArgs) -> None:
    await _driver(peer, args.name).refuse_change(args.name, "reset")


@serves(node_device.NODE_DEVICE_DESTROY)
async def destroy(peer: Peer, args: node_device.NodeDeviceDestroyArgs) -> None:
    await _driver(peer, args.name).refuse_change(args.name, "destroy")


@serves(node_device.NODE_DEVICE_UNDEFINE)
async def undefine(peer: Peer, args: node_device.NodeDeviceUndefineArgs) -> None:
    await _driver(peer, args.name).refuse_change(args.name, "undefine")


@serves(node_device.NODE_DEVICE_CREATE)
async def create(peer: Peer, args: node_device.NodeDeviceCreateArgs) -> None:
    await _driver(peer, args.name).refuse_change(args.name, "start")


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
