"""What is in a directory: each file as a volume, told by its header as libvirt tells it.

The rule kept here: a header is read and shown. The image that it names below itself is looked at
with stat alone, never opened; and a file that is no image (a pipe, a socket) is no volume.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from typing import TYPE_CHECKING, Any

from virtory.model.image_format import HEAD_BYTES, ImageHeader, read_header
from virtory.model.storage_volume import (
    BackingStore,
    ClusterSize,
    Features,
    Permissions,
    StorageVolume,
    Target,
    Timestamps,
    mode_text,
)
from virtory.model.values import Size

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from virtory.model.storage_volume import VolumeType

UNFINISHED = ".virtory-new-"
"""How the name of a file begins that is not whole yet, where it needs a name."""

_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def volumes_of(directory: str, but: Container[str] = ()) -> Iterator[StorageVolume]:
    """Every volume in a directory `but` these; what disappears meanwhile is passed over."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if _is_name(entry.name) and entry.name not in but:
                volume = volume_at(os.path.join(directory, entry.name), entry.name)
                if volume is not None:
                    yield volume


def volume_at(path: str, name: str) -> StorageVolume | None:
    """The volume in a file; None when there is none, or none that could be one.

    Raises:
        OSError: it is there and can not be read.
    """
    try:
        fd = os.open(path, _OPEN)
    except FileNotFoundError:  # gone, or a link to nowhere
        return None
    except OSError as error:
        if stat.S_ISSOCK(_mode(path)) or not stat.S_ISREG(_mode(path)):
            return None
        if isinstance(error, PermissionError):
            return _unreadable(path, name)
        raise
    try:
        return _opened(fd, path, name)
    finally:
        os.close(fd)


def refreshed(volume: StorageVolume) -> StorageVolume | None:
    """The same volume with its sizes, rights and times as they are now; None when it is gone."""
    target = volume.target
    assert target is not None and target.path is not None
    now = volume_at(target.path, volume.name)
    if now is None:
        return None
    assert now.target is not None
    return dataclasses.replace(
        volume,
        type=now.type,
        capacity=now.capacity,
        allocation=now.allocation,
        physical=now.physical,
        backing_store=volume.backing_store and now.backing_store,
        target=dataclasses.replace(
            target,
            format=_kept(target.format, now.target.format),
            permissions=now.target.permissions,
            timestamps=now.target.timestamps,
        ),
    )


def _kept(said: str | None, found: str | None) -> str | None:
    """An empty ISO is told apart from a raw image only by whoever made it."""
    return said if said == "iso" and found == "raw" else found


def header_of(fd: int) -> ImageHeader:
    """The header of an open image."""
    return read_header(os.pread(fd, HEAD_BYTES, 0))


def _is_name(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name.isprintable() and not name.startswith(UNFINISHED)


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode
    except OSError:
        return 0


def _opened(fd: int, path: str, name: str) -> StorageVolume | None:
    found = os.fstat(fd)
    if stat.S_ISDIR(found.st_mode):
        target = Target(path=path, format="dir", **_rights(found))
        return _volume("dir", name, path, Size(0), Size(0), None, target)
    if stat.S_ISBLK(found.st_mode):
        size = os.lseek(fd, 0, os.SEEK_END)
        allocation = physical = size
    elif stat.S_ISREG(found.st_mode):
        size = physical = found.st_size
        allocation = found.st_blocks * 512
    else:
        return None
    header = header_of(fd)
    capacity = size if header.capacity is None else header.capacity
    kind: VolumeType = "block" if stat.S_ISBLK(found.st_mode) else "file"
    target = _target(header, path, found)
    below = _below(header, path)
    return _volume(
        kind, name, path, Size(capacity), Size(allocation), Size(physical), target, below
    )


def _unreadable(path: str, name: str) -> StorageVolume | None:
    """A file that only others may read: what can be seen from outside."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    target = Target(path=path, format="raw", **_rights(found))
    size = Size(found.st_size)
    return _volume("file", name, path, size, Size(found.st_blocks * 512), size, target)


def _volume(
    kind: VolumeType,
    name: str,
    path: str,
    capacity: Size,
    allocation: Size,
    physical: Size | None,
    target: Target,
    below: BackingStore | None = None,
) -> StorageVolume:
    return StorageVolume(
        type=kind,
        name=name,
        key=path,
        capacity=capacity,
        allocation=allocation,
        physical=physical,
        target=target,
        backing_store=below,
    )


def _target(header: ImageHeader, path: str, found: os.stat_result) -> Target:
    cluster = header.cluster_size if header.format == "qcow2" else None
    features = None
    if header.compat is not None:
        features = Features(lazy_refcounts=header.lazy_refcounts, extended_l2=header.extended_l2)
    return Target(
        path=path,
        format=header.format,
        compat=header.compat,
        cluster_size=ClusterSize(size=Size(cluster)) if cluster else None,
        features=features,
        **_rights(found),
    )


def _rights(found: os.stat_result) -> dict[str, Any]:
    permissions = Permissions(mode=mode_text(found.st_mode), owner=found.st_uid, group=found.st_gid)
    times = Timestamps(
        atime=_time(found.st_atime_ns),
        mtime=_time(found.st_mtime_ns),
        ctime=_time(found.st_ctime_ns),
        btime="0",
    )
    return {"permissions": permissions, "timestamps": times}


def _time(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{seconds}.{rest:09d}" if rest else str(seconds)


def _below(header: ImageHeader, path: str) -> BackingStore | None:
    if header.backing is None:
        return None
    below = os.path.join(os.path.dirname(path), header.backing)
    rights: dict[str, Any] = {}
    try:
        rights = _rights(os.stat(below))
    except (OSError, ValueError):
        pass  # gone, or no file: it is shown by its name alone
    shown = below.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return BackingStore(path=shown, format=header.backing_format or "raw", **rights)
