"""Pools of type `fs`: a file system on a block device, or in an image, mounted for its volumes.

The rule kept here: nothing is formatted that holds anything, unless overwriting was asked for; and
only what is mounted at the pool's own place is ever unmounted.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from virtory.driver.storage.directory import Directory
from virtory.driver.storage.failures import failed, invalid, only, run
from virtory.errors import FROM_STORAGE, OperationFailed
from virtory.model.list_flags import StoragePoolBuild

if TYPE_CHECKING:
    from virtory.model.storage_pool import StoragePool

_OPTIONS = "nodev,nosuid,noexec"
_QUIET = {"ext2": "-F", "ext3": "-F", "ext4": "-F", "xfs": "-f", "vfat": "-I"}


class FileSystem(Directory):
    """A mounted file system."""

    kind = "fs"

    def is_started(self, pool: StoragePool) -> bool:
        return _mounted(pool.path)

    def start(self, pool: StoragePool) -> None:
        """Mount it."""
        if _mounted(pool.path):
            return
        device = _device(pool)
        assert pool.source is not None
        format = pool.source.format or "auto"
        kind = [] if format == "auto" else ["-t", format]
        options = _OPTIONS
        if stat.S_ISREG(_mode(device)):
            options += ",loop"
        what = f"cannot mount '{device}' at '{pool.path}' for pool '{pool.name}'"
        run(["mount", "-o", options, *kind, device, pool.path], what)

    def stop(self, pool: StoragePool) -> None:
        """Unmount it."""
        if _mounted(pool.path):
            run(["umount", pool.path], f"cannot unmount '{pool.path}' of pool '{pool.name}'")

    def build(self, pool: StoragePool, flags: int) -> None:
        """Make the directory that it is mounted at, and with a flag the file system."""
        overwrite = flags & StoragePoolBuild.OVERWRITE
        careful = flags & StoragePoolBuild.NO_OVERWRITE
        if overwrite and careful:
            raise invalid("Overwrite and no-overwrite flags are mutually exclusive")
        super().build(pool, flags)
        if not overwrite and not careful:
            return
        device = _device(pool)
        _mode(device, must=True)
        if careful and (holds := _holds(device)):
            raise OperationFailed(
                f"'{device}' of pool '{pool.name}' already holds {holds}",
                cure="build with --overwrite if what is there may be lost",
                domain=FROM_STORAGE,
            )
        assert pool.source is not None
        format = pool.source.format or "auto"
        if format == "auto":
            raise invalid(
                f"pool '{pool.name}' does not say which file system is to be made",
                "name one in <source><format type='ext4'/>",
            )
        quiet = [_QUIET[format]] if format in _QUIET else []
        what = f"cannot make a file system of type {format} on '{device}'"
        run([f"mkfs.{format}", *quiet, device], what)

    def delete(self, pool: StoragePool, flags: int) -> None:
        """Remove the directory that it is mounted at; the file system stays as it is."""
        only(flags, 0, "virStorageBackendDeleteLocal")
        super().delete(pool, flags)


def _device(pool: StoragePool) -> str:
    assert pool.source is not None
    return pool.source.devices[0].path


def _mode(path: str, *, must: bool = False) -> int:
    try:
        return os.stat(path).st_mode
    except OSError as error:
        if must:
            raise failed(f"cannot find the pool's source '{path}'", error) from None
        return 0


def _mounted(path: str) -> bool:
    """Whether something is mounted exactly there, by the kernel's list."""
    wanted = os.path.realpath(path)
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        return any(_unescaped(line.split()[4]) == wanted for line in file)


def _unescaped(path: str) -> str:
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        path = path.replace(code, character)
    return path


def _holds(device: str) -> str:
    """What is on a device, in words; empty when its beginning and end are all zeroes."""
    try:
        fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise failed(f"cannot open '{device}'", error) from None
    try:
        head = os.pread(fd, 1 << 20, 0)
        size = os.lseek(fd, 0, os.SEEK_END)
        tail = os.pread(fd, 1 << 20, max(0, size - (1 << 20)))
    finally:
        os.close(fd)
    return "data or a file system" if any(head) or any(tail) else ""


BACKEND = FileSystem()
