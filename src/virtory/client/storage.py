"""Storage pools and volumes; volumes go up and down as streams.

The rule kept here: sizes are bytes; a volume is named by its pool, name and key.
"""

from __future__ import annotations

from virtory.client.handle import Handle, NamedHandle
from virtory.client.later import Later
from virtory.client.streams import Stream
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.client import results
    from virtory.client import volume_files as files
    from virtory.client.volume_files import Progress
    from virtory.wire.remote import storage_pool as w
    from virtory.wire.remote import storage_volume as w_storage_volume
else:
    files = Later("virtory.client.volume_files")
    results = Later("virtory.client.results")
    w = Later("virtory.wire.remote.storage_pool")
    w_storage_volume = Later("virtory.wire.remote.storage_volume")

SPARSE = 1
MOST_NAMES = 16384


class StoragePool(NamedHandle):
    """A place that volumes are kept in."""

    __slots__ = ()

    async def xml(self, *, inactive: bool = False, flags: int = 0) -> str:
        """`STORAGE_POOL_GET_XML_DESC`: its description."""
        args = w.StoragePoolGetXmlDescArgs(self.ref, flags | inactive)
        return (await self._call(w.STORAGE_POOL_GET_XML_DESC, args)).xml

    async def info(self) -> results.PoolInfo:
        """`STORAGE_POOL_GET_INFO`: its state, and capacity, allocation, free space in bytes."""
        ret = await self._call(w.STORAGE_POOL_GET_INFO, w.StoragePoolGetInfoArgs(self.ref))
        return results.PoolInfo(ret.state, ret.capacity, ret.allocation, ret.available)

    async def start(self, *, flags: int = 0) -> None:
        """`STORAGE_POOL_CREATE`: start it. `flags` 1 builds it first."""
        await self._call(w.STORAGE_POOL_CREATE, w.StoragePoolCreateArgs(self.ref, flags))

    async def build(self, *, flags: int = 0) -> None:
        """`STORAGE_POOL_BUILD`: make what it is kept in: a directory, a file system."""
        await self._call(w.STORAGE_POOL_BUILD, w.StoragePoolBuildArgs(self.ref, flags))

    async def destroy(self) -> None:
        """`STORAGE_POOL_DESTROY`: stop it; nothing is deleted."""
        await self._call(w.STORAGE_POOL_DESTROY, w.StoragePoolDestroyArgs(self.ref))

    async def delete(self, *, flags: int = 0) -> None:
        """`STORAGE_POOL_DELETE`: delete what it was kept in; it must be stopped."""
        await self._call(w.STORAGE_POOL_DELETE, w.StoragePoolDeleteArgs(self.ref, flags))

    async def undefine(self) -> None:
        """`STORAGE_POOL_UNDEFINE`: forget its definition; nothing is deleted."""
        await self._call(w.STORAGE_POOL_UNDEFINE, w.StoragePoolUndefineArgs(self.ref))

    async def refresh(self, *, flags: int = 0) -> None:
        """`STORAGE_POOL_REFRESH`: look again for volumes."""
        await self._call(w.STORAGE_POOL_REFRESH, w.StoragePoolRefreshArgs(self.ref, flags))

    async def is_active(self) -> bool:
        """`STORAGE_POOL_IS_ACTIVE`: whether it runs."""
        args = w.StoragePoolIsActiveArgs(self.ref)
        return bool((await self._call(w.STORAGE_POOL_IS_ACTIVE, args)).active)

    async def is_persistent(self) -> bool:
        """`STORAGE_POOL_IS_PERSISTENT`: whether it has a definition."""
        args = w.StoragePoolIsPersistentArgs(self.ref)
        return bool((await self._call(w.STORAGE_POOL_IS_PERSISTENT, args)).persistent)

    async def autostart(self) -> bool:
        """`STORAGE_POOL_GET_AUTOSTART`: whether it starts with the daemon."""
        args = w.StoragePoolGetAutostartArgs(self.ref)
        return bool((await self._call(w.STORAGE_POOL_GET_AUTOSTART, args)).autostart)

    async def set_autostart(self, autostart: bool = True) -> None:
        """`STORAGE_POOL_SET_AUTOSTART`: start it with the daemon, or not."""
        args = w.StoragePoolSetAutostartArgs(self.ref, int(autostart))
        await self._call(w.STORAGE_POOL_SET_AUTOSTART, args)

    # -- volumes -------------------------------------------------------------------------------
    async def volumes(self, *, flags: int = 0) -> list[StorageVolume]:
        """`STORAGE_POOL_LIST_ALL_VOLUMES`: every volume of a running pool."""
        args = w.StoragePoolListAllVolumesArgs(self.ref, 1, flags)
        ret = await self._call(w.STORAGE_POOL_LIST_ALL_VOLUMES, args)
        return [StorageVolume(self.host, ref) for ref in ret.vols]

    async def volume_names(self) -> list[str]:
        """`STORAGE_POOL_LIST_VOLUMES`: only their names."""
        args = w.StoragePoolListVolumesArgs(self.ref, MOST_NAMES)
        return (await self._call(w.STORAGE_POOL_LIST_VOLUMES, args)).names

    async def volume_count(self) -> int:
        """`STORAGE_POOL_NUM_OF_VOLUMES`: how many."""
        args = w.StoragePoolNumOfVolumesArgs(self.ref)
        return (await self._call(w.STORAGE_POOL_NUM_OF_VOLUMES, args)).num

    async def volume(self, name: str) -> StorageVolume:
        """`STORAGE_VOL_LOOKUP_BY_NAME`: raises `StorageVolumeNotFound`."""
        args = w_storage_volume.StorageVolLookupByNameArgs(self.ref, name)
        ret = await self._call(w_storage_volume.STORAGE_VOL_LOOKUP_BY_NAME, args)
        return StorageVolume(self.host, ret.vol)

    async def create_volume(self, xml: str, *, flags: int = 0) -> StorageVolume:
        """`STORAGE_VOL_CREATE_XML`: make a volume. `flags` 1 preallocates metadata."""
        args = w_storage_volume.StorageVolCreateXmlArgs(self.ref, xml, flags)
        ret = await self._call(w_storage_volume.STORAGE_VOL_CREATE_XML, args)
        return StorageVolume(self.host, ret.vol)

    async def clone_volume(
        self, xml: str, source: StorageVolume, *, flags: int = 0
    ) -> StorageVolume:
        """`STORAGE_VOL_CREATE_XML_FROM`: make a volume with the contents of another."""
        args = w_storage_volume.StorageVolCreateXmlFromArgs(self.ref, xml, source.ref, flags)
        ret = await self._call(w_storage_volume.STORAGE_VOL_CREATE_XML_FROM, args)
        return StorageVolume(self.host, ret.vol)


