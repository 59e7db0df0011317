"""Network interfaces of the host.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Record, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import INTERFACE_LIST_MAX
from virtory.wire.remote.types import NonnullInterface, NonnullString

# Lookup


class InterfaceLookupByNameArgs(Record):
    name: NonnullString


class InterfaceLookupByNameRet(Record):
    iface: NonnullInterface


INTERFACE_LOOKUP_BY_NAME = REMOTE.call(
    "INTERFACE_LOOKUP_BY_NAME",
    128,
    InterfaceLookupByNameArgs,
    InterfaceLookupByNameRet,
    acl="interface:getattr",
    high=True,
)


class InterfaceLookupByMacStringArgs(Record):
    mac: NonnullString


class InterfaceLookupByMacStringRet(Record):
    iface: NonnullInterface


INTERFACE_LOOKUP_BY_MAC_STRING = REMOTE.call(
    "INTERFACE_LOOKUP_BY_MAC_STRING",
    129,
    InterfaceLookupByMacStringArgs,
    InterfaceLookupByMacStringRet,
    acl="interface:getattr",
    high=True,
)


# Lists


class ConnectListAllInterfacesArgs(Record):
    need_results: Int = 1
    flags: UInt = 0


class ConnectListAllInterfacesRet(Record):
    ifaces: Annotated[list[NonnullInterface], Array(INTERFACE_LIST_MAX)]
    ret: UInt


CONNECT_LIST_ALL_INTERFACES = REMOTE.call(
    "CONNECT_LIST_ALL_INTERFACES",
    284,
    ConnectListAllInterfacesArgs,
    ConnectListAllInterfacesRet,
    acl="connect:search_interfaces",
    acl_filter="interface:getattr",
    high=True,
)


class ConnectNumOfInterfacesRet(Record):
    num: Int


CONNECT_NUM_OF_INTERFACES = REMOTE.call(
    "CONNECT_NUM_OF_INTERFACES",
    126,
    None,
    ConnectNumOfInterfacesRet,
    acl="connect:search_interfaces",
    acl_filter="interface:getattr",
    high=True,
)


class ConnectListInterfacesArgs(Record):
    maxnames: Int


class ConnectListInterfacesRet(Record):
    names: Annotated[list[NonnullString], Array(INTERFACE_LIST_MAX)]


CONNECT_LIST_INTERFACES = REMOTE.call(
    "CONNECT_LIST_INTERFACES",
    127,
    ConnectListInterfacesArgs,
    ConnectListInterfacesRet,
    acl="connect:search_interfaces",
    acl_filter="interface:getattr",
    high=True,
)


class ConnectNumOfDefinedInterfacesRet(Record):
    num: Int


CONNECT_NUM_OF_DEFINED_INTERFACES = REMOTE.call(
    "CONNECT_NUM_OF_DEFINED_INTERFACES",
    137,
    None,
    ConnectNumOfDefinedInterfacesRet,
    acl="connect:search_interfaces",
    acl_filter="interface:getattr",
    high=True,
)


class ConnectListDefinedInterfacesArgs(Record):
    maxnames: Int


class ConnectListDefinedInterfacesRet(Record):
    names: Annotated[list[NonnullString], Array(INTERFACE_LIST_MAX)]


CONNECT_LIST_DEFINED_INTERFACES = REMOTE.call(
    "CONNECT_LIST_DEFINED_INTERFACES",
    138,
    ConnectListDefinedInterfacesArgs,
    ConnectListDefinedInterfacesRet,
    acl="connect:search_interfaces",
    acl_filter="interface:getattr",
    high=True,
)


# Definition and life


class InterfaceDefineXmlArgs(Record):
    xml: NonnullString
    flags: UInt = 0


class InterfaceDefineXmlRet(Record):
    iface: NonnullInterface


INTERFACE_DEFINE_XML = REMOTE.call(
    "INTERFACE_DEFINE_XML",
    131,
    InterfaceDefineXmlArgs,
    InterfaceDefineXmlRet,
    acl=("interface:write", "interface:save"),
    high=True,
)


class InterfaceUndefineArgs(Record):
    iface: NonnullInterface


INTERFACE_UNDEFINE = REMOTE.call(
    "INTERFACE_UNDEFINE", 132, InterfaceUndefineArgs, None, acl="interface:delete", high=True
)


class InterfaceCreateArgs(Record):
    iface: NonnullInterface
    flags: UInt = 0


INTERFACE_CREATE = REMOTE.call(
    "INTERFACE_CREATE", 133, InterfaceCreateArgs, None, acl="interface:start"
)


class InterfaceDestroyArgs(Record):
    iface: NonnullInterface
    flags: UInt = 0


INTERFACE_DESTROY = REMOTE.call(
    "INTERFACE_DESTROY", 134, InterfaceDestroyArgs, None, acl="interface:stop", high=True
)


# Description


class InterfaceGetXmlDescArgs(Record):
    iface: NonnullInterface
    flags: UInt = 0


class InterfaceGetXmlDescRet(Record):
    xml: NonnullString


INTERFACE_GET_XML_DESC = REMOTE.call(
    "INTERFACE_GET_XML_DESC",
    130,
    InterfaceGetXmlDescArgs,
    InterfaceGetXmlDescRet,
    acl="interface:read",
)


class InterfaceIsActiveArgs(Record):
    iface: NonnullInterface


class InterfaceIsActiveRet(Record):
    active: Int


INTERFACE_IS_ACTIVE = REMOTE.call(
    "INTERFACE_IS_ACTIVE",
    156,
    InterfaceIsActiveArgs,
    InterfaceIsActiveRet,
    acl="interface:read",
    high=True,
)


# Changes that can be undone


class InterfaceChangeBeginArgs(Record):
    flags: UInt = 0


INTERFACE_CHANGE_BEGIN = REMOTE.call(
    "INTERFACE_CHANGE_BEGIN",
    220,
    InterfaceChangeBeginArgs,
    None,
    acl="connect:interface_transaction",
)


class InterfaceChangeCommitArgs(Record):
    flags: UInt = 0


INTERFACE_CHANGE_COMMIT = REMOTE.call(
    "INTERFACE_CHANGE_COMMIT",
    221,
    InterfaceChangeCommitArgs,
    None,
    acl="connect:interface_transaction",
)


class InterfaceChangeRollbackArgs(Record):
    flags: UInt = 0


INTERFACE_CHANGE_ROLLBACK = REMOTE.call(
    "INTERFACE_CHANGE_ROLLBACK",
    222,
    InterfaceChangeRollbackArgs,
    None,
    acl="connect:interface_transaction",
)
