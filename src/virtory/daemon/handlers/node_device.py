"""Devices of the host: lists, descriptions; changes are refused by the driver, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_NODEDEV, ConfigUnsupported, NodeDeviceNotFound
from virtory.wire.remote import node_device
from virtory.wire.remote.types import NonnullNodeDevice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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


_CHANGES = {
    node_device.NODE_DEVICE_SET_AUTOSTART: "set autostart of",
    node_device.NODE_DEVICE_DETTACH: "detach",
    node_device.NODE_DEVICE_DETACH_FLAGS: "detach",
    node_device.NODE_DEVICE_RE_ATTACH: "reattach",
    node_device.NODE_DEVICE_RESET: "reset",
    node_device.NODE_DEVICE_DESTROY: "destroy",
    node_device.NODE_DEVICE_UNDEFINE: "undefine",
    node_device.NODE_DEVICE_CREATE: "start",
}
"""What is refused, and in which words."""


def _refusing(change: str) -> Callable[[Peer, Any], Awaitable[None]]:
    async def refuse(peer: Peer, args: Any) -> None:
        await _driver(peer, args.name).refuse_change(args.name, change)

    return refuse


for _procedure, _change in _CHANGES.items():
    serves(_procedure)(_refusing(_change))


@serves(node_device.NODE_DEVICE_CREATE_XML, node_device.NODE_DEVICE_DEFINE_XML)
def make_from_xml(_peer: Peer, _args: Any) -> NoReturn:
    """Definitions of mediated and virtual devices."""
    raise ConfigUnsupported(
        "mediated or virtual node devices are not served by this version of virtoryd",
        cure="make it with the tools of this host",
        domain=FROM_NODEDEV,
    )


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
