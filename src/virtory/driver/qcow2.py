"""A new qcow2 image, written directly: an empty disk, or an overlay on another image.

The rule kept here: the file is there already, empty and ours; when `write_empty` returns it is a
whole image and on disk. No program is started: an overlay takes one write.

The layout is that of QEMU's `docs/interop/qcow2.txt`: header, refcount table, one refcount block,
the first table of the mapping, which is a hole.
"""

from __future__ import annotations

import os
import struct

CLUSTER_BITS = 16
_CLUSTER = 1 << CLUSTER_BITS
_MAGIC = 0x514649FB
_BACKING_FORMAT = 0xE2792ACA
_HEADER = struct.Struct(">IIQIIQIIQQIIQQQQII")
_LENGTH = 104
_REFCOUNT_TABLE, _REFCOUNT_BLOCK, _L1 = _CLUSTER, 2 * _CLUSTER, 3 * _CLUSTER
_PER_L1_ENTRY = _CLUSTER * (_CLUSTER // 8)  # bytes of the disk: 512 MiB
_LARGEST = 64 << 40


def write_empty(
    path: str, size: int, backing: str | None = None, backing_format: str | None = None
) -> None:
    """Make the empty file at `path` a qcow2 image of `size` bytes, over `backing` when given.

    `backing` is stored as it is: an absolute path, or one from the image's own directory.
    Raises OSError, and ValueError for a size or a name that the format can not hold.
    """
    if size % 512 or not 0 <= size <= _LARGEST:
        raise ValueError(f"{size} bytes are no size of a disk: 512-byte sectors, 64 TiB at most")
    name = os.fsencode(backing) if backing is not None else b""
    if len(name) > 1023:
        raise ValueError("the path of the image below is longer than 1023 bytes")
    entries = -(-size // _PER_L1_ENTRY)
    l1_clusters = -(-entries * 8 // _CLUSTER)
    extensions = b""
    if backing_format is not None:
        extensions += _extension(_BACKING_FORMAT, backing_format.encode())
    extensions += struct.pack(">II", 0, 0)
    head = _HEADER.pack(
        _MAGIC, 3, _LENGTH + len(extensions) if name else 0, len(name), CLUSTER_BITS, size, 0,
        entries, _L1, _REFCOUNT_TABLE, 1, 0, 0, 0, 0, 0, 4, _LENGTH,
    )  # fmt: skip
    used = 3 + l1_clusters
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.pwrite(descriptor, struct.pack(">Q", _REFCOUNT_BLOCK), _REFCOUNT_TABLE)
        os.pwrite(descriptor, struct.pack(">H", 1) * used, _REFCOUNT_BLOCK)
        if not os.fstat(descriptor).st_rdev:
            os.ftruncate(descriptor, used * _CLUSTER)
        else:  # a device has its old bytes where a file has a hole
            os.pwrite(descriptor, bytes(_CLUSTER - 8), _REFCOUNT_TABLE + 8)
            os.pwrite(descriptor, bytes(_CLUSTER - 2 * used), _REFCOUNT_BLOCK + 2 * used)
            os.pwrite(descriptor, bytes(l1_clusters * _CLUSTER), _L1)
        os.pwrite(descriptor, head + extensions + name, 0)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def virtual_size(path: str) -> int:
    """Bytes that a guest sees of the qcow2 image at `path`; ValueError when it is none."""
    with open(path, "rb") as file:
        head = file.read(32)
    if len(head) < 32 or struct.unpack_from(">I", head)[0] != _MAGIC:
        raise ValueError(f"'{path}' is no qcow2 image")
    size: int = struct.unpack_from(">Q", head, 24)[0]
    return size


def is_empty_overlay(path: str) -> bool:
    """Whether a qcow2 image has nothing of its own: no cluster is mapped, no snapshot kept."""
    with open(path, "rb") as file:
        head = file.read(72)
        if len(head) < 72 or struct.unpack_from(">I", head)[0] != _MAGIC:
            return False
        entries, table = struct.unpack_from(">IQ", head, 36)
        (snapshots,) = struct.unpack_from(">I", head, 60)
        if snapshots or entries > 1 << 22:
            return False
        file.seek(table)
        return not any(file.read(entries * 8))


def _extension(number: int, content: bytes) -> bytes:
    return struct.pack(">II", number, len(content)) + content.ljust((len(content) + 7) & ~7, b"\0")
