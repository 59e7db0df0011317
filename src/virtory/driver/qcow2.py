"""A new qcow2 image, written directly: an empty disk, or an overlay on another image.

The rule kept here: the file is there already, empty and ours; when `write_empty` returns it is a
whole image and on disk. No program is started: an overlay takes one write.

The bytes are `model.image_format.new_qcow2`'s.
"""

from __future__ import annotations

import os

from virtory.model.image_format import new_qcow2
from virtory.model.qcow2_header import FIXED_BYTES, LONGEST_NAME, qcow2_header

CLUSTER_BITS = 16
_CLUSTER = 1 << CLUSTER_BITS
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
    if len(name) > LONGEST_NAME:
        raise ValueError("the path of the image below is longer than 1023 bytes")
    image = new_qcow2(size, compat="1.1", backing=name or None, backing_format=backing_format)
    assert image is not None  # 64 TiB fit one block of reference counts
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        whole = -(-image.length // _CLUSTER) * _CLUSTER
        if not os.fstat(descriptor).st_rdev:
            os.ftruncate(descriptor, whole)
        else:  # a device has its old bytes where a file has a hole
            os.pwrite(descriptor, bytes(whole - _CLUSTER), _CLUSTER)
        for offset, piece in reversed(image.pieces):  # the head last: it makes it an image
            os.pwrite(descriptor, piece, offset)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def virtual_size(path: str) -> int:
    """Bytes that a guest sees of the qcow2 image at `path`; ValueError when it is none."""
    with open(path, "rb") as file:
        header = qcow2_header(file.read(FIXED_BYTES))
    if header is None:
        raise ValueError(f"'{path}' is no qcow2 image")
    return header.capacity


def is_empty_overlay(path: str) -> bool:
    """Whether a qcow2 image has nothing of its own: no cluster is mapped, no snapshot kept."""
    with open(path, "rb") as file:
        head = file.read(FIXED_BYTES)
        header = qcow2_header(head)
        if header is None or len(head) < 72 or header.snapshots or header.l1_entries > 1 << 22:
            return False
        length = header.l1_entries * 8
        if header.l1_offset + length > file.seek(0, os.SEEK_END):
            return False
        file.seek(header.l1_offset)
        return not any(file.read(length))
