"""Storage pools: lists, lookups, definition, life, events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_RPC, InternalError, NotSupported
from virtory.model.events import StoragePoolLifecycle, StoragePoolRefresh
from virtory.model.list_flags import ConnectListStoragePools
from virtory.wire.remote import storage_pool as w
from virtory.wire.remote.types import NonnullStoragePool, NonnullStorageVol

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer
    from virtory.driver.interface.storage import StorageDriver, VolumeRef
    from virtory.driver.interface.values import NamedRef
    from virtory.model.events import Event, StoragePoolEvent


def storage(peer: Peer) -> StorageDriver:
    """The driver's storage."""
    driver = peer.driver.storage
    if driver is None:
        raise NotSupported("this driver has no storage")
    return driver


def pool_record(ref: NamedRef) -> NonnullStoragePool:
    """A pool as it is named on the wire."""
    return NonnullStoragePool(ref.name, ref.uuid)


def volume_record(ref: VolumeRef) -> NonnullStorageVol:
    """A volume as it is named on the wire."""
    return NonnullStorageVol(ref.pool, ref.name, ref.key)


# -- lists and lookups -------------------------------------------------------------------------
def _names(peer: Peer, flags: int, most: int) -> list[str]:
    if most < 0:
        raise InternalError(f"a list can not have {most} names", domain=FROM_RPC)
    return [ref.name for ref in storage(peer).list_pools(flags)[:most]]


@serves(w.CONNECT_NUM_OF_STORAGE_POOLS)
def num_of_storage_pools(peer: Peer, _args: None) -> w.ConnectNumOfStoragePoolsRet:
    active = storage(peer).list_pools(ConnectListStoragePools.ACTIVE)
    return w.ConnectNumOfStoragePoolsRet(len(active))


@serves(w.CONNECT_LIST_STORAGE_POOLS)
def list_storage_pools(
    peer: Peer, args: w.ConnectListStoragePoolsArgs
) -> w.ConnectListStoragePoolsRet:
    names = _names(peer, ConnectListStoragePools.ACTIVE, args.maxnames)
    return w.ConnectListStoragePoolsRet(names)


@serves(w.CONNECT_NUM_OF_DEFINED_STORAGE_POOLS)
def num_of_defined_storage_pools(peer: Peer, _args: None) -> w.ConnectNumOfDefinedStoragePoolsRet:
    inactive = storage(peer).list_pools(ConnectListStoragePools.INACTIVE)
    return w.ConnectNumOfDefinedStoragePoolsRet(len(inactive))


@serves(w.CONNECT_LIST_DEFINED_STORAGE_POOLS)
def list_defined_storage_pools(
    peer: Peer, args: w.ConnectListDefinedStoragePoolsArgs
) -> w.ConnectListDefinedStoragePoolsRet:
    names = _names(peer, ConnectListStoragePools.INACTIVE, args.maxnames)
    return w.ConnectListDefinedStoragePoolsRet(names)


@serves(w.CONNECT_LIST_ALL_STORAGE_POOLS)
def list_all_storage_pools(
    peer: Peer, args: w.ConnectListAllStoragePoolsArgs
) -> w.ConnectListAllStoragePoolsRet:
    found = [pool_record(ref) for ref in storage(peer).list_pools(args.flags)]
    return w.ConnectListAllStoragePoolsRet(found if args.need_results else [], len(found))


@serves(w.STORAGE_POOL_LOOKUP_BY_NAME)
def lookup_by_name(peer: Peer, args: w.StoragePoolLookupByNameArgs) -> w.StoragePoolLookupByNameRet:
    return w.StoragePoolLookupByNameRet(pool_record(storage(peer).pool_by_name(args.name)))


@serves(w.STORAGE_POOL_LOOKUP_BY_UUID)
def lookup_by_uuid(peer: Peer, args: w.StoragePoolLookupByUuidArgs) -> w.StoragePoolLookupByUuidRet:
    return w.StoragePoolLookupByUuidRet(pool_record(storage(peer).pool_by_uuid(args.uuid)))


