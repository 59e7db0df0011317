"""Copying an image: shared blocks where the file system can, else only what holds data.

The rule kept here: an image that a running guest may change under the copy is refused where the
copy would be damaged, and an image below it is read only when it lies in a pool of ours.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from virtory.driver import image_lock
from virtory.driver.file_copy import copy_data, share
from virtory.driver.storage.create import allocate, compat_of, options
from virtory.driver.storage.failures import failed, run
from virtory.driver.storage.opened import RAW, alone, program_format, whole
from virtory.driver.storage.scan import header_of
from virtory.driver.storage.unnamed import exists, new_file
from virtory.errors import FROM_STORAGE, OperationUnsupported, ResourceBusy, UnsupportedFlags
from virtory.model.list_flags import StorageVolumeCreate

if TYPE_CHECKING:
    from collections.abc import Collection

    from virtory.driver.storage.backend import Keeper
    from virtory.driver.storage.unnamed import NewFile
    from virtory.model.image_format import ImageHeader
    from virtory.model.storage_volume import StorageVolume


def clone(
    source: StorageVolume,
    wanted: StorageVolume,
    store: Keeper,
    flags: int,
    directories: Collection[str],
) -> None:
    """Make `wanted` with the contents of `source`; blocking.

    Args:
        source: the volume that is copied; its path may be a block device.
        wanted: the new one, with key, path, format and a capacity no smaller.
        store: where an unfinished file is written down.
        flags: `StorageVolumeCreate`.
        directories: those of all active pools: images below the source must be there.

    Raises:
        SystemCallFailed: no space, no right, or blocks that can not be shared.
        ResourceBusy: a running guest writes the source.
        InternalError: qemu-img refused it.
    """
    path, below = wanted.key or "", source.key or ""
    if os.path.lexists(path):
        raise exists(path)
    try:
        reading = os.open(below, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise failed(f"cannot open volume '{below}'", error) from None
    try:
        header = header_of(reading)
        permissions = wanted.target.permissions if wanted.target else None
        with new_file(path, store) as file:
            if _is_plain_copy(source, wanted, header, flags):
                _check_unused(reading, source)
                _copy_file(reading, file, wanted, reflink=bool(flags & _REFLINK))
            else:
                chain = _convertible(source, flags, directories)
                _convert(chain, file, wanted, flags, f"cannot copy '{below}' to '{path}'")
            file.appear(permissions)
    finally:
        os.close(reading)


_REFLINK = StorageVolumeCreate.REFLINK


def _is_plain_copy(
    source: StorageVolume, wanted: StorageVolume, header: ImageHeader, flags: int
) -> bool:
    """Whether the file's own bytes, as they are, are the copy."""
    format = wanted.format or "raw"
    if flags & StorageVolumeCreate.PREALLOC_METADATA:
        return False
    if source.format in RAW and format in RAW:
        return True
    target = wanted.target
    if format != "qcow2" or source.format != "qcow2" or target is None:
        return False
    asked = target.features
    return (
        header.format == "qcow2"
        and header.backing is None
        and not header.data_file
        and header.encryption is None
        and wanted.backing_store is None
        and wanted.capacity == header.capacity
        and (target.cluster_size is None or target.cluster_size.size == header.cluster_size)
        and compat_of(wanted) == (header.compat or "0.10")
        and (asked.lazy_refcounts if asked else False) == header.lazy_refcounts
        and (asked.extended_l2 if asked else False) == header.extended_l2
    )


def _check_unused(fd: int, source: StorageVolume) -> None:
    """Refuse the copy of a qcow2 image that QEMU writes: its tables would not fit its data."""
    if source.format not in RAW and image_lock.is_written(fd):
        raise ResourceBusy(
            f"volume '{source.name}' is written by a running machine",
            cure="shut the machine down, or take a snapshot and copy the image below it",
            domain=FROM_STORAGE,
        )


def _copy_file(reading: int, file: NewFile, wanted: StorageVolume, *, reflink: bool) -> None:
    """All bytes; then as long, and as much set aside, as was asked for."""
    size = os.lseek(reading, 0, os.SEEK_END)
    raw = (wanted.format or "raw") in RAW
    capacity = max(wanted.capacity or 0, size) if raw else size
    whole = raw and wanted.allocation is not None and wanted.allocation >= capacity
    if not share(reading, file.fd):
        if reflink:
            error = OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
            raise failed(f"failed to clone files to '{file.path}'", error)
        if whole:  # before the copy, so that the file lies in one piece
            allocate(file.fd, file.path, 0, capacity)
        else:
            os.ftruncate(file.fd, capacity)
        copy_data(reading, file.fd, size)
    elif capacity > size:
        os.ftruncate(file.fd, capacity)
    os.fsync(file.fd)


def _convertible(source: StorageVolume, flags: int, directories: Collection[str]) -> str:
    """The source and every image below it as QEMU is to open them.

    Refuses what would read a file that no pool of ours holds, whoever wrote its name.
    """
    if flags & _REFLINK:
        raise UnsupportedFlags(_REFLINK, "storageBackendCreateQemuImg", domain=FROM_STORAGE)
    allowed = {os.path.realpath(directory) for directory in directories}

    def permit(path: str) -> None:
        if os.path.dirname(os.path.realpath(path)) not in allowed:
            raise OperationUnsupported(
                f"volume '{source.name}' names '{path}' below itself, which is in no active pool",
                cure="make a pool of that directory (pool-create-as NAME dir --target DIRECTORY), "
                "if the image's maker is trusted",
                domain=FROM_STORAGE,
            )

    return whole(source.key or "", source.format or "raw", permit)


def _convert(source: str, file: NewFile, wanted: StorageVolume, flags: int, what: str) -> None:
    format = wanted.format or "raw"
    preallocate = bool(flags & StorageVolumeCreate.PREALLOC_METADATA)
    command = ["qemu-img", "convert", "-q", "-O", program_format(format)]
    command += options(wanted, format, preallocate=preallocate)
    run([*command, source, file.reached], what, fds=(file.fd,))
    capacity = wanted.capacity or 0
    made = header_of(file.fd).capacity if format not in RAW else os.fstat(file.fd).st_size
    if made is not None and capacity > made:
        grow = ["qemu-img", "resize", "-q", alone(file.reached, format), str(capacity)]
        run(grow, what, fds=(file.fd,))
    os.fsync(file.fd)
