"""Storage pools.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Record, UChar, UHyper, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import STORAGE_POOL_LIST_MAX, STORAGE_VOL_LIST_MAX
from virtory.wire.remote.types import (
    NonnullStoragePool,
    NonnullStorageVol,
    NonnullString,
    NullableString,
    Uuid,
)

# Lookup


class StoragePoolLookupByNameArgs(Record):
    name: NonnullString


class StoragePoolLookupByNameRet(Record):
    pool: NonnullStoragePool


STORAGE_POOL_LOOKUP_BY_NAME = REMOTE.call(
    "STORAGE_POOL_LOOKUP_BY_NAME",
    84,
    StoragePoolLookupByNameArgs,
    StoragePoolLookupByNameRet,
    acl="storage_pool:getattr",
    high=True,
)


class StoragePoolLookupByUuidArgs(Record):
    uuid: Uuid


class StoragePoolLookupByUuidRet(Record):
    pool: NonnullStoragePool


STORAGE_POOL_LOOKUP_BY_UUID = REMOTE.call(
    "STORAGE_POOL_LOOKUP_BY_UUID",
    85,
    StoragePoolLookupByUuidArgs,
    StoragePoolLookupByUuidRet,
    acl="storage_pool:getattr",
    high=True,
)


class StoragePoolLookupByVolumeArgs(Record):
    vol: NonnullStorageVol


class StoragePoolLookupByVolumeRet(Record):
    pool: NonnullStoragePool


STORAGE_POOL_LOOKUP_BY_VOLUME = REMOTE.call(
    "STORAGE_POOL_LOOKUP_BY_VOLUME",
    86,
    StoragePoolLookupByVolumeArgs,
    StoragePoolLookupByVolumeRet,
    acl="storage_pool:getattr",
    high=True,
)


class StoragePoolLookupByTargetPathArgs(Record):
    path: NonnullString


class StoragePoolLookupByTargetPathRet(Record):
    pool: NonnullStoragePool


STORAGE_POOL_LOOKUP_BY_TARGET_PATH = REMOTE.call(
    "STORAGE_POOL_LOOKUP_BY_TARGET_PATH",
    391,
    StoragePoolLookupByTargetPathArgs,
    StoragePoolLookupByTargetPathRet,
    acl="storage_pool:getattr",
    high=True,
)


# Lists


class ConnectListAllStoragePoolsArgs(Record):
    need_results: Int = 1
    flags: UInt = 0


class ConnectListAllStoragePoolsRet(Record):
    pools: Annotated[list[NonnullStoragePool], Array(STORAGE_POOL_LIST_MAX)]
    ret: UInt


CONNECT_LIST_ALL_STORAGE_POOLS = REMOTE.call(
    "CONNECT_LIST_ALL_STORAGE_POOLS",
    281,
    ConnectListAllStoragePoolsArgs,
    ConnectListAllStoragePoolsRet,
    acl="connect:search_storage_pools",
    acl_filter="storage_pool:getattr",
    high=True,
)


class ConnectNumOfStoragePoolsRet(Record):
    num: Int


CONNECT_NUM_OF_STORAGE_POOLS = REMOTE.call(
    "CONNECT_NUM_OF_STORAGE_POOLS",
    71,
    None,
    ConnectNumOfStoragePoolsRet,
    acl="connect:search_storage_pools",
    acl_filter="storage_pool:getattr",
    high=True,
)


class ConnectListStoragePoolsArgs(Record):
    maxnames: Int


class ConnectListStoragePoolsRet(Record):
    names: Annotated[list[NonnullString], Array(STORAGE_POOL_LIST_MAX)]


CONNECT_LIST_STORAGE_POOLS = REMOTE.call(
    "CONNECT_LIST_STORAGE_POOLS",
    72,
    ConnectListStoragePoolsArgs,
    ConnectListStoragePoolsRet,
    acl="connect:search_storage_pools",
    acl_filter="storage_pool:getattr",
    high=True,
)


class ConnectNumOfDefinedStoragePoolsRet(Record):
    num: Int


CONNECT_NUM_OF_DEFINED_STORAGE_POOLS = REMOTE.call(
    "CONNECT_NUM_OF_DEFINED_STORAGE_POOLS",
    73,
    None,
    ConnectNumOfDefinedStoragePoolsRet,
    acl="connect:search_storage_pools",
    acl_filter="storage_pool:getattr",
    high=True,
)


class ConnectListDefinedStoragePoolsArgs(Record):
    maxnames: Int


class ConnectListDefinedStoragePoolsRet(Record):
    names: Annotated[list[NonnullString], Array(STORAGE_POOL_LIST_MAX)]


CONNECT_LIST_DEFINED_STORAGE_POOLS = REMOTE.call(
    "CONNECT_LIST_DEFINED_STORAGE_POOLS",
    74,
    ConnectListDefinedStoragePoolsArgs,
    ConnectListDefinedStoragePoolsRet,
    acl="connect:search_storage_pools",
    acl_filter="storage_pool:getattr",
    high=True,
)


# Definition


class StoragePoolDefineXmlArgs(Record):
    xml: NonnullString
    flags: UInt = 0


class StoragePoolDefineXmlRet(Record):
    pool: NonnullStoragePool


STORAGE_POOL_DEFINE_XML = REMOTE.call(
    "STORAGE_POOL_DEFINE_XML",
    77,
    StoragePoolDefineXmlArgs,
    StoragePoolDefineXmlRet,
    acl=("storage_pool:write", "storage_pool:save"),
    high=True,
)


class StoragePoolUndefineArgs(Record):
    pool: NonnullStoragePool


STORAGE_POOL_UNDEFINE = REMOTE.call(
    "STORAGE_POOL_UNDEFINE", 82, StoragePoolUndefineArgs, None, acl="storage_pool:delete", high=True
)


# Life


class StoragePoolCreateXmlArgs(Record):
    xml: NonnullString
    flags: UInt = 0


class StoragePoolCreateXmlRet(Record):
    pool: NonnullStoragePool


STORAGE_POOL_CREATE_XML = REMOTE.call(
    "STORAGE_POOL_CREATE_XML",
    76,
    StoragePoolCreateXmlArgs,
    StoragePoolCreateXmlRet,
    acl=("storage_pool:start", "storage_pool:write"),
)


class StoragePoolCreateArgs(Record):
    pool: NonnullStoragePool
    flags: UInt = 0


STORAGE_POOL_CREATE = REMOTE.call(
    "STORAGE_POOL_CREATE", 78, StoragePoolCreateArgs, None, acl="storage_pool:start"
)


class StoragePoolBuildArgs(Record):
    pool: NonnullStoragePool
    flags: UInt = 0


STORAGE_POOL_BUILD = REMOTE.call(
    "STORAGE_POOL_BUILD", 79, StoragePoolBuildArgs, None, acl="storage_pool:format"
)


class StoragePoolDestroyArgs(Record):
    pool: NonnullStoragePool


STORAGE_POOL_DESTROY = REMOTE.call(
    "STORAGE_POOL_DESTROY", 80, StoragePoolDestroyArgs, None, acl="storage_pool:stop", high=True
)


class StoragePoolDeleteArgs(Record):
    pool: NonnullStoragePool
    flags: UInt = 0


STORAGE_POOL_DELETE = REMOTE.call(
    "STORAGE_POOL_DELETE", 81, StoragePoolDeleteArgs, None, acl="storage_pool:format"
)


class StoragePoolRefreshArgs(Record):
    pool: NonnullStoragePool
    flags: UInt = 0


STORAGE_POOL_REFRESH = REMOTE.call(
    "STORAGE_POOL_REFRESH", 83, StoragePoolRefreshArgs, None, acl="storage_pool:refresh"
)


# Description


class StoragePoolGetInfoArgs(Record):
    pool: NonnullStoragePool


class StoragePoolGetInfoRet(Record):
    state: UChar
    capacity: UHyper
    allocation: UHyper
    available: UHyper


STORAGE_POOL_GET_INFO = REMOTE.call(
    "STORAGE_POOL_GET_INFO",
    87,
    StoragePoolGetInfoArgs,
    StoragePoolGetInfoRet,
    acl="storage_pool:read",
    high=True,
)


class StoragePoolGetXmlDescArgs(Record):
    pool: NonnullStoragePool
    flags: UInt = 0


class StoragePoolGetXmlDescRet(Record):
    xml: NonnullString


STORAGE_POOL_GET_XML_DESC = REMOTE.call(
    "STORAGE_POOL_GET_XML_DESC",
    88,
    StoragePoolGetXmlDescArgs,
    StoragePoolGetXmlDescRet,
    acl="storage_pool:read",
    high=True,
)


class StoragePoolIsActiveArgs(Record):
    pool: NonnullStoragePool


class StoragePoolIsActiveRet(Record):
    active: Int


STORAGE_POOL_IS_ACTIVE = REMOTE.call(
    "STORAGE_POOL_IS_ACTIVE",
    154,
    StoragePoolIsActiveArgs,
    StoragePoolIsActiveRet,
    acl="storage_pool:read",
    high=True,
)


class StoragePoolIsPersistentArgs(Record):
    pool: NonnullStoragePool


class StoragePoolIsPersistentRet(Record):
    persistent: Int


STORAGE_POOL_IS_PERSISTENT = REMOTE.call(
    "STORAGE_POOL_IS_PERSISTENT",
    155,
    StoragePoolIsPersistentArgs,
    StoragePoolIsPersistentRet,
    acl="storage_pool:read",
    high=True,
)


class StoragePoolGetAutostartArgs(Record):
    pool: NonnullStoragePool


class StoragePoolGetAutostartRet(Record):
    autostart: Int


STORAGE_POOL_GET_AUTOSTART = REMOTE.call(
    "STORAGE_POOL_GET_AUTOSTART",
    89,
    StoragePoolGetAutostartArgs,
    StoragePoolGetAutostartRet,
    acl="storage_pool:read",
    high=True,
)


class StoragePoolSetAutostartArgs(Record):
    pool: NonnullStoragePool
    autostart: Int


STORAGE_POOL_SET_AUTOSTART = REMOTE.call(
    "STORAGE_POOL_SET_AUTOSTART",
    90,
    StoragePoolSetAutostartArgs,
    None,
    acl="storage_pool:write",
    high=True,
)


class ConnectGetStoragePoolCapabilitiesArgs(Record):
    flags: UInt = 0


class ConnectGetStoragePoolCapabilitiesRet(Record):
    capabilities: NonnullString


CONNECT_GET_STORAGE_POOL_CAPABILITIES = REMOTE.call(
    "CONNECT_GET_STORAGE_POOL_CAPABILITIES",
    403,
    ConnectGetStoragePoolCapabilitiesArgs,
    ConnectGetStoragePoolCapabilitiesRet,
    acl="connect:read",
)


# Discovery


class ConnectFindStoragePoolSourcesArgs(Record):
    type: NonnullString
    src_spec: NullableString
    flags: UInt = 0


class ConnectFindStoragePoolSourcesRet(Record):
    xml: NonnullString


CONNECT_FIND_STORAGE_POOL_SOURCES = REMOTE.call(
    "CONNECT_FIND_STORAGE_POOL_SOURCES",
    75,
    ConnectFindStoragePoolSourcesArgs,
    ConnectFindStoragePoolSourcesRet,
    acl="connect:detect_storage_pools",
)


# Volumes in it


class StoragePoolListAllVolumesArgs(Record):
    pool: NonnullStoragePool
    need_results: Int = 1
    flags: UInt = 0


class StoragePoolListAllVolumesRet(Record):
    vols: Annotated[list[NonnullStorageVol], Array(STORAGE_VOL_LIST_MAX)]
    ret: UInt


STORAGE_POOL_LIST_ALL_VOLUMES = REMOTE.call(
    "STORAGE_POOL_LIST_ALL_VOLUMES",
    282,
    StoragePoolListAllVolumesArgs,
    StoragePoolListAllVolumesRet,
    acl="storage_pool:search_storage_vols",
    acl_filter="storage_vol:getattr",
    high=True,
)


class StoragePoolNumOfVolumesArgs(Record):
    pool: NonnullStoragePool


class StoragePoolNumOfVolumesRet(Record):
    num: Int


STORAGE_POOL_NUM_OF_VOLUMES = REMOTE.call(
    "STORAGE_POOL_NUM_OF_VOLUMES",
    91,
    StoragePoolNumOfVolumesArgs,
    StoragePoolNumOfVolumesRet,
    acl="storage_pool:search_storage_vols",
    acl_filter="storage_vol:getattr",
    high=True,
)


class StoragePoolListVolumesArgs(Record):
    pool: NonnullStoragePool
    maxnames: Int


class StoragePoolListVolumesRet(Record):
    names: Annotated[list[NonnullString], Array(STORAGE_VOL_LIST_MAX)]


STORAGE_POOL_LIST_VOLUMES = REMOTE.call(
    "STORAGE_POOL_LIST_VOLUMES",
    92,
    StoragePoolListVolumesArgs,
    StoragePoolListVolumesRet,
    acl="storage_pool:search_storage_vols",
    acl_filter="storage_vol:getattr",
    high=True,
)


# Events


class ConnectStoragePoolEventRegisterAnyArgs(Record):
    event_id: Int
    pool: NonnullStoragePool | None


class ConnectStoragePoolEventRegisterAnyRet(Record):
    callback_id: Int


CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY = REMOTE.call(
    "CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY",
    368,
    ConnectStoragePoolEventRegisterAnyArgs,
    ConnectStoragePoolEventRegisterAnyRet,
    acl="connect:search_storage_pools",
    acl_filter="storage_pool:getattr",
    high=True,
)


class ConnectStoragePoolEventDeregisterAnyArgs(Record):
    callback_id: Int


CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY = REMOTE.call(
    "CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY",
    369,
    ConnectStoragePoolEventDeregisterAnyArgs,
    None,
    acl="connect:read",
    high=True,
)


class StoragePoolEventLifecycleMsg(Record):
    callback_id: Int
    pool: NonnullStoragePool
    event: Int
    detail: Int


STORAGE_POOL_EVENT_LIFECYCLE = REMOTE.event(
    "STORAGE_POOL_EVENT_LIFECYCLE", 370, StoragePoolEventLifecycleMsg
)


class StoragePoolEventRefreshMsg(Record):
    callback_id: Int
    pool: NonnullStoragePool


STORAGE_POOL_EVENT_REFRESH = REMOTE.event(
    "STORAGE_POOL_EVENT_REFRESH", 373, StoragePoolEventRefreshMsg
)
