"""Network filters and their bindings to ports.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Record, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import NWFILTER_BINDING_LIST_MAX, NWFILTER_LIST_MAX
from virtory.wire.remote.types import NonnullNwfilter, NonnullNwfilterBinding, NonnullString, Uuid

# Lookup and lists


class NwfilterLookupByNameArgs(Record):
    name: NonnullString


class NwfilterLookupByNameRet(Record):
    nwfilter: NonnullNwfilter


NWFILTER_LOOKUP_BY_NAME = REMOTE.call(
    "NWFILTER_LOOKUP_BY_NAME",
    175,
    NwfilterLookupByNameArgs,
    NwfilterLookupByNameRet,
    acl="nwfilter:getattr",
    high=True,
)


class NwfilterLookupByUuidArgs(Record):
    uuid: Uuid


class NwfilterLookupByUuidRet(Record):
    nwfilter: NonnullNwfilter


NWFILTER_LOOKUP_BY_UUID = REMOTE.call(
    "NWFILTER_LOOKUP_BY_UUID",
    176,
    NwfilterLookupByUuidArgs,
    NwfilterLookupByUuidRet,
    acl="nwfilter:getattr",
    high=True,
)


class ConnectListAllNwfiltersArgs(Record):
    need_results: Int = 1
    flags: UInt = 0


class ConnectListAllNwfiltersRet(Record):
    filters: Annotated[list[NonnullNwfilter], Array(NWFILTER_LIST_MAX)]
    ret: UInt


CONNECT_LIST_ALL_NWFILTERS = REMOTE.call(
    "CONNECT_LIST_ALL_NWFILTERS",
    286,
    ConnectListAllNwfiltersArgs,
    ConnectListAllNwfiltersRet,
    acl="connect:search_nwfilters",
    acl_filter="nwfilter:getattr",
    high=True,
)


class ConnectNumOfNwfiltersRet(Record):
    num: Int


CONNECT_NUM_OF_NWFILTERS = REMOTE.call(
    "CONNECT_NUM_OF_NWFILTERS",
    178,
    None,
    ConnectNumOfNwfiltersRet,
    acl="connect:search_nwfilters",
    acl_filter="nwfilter:getattr",
    high=True,
)


class ConnectListNwfiltersArgs(Record):
    maxnames: Int


class ConnectListNwfiltersRet(Record):
    names: Annotated[list[NonnullString], Array(NWFILTER_LIST_MAX)]


CONNECT_LIST_NWFILTERS = REMOTE.call(
    "CONNECT_LIST_NWFILTERS",
    179,
    ConnectListNwfiltersArgs,
    ConnectListNwfiltersRet,
    acl="connect:search_nwfilters",
    acl_filter="nwfilter:getattr",
    high=True,
)


# Definition and description


class NwfilterDefineXmlArgs(Record):
    xml: NonnullString


class NwfilterDefineXmlRet(Record):
    nwfilter: NonnullNwfilter


NWFILTER_DEFINE_XML = REMOTE.call(
    "NWFILTER_DEFINE_XML",
    180,
    NwfilterDefineXmlArgs,
    NwfilterDefineXmlRet,
    acl=("nwfilter:write", "nwfilter:save"),
    high=True,
)


class NwfilterDefineXmlFlagsArgs(Record):
    xml: NonnullString
    flags: UInt = 0


class NwfilterDefineXmlFlagsRet(Record):
    nwfilter: NonnullNwfilter


NWFILTER_DEFINE_XML_FLAGS = REMOTE.call(
    "NWFILTER_DEFINE_XML_FLAGS",
    431,
    NwfilterDefineXmlFlagsArgs,
    NwfilterDefineXmlFlagsRet,
    acl=("nwfilter:write", "nwfilter:save"),
    high=True,
)


class NwfilterUndefineArgs(Record):
    nwfilter: NonnullNwfilter


NWFILTER_UNDEFINE = REMOTE.call(
    "NWFILTER_UNDEFINE", 181, NwfilterUndefineArgs, None, acl="nwfilter:delete", high=True
)


class NwfilterGetXmlDescArgs(Record):
    nwfilter: NonnullNwfilter
    flags: UInt = 0


class NwfilterGetXmlDescRet(Record):
    xml: NonnullString


NWFILTER_GET_XML_DESC = REMOTE.call(
    "NWFILTER_GET_XML_DESC",
    177,
    NwfilterGetXmlDescArgs,
    NwfilterGetXmlDescRet,
    acl="nwfilter:read",
    high=True,
)


# Bindings


class NwfilterBindingLookupByPortDevArgs(Record):
    name: NonnullString


class NwfilterBindingLookupByPortDevRet(Record):
    nwfilter: NonnullNwfilterBinding


NWFILTER_BINDING_LOOKUP_BY_PORT_DEV = REMOTE.call(
    "NWFILTER_BINDING_LOOKUP_BY_PORT_DEV",
    397,
    NwfilterBindingLookupByPortDevArgs,
    NwfilterBindingLookupByPortDevRet,
    acl="nwfilter_binding:getattr",
    high=True,
)


class ConnectListAllNwfilterBindingsArgs(Record):
    need_results: Int = 1
    flags: UInt = 0


class ConnectListAllNwfilterBindingsRet(Record):
    bindings: Annotated[list[NonnullNwfilterBinding], Array(NWFILTER_BINDING_LIST_MAX)]
    ret: UInt


CONNECT_LIST_ALL_NWFILTER_BINDINGS = REMOTE.call(
    "CONNECT_LIST_ALL_NWFILTER_BINDINGS",
    401,
    ConnectListAllNwfilterBindingsArgs,
    ConnectListAllNwfilterBindingsRet,
    acl="connect:search_nwfilter_bindings",
    acl_filter="nwfilter_binding:getattr",
    high=True,
)


class NwfilterBindingCreateXmlArgs(Record):
    xml: NonnullString
    flags: UInt = 0


class NwfilterBindingCreateXmlRet(Record):
    nwfilter: NonnullNwfilterBinding


NWFILTER_BINDING_CREATE_XML = REMOTE.call(
    "NWFILTER_BINDING_CREATE_XML",
    399,
    NwfilterBindingCreateXmlArgs,
    NwfilterBindingCreateXmlRet,
    acl="nwfilter_binding:create",
    high=True,
)


class NwfilterBindingDeleteArgs(Record):
    nwfilter: NonnullNwfilterBinding


NWFILTER_BINDING_DELETE = REMOTE.call(
    "NWFILTER_BINDING_DELETE",
    400,
    NwfilterBindingDeleteArgs,
    None,
    acl="nwfilter_binding:delete",
    high=True,
)


class NwfilterBindingGetXmlDescArgs(Record):
    nwfilter: NonnullNwfilterBinding
    flags: UInt = 0


class NwfilterBindingGetXmlDescRet(Record):
    xml: NonnullString


NWFILTER_BINDING_GET_XML_DESC = REMOTE.call(
    "NWFILTER_BINDING_GET_XML_DESC",
    398,
    NwfilterBindingGetXmlDescArgs,
    NwfilterBindingGetXmlDescRet,
    acl="nwfilter_binding:read",
    high=True,
)
