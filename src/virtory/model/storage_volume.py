"""`<volume>`: a disk image, block device or directory within a pool.

The rule kept here: what is written is what `virsh vol-dumpxml` prints for the same volume.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Literal

from virtory.codec import xml
from virtory.codec.xml import At, Attr, Element, Problem, Range, Scaled
from virtory.errors import FROM_STORAGE, VirtoryError
from virtory.model.domain.devices.disk import Encryption
from virtory.model.values import Size

if TYPE_CHECKING:
    from collections.abc import Iterator

VolumeType = Literal["file", "block", "dir", "network", "netdir", "ploop"]
TYPES: tuple[VolumeType, ...] = ("file", "block", "dir", "network", "netdir", "ploop")
"""In the order of libvirt's numbers."""

NAME_MAX = 255

Bytes = Annotated[Size, Scaled("bytes")]


class Permissions(Element):
    """`<permissions>`: octal mode, numeric owner and group (-1: not said), security label."""

    mode: str | None = None
    owner: Annotated[int | None, Range(-1, 2**32 - 1)] = None
    group: Annotated[int | None, Range(-1, 2**32 - 1)] = None
    label: str | None = None


class Timestamps(Element):
    """`<timestamps>`: seconds since the epoch, with nanoseconds after a point."""

    atime: str | None = None
    mtime: str | None = None
    ctime: str | None = None
    btime: str | None = None


class Features(Element, tag="features"):
    """`<features>` of a qcow2 image."""

    lazy_refcounts: bool = False
    extended_l2: bool = False


class ClusterSize(Element):
    """`<clusterSize>`: the unit of allocation of a qcow2 image."""

    size: Annotated[Size, Scaled("B"), At(".")]


class Target(Element, tag="target"):
    """`<target>`: where the volume is and how it is made."""

    path: str | None = None
    format: Annotated[str | None, At("format/@type")] = None
    permissions: Permissions | None = None
    timestamps: Timestamps | None = None
    encryption: Encryption | None = None
    compat: str | None = None
    nocow: bool = False
    cluster_size: Annotated[ClusterSize | None, At("clusterSize")] = None
    features: Features | None = None


class BackingStore(Element):
    """`<backingStore>`: the image below; what it does not hold is read from there."""

    path: str | None = None
    format: Annotated[str | None, At("format/@type")] = None
    permissions: Permissions | None = None
    timestamps: Timestamps | None = None


class Extent(Element, tag="extent"):
    """`<extent>`: a part of the source device, in bytes."""

    start: Attr[int]
    end: Attr[int]


class SourceDevice(Element, tag="device"):
    """`<device>`: a device that holds a part of the volume."""

    path: Attr[str]
    extents: tuple[Extent, ...] = ()


class Source(Element, opened=True):
    """`<source>`: what of the pool's source holds the volume."""

    devices: tuple[SourceDevice, ...] = ()


class StorageVolume(Element, tag="volume"):
    """`<volume>`: what is asked for, or what was found."""

    type: Attr[VolumeType | None] = None
    name: str
    key: str | None = None
    source: Source | None = None
    capacity: Bytes | None = None
    allocation: Bytes | None = None
    physical: Bytes | None = None
    target: Target | None = None
    backing_store: Annotated[BackingStore | None, At("backingStore")] = None

    @property
    def format(self) -> str | None:
        """The image's format, where one is said."""
        return self.target.format if self.target else None


def parse_volume(text: str, *, needs_capacity: bool = True) -> StorageVolume:
    """The volume that `text` asks for.

    Raises:
        XmlError: malformed, hostile or invalid; all problems at once.
        ConfigUnsupported: valid, but with elements that are not served.
    """
    with of_storage():
        volume = xml.parse(StorageVolume, text)
        found = [Problem(*problem) for problem in problems(volume, needs_capacity=needs_capacity)]
        if found:
            raise xml.error_of(found, "storage volume")
    return volume


@contextlib.contextmanager
def of_storage() -> Iterator[None]:
    """Errors that pass through here are the storage driver's, as libvirt has it."""
    try:
        yield
    except VirtoryError as error:
        error.domain = FROM_STORAGE
        raise


def problems(volume: StorageVolume, *, needs_capacity: bool) -> list[tuple[str, str]]:
    """Every (XPath, message) for which the volume can not be made; empty when it can."""
    found = []
    if not volume.name.strip():
        found.append(("/volume/name", "missing volume name element"))
    elif volume.name in (".", "..") or "\n" in volume.name:
        found.append(("/volume/name", f"{volume.name!r} can not be a file's name"))
    elif len(volume.name.encode()) > NAME_MAX:
        found.append(("/volume/name", f"the name is longer than {NAME_MAX} bytes"))
    if needs_capacity and volume.capacity is None and volume.backing_store is None:
        found.append(("/volume/capacity", "missing capacity element; give the size in bytes"))
    below = volume.backing_store
    if below is not None and (below.path or "").startswith("-"):  # it becomes a program's argument
        found.append(("/volume/backingStore/path", f"'{below.path}' begins with a dash"))
    target = volume.target
    if target is None:
        return found
    found += permission_problems(target.permissions, "/volume/target/permissions")
    if target.compat is not None and target.compat not in ("0.10", "1.1"):
        message = f"'{target.compat}' is no version of qcow2; use 0.10 or 1.1"
        found.append(("/volume/target/compat", message))
    if target.cluster_size is not None:
        size = target.cluster_size.size
        if size & (size - 1) or not 512 <= size <= 2 << 20:
            message = f"{size} bytes is no power of two between 512 and 2 MiB"
            found.append(("/volume/target/clusterSize", message))
    return found


def permission_problems(permissions: Permissions | None, place: str) -> list[tuple[str, str]]:
    """What is wrong with a mode; owner and group are checked as they are read."""
    mode = permissions.mode if permissions else None
    if mode is None:
        return []
    if not mode.strip() or set(mode.strip()) - set("01234567") or int(mode, 8) & ~0o7777:
        return [(f"{place}/mode", f"malformed octal mode '{mode}'; write it as 0644")]
    return []


def mode_text(mode: int) -> str:
    """A mode as libvirt writes it: a zero, and the octal digits."""
    return f"0{mode & 0o7777:o}"


def format_volume(volume: StorageVolume) -> str:
    """The description as `virsh vol-dumpxml` prints it."""
    return xml.format(volume)


def copy_of(text: str, name: str) -> str:
    """What to ask for to have a copy, called `name`, of the volume that `text` describes."""
    import dataclasses

    volume = xml.parse(StorageVolume, text, lenient=True)
    target = volume.target
    if target is not None:
        target = dataclasses.replace(target, path=None, timestamps=None)
    return format_volume(dataclasses.replace(volume, name=name, key=None, target=target))
