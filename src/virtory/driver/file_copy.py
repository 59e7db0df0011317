"""Copying a disk image's file: shared where the file system can, else hole by hole in the kernel.

The rule kept here: blocking, for a thread; the target is there already, empty, and on disk when
`copy` returns.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[int], None]  # bytes done since the last call

Reflink = Literal["auto", "always", "never"]

_FICLONE = 0x40049409
_STEP = 8 << 20
_CAN_NOT = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM}


def copy(
    source: str,
    target: str,
    *,
    reflink: Reflink = "auto",
    sparse: bool = True,
    progress: Progress | None = None,
) -> None:
    """Copy a regular file; raises OSError. `sparse` False: holes become zeros that take place."""
    tell = progress or (lambda _: None)
    from_ = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        to = os.open(target, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            size = os.fstat(from_).st_size
            if reflink != "never" and share(from_, to, must=reflink == "always"):
                tell(size)
            else:
                if sparse:
                    os.ftruncate(to, size)
                else:
                    os.posix_fallocate(to, 0, size)
                copy_data(from_, to, size, tell)
            os.fsync(to)
        finally:
            os.close(to)
    finally:
        os.close(from_)


def share(source: int, target: int, *, must: bool = False) -> bool:
    """Let an empty file share all blocks of another; False where that can not be had.

    Raises OSError with `must` too, then.
    """
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if must or error.errno not in _CAN_NOT:
            raise
        return False
    return True


def copy_data(source: int, target: int, size: int, progress: Progress | None = None) -> None:
    """What of the first `size` bytes is data, to the same places; raises OSError.

    It is on its way to the disk while the next is read, so that a sync afterwards waits little.
    """
    tell = progress or (lambda _: None)
    position = 0
    while position < size:
        begin = _next(source, position, os.SEEK_DATA, size)
        tell(begin - position)
        position = begin
        if position == size:
            break
        end = _next(source, position, os.SEEK_HOLE, size)
        while position < end:
            done = _some(source, target, position, min(_STEP, end - position))
            if not done:
                return  # it became shorter meanwhile
            os.posix_fadvise(target, position, done, os.POSIX_FADV_DONTNEED)
            position += done
            tell(done)


def _next(source: int, position: int, kind: int, size: int) -> int:
    try:
        return min(size, os.lseek(source, position, kind))
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size
        if error.errno != errno.EINVAL:
            raise
        return position if kind == os.SEEK_DATA else size  # a device, which knows no holes


def _some(source: int, target: int, position: int, count: int) -> int:
    with contextlib.suppress(OSError):
        return os.copy_file_range(source, target, count, position, position)
    data = os.pread(source, min(count, 1 << 20), position)
    return os.pwrite(target, data, position)
