"""The numbers at the beginning of a qcow2 image, and the extensions after them.

The rule kept here: bytes in, numbers out. Whether they make sense and may be followed, whoever
asked decides: a header may be a guest's or a stranger's to write.
(QEMU's docs/interop/qcow2.txt)
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAGIC = b"QFI\xfb"
FIXED_BYTES = 104
"""So many bytes hold all of the numbers."""

BACKING_FORMAT = 0xE2792ACA
DATA_FILE = 0x44415441
LONGEST_NAME = 1023

_SECOND = struct.Struct(">4sIQIIQIIQQIIQ")  # all that version 2 has
_THIRD = struct.Struct(">QQQII")
_DATA_FILE_BIT = 1 << 2


class Qcow2Header(NamedTuple):
    """What is beyond the end of a file that is cut short is 0."""

    version: int
    backing_offset: int
    backing_length: int
    cluster_bits: int
    capacity: int
    encryption: int
    l1_entries: int
    l1_offset: int
    snapshots: int
    snapshots_offset: int
    incompatible: int
    compatible: int
    length: int

    @property
    def has_data_file(self) -> bool:
        return bool(self.incompatible & _DATA_FILE_BIT)


def qcow2_header(head: bytes) -> Qcow2Header | None:
    """The header that `head` begins with; None when it is no qcow2 image's (nor qcow's)."""
    if len(head) < 32 or not head.startswith(MAGIC):
        return None
    whole = head[:FIXED_BYTES].ljust(FIXED_BYTES, b"\0")
    _, version, offset, length, bits, capacity, crypt, entries, table, _, _, count, snapshots = (
        _SECOND.unpack_from(whole)
    )
    incompatible, compatible, header_length = 0, 0, _SECOND.size
    if version >= 3 and len(head) >= FIXED_BYTES:
        incompatible, compatible, _, _, header_length = _THIRD.unpack_from(whole, _SECOND.size)
    return Qcow2Header(
        version,
        offset,
        length,
        bits,
        capacity,
        crypt,
        entries,
        table,
        count,
        snapshots,
        incompatible,
        compatible,
        header_length,
    )


def extensions(head: bytes, position: int) -> dict[int, bytes]:
    """The extensions by number, from the end of the header; each is padded to eight bytes."""
    found: dict[int, bytes] = {}
    while position + 8 <= len(head):
        number, length = struct.unpack_from(">II", head, position)
        position += 8
        if number == 0 or position + length > len(head):
            break
        found[number] = head[position : position + length]
        position += (length + 7) & ~7
    return found
