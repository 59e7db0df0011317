"""Storage volumes: lookups, making and changing them, and their contents as streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.daemon.handlers.storage_pool import storage, volume_record
from virtory.driver.interface.storage import VolumeRef
from virtory.wire.remote import storage_volume as w

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer
    from virtory.wire.incoming import Call
    from virtory.wire.remote.types import NonnullStorageVol


def volume_ref(record: NonnullStorageVol) -> VolumeRef:
    """A volume as drivers name it."""
    return VolumeRef(record.pool, record.name, record.key)


@serves(w.STORAGE_VOL_LOOKUP_BY_NAME)
def lookup_by_name(peer: Peer, args: w.StorageVolLookupByNameArgs) -> w.StorageVolLookupByNameRet:
    found = storage(peer).volume_by_name(args.pool.uuid, args.name)
    return w.StorageVolLookupByNameRet(volume_record(found))


@serves(w.STORAGE_VOL_LOOKUP_BY_KEY)
def lookup_by_key(peer: Peer, args: w.StorageVolLookupByKeyArgs) -> w.StorageVolLookupByKeyRet:
    return w.StorageVolLookupByKeyRet(volume_record(storage(peer).volume_by_key(args.key)))


@serves(w.STORAGE_VOL_LOOKUP_BY_PATH)
def lookup_by_path(peer: Peer, args: w.StorageVolLookupByPathArgs) -> w.StorageVolLookupByPathRet:
    return w.StorageVolLookupByPathRet(volume_record(storage(peer).volume_by_path(args.path)))


@serves(w.STORAGE_VOL_CREATE_XML)
async def create_xml(peer: Peer, args: w.StorageVolCreateXmlArgs) -> w.StorageVolCreateXmlRet:
    made = await storage(peer).create_volume(args.pool.uuid, args.xml, args.flags)
    return w.StorageVolCreateXmlRet(volume_record(made))


@serves(w.STORAGE_VOL_CREATE_XML_FROM)
async def create_xml_from(
    peer: Peer, args: w.StorageVolCreateXmlFromArgs
) -> w.StorageVolCreateXmlFromRet:
    source = volume_ref(args.clonevol)
    made = await storage(peer).clone_volume(args.pool.uuid, args.xml, source, args.flags)
    return w.StorageVolCreateXmlFromRet(volume_record(made))


@serves(w.STORAGE_VOL_DELETE)
async def delete(peer: Peer, args: w.StorageVolDeleteArgs) -> None:
    await storage(peer).delete_volume(volume_ref(args.vol), args.flags)


@serves(w.STORAGE_VOL_GET_INFO)
async def get_info(peer: Peer, args: w.StorageVolGetInfoArgs) -> w.StorageVolGetInfoRet:
    info = await storage(peer).volume_info(volume_ref(args.vol), 0)
    return w.StorageVolGetInfoRet(info.type, info.capacity, info.allocation)


@serves(w.STORAGE_VOL_GET_INFO_FLAGS)
async def get_info_flags(
    peer: Peer, args: w.StorageVolGetInfoFlagsArgs
) -> w.StorageVolGetInfoFlagsRet:
    info = await storage(peer).volume_info(volume_ref(args.vol), args.flags)
    return w.StorageVolGetInfoFlagsRet(info.type, info.capacity, info.allocation)


@serves(w.STORAGE_VOL_GET_XML_DESC)
async def get_xml_desc(peer: Peer, args: w.StorageVolGetXmlDescArgs) -> w.StorageVolGetXmlDescRet:
    return w.StorageVolGetXmlDescRet(
        await storage(peer).volume_xml(volume_ref(args.vol), args.flags)
    )


@serves(w.STORAGE_VOL_GET_PATH)
def get_path(peer: Peer, args: w.StorageVolGetPathArgs) -> w.StorageVolGetPathRet:
    return w.StorageVolGetPathRet(storage(peer).volume_path(volume_ref(args.vol)))


@serves(w.STORAGE_VOL_WIPE)
async def wipe(peer: Peer, args: w.StorageVolWipeArgs) -> None:
    await storage(peer).wipe_volume(volume_ref(args.vol), 0, args.flags)


@serves(w.STORAGE_VOL_WIPE_PATTERN)
async def wipe_pattern(peer: Peer, args: w.StorageVolWipePatternArgs) -> None:
    await storage(peer).wipe_volume(volume_ref(args.vol), args.algorithm, args.flags)


@serves(w.STORAGE_VOL_RESIZE)
async def resize(peer: Peer, args: w.StorageVolResizeArgs) -> None:
    await storage(peer).resize_volume(volume_ref(args.vol), args.capacity, args.flags)


@serves(w.STORAGE_VOL_UPLOAD, whole=True)
async def upload(peer: Peer, args: w.StorageVolUploadArgs, call: Call) -> None:
    stream = await storage(peer).upload_volume(
        volume_ref(args.vol), args.offset, args.length, args.flags
    )
    peer.carry(call, stream)


@serves(w.STORAGE_VOL_DOWNLOAD, whole=True)
async def download(peer: Peer, args: w.StorageVolDownloadArgs, call: Call) -> None:
    stream = await storage(peer).download_volume(
        volume_ref(args.vol), args.offset, args.length, args.flags
    )
    peer.carry(call, stream)
