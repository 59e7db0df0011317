"""What the first bytes of a disk image say: its format, its size, the image below it.

The rule kept here: bytes in, a value out. Nothing that a header names is opened, and a header is a
guest's to write: what is said here may be shown, never followed without a decision.
(qcow2, qed: QEMU's docs/interop; the others: their own specifications)
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from virtory.model.qcow2_header import (
    BACKING_FORMAT,
    FIXED_BYTES,
    LONGEST_NAME,
    MAGIC,
    extensions,
    qcow2_header,
)

HEAD_BYTES = 33280
"""So many bytes are enough to tell every format; an ISO's mark stands beyond the 32nd KiB."""

CREATABLE = ("raw", "qcow2", "qcow", "vmdk", "vdi", "vpc", "vhdx", "qed", "iso", "dir")


class ImageHeader(NamedTuple):
    """`backing_format` None with a `backing` means that the header does not say."""

    format: str
    capacity: int | None = None
    backing: str | None = None
    backing_format: str | None = None
    compat: str | None = None
    cluster_size: int | None = None
    lazy_refcounts: bool = False
    extended_l2: bool = False
    data_file: bool = False
    encryption: str | None = None


RAW = ImageHeader("raw")


def read_header(head: bytes) -> ImageHeader:
    """The image that begins with `head`; `raw` when nothing is recognised."""
    try:
        return _recognised(head)
    except (struct.error, IndexError):
        return RAW


def _recognised(head: bytes) -> ImageHeader:
    if head.startswith(MAGIC):
        return _qcow(head)
    if head.startswith(b"QED\0"):
        return _qed(head)
    if head.startswith(b"KDMV"):
        return ImageHeader("vmdk", *_vmdk(head))
    if head.startswith(b"conectix"):
        return ImageHeader("vpc", struct.unpack_from(">Q", head, 40)[0])
    if head[64:68] == b"\x7f\x10\xda\xbe":
        return ImageHeader("vdi", struct.unpack_from("<Q", head, 368)[0])
    if head.startswith(b"vhdxfile"):
        return ImageHeader("vhdx")
    if head.startswith(b"LUKS\xba\xbe"):
        return ImageHeader("raw", encryption="luks")
    if head.startswith(b"Bochs Virtual HD Image"):
        return ImageHeader("bochs")
    if head[32769:32774] == b"CD001":
        return ImageHeader("iso")
    return RAW


def _vmdk(head: bytes) -> tuple[int, str | None]:
    sectors = struct.unpack_from("<Q", head, 12)[0]
    descriptor = head[512:20992]
    start = descriptor.find(b'parentFileNameHint="')
    if start < 0:
        return sectors * 512, None
    start += len(b'parentFileNameHint="')
    end = descriptor.find(b'"', start)
    return sectors * 512, descriptor[start:end].decode("utf-8", "replace") if end > 0 else None


def _qed(head: bytes) -> ImageHeader:
    cluster, _, _, features = struct.unpack_from("<IIIQ", head, 4)
    capacity, offset, length = struct.unpack_from("<QII", head, 48)
    backing = _name(head, offset, length) if features & 1 else None
    return ImageHeader(
        "qed",
        capacity,
        backing,
        "raw" if backing and features & 4 else None,
        cluster_size=cluster,
    )


def _qcow(head: bytes) -> ImageHeader:
    header = qcow2_header(head)
    if header is None:
        return RAW
    version = header.version
    backing = None
    if header.backing_offset:
        backing = _name(head, header.backing_offset, header.backing_length)
    if version == 1:
        return ImageHeader("qcow", header.capacity, backing)
    if version not in (2, 3) or not 9 <= header.cluster_bits <= 21:
        return RAW
    if len(head) < (72 if version == 2 else FIXED_BYTES):
        return RAW
    below = extensions(head, header.length).get(BACKING_FORMAT) if backing else None
    return ImageHeader(
        "qcow2",
        header.capacity,
        backing,
        None if below is None else below.decode("ascii", "replace"),
        compat="1.1" if version == 3 else None,
        cluster_size=1 << header.cluster_bits,
        lazy_refcounts=bool(header.compatible & 1),
        extended_l2=bool(header.incompatible & 16),
        data_file=header.has_data_file,
        encryption={0: None, 2: "luks"}.get(header.encryption, "qcow"),
    )


def _name(head: bytes, offset: int, length: int) -> str | None:
    if not 0 < length <= LONGEST_NAME or offset + length > len(head):
        return None
    name = head[offset : offset + length].partition(b"\0")[0]  # as QEMU, in C, reads it
    return name.decode("utf-8", "surrogateescape") or None


class Qcow2(NamedTuple):
    """A new, empty qcow2 image: what stands where; between the pieces is nothing."""

    pieces: tuple[tuple[int, bytes], ...]
    length: int


def new_qcow2(
    capacity: int,
    *,
    compat: str = "0.10",
    cluster_size: int = 65536,
    lazy_refcounts: bool = False,
    backing: bytes | None = None,
    backing_format: str | None = None,
) -> Qcow2 | None:
    """The image QEMU would make; None where one block of reference counts is not enough."""
    bits = cluster_size.bit_length() - 1
    l1_entries = -(-capacity // (cluster_size * (cluster_size // 8)))
    l1_clusters = -(-l1_entries * 8 // cluster_size)
    used = 3 + l1_clusters
    if used > cluster_size // 2:
        return None
    head = _qcow2_head(
        2 if compat == "0.10" else 3,
        bits,
        capacity,
        l1_entries,
        backing,
        backing_format if backing else None,
        lazy_refcounts=lazy_refcounts,
    )
    if len(head) > cluster_size:
        return None
    table = struct.pack(">Q", 2 * cluster_size)
    counts = struct.pack(">H", 1) * used
    length = 3 * cluster_size + l1_entries * 8
    pieces = (
        (0, head),
        (cluster_size, table),
        (2 * cluster_size, counts),
    )
    return Qcow2(pieces, length)


def _qcow2_head(
    version: int,
    bits: int,
    capacity: int,
    l1_entries: int,
    backing: bytes | None,
    backing_format: str | None,
    *,
    lazy_refcounts: bool,
) -> bytes:
    """The header, its after and the name of the image below."""
    after = b""
    if backing_format:
        name = backing_format.encode()
        after += struct.pack(">II", BACKING_FORMAT, len(name))
        after += name.ljust(len(name) + 7 & ~7, b"\0")
    after += bytes(8)
    length = 72 if version == 2 else 104
    head = MAGIC + struct.pack(
        ">IQIIQIIQQIIQ",
        version,
        length + len(after) if backing else 0,
        len(backing or b""),
        bits,
        capacity,
        0,  # encryption
        l1_entries,
        3 << bits,
        1 << bits,
        1,  # clusters of the table of reference counts
        0,  # snapshots
        0,
    )
    if version == 3:
        head += struct.pack(">QQQII", 0, int(lazy_refcounts), 0, 4, length)
    return head + after + (backing or b"")