class StorageVolume(Handle):
    """A disk image, a block device, a directory within a pool."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<StorageVolume {self.name!r} of {self.ref.pool!r}>"

    @property
    def _identity(self) -> Any:
        return self.ref.key

    @property
    def name(self) -> str:
        """Its name, unique within its pool."""
        return str(self.ref.name)

    @property
    def key(self) -> str:
        """What names it among all volumes of the host; of files, the path."""
        return str(self.ref.key)

    async def pool(self) -> StoragePool:
        """`STORAGE_POOL_LOOKUP_BY_VOLUME`: the pool it is kept in."""
        args = w.StoragePoolLookupByVolumeArgs(self.ref)
        ret = await self._call(w.STORAGE_POOL_LOOKUP_BY_VOLUME, args)
        return StoragePool(self.host, ret.pool)

    async def xml(self, *, flags: int = 0) -> str:
        """`STORAGE_VOL_GET_XML_DESC`: its description."""
        args = w_storage_volume.StorageVolGetXmlDescArgs(self.ref, flags)
        return (await self._call(w_storage_volume.STORAGE_VOL_GET_XML_DESC, args)).xml

    async def info(self, *, flags: int = 0) -> results.VolumeInfo:
        """`STORAGE_VOL_GET_INFO`, with flags `STORAGE_VOL_GET_INFO_FLAGS`: type and bytes."""
        if flags:
            with_flags = w_storage_volume.StorageVolGetInfoFlagsArgs(self.ref, flags)
            found = await self._call(w_storage_volume.STORAGE_VOL_GET_INFO_FLAGS, with_flags)
            return results.VolumeInfo(found.type, found.capacity, found.allocation)
        ret = await self._call(
            w_storage_volume.STORAGE_VOL_GET_INFO, w_storage_volume.StorageVolGetInfoArgs(self.ref)
        )
        return results.VolumeInfo(ret.type, ret.capacity, ret.allocation)

    async def path(self) -> str:
        """`STORAGE_VOL_GET_PATH`: where it is on the daemon's host."""
        args = w_storage_volume.StorageVolGetPathArgs(self.ref)
        return (await self._call(w_storage_volume.STORAGE_VOL_GET_PATH, args)).name

    async def delete(self, *, flags: int = 0) -> None:
        """`STORAGE_VOL_DELETE`: delete it and its contents."""
        await self._call(
            w_storage_volume.STORAGE_VOL_DELETE,
            w_storage_volume.StorageVolDeleteArgs(self.ref, flags),
        )

    async def wipe(self, *, algorithm: int = 0, flags: int = 0) -> None:
        """`STORAGE_VOL_WIPE_PATTERN` (supersedes `STORAGE_VOL_WIPE`): overwrite its contents."""
        args = w_storage_volume.StorageVolWipePatternArgs(self.ref, algorithm, flags)
        await self._call(w_storage_volume.STORAGE_VOL_WIPE_PATTERN, args)

    async def resize(self, capacity: int, *, flags: int = 0) -> None:
        """`STORAGE_VOL_RESIZE`: make it `capacity` bytes large."""
        args = w_storage_volume.StorageVolResizeArgs(self.ref, capacity, flags)
        await self._call(w_storage_volume.STORAGE_VOL_RESIZE, args)

    async def upload(
        self, *, offset: int = 0, length: int = 0, sparse: bool = False, flags: int = 0
    ) -> Stream:
        """`STORAGE_VOL_UPLOAD`: a stream to write its contents to; 0 `length` is to the end.

        The data is safe when `finish` (or leaving the stream's `async with`) has returned.
        """
        stream = Stream(self.caller)
        args = w_storage_volume.StorageVolUploadArgs(self.ref, offset, length, flags | sparse)
        await self.caller.open_stream(w_storage_volume.STORAGE_VOL_UPLOAD, stream, args)
        return stream

    async def download(
        self, *, offset: int = 0, length: int = 0, sparse: bool = False, flags: int = 0
    ) -> Stream:
        """`STORAGE_VOL_DOWNLOAD`: a stream to read its contents from; 0 `length` is to the end.

        With `sparse`, `read_piece` tells holes from data.
        """
        stream = Stream(self.caller)
        args = w_storage_volume.StorageVolDownloadArgs(self.ref, offset, length, flags | sparse)
        await self.caller.open_stream(w_storage_volume.STORAGE_VOL_DOWNLOAD, stream, args)
        return stream

    async def upload_file(
        self,
        path: str,
        *,
        offset: int = 0,
        length: int = 0,
        sparse: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """`STORAGE_VOL_UPLOAD`: from a file; `progress(done, total)` is told in bytes."""
        await files.upload(
            self, path, offset=offset, length=length, sparse=sparse, progress=progress
        )

    async def download_file(
        self,
        path: str,
        *,
        offset: int = 0,
        length: int = 0,
        sparse: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """`STORAGE_VOL_DOWNLOAD`: into a file; `progress(done, total)` is told in bytes."""
        await files.download(
            self, path, offset=offset, length=length, sparse=sparse, progress=progress
        )