@serves(w.STORAGE_POOL_LOOKUP_BY_VOLUME)
def lookup_by_volume(
    peer: Peer, args: w.StoragePoolLookupByVolumeArgs
) -> w.StoragePoolLookupByVolumeRet:
    from virtory.daemon.handlers.storage_volume import volume_ref

    found = storage(peer).pool_of_volume(volume_ref(args.vol))
    return w.StoragePoolLookupByVolumeRet(pool_record(found))


@serves(w.STORAGE_POOL_LOOKUP_BY_TARGET_PATH)
def lookup_by_target_path(
    peer: Peer, args: w.StoragePoolLookupByTargetPathArgs
) -> w.StoragePoolLookupByTargetPathRet:
    found = storage(peer).pool_by_path(args.path)
    return w.StoragePoolLookupByTargetPathRet(pool_record(found))


# -- definition --------------------------------------------------------------------------------
@serves(w.STORAGE_POOL_DEFINE_XML)
async def define_xml(peer: Peer, args: w.StoragePoolDefineXmlArgs) -> w.StoragePoolDefineXmlRet:
    made = await storage(peer).define_pool(args.xml, args.flags)
    return w.StoragePoolDefineXmlRet(pool_record(made))


@serves(w.STORAGE_POOL_UNDEFINE)
async def undefine(peer: Peer, args: w.StoragePoolUndefineArgs) -> None:
    await storage(peer).undefine_pool(args.pool.uuid)


@serves(w.STORAGE_POOL_GET_AUTOSTART)
def get_autostart(peer: Peer, args: w.StoragePoolGetAutostartArgs) -> w.StoragePoolGetAutostartRet:
    return w.StoragePoolGetAutostartRet(int(storage(peer).pool_autostart(args.pool.uuid)))


@serves(w.STORAGE_POOL_SET_AUTOSTART)
async def set_autostart(peer: Peer, args: w.StoragePoolSetAutostartArgs) -> None:
    await storage(peer).set_pool_autostart(args.pool.uuid, bool(args.autostart))


# -- life --------------------------------------------------------------------------------------
@serves(w.STORAGE_POOL_CREATE_XML)
async def create_xml(peer: Peer, args: w.StoragePoolCreateXmlArgs) -> w.StoragePoolCreateXmlRet:
    made = await storage(peer).create_pool(args.xml, args.flags)
    return w.StoragePoolCreateXmlRet(pool_record(made))


@serves(w.STORAGE_POOL_CREATE)
async def create(peer: Peer, args: w.StoragePoolCreateArgs) -> None:
    await storage(peer).start_pool(args.pool.uuid, args.flags)


@serves(w.STORAGE_POOL_BUILD)
async def build(peer: Peer, args: w.StoragePoolBuildArgs) -> None:
    await storage(peer).build_pool(args.pool.uuid, args.flags)


@serves(w.STORAGE_POOL_DESTROY)
async def destroy(peer: Peer, args: w.StoragePoolDestroyArgs) -> None:
    await storage(peer).destroy_pool(args.pool.uuid)


@serves(w.STORAGE_POOL_DELETE)
async def delete(peer: Peer, args: w.StoragePoolDeleteArgs) -> None:
    await storage(peer).delete_pool(args.pool.uuid, args.flags)


@serves(w.STORAGE_POOL_REFRESH)
async def refresh(peer: Peer, args: w.StoragePoolRefreshArgs) -> None:
    await storage(peer).refresh_pool(args.pool.uuid, args.flags)


# -- description -------------------------------------------------------------------------------
@serves(w.STORAGE_POOL_GET_INFO)
def get_info(peer: Peer, args: w.StoragePoolGetInfoArgs) -> w.StoragePoolGetInfoRet:
    return w.StoragePoolGetInfoRet(*storage(peer).pool_info(args.pool.uuid))


@serves(w.STORAGE_POOL_GET_XML_DESC)
def get_xml_desc(peer: Peer, args: w.StoragePoolGetXmlDescArgs) -> w.StoragePoolGetXmlDescRet:
    return w.StoragePoolGetXmlDescRet(storage(peer).pool_xml(args.pool.uuid, args.flags))


@serves(w.STORAGE_POOL_IS_ACTIVE)
def is_active(peer: Peer, args: w.StoragePoolIsActiveArgs) -> w.StoragePoolIsActiveRet:
    return w.StoragePoolIsActiveRet(int(storage(peer).pool_is_active(args.pool.uuid)))


