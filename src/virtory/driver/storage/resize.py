"""Making an image larger or smaller.

The rule kept here: a raw image is cut or lengthened here, any other by QEMU's own program.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from virtory.driver.storage.create import allocate
from virtory.driver.storage.failures import failed, run
from virtory.driver.storage.opened import whole
from virtory.driver.storage.usage import lock, locked
from virtory.errors import FROM_STORAGE, InternalError, OperationUnsupported
from virtory.model.list_flags import StorageVolumeResize

if TYPE_CHECKING:
    from virtory.model.storage_volume import StorageVolume


def resize(volume: StorageVolume, capacity: int, flags: int) -> None:
    """Give the image at the volume's path this capacity; blocking.

    Raises:
        OperationUnsupported: preallocation of an image that is not raw, or no file.
        SystemCallFailed: no space, no right.
        OperationInvalid: a running machine has it open.
        InternalError: qemu-img refused it.
    """
    path, format = volume.key or "", volume.format or "raw"
    if volume.type != "file":
        raise OperationUnsupported(
            f"'{path}' is no file, so can not be resized", domain=FROM_STORAGE
        )
    if format in ("raw", "iso"):
        _resize_raw(volume, capacity, allocated=bool(flags & StorageVolumeResize.ALLOCATE))
        return
    if flags & StorageVolumeResize.ALLOCATE:
        raise OperationUnsupported(
            "preallocate is only supported for raw type volume", domain=FROM_STORAGE
        )
    size = -(-capacity // 512) * 512
    smaller = ["--shrink"] if flags & StorageVolumeResize.SHRINK else []
    command = ["qemu-img", "resize", "-q", *smaller, whole(path, format), str(size)]
    try:
        run(command, f"cannot resize {format} image '{path}'")
    except InternalError as error:
        if "lock" not in str(error):
            raise
        raise locked(volume.name) from None


def _resize_raw(volume: StorageVolume, capacity: int, *, allocated: bool) -> None:
    path = volume.key or ""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            lock(fd, volume.name)
            before = os.fstat(fd).st_size
            if allocated and capacity > before:
                allocate(fd, path, 0, capacity)  # what was sparse before, too
            os.ftruncate(fd, capacity)
        finally:
            os.close(fd)
    except (OSError, OverflowError) as error:
        raise failed(f"Failed to truncate file '{path}'", error) from None
