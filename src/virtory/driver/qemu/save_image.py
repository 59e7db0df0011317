"""Files that hold a saved machine: a header, its description, then QEMU's own stream.

The rule kept here: the layout is libvirt's, so that images go both ways; and a file is hostile
until checked: every length is bounded by the file's own, the description is parsed as any client's.

Layout: 16 bytes magic, then 32-bit words in the writer's byte order: version, length of what
follows up to the stream, whether the machine ran, compression, offset of a cookie (libvirt's own
notes, passed over here), 14 spare words; then the XML ended by a zero byte, the cookie, padding.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import Final, NamedTuple

from virtory.driver import new_files
from virtory.errors import (
    ConfigUnsupported,
    OperationFailed,
    OperationInvalid,
    SystemCallFailed,
    VirtoryError,
)

MAGIC: Final = b"LibvirtQemudSave"
UNFINISHED: Final = b"LibvirtQemudPart"
VERSION: Final = 2
_HEADER: Final = "16s19I"
_SIZE: Final = struct.calcsize("=" + _HEADER)
_ALIGNMENT: Final = 64 << 10  # leaves room for a longer description
_LEAST_ROOM: Final = 1024
_LONGEST: Final = 32 << 20
_DECOMPRESSORS: Final = {1: "gzip", 2: "bzip2", 3: "xz", 4: "lzop", 5: "zstd"}


class SaveImage(NamedTuple):
    """What stands before the stream, and where the stream begins."""

    xml: str
    was_running: bool
    stream_at: int
    compression: int = 0

    @property
    def decompressor(self) -> str | None:
        """The program that unpacks the stream; None for one that is not packed."""
        return _DECOMPRESSORS.get(self.compression)


def head(xml: str, *, running: bool, finished: bool) -> bytes:
    """All that stands before the stream."""
    text = xml.encode() + b"\0"
    total = _SIZE + len(text) + _LEAST_ROOM
    total += -total % _ALIGNMENT
    return _packed(text, total - _SIZE, running=running, finished=finished)


def _packed(text: bytes, room: int, *, running: bool, finished: bool) -> bytes:
    magic = MAGIC if finished else UNFINISHED
    words = (VERSION, room, int(running), 0, 0, *(0,) * 14)
    return struct.pack("=" + _HEADER, magic, *words) + text.ljust(room, b"\0")


def created(path: str, begin: bytes) -> int:
    """A new file with its head written; it stands where the stream goes. Blocking."""
    try:
        descriptor = new_files.make_anew(path)
    except OSError as error:
        raise cannot("create", path, error) from None
    try:
        if os.write(descriptor, begin) < len(begin):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        os.close(descriptor)
        raise cannot("write", path, error) from None
    return descriptor


def finish(descriptor: int, unfinished: str, path: str) -> None:
    """The stream is whole, and on disk: the file is an image, and gets its name. Blocking."""
    try:
        os.fdatasync(descriptor)
        os.pwrite(descriptor, MAGIC, 0)
        os.fdatasync(descriptor)
        os.rename(unfinished, path)
    except OSError as error:
        raise cannot("write", path, error) from None


def read(descriptor: int, path: str) -> SaveImage:
    """The header and description of an open file.

    Raises OperationFailed for a file that is no image or a damaged one, OperationInvalid for one
    that was never finished, ConfigUnsupported for one that this version can not read.
    """
    raw = os.pread(descriptor, _SIZE, 0)
    if len(raw) < _SIZE:
        raise _no_image(path, "it is too short")
    order = "="
    magic, version, room, running, compression, cookie = struct.unpack("=" + _HEADER, raw)[:6]
    if version > 0xFFFF:
        order = ">" if struct.pack("=H", 1) == struct.pack("<H", 1) else "<"
        magic, version, room, running, compression, cookie = struct.unpack(order + _HEADER, raw)[:6]
    if magic == UNFINISHED:
        raise OperationInvalid(
            f"save image '{path}' is incomplete: writing it never came to its end",
            cure="remove it; what it was made of is with the machine itself",
        )
    if magic != MAGIC:
        raise _no_image(path, "it does not begin as one")
    if version > VERSION:
        raise ConfigUnsupported(f"save image '{path}' has version {version}; up to 2 is served")
    if compression and compression not in _DECOMPRESSORS:
        raise ConfigUnsupported(f"save image '{path}' is packed in an unknown way ({compression})")
    if not 0 < room <= _LONGEST or os.fstat(descriptor).st_size < _SIZE + room:
        raise _no_image(path, f"its description would have {room} bytes")
    data = os.pread(descriptor, room, _SIZE)
    text, zero, _ = data.partition(b"\0")
    if not zero or (cookie and not len(text) < cookie <= room):
        raise _no_image(path, "its description has no end")
    try:
        xml = text.decode()
    except UnicodeDecodeError:
        raise _no_image(path, "its description is not UTF-8 text") from None
    return SaveImage(xml, bool(running), _SIZE + room, compression)


def rewrite(descriptor: int, path: str, xml: str, *, running: bool) -> None:
    """Put another description into an image, in the room that the former one had."""
    image = read(descriptor, path)
    room, text = image.stream_at - _SIZE, xml.encode() + b"\0"
    if len(text) > room:
        raise OperationFailed(
            f"the new description has {len(text)} bytes, save image '{path}' has room for {room}",
            cure="shorten it, for example its metadata",
        )
    changed = bytearray(_packed(text, room, running=running, finished=True))
    struct.pack_into("=I", changed, 28, image.compression)
    os.pwrite(descriptor, bytes(changed), 0)
    os.fdatasync(descriptor)


def opened(path: str, flags: int = os.O_RDONLY) -> int:
    """The descriptor of an image; SystemCallFailed names it and the cure."""
    try:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise cannot("open", path, error) from None


def cannot(attempt: str, path: str, error: OSError) -> VirtoryError:
    """What the system refused."""
    cures = {
        2: "check the path; it is one of the daemon's host",
        13: f"let uid {os.geteuid()} use that path",
        28: "make room there, or name another file system",
        30: "name a path on a file system that can be written",
    }
    return SystemCallFailed(
        f"Failed to {attempt} file '{path}': {error.strerror}",
        errno=error.errno,
        cure=cures.get(error.errno or 0),
    )


def _no_image(path: str, why: str) -> OperationFailed:
    return OperationFailed(
        f"'{path}' is no save image, or a damaged one: {why}",
        cure="name a file that 'virsh save' or 'virsh managedsave' wrote",
    )
