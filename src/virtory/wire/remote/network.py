"""Virtual networks, their leases and their ports.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Hyper, Int, Record, UInt
from virtory.lean import Annotated, NamedTuple
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import NETWORK_DHCP_LEASES_MAX, NETWORK_LIST_MAX
from virtory.wire.remote.types import NonnullNetwork, NonnullString, NullableString, Uuid

# Lookup


class NetworkLookupByNameArgs(Record):
    name: NonnullString


class NetworkLookupByNameRet(Record):
    net: NonnullNetwork


NETWORK_LOOKUP_BY_NAME = REMOTE.call(
    "NETWORK_LOOKUP_BY_NAME",
    46,
    NetworkLookupByNameArgs,
    NetworkLookupByNameRet,
    acl="network:getattr",
    high=True,
)


class NetworkLookupByUuidArgs(Record):
    uuid: Uuid


class NetworkLookupByUuidRet(Record):
    net: NonnullNetwork


NETWORK_LOOKUP_BY_UUID = REMOTE.call(
    "NETWORK_LOOKUP_BY_UUID",
    47,
    NetworkLookupByUuidArgs,
    NetworkLookupByUuidRet,
    acl="network:getattr",
    high=True,
)


# Lists


class ConnectListAllNetworksArgs(Record):
    need_results: Int = 1
    flags: UInt = 0


class ConnectListAllNetworksRet(Record):
    nets: Annotated[list[NonnullNetwork], Array(NETWORK_LIST_MAX)]
    ret: UInt


CONNECT_LIST_ALL_NETWORKS = REMOTE.call(
    "CONNECT_LIST_ALL_NETWORKS",
    283,
    ConnectListAllNetworksArgs,
    ConnectListAllNetworksRet,
    acl="connect:search_networks",
    acl_filter="network:getattr",
    high=True,
)


class ConnectNumOfNetworksRet(Record):
    num: Int


CONNECT_NUM_OF_NETWORKS = REMOTE.call(
    "CONNECT_NUM_OF_NETWORKS",
    52,
    None,
    ConnectNumOfNetworksRet,
    acl="connect:search_networks",
    acl_filter="network:getattr",
    high=True,
)


class ConnectListNetworksArgs(Record):
    maxnames: Int


class ConnectListNetworksRet(Record):
    names: Annotated[list[NonnullString], Array(NETWORK_LIST_MAX)]


CONNECT_LIST_NETWORKS = REMOTE.call(
    "CONNECT_LIST_NETWORKS",
    38,
    ConnectListNetworksArgs,
    ConnectListNetworksRet,
    acl="connect:search_networks",
    acl_filter="network:getattr",
    high=True,
)


class ConnectNumOfDefinedNetworksRet(Record):
    num: Int


CONNECT_NUM_OF_DEFINED_NETWORKS = REMOTE.call(
    "CONNECT_NUM_OF_DEFINED_NETWORKS",
    50,
    None,
    ConnectNumOfDefinedNetworksRet,
    acl="connect:search_networks",
    acl_filter="network:getattr",
    high=True,
)


class ConnectListDefinedNetworksArgs(Record):
    maxnames: Int


class ConnectListDefinedNetworksRet(Record):
    names: Annotated[list[NonnullString], Array(NETWORK_LIST_MAX)]


CONNECT_LIST_DEFINED_NETWORKS = REMOTE.call(
    "CONNECT_LIST_DEFINED_NETWORKS",
    36,
    ConnectListDefinedNetworksArgs,
    ConnectListDefinedNetworksRet,
    acl="connect:search_networks",
    acl_filter="network:getattr",
    high=True,
)


# Definition


class NetworkDefineXmlArgs(Record):
    xml: NonnullString


class NetworkDefineXmlRet(Record):
    net: NonnullNetwork


NETWORK_DEFINE_XML = REMOTE.call(
    "NETWORK_DEFINE_XML",
    41,
    NetworkDefineXmlArgs,
    NetworkDefineXmlRet,
    acl=("network:write", "network:save"),
    high=True,
)


class NetworkDefineXmlFlagsArgs(Record):
    xml: NonnullString
    flags: UInt = 0


class NetworkDefineXmlFlagsRet(Record):
    net: NonnullNetwork


NETWORK_DEFINE_XML_FLAGS = REMOTE.call(
    "NETWORK_DEFINE_XML_FLAGS",
    432,
    NetworkDefineXmlFlagsArgs,
    NetworkDefineXmlFlagsRet,
    acl=("network:write", "network:save"),
    high=True,
)


class NetworkUndefineArgs(Record):
    net: NonnullNetwork


NETWORK_UNDEFINE = REMOTE.call(
    "NETWORK_UNDEFINE", 49, NetworkUndefineArgs, None, acl="network:delete", high=True
)


class NetworkUpdateArgs(Record):
    net: NonnullNetwork
    command: UInt
    section: UInt
    parent_index: Int
    xml: NonnullString
    flags: UInt = 0


NETWORK_UPDATE = REMOTE.call(
    "NETWORK_UPDATE",
    291,
    NetworkUpdateArgs,
    None,
    acl=(
        "network:write",
        "network:save:!VIR_NETWORK_UPDATE_AFFECT_CONFIG|VIR_NETWORK_UPDATE_AFFECT_LIVE",
        "network:save:VIR_NETWORK_UPDATE_AFFECT_CONFIG",
    ),
    high=True,
)


# Life


class NetworkCreateArgs(Record):
    net: NonnullNetwork


NETWORK_CREATE = REMOTE.call("NETWORK_CREATE", 39, NetworkCreateArgs, None, acl="network:start")


class NetworkCreateXmlArgs(Record):
    xml: NonnullString


class NetworkCreateXmlRet(Record):
    net: NonnullNetwork


NETWORK_CREATE_XML = REMOTE.call(
    "NETWORK_CREATE_XML",
    40,
    NetworkCreateXmlArgs,
    NetworkCreateXmlRet,
    acl=("network:write", "network:start"),
)


class NetworkCreateXmlFlagsArgs(Record):
    xml: NonnullString
    flags: UInt = 0


class NetworkCreateXmlFlagsRet(Record):
    net: NonnullNetwork


NETWORK_CREATE_XML_FLAGS = REMOTE.call(
    "NETWORK_CREATE_XML_FLAGS",
    437,
    NetworkCreateXmlFlagsArgs,
    NetworkCreateXmlFlagsRet,
    acl=("network:write", "network:start"),
    high=True,
)


class NetworkDestroyArgs(Record):
    net: NonnullNetwork


NETWORK_DESTROY = REMOTE.call(
    "NETWORK_DESTROY", 42, NetworkDestroyArgs, None, acl="network:stop", high=True
)


# Description


class NetworkGetXmlDescArgs(Record):
    net: NonnullNetwork
    flags: UInt = 0


class NetworkGetXmlDescRet(Record):
    xml: NonnullString


NETWORK_GET_XML_DESC = REMOTE.call(
    "NETWORK_GET_XML_DESC",
    43,
    NetworkGetXmlDescArgs,
    NetworkGetXmlDescRet,
    acl="network:read",
    high=True,
)


class NetworkGetBridgeNameArgs(Record):
    net: NonnullNetwork


class NetworkGetBridgeNameRet(Record):
    name: NonnullString


NETWORK_GET_BRIDGE_NAME = REMOTE.call(
    "NETWORK_GET_BRIDGE_NAME",
    45,
    NetworkGetBridgeNameArgs,
    NetworkGetBridgeNameRet,
    acl="network:read",
    high=True,
)


class NetworkIsActiveArgs(Record):
    net: NonnullNetwork


class NetworkIsActiveRet(Record):
    active: Int


NETWORK_IS_ACTIVE = REMOTE.call(
    "NETWORK_IS_ACTIVE", 152, NetworkIsActiveArgs, NetworkIsActiveRet, acl="network:read", high=True
)


class NetworkIsPersistentArgs(Record):
    net: NonnullNetwork


class NetworkIsPersistentRet(Record):
    persistent: Int


NETWORK_IS_PERSISTENT = REMOTE.call(
    "NETWORK_IS_PERSISTENT",
    153,
    NetworkIsPersistentArgs,
    NetworkIsPersistentRet,
    acl="network:read",
    high=True,
)


class NetworkGetAutostartArgs(Record):
    net: NonnullNetwork


class NetworkGetAutostartRet(Record):
    autostart: Int


NETWORK_GET_AUTOSTART = REMOTE.call(
    "NETWORK_GET_AUTOSTART",
    44,
    NetworkGetAutostartArgs,
    NetworkGetAutostartRet,
    acl="network:read",
    high=True,
)


class NetworkSetAutostartArgs(Record):
    net: NonnullNetwork
    autostart: Int


NETWORK_SET_AUTOSTART = REMOTE.call(
    "NETWORK_SET_AUTOSTART", 48, NetworkSetAutostartArgs, None, acl="network:write", high=True
)


class NetworkGetDhcpLeasesArgs(Record):
    net: NonnullNetwork
    mac: NullableString
    need_results: Int = 1
    flags: UInt = 0


class NetworkDhcpLease(NamedTuple):
    iface: NonnullString
    expirytime: Hyper
    type: Int
    mac: NullableString
    iaid: NullableString
    ipaddr: NonnullString
    prefix: UInt
    hostname: NullableString
    clientid: NullableString


class NetworkGetDhcpLeasesRet(Record):
    leases: Annotated[list[NetworkDhcpLease], Array(NETWORK_DHCP_LEASES_MAX)]
    ret: UInt


NETWORK_GET_DHCP_LEASES = REMOTE.call(
    "NETWORK_GET_DHCP_LEASES",
    341,
    NetworkGetDhcpLeasesArgs,
    NetworkGetDhcpLeasesRet,
    acl="network:read",
)


# Events


class ConnectNetworkEventRegisterAnyArgs(Record):
    event_id: Int
    net: NonnullNetwork | None


class ConnectNetworkEventRegisterAnyRet(Record):
    callback_id: Int


CONNECT_NETWORK_EVENT_REGISTER_ANY = REMOTE.call(
    "CONNECT_NETWORK_EVENT_REGISTER_ANY",
    313,
    ConnectNetworkEventRegisterAnyArgs,
    ConnectNetworkEventRegisterAnyRet,
    acl="connect:search_networks",
    acl_filter="network:getattr",
    high=True,
)


class ConnectNetworkEventDeregisterAnyArgs(Record):
    callback_id: Int


CONNECT_NETWORK_EVENT_DEREGISTER_ANY = REMOTE.call(
    "CONNECT_NETWORK_EVENT_DEREGISTER_ANY",
    314,
    ConnectNetworkEventDeregisterAnyArgs,
    None,
    acl="connect:read",
    high=True,
)


class NetworkEventLifecycleMsg(Record):
    callback_id: Int
    net: NonnullNetwork
    event: Int
    detail: Int


NETWORK_EVENT_LIFECYCLE = REMOTE.event("NETWORK_EVENT_LIFECYCLE", 315, NetworkEventLifecycleMsg)
