"""Domains as objects: lookup, lists, definition and description.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, CharArray, Int, Record, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import (
    DOMAIN_LIST_MAX,
    DOMAIN_MESSAGES_MAX,
    SECURITY_LABEL_LIST_MAX,
    SECURITY_LABEL_MAX,
)
from virtory.wire.remote.types import NonnullDomain, NonnullString, NullableString, Uuid

# Lookup


class DomainLookupByIdArgs(Record):
    id: Int


class DomainLookupByIdRet(Record):
    dom: NonnullDomain


DOMAIN_LOOKUP_BY_ID = REMOTE.call(
    "DOMAIN_LOOKUP_BY_ID",
    22,
    DomainLookupByIdArgs,
    DomainLookupByIdRet,
    acl="domain:getattr",
    high=True,
)


class DomainLookupByNameArgs(Record):
    name: NonnullString


class DomainLookupByNameRet(Record):
    dom: NonnullDomain


DOMAIN_LOOKUP_BY_NAME = REMOTE.call(
    "DOMAIN_LOOKUP_BY_NAME",
    23,
    DomainLookupByNameArgs,
    DomainLookupByNameRet,
    acl="domain:getattr",
    high=True,
)


class DomainLookupByUuidArgs(Record):
    uuid: Uuid


class DomainLookupByUuidRet(Record):
    dom: NonnullDomain


DOMAIN_LOOKUP_BY_UUID = REMOTE.call(
    "DOMAIN_LOOKUP_BY_UUID",
    24,
    DomainLookupByUuidArgs,
    DomainLookupByUuidRet,
    acl="domain:getattr",
    high=True,
)


# Lists


class ConnectListAllDomainsArgs(Record):
    need_results: Int = 1
    flags: UInt = 0


class ConnectListAllDomainsRet(Record):
    domains: Annotated[list[NonnullDomain], Array(DOMAIN_LIST_MAX)]
    ret: UInt


CONNECT_LIST_ALL_DOMAINS = REMOTE.call(
    "CONNECT_LIST_ALL_DOMAINS",
    273,
    ConnectListAllDomainsArgs,
    ConnectListAllDomainsRet,
    acl="connect:search_domains",
    acl_filter="domain:getattr",
    high=True,
)


class ConnectNumOfDomainsRet(Record):
    num: Int


CONNECT_NUM_OF_DOMAINS = REMOTE.call(
    "CONNECT_NUM_OF_DOMAINS",
    51,
    None,
    ConnectNumOfDomainsRet,
    acl="connect:search_domains",
    acl_filter="domain:getattr",
    high=True,
)


class ConnectListDomainsArgs(Record):
    maxids: Int


class ConnectListDomainsRet(Record):
    ids: Annotated[list[Int], Array(DOMAIN_LIST_MAX)]


CONNECT_LIST_DOMAINS = REMOTE.call(
    "CONNECT_LIST_DOMAINS",
    37,
    ConnectListDomainsArgs,
    ConnectListDomainsRet,
    acl="connect:search_domains",
    acl_filter="domain:getattr",
    high=True,
)


class ConnectNumOfDefinedDomainsRet(Record):
    num: Int


CONNECT_NUM_OF_DEFINED_DOMAINS = REMOTE.call(
    "CONNECT_NUM_OF_DEFINED_DOMAINS",
    25,
    None,
    ConnectNumOfDefinedDomainsRet,
    acl="connect:search_domains",
    acl_filter="domain:getattr",
    high=True,
)


class ConnectListDefinedDomainsArgs(Record):
    maxnames: Int


class ConnectListDefinedDomainsRet(Record):
    names: Annotated[list[NonnullString], Array(DOMAIN_LIST_MAX)]


CONNECT_LIST_DEFINED_DOMAINS = REMOTE.call(
    "CONNECT_LIST_DEFINED_DOMAINS",
    21,
    ConnectListDefinedDomainsArgs,
    ConnectListDefinedDomainsRet,
    acl="connect:search_domains",
    acl_filter="domain:getattr",
    high=True,
)


# Definition


class DomainDefineXmlArgs(Record):
    xml: NonnullString


class DomainDefineXmlRet(Record):
    dom: NonnullDomain


DOMAIN_DEFINE_XML = REMOTE.call(
    "DOMAIN_DEFINE_XML",
    11,
    DomainDefineXmlArgs,
    DomainDefineXmlRet,
    acl=("domain:write", "domain:save"),
    high=True,
)


class DomainDefineXmlFlagsArgs(Record):
    xml: NonnullString
    flags: UInt = 0


class DomainDefineXmlFlagsRet(Record):
    dom: NonnullDomain


DOMAIN_DEFINE_XML_FLAGS = REMOTE.call(
    "DOMAIN_DEFINE_XML_FLAGS",
    350,
    DomainDefineXmlFlagsArgs,
    DomainDefineXmlFlagsRet,
    acl=("domain:write", "domain:save"),
    high=True,
)


class DomainUndefineArgs(Record):
    dom: NonnullDomain


DOMAIN_UNDEFINE = REMOTE.call(
    "DOMAIN_UNDEFINE", 35, DomainUndefineArgs, None, acl="domain:delete", high=True
)


class DomainUndefineFlagsArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


DOMAIN_UNDEFINE_FLAGS = REMOTE.call(
    "DOMAIN_UNDEFINE_FLAGS", 231, DomainUndefineFlagsArgs, None, acl="domain:delete", high=True
)


class DomainRenameArgs(Record):
    dom: NonnullDomain
    new_name: NullableString
    flags: UInt = 0


class DomainRenameRet(Record):
    retcode: Int


DOMAIN_RENAME = REMOTE.call(
    "DOMAIN_RENAME", 358, DomainRenameArgs, DomainRenameRet, acl=("domain:write", "domain:save")
)


# Description


class DomainGetXmlDescArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainGetXmlDescRet(Record):
    xml: NonnullString


DOMAIN_GET_XML_DESC = REMOTE.call(
    "DOMAIN_GET_XML_DESC",
    14,
    DomainGetXmlDescArgs,
    DomainGetXmlDescRet,
    acl=(
        "domain:read",
        "domain:read_secure:VIR_DOMAIN_XML_SECURE",
        "domain:read_secure:VIR_DOMAIN_XML_MIGRATABLE",
    ),
)


class DomainGetOsTypeArgs(Record):
    dom: NonnullDomain


class DomainGetOsTypeRet(Record):
    type: NonnullString


DOMAIN_GET_OS_TYPE = REMOTE.call(
    "DOMAIN_GET_OS_TYPE", 19, DomainGetOsTypeArgs, DomainGetOsTypeRet, acl="domain:read", high=True
)


class DomainGetHostnameArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainGetHostnameRet(Record):
    hostname: NonnullString


DOMAIN_GET_HOSTNAME = REMOTE.call(
    "DOMAIN_GET_HOSTNAME", 277, DomainGetHostnameArgs, DomainGetHostnameRet, acl="domain:write"
)


class DomainGetSecurityLabelArgs(Record):
    dom: NonnullDomain


class DomainGetSecurityLabelRet(Record):
    label: Annotated[bytes, CharArray(SECURITY_LABEL_MAX)]
    enforcing: Int


DOMAIN_GET_SECURITY_LABEL = REMOTE.call(
    "DOMAIN_GET_SECURITY_LABEL",
    121,
    DomainGetSecurityLabelArgs,
    DomainGetSecurityLabelRet,
    acl="domain:read",
    high=True,
)


class DomainGetSecurityLabelListArgs(Record):
    dom: NonnullDomain


class DomainGetSecurityLabelListRet(Record):
    labels: Annotated[list[DomainGetSecurityLabelRet], Array(SECURITY_LABEL_LIST_MAX)]
    ret: Int


DOMAIN_GET_SECURITY_LABEL_LIST = REMOTE.call(
    "DOMAIN_GET_SECURITY_LABEL_LIST",
    278,
    DomainGetSecurityLabelListArgs,
    DomainGetSecurityLabelListRet,
    acl="domain:read",
    high=True,
)


class DomainSetMetadataArgs(Record):
    dom: NonnullDomain
    type: Int
    metadata: NullableString
    key: NullableString
    uri: NullableString
    flags: UInt = 0


DOMAIN_SET_METADATA = REMOTE.call(
    "DOMAIN_SET_METADATA",
    264,
    DomainSetMetadataArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainGetMetadataArgs(Record):
    dom: NonnullDomain
    type: Int
    uri: NullableString
    flags: UInt = 0


class DomainGetMetadataRet(Record):
    metadata: NonnullString


DOMAIN_GET_METADATA = REMOTE.call(
    "DOMAIN_GET_METADATA", 265, DomainGetMetadataArgs, DomainGetMetadataRet, acl="domain:read"
)


class DomainGetMessagesArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainGetMessagesRet(Record):
    msgs: Annotated[list[NonnullString], Array(DOMAIN_MESSAGES_MAX)]


DOMAIN_GET_MESSAGES = REMOTE.call(
    "DOMAIN_GET_MESSAGES", 426, DomainGetMessagesArgs, DomainGetMessagesRet, acl="domain:read"
)


# What is true of it


class DomainIsActiveArgs(Record):
    dom: NonnullDomain


class DomainIsActiveRet(Record):
    active: Int


DOMAIN_IS_ACTIVE = REMOTE.call(
    "DOMAIN_IS_ACTIVE", 150, DomainIsActiveArgs, DomainIsActiveRet, acl="domain:read", high=True
)


class DomainIsPersistentArgs(Record):
    dom: NonnullDomain


class DomainIsPersistentRet(Record):
    persistent: Int


DOMAIN_IS_PERSISTENT = REMOTE.call(
    "DOMAIN_IS_PERSISTENT",
    151,
    DomainIsPersistentArgs,
    DomainIsPersistentRet,
    acl="domain:read",
    high=True,
)


class DomainIsUpdatedArgs(Record):
    dom: NonnullDomain


class DomainIsUpdatedRet(Record):
    updated: Int


DOMAIN_IS_UPDATED = REMOTE.call(
    "DOMAIN_IS_UPDATED", 202, DomainIsUpdatedArgs, DomainIsUpdatedRet, acl="domain:read", high=True
)


class DomainGetAutostartArgs(Record):
    dom: NonnullDomain


class DomainGetAutostartRet(Record):
    autostart: Int


DOMAIN_GET_AUTOSTART = REMOTE.call(
    "DOMAIN_GET_AUTOSTART",
    15,
    DomainGetAutostartArgs,
    DomainGetAutostartRet,
    acl="domain:read",
    high=True,
)


class DomainSetAutostartArgs(Record):
    dom: NonnullDomain
    autostart: Int


DOMAIN_SET_AUTOSTART = REMOTE.call(
    "DOMAIN_SET_AUTOSTART", 29, DomainSetAutostartArgs, None, acl="domain:write", high=True
)