@serves(w.STORAGE_POOL_IS_PERSISTENT)
def is_persistent(peer: Peer, args: w.StoragePoolIsPersistentArgs) -> w.StoragePoolIsPersistentRet:
    return w.StoragePoolIsPersistentRet(int(storage(peer).pool_is_persistent(args.pool.uuid)))


@serves(w.CONNECT_GET_STORAGE_POOL_CAPABILITIES)
def get_capabilities(
    peer: Peer, args: w.ConnectGetStoragePoolCapabilitiesArgs
) -> w.ConnectGetStoragePoolCapabilitiesRet:
    return w.ConnectGetStoragePoolCapabilitiesRet(storage(peer).pool_capabilities(args.flags))


@serves(w.CONNECT_FIND_STORAGE_POOL_SOURCES)
async def find_sources(
    peer: Peer, args: w.ConnectFindStoragePoolSourcesArgs
) -> w.ConnectFindStoragePoolSourcesRet:
    found = await storage(peer).find_pool_sources(args.type, args.src_spec, args.flags)
    return w.ConnectFindStoragePoolSourcesRet(found)


# -- the volumes in it -------------------------------------------------------------------------
@serves(w.STORAGE_POOL_LIST_ALL_VOLUMES)
def list_all_volumes(
    peer: Peer, args: w.StoragePoolListAllVolumesArgs
) -> w.StoragePoolListAllVolumesRet:
    found = storage(peer).list_volumes(args.pool.uuid, args.flags)
    records = [volume_record(ref) for ref in found] if args.need_results else []
    return w.StoragePoolListAllVolumesRet(records, len(found))


@serves(w.STORAGE_POOL_NUM_OF_VOLUMES)
def num_of_volumes(peer: Peer, args: w.StoragePoolNumOfVolumesArgs) -> w.StoragePoolNumOfVolumesRet:
    return w.StoragePoolNumOfVolumesRet(len(storage(peer).list_volumes(args.pool.uuid, 0)))


@serves(w.STORAGE_POOL_LIST_VOLUMES)
def list_volumes(peer: Peer, args: w.StoragePoolListVolumesArgs) -> w.StoragePoolListVolumesRet:
    found = storage(peer).list_volumes(args.pool.uuid, 0)
    return w.StoragePoolListVolumesRet([ref.name for ref in found[: max(0, args.maxnames)]])


# -- events ------------------------------------------------------------------------------------
_EVENTS: dict[int, type[StoragePoolEvent]] = {
    StoragePoolLifecycle.number: StoragePoolLifecycle,
    StoragePoolRefresh.number: StoragePoolRefresh,
}


@serves(w.CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY)
def event_register_any(
    peer: Peer, args: w.ConnectStoragePoolEventRegisterAnyArgs
) -> w.ConnectStoragePoolEventRegisterAnyRet:
    cls = _EVENTS.get(args.event_id)
    if cls is None:
        raise InternalError(f"unsupported storage pool event ID {args.event_id}", domain=FROM_RPC)
    only = args.pool.uuid if args.pool else None

    def tell(callback: int, event: Event) -> None:
        assert isinstance(event, StoragePoolLifecycle | StoragePoolRefresh)
        if only is None or event.pool.uuid == only:
            _emit(peer, callback, event)

    return w.ConnectStoragePoolEventRegisterAnyRet(peer.subscribed.add(cls, tell=tell))


@serves(w.CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY)
def event_deregister_any(peer: Peer, args: w.ConnectStoragePoolEventDeregisterAnyArgs) -> None:
    peer.subscribed.remove(args.callback_id)


def _emit(peer: Peer, callback: int, event: StoragePoolLifecycle | StoragePoolRefresh) -> None:
    pool = pool_record(event.pool)
    if isinstance(event, StoragePoolLifecycle):
        message = w.StoragePoolEventLifecycleMsg(callback, pool, event.event, event.detail)
        peer.emit(w.STORAGE_POOL_EVENT_LIFECYCLE, message)
    else:
        peer.emit(w.STORAGE_POOL_EVENT_REFRESH, w.StoragePoolEventRefreshMsg(callback, pool))
