"""Which files one disk is made of: an image, the image below it, and so on.

The rule kept here: a format is never guessed from bytes that a guest could have written. The top
image's format is what the definition says; every image below it must be named *with its format* in
the header above it. Headers are read, nothing else; a loop, a missing file or an unnamed format is
an error that says which file and what to do.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from virtory.errors import FROM_STORAGE, ConfigUnsupported, SystemCallFailed
from virtory.model.qcow2_header import (
    BACKING_FORMAT,
    DATA_FILE,
    LONGEST_NAME,
    extensions,
    qcow2_header,
)

if TYPE_CHECKING:
    from virtory.model.domain.devices.disk import BackingStore

FORMATS: Final = ("raw", "qcow2")
"""What is served; other formats are converted: `qemu-img convert -O qcow2`."""

DEEPEST: Final = 200

_LARGEST_CLUSTER = 2 << 20  # names are in the first one


@dataclass(frozen=True, slots=True)
class Link:
    """One image of a chain: `path` is whole and without symbolic links."""

    path: str
    format: str
    is_device: bool = False  # a block device, not a file
    data_file: str | None = None  # where a qcow2 image keeps its clusters, when not in itself


def chain(path: str, image_format: str, explicit: BackingStore | None = None) -> list[Link]:
    """The image and all below it, top first.

    `explicit` is the definition's `<backingStore>`, which wins over what the header says; an
    empty one ends the chain.

    Raises:
        SystemCallFailed: a file is missing or can not be read.
        ConfigUnsupported: a format that is not served, or not named; a loop.
    """
    links: list[Link] = []
    seen: set[str] = set()
    above: str | None = None
    while True:
        resolved = os.path.realpath(path)
        if resolved in seen:
            raise _refused(f"image '{path}' is its own backing file", "Rebase one of them.")
        if len(seen) == DEEPEST:
            raise _refused(f"more than {DEEPEST} images below '{links[0].path}'", "Commit some.")
        seen.add(resolved)
        link, below = _look(resolved, image_format, path, above)
        links.append(link)
        above = path
        if explicit is not None:
            if explicit.type is None:
                return links
            path, image_format = _named(explicit, resolved)
            explicit = explicit.backing_store
        elif below is None:
            return links
        else:
            path, image_format = below


def backing_name(path: str) -> str | None:
    """What the header of a qcow2 image calls the image below it, as it is written there."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _Header.read(descriptor, path).backing
    finally:
        os.close(descriptor)


def _named(store: BackingStore, above: str) -> tuple[str, str]:
    source = store.source
    path = source.path if source is not None else None
    if store.type not in ("file", "block") or path is None or store.format is None:
        raise _refused(
            f"the <backingStore> below '{above}' is not a file or device with a format",
            "Name type='file', <format type=…/> and <source file=…/>.",
        )
    return path, store.format


def _look(
    path: str, image_format: str, given: str, above: str | None
) -> tuple[Link, tuple[str, str] | None]:
    """The link itself, and the path and format that its header names below it.

    A relative name in a header starts, as in QEMU, where the path that was `given` says the image
    is, not where a symbolic link there leads to.
    """
    if image_format not in FORMATS:
        raise _refused(
            f"image '{path}' has format '{image_format}'; served are {' and '.join(FORMATS)}",
            f"Convert it: qemu-img convert -O qcow2 {path} {path}.qcow2",
        )
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise no_access(given, error, above) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
            raise _refused(f"image '{path}' is neither a file nor a block device", "Name another.")
        is_device = stat.S_ISBLK(mode)
        if image_format == "raw":
            return Link(path, "raw", is_device), None
        header = _Header.read(descriptor, path)
    finally:
        os.close(descriptor)
    directory = os.path.dirname(given)
    data_file = header.data_file and os.path.realpath(os.path.join(directory, header.data_file))
    link = Link(path, "qcow2", is_device, data_file)
    if header.backing is None:
        return link, None
    return link, (_local(header.backing, given), _format_below(header, given))


def _local(backing: str, path: str) -> str:
    """The path that a backing file's name means; QEMU resolves it from the image's directory."""
    name = backing.removeprefix("file:")
    if backing.startswith("json:") or (":" in name.split("/", 1)[0] and not name.startswith("/")):
        raise _refused(
            f"image '{path}' has backing file '{backing}', which is no local file",
            "Copy it to a local file and rebase on that.",
        )
    return os.path.join(os.path.dirname(path), name)


def _format_below(header: _Header, path: str) -> str:
    if header.backing_format is None:
        raise _refused(
            f"image '{path}' names backing file '{header.backing}' but not its format, "
            "and guessing it would let a guest choose",
            f"Name it: qemu-img rebase -u -b '{header.backing}' -F raw-or-qcow2 '{path}'",
        )
    return header.backing_format


@dataclass(frozen=True, slots=True)
class _Header:
    backing: str | None
    backing_format: str | None
    data_file: str | None

    @classmethod
    def read(cls, descriptor: int, path: str) -> _Header:
        head = os.pread(descriptor, 65536, 0)
        header = qcow2_header(head)
        if header is None or len(head) < 72:
            raise _refused(
                f"image '{path}' is no qcow2 image, as its definition says",
                "Set <driver type='raw'/> if it is a raw image.",
            )
        if header.backing_length > LONGEST_NAME or header.backing_offset > _LARGEST_CLUSTER:
            raise _damaged(path)
        backing = os.fsdecode(os.pread(descriptor, header.backing_length, header.backing_offset))
        after = extensions(head, header.length)
        data_file = None
        if header.has_data_file:
            data_file = os.fsdecode(after.get(DATA_FILE, b"")) or None
        kind = after.get(BACKING_FORMAT, b"").decode(errors="replace") or None
        if "\0" in backing or (data_file is not None and "\0" in data_file):
            raise _damaged(path)
        return cls(backing or None, kind, data_file)


def _damaged(path: str) -> ConfigUnsupported:
    return _refused(f"image '{path}' has a damaged header", f"Check it: qemu-img check '{path}'")


def no_access(
    path: str,
    error: OSError,
    above: str | None = None,
    missing: str = "create it, or change the path in the domain's definition",
) -> SystemCallFailed:
    """An image, or the image below `above`, is not to be had; `missing` cures its absence."""
    cure = None
    what = f"storage file '{path}'"
    if above is not None:
        what = f"backing file '{path}' of storage file '{above}'"
    if isinstance(error, FileNotFoundError):
        cure = missing
        if above is not None:
            rebase = f"qemu-img rebase -u -b BASE -F FORMAT '{above}'"
            cure = f"put it back, or say where it is: {rebase}"
    if isinstance(error, PermissionError):
        cure = f"Let uid {os.geteuid()} read it: setfacl -m u:{os.geteuid()}:rw '{path}'"
    return SystemCallFailed(
        f"Cannot access {what}: {error.strerror}",
        errno=error.errno,
        cure=cure,
        domain=FROM_STORAGE,
    )


def _refused(detail: str, cure: str) -> ConfigUnsupported:
    return ConfigUnsupported(detail, cure=cure, domain=FROM_STORAGE)
