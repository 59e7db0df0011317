"""An initramfs as bytes: the kernel's "newc" cpio format, from a table of paths.

The rule kept here: the same table gives the same bytes; owners are root, times are zero.
(Linux: Documentation/driver-api/early-userspace/buffer-format.rst)
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAGIC = "070701"
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the archive: `mode` with its type bits; a symlink's target is its data."""

    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)

    @classmethod
    def file(cls, data: bytes, mode: int = 0o644) -> Entry:
        """A regular file."""
        return cls(stat.S_IFREG | mode, data)

    @classmethod
    def directory(cls, mode: int = 0o755) -> Entry:
        """A directory."""
        return cls(stat.S_IFDIR | mode)

    @classmethod
    def symlink(cls, target: str) -> Entry:
        """A symbolic link."""
        return cls(stat.S_IFLNK | 0o777, target.encode())

    @classmethod
    def character(cls, major: int, minor: int, mode: int = 0o600) -> Entry:
        """A character device."""
        return cls(stat.S_IFCHR | mode, device=(major, minor))


def archive(entries: Mapping[str, Entry]) -> bytes:
    """The archive; parents that the table leaves out are added, in front of their children."""
    everything = dict(entries)
    for path in entries:
        parent = path.rpartition("/")[0]
        while parent and parent not in everything:
            everything[parent] = Entry.directory()
            parent = parent.rpartition("/")[0]
    parts = [
        _record(path, everything[path], number)
        for number, path in enumerate(sorted(everything), start=1)
    ]
    parts.append(_record(_TRAILER, Entry(0), 0))
    whole = b"".join(parts)
    return whole + b"\0" * (-len(whole) % 512)


def _record(path: str, entry: Entry, inode: int) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    numbers = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, *entry.device)
    header = _MAGIC + "".join(f"{number:08X}" for number in (*numbers, len(name), 0))
    head = header.encode() + name
    head += b"\0" * (-len(head) % 4)
    return head + entry.data + b"\0" * (-len(entry.data) % 4)
