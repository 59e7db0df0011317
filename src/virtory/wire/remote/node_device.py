"""Devices of the host.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Record, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import NODE_DEVICE_CAPS_LIST_MAX, NODE_DEVICE_LIST_MAX
from virtory.wire.remote.types import NonnullNodeDevice, NonnullString, NullableString

# Lookup and lists


class NodeDeviceLookupByNameArgs(Record):
    name: NonnullString


class NodeDeviceLookupByNameRet(Record):
    dev: NonnullNodeDevice


NODE_DEVICE_LOOKUP_BY_NAME = REMOTE.call(
    "NODE_DEVICE_LOOKUP_BY_NAME",
    113,
    NodeDeviceLookupByNameArgs,
    NodeDeviceLookupByNameRet,
    acl="node_device:getattr",
    high=True,
)


class NodeDeviceLookupScsiHostByWwnArgs(Record):
    wwnn: NonnullString
    wwpn: NonnullString
    flags: UInt = 0


class NodeDeviceLookupScsiHostByWwnRet(Record):
    dev: NonnullNodeDevice


NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN = REMOTE.call(
    "NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN",
    297,
    NodeDeviceLookupScsiHostByWwnArgs,
    NodeDeviceLookupScsiHostByWwnRet,
    acl="node_device:getattr",
    high=True,
)


class ConnectListAllNodeDevicesArgs(Record):
    need_results: Int = 1
    flags: UInt = 0


class ConnectListAllNodeDevicesRet(Record):
    devices: Annotated[list[NonnullNodeDevice], Array(NODE_DEVICE_LIST_MAX)]
    ret: UInt


CONNECT_LIST_ALL_NODE_DEVICES = REMOTE.call(
    "CONNECT_LIST_ALL_NODE_DEVICES",
    285,
    ConnectListAllNodeDevicesArgs,
    ConnectListAllNodeDevicesRet,
    acl="connect:search_node_devices",
    acl_filter="node_device:getattr",
    high=True,
)


class NodeNumOfDevicesArgs(Record):
    cap: NullableString
    flags: UInt = 0


class NodeNumOfDevicesRet(Record):
    num: Int


NODE_NUM_OF_DEVICES = REMOTE.call(
    "NODE_NUM_OF_DEVICES",
    111,
    NodeNumOfDevicesArgs,
    NodeNumOfDevicesRet,
    acl="connect:search_node_devices",
    acl_filter="node_device:getattr",
    high=True,
)


class NodeListDevicesArgs(Record):
    cap: NullableString
    maxnames: Int
    flags: UInt = 0


class NodeListDevicesRet(Record):
    names: Annotated[list[NonnullString], Array(NODE_DEVICE_LIST_MAX)]


NODE_LIST_DEVICES = REMOTE.call(
    "NODE_LIST_DEVICES",
    112,
    NodeListDevicesArgs,
    NodeListDevicesRet,
    acl="connect:search_node_devices",
    acl_filter="node_device:getattr",
    high=True,
)


# Description


class NodeDeviceGetXmlDescArgs(Record):
    name: NonnullString
    flags: UInt = 0


class NodeDeviceGetXmlDescRet(Record):
    xml: NonnullString


NODE_DEVICE_GET_XML_DESC = REMOTE.call(
    "NODE_DEVICE_GET_XML_DESC",
    114,
    NodeDeviceGetXmlDescArgs,
    NodeDeviceGetXmlDescRet,
    acl="node_device:read",
)


class NodeDeviceGetParentArgs(Record):
    name: NonnullString


class NodeDeviceGetParentRet(Record):
    parent_name: NullableString


NODE_DEVICE_GET_PARENT = REMOTE.call(
    "NODE_DEVICE_GET_PARENT",
    115,
    NodeDeviceGetParentArgs,
    NodeDeviceGetParentRet,
    acl="node_device:read",
    high=True,
)


class NodeDeviceNumOfCapsArgs(Record):
    name: NonnullString


class NodeDeviceNumOfCapsRet(Record):
    num: Int


NODE_DEVICE_NUM_OF_CAPS = REMOTE.call(
    "NODE_DEVICE_NUM_OF_CAPS",
    116,
    NodeDeviceNumOfCapsArgs,
    NodeDeviceNumOfCapsRet,
    acl="node_device:read",
    high=True,
)


class NodeDeviceListCapsArgs(Record):
    name: NonnullString
    maxnames: Int


class NodeDeviceListCapsRet(Record):
    names: Annotated[list[NonnullString], Array(NODE_DEVICE_CAPS_LIST_MAX)]


NODE_DEVICE_LIST_CAPS = REMOTE.call(
    "NODE_DEVICE_LIST_CAPS",
    117,
    NodeDeviceListCapsArgs,
    NodeDeviceListCapsRet,
    acl="node_device:read",
    high=True,
)


class NodeDeviceIsPersistentArgs(Record):
    name: NonnullString


class NodeDeviceIsPersistentRet(Record):
    persistent: Int


NODE_DEVICE_IS_PERSISTENT = REMOTE.call(
    "NODE_DEVICE_IS_PERSISTENT",
    435,
    NodeDeviceIsPersistentArgs,
    NodeDeviceIsPersistentRet,
    acl="node_device:read",
    high=True,
)


class NodeDeviceIsActiveArgs(Record):
    name: NonnullString


class NodeDeviceIsActiveRet(Record):
    active: Int


NODE_DEVICE_IS_ACTIVE = REMOTE.call(
    "NODE_DEVICE_IS_ACTIVE",
    436,
    NodeDeviceIsActiveArgs,
    NodeDeviceIsActiveRet,
    acl="node_device:read",
    high=True,
)


class NodeDeviceGetAutostartArgs(Record):
    name: NonnullString


class NodeDeviceGetAutostartRet(Record):
    autostart: Int


NODE_DEVICE_GET_AUTOSTART = REMOTE.call(
    "NODE_DEVICE_GET_AUTOSTART",
    433,
    NodeDeviceGetAutostartArgs,
    NodeDeviceGetAutostartRet,
    acl="node_device:read",
    high=True,
)


class NodeDeviceSetAutostartArgs(Record):
    name: NonnullString
    autostart: Int


NODE_DEVICE_SET_AUTOSTART = REMOTE.call(
    "NODE_DEVICE_SET_AUTOSTART",
    434,
    NodeDeviceSetAutostartArgs,
    None,
    acl="node_device:write",
    high=True,
)


# Definition and life


class NodeDeviceCreateXmlArgs(Record):
    xml_desc: NonnullString
    flags: UInt = 0


class NodeDeviceCreateXmlRet(Record):
    dev: NonnullNodeDevice


NODE_DEVICE_CREATE_XML = REMOTE.call(
    "NODE_DEVICE_CREATE_XML",
    123,
    NodeDeviceCreateXmlArgs,
    NodeDeviceCreateXmlRet,
    acl=("node_device:write", "node_device:start"),
)


class NodeDeviceDestroyArgs(Record):
    name: NonnullString


NODE_DEVICE_DESTROY = REMOTE.call(
    "NODE_DEVICE_DESTROY", 124, NodeDeviceDestroyArgs, None, acl="node_device:stop", high=True
)


class NodeDeviceDefineXmlArgs(Record):
    xml_desc: NonnullString
    flags: UInt = 0


class NodeDeviceDefineXmlRet(Record):
    dev: NonnullNodeDevice


NODE_DEVICE_DEFINE_XML = REMOTE.call(
    "NODE_DEVICE_DEFINE_XML",
    428,
    NodeDeviceDefineXmlArgs,
    NodeDeviceDefineXmlRet,
    acl="node_device:write",
)


class NodeDeviceUndefineArgs(Record):
    name: NonnullString
    flags: UInt = 0


NODE_DEVICE_UNDEFINE = REMOTE.call(
    "NODE_DEVICE_UNDEFINE", 429, NodeDeviceUndefineArgs, None, acl="node_device:delete", high=True
)


class NodeDeviceCreateArgs(Record):
    name: NonnullString
    flags: UInt = 0


NODE_DEVICE_CREATE = REMOTE.call(
    "NODE_DEVICE_CREATE", 430, NodeDeviceCreateArgs, None, acl="node_device:start", high=True
)


# Taken from and given back to the host


class NodeDeviceDettachArgs(Record):
    name: NonnullString


NODE_DEVICE_DETTACH = REMOTE.call(
    "NODE_DEVICE_DETTACH", 118, NodeDeviceDettachArgs, None, acl="node_device:detach"
)


class NodeDeviceDetachFlagsArgs(Record):
    name: NonnullString
    driver_name: NullableString
    flags: UInt = 0


NODE_DEVICE_DETACH_FLAGS = REMOTE.call(
    "NODE_DEVICE_DETACH_FLAGS", 301, NodeDeviceDetachFlagsArgs, None, acl="node_device:detach"
)


class NodeDeviceReAttachArgs(Record):
    name: NonnullString


NODE_DEVICE_RE_ATTACH = REMOTE.call(
    "NODE_DEVICE_RE_ATTACH", 119, NodeDeviceReAttachArgs, None, acl="node_device:detach"
)


class NodeDeviceResetArgs(Record):
    name: NonnullString


NODE_DEVICE_RESET = REMOTE.call(
    "NODE_DEVICE_RESET", 120, NodeDeviceResetArgs, None, acl="node_device:detach"
)


# Events


class ConnectNodeDeviceEventRegisterAnyArgs(Record):
    event_id: Int
    dev: NonnullNodeDevice | None


class ConnectNodeDeviceEventRegisterAnyRet(Record):
    callback_id: Int


CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY = REMOTE.call(
    "CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY",
    374,
    ConnectNodeDeviceEventRegisterAnyArgs,
    ConnectNodeDeviceEventRegisterAnyRet,
    acl="connect:search_node_devices",
    acl_filter="node_device:getattr",
    high=True,
)


class ConnectNodeDeviceEventDeregisterAnyArgs(Record):
    callback_id: Int


CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY = REMOTE.call(
    "CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY",
    375,
    ConnectNodeDeviceEventDeregisterAnyArgs,
    None,
    acl="connect:read",
    high=True,
)


class NodeDeviceEventLifecycleMsg(Record):
    callback_id: Int
    dev: NonnullNodeDevice
    event: Int
    detail: Int


NODE_DEVICE_EVENT_LIFECYCLE = REMOTE.event(
    "NODE_DEVICE_EVENT_LIFECYCLE", 376, NodeDeviceEventLifecycleMsg
)


class NodeDeviceEventUpdateMsg(Record):
    callback_id: Int
    dev: NonnullNodeDevice


NODE_DEVICE_EVENT_UPDATE = REMOTE.event("NODE_DEVICE_EVENT_UPDATE", 377, NodeDeviceEventUpdateMsg)
