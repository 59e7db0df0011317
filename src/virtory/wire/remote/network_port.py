"""Ports of virtual networks: who is plugged in.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Record, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import NETWORK_PORT_LIST_MAX, NETWORK_PORT_PARAMETERS_MAX
from virtory.wire.remote.types import (
    NonnullNetwork,
    NonnullNetworkPort,
    NonnullString,
    TypedParam,
    Uuid,
)

# Lookup and lists


class NetworkPortLookupByUuidArgs(Record):
    network: NonnullNetwork
    uuid: Uuid


class NetworkPortLookupByUuidRet(Record):
    port: NonnullNetworkPort


NETWORK_PORT_LOOKUP_BY_UUID = REMOTE.call(
    "NETWORK_PORT_LOOKUP_BY_UUID",
    405,
    NetworkPortLookupByUuidArgs,
    NetworkPortLookupByUuidRet,
    acl="network_port:getattr",
    high=True,
)


class NetworkListAllPortsArgs(Record):
    network: NonnullNetwork
    need_results: Int = 1
    flags: UInt = 0


class NetworkListAllPortsRet(Record):
    ports: Annotated[list[NonnullNetworkPort], Array(NETWORK_PORT_LIST_MAX)]
    ret: UInt


NETWORK_LIST_ALL_PORTS = REMOTE.call(
    "NETWORK_LIST_ALL_PORTS",
    404,
    NetworkListAllPortsArgs,
    NetworkListAllPortsRet,
    acl="network:search_ports",
    acl_filter="network_port:getattr",
    high=True,
)


# Creation and deletion


class NetworkPortCreateXmlArgs(Record):
    network: NonnullNetwork
    xml: NonnullString
    flags: UInt = 0


class NetworkPortCreateXmlRet(Record):
    port: NonnullNetworkPort


NETWORK_PORT_CREATE_XML = REMOTE.call(
    "NETWORK_PORT_CREATE_XML",
    406,
    NetworkPortCreateXmlArgs,
    NetworkPortCreateXmlRet,
    acl="network_port:create",
)


class NetworkPortDeleteArgs(Record):
    port: NonnullNetworkPort
    flags: UInt = 0


NETWORK_PORT_DELETE = REMOTE.call(
    "NETWORK_PORT_DELETE", 410, NetworkPortDeleteArgs, None, acl="network_port:delete"
)


# Description and tuning


class NetworkPortGetXmlDescArgs(Record):
    port: NonnullNetworkPort
    flags: UInt = 0


class NetworkPortGetXmlDescRet(Record):
    xml: NonnullString


NETWORK_PORT_GET_XML_DESC = REMOTE.call(
    "NETWORK_PORT_GET_XML_DESC",
    409,
    NetworkPortGetXmlDescArgs,
    NetworkPortGetXmlDescRet,
    acl="network_port:read",
)


class NetworkPortGetParametersArgs(Record):
    port: NonnullNetworkPort
    nparams: Int
    flags: UInt = 0


class NetworkPortGetParametersRet(Record):
    params: Annotated[list[TypedParam], Array(NETWORK_PORT_PARAMETERS_MAX)]
    nparams: Int


NETWORK_PORT_GET_PARAMETERS = REMOTE.call(
    "NETWORK_PORT_GET_PARAMETERS",
    407,
    NetworkPortGetParametersArgs,
    NetworkPortGetParametersRet,
    acl="network_port:read",
)


class NetworkPortSetParametersArgs(Record):
    port: NonnullNetworkPort
    params: Annotated[list[TypedParam], Array(NETWORK_PORT_PARAMETERS_MAX)]
    flags: UInt = 0


NETWORK_PORT_SET_PARAMETERS = REMOTE.call(
    "NETWORK_PORT_SET_PARAMETERS", 408, NetworkPortSetParametersArgs, None, acl="network_port:write"
)
