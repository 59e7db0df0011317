"""Storage pools and volumes: none are served yet, and every answer says so truthfully."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

from virtory.daemon.dispatch import serves
from virtory.errors import (
    FROM_STORAGE,
    ConfigUnsupported,
    StoragePoolNotFound,
    StorageVolumeNotFound,
)
from virtory.wire.remote import storage_pool, storage_volume

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(storage_pool.CONNECT_NUM_OF_STORAGE_POOLS)
def num_of_storage_pools(_peer: Peer, _args: None) -> storage_pool.ConnectNumOfStoragePoolsRet:
    return storage_pool.ConnectNumOfStoragePoolsRet(0)


@serves(storage_pool.CONNECT_LIST_STORAGE_POOLS)
def list_storage_pools(
    _peer: Peer, _args: storage_pool.ConnectListStoragePoolsArgs
) -> storage_pool.ConnectListStoragePoolsRet:
    return storage_pool.ConnectListStoragePoolsRet([])


@serves(storage_pool.CONNECT_NUM_OF_DEFINED_STORAGE_POOLS)
def num_of_defined_storage_pools(
    _peer: Peer, _args: None
) -> storage_pool.ConnectNumOfDefinedStoragePoolsRet:
    return storage_pool.ConnectNumOfDefinedStoragePoolsRet(0)


@serves(storage_pool.CONNECT_LIST_DEFINED_STORAGE_POOLS)
def list_defined_storage_pools(
    _peer: Peer, _args: storage_pool.ConnectListDefinedStoragePoolsArgs
) -> storage_pool.ConnectListDefinedStoragePoolsRet:
    return storage_pool.ConnectListDefinedStoragePoolsRet([])


@serves(storage_pool.CONNECT_LIST_ALL_STORAGE_POOLS)
def list_all_storage_pools(
    _peer: Peer, _args: storage_pool.ConnectListAllStoragePoolsArgs
) -> storage_pool.ConnectListAllStoragePoolsRet:
    return storage_pool.ConnectListAllStoragePoolsRet([], 0)


@serves(storage_pool.STORAGE_POOL_LOOKUP_BY_NAME)
def storage_pool_lookup_by_name(
    _peer: Peer, args: storage_pool.StoragePoolLookupByNameArgs
) -> NoReturn:
    raise StoragePoolNotFound(f"no storage pool with matching name '{args.name}'")


@serves(storage_pool.STORAGE_POOL_LOOKUP_BY_UUID)
def storage_pool_lookup_by_uuid(
    _peer: Peer, args: storage_pool.StoragePoolLookupByUuidArgs
) -> NoReturn:
    raise StoragePoolNotFound(f"no storage pool with matching uuid '{UUID(bytes=args.uuid)}'")


@serves(storage_pool.STORAGE_POOL_LOOKUP_BY_VOLUME)
def storage_pool_lookup_by_volume(
    _peer: Peer, args: storage_pool.StoragePoolLookupByVolumeArgs
) -> NoReturn:
    raise StoragePoolNotFound(f"no storage pool with matching name '{args.vol.pool}'")


@serves(storage_pool.STORAGE_POOL_LOOKUP_BY_TARGET_PATH)
def storage_pool_lookup_by_target_path(
    _peer: Peer, args: storage_pool.StoragePoolLookupByTargetPathArgs
) -> NoReturn:
    raise StoragePoolNotFound(f"no storage pool with matching target path '{args.path}'")


@serves(storage_volume.STORAGE_VOL_LOOKUP_BY_KEY)
def storage_vol_lookup_by_key(
    _peer: Peer, args: storage_volume.StorageVolLookupByKeyArgs
) -> NoReturn:
    raise StorageVolumeNotFound(f"no storage vol with matching key {args.key}")


@serves(storage_volume.STORAGE_VOL_LOOKUP_BY_PATH)
def storage_vol_lookup_by_path(
    _peer: Peer, args: storage_volume.StorageVolLookupByPathArgs
) -> NoReturn:
    raise StorageVolumeNotFound(f"no storage vol with matching path '{args.path}'")


@serves(storage_pool.STORAGE_POOL_DEFINE_XML)
def storage_pool_define_xml(_peer: Peer, _args: storage_pool.StoragePoolDefineXmlArgs) -> NoReturn:
    raise _unserved()


@serves(storage_pool.STORAGE_POOL_CREATE_XML)
def storage_pool_create_xml(_peer: Peer, _args: storage_pool.StoragePoolCreateXmlArgs) -> NoReturn:
    raise _unserved()


@serves(storage_pool.CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY)
def storage_pool_event_register_any(
    peer: Peer, _args: storage_pool.ConnectStoragePoolEventRegisterAnyArgs
) -> storage_pool.ConnectStoragePoolEventRegisterAnyRet:
    return storage_pool.ConnectStoragePoolEventRegisterAnyRet(peer.subscribed.add())


@serves(storage_pool.CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY)
def storage_pool_event_deregister_any(
    peer: Peer, args: storage_pool.ConnectStoragePoolEventDeregisterAnyArgs
) -> None:
    peer.subscribed.remove(args.callback_id)


def _unserved() -> ConfigUnsupported:
    """What a definition of a storage pool is answered with."""
    return ConfigUnsupported(
        "storage pools are not served by this version of virtoryd",
        cure="name the image file itself: <source file='/path/to/image'/>",
        domain=FROM_STORAGE,
    )
