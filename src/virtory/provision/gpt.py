"""A GUID partition table as bytes, written into a plain file: no loop device, no root.

The rule kept here: partitions lie on MiB boundaries, both copies of the table agree.
(UEFI specification 2.10, chapter 5)
"""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SECTOR = 512
MIB = 1 << 20
_ENTRIES = 128
_ENTRY_SIZE = 128
_TABLE_SECTORS = _ENTRIES * _ENTRY_SIZE // SECTOR

EFI_SYSTEM = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
LINUX_ROOT_X86_64 = uuid.UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709")


@dataclass(frozen=True, slots=True)
class Partition:
    """`number` counts from 1; `start` and `size` are bytes, multiples of a sector."""

    number: int
    kind: uuid.UUID
    start: int
    size: int
    name: str


def write(path: Path, size: int, partitions: Sequence[Partition]) -> None:
    """Write the protective MBR and both tables into the file, which becomes `size` bytes long."""
    sectors = size // SECTOR
    disk = uuid.uuid4()
    entries = bytearray(_ENTRIES * _ENTRY_SIZE)
    for partition in partitions:
        first = partition.start // SECTOR
        last = first + partition.size // SECTOR - 1
        if first < 2 + _TABLE_SECTORS or last > sectors - 2 - _TABLE_SECTORS:
            raise ValueError(f"partition {partition.number} does not fit into the disk")
        struct.pack_into(
            "<16s16sQQQ72s",
            entries,
            (partition.number - 1) * _ENTRY_SIZE,
            partition.kind.bytes_le,
            uuid.uuid4().bytes_le,
            first,
            last,
            0,
            partition.name.encode("utf-16-le"),
        )
    table = bytes(entries)
    with open(path, "r+b" if path.exists() else "w+b") as file:
        file.truncate(size)
        file.seek(0)
        file.write(_protective_mbr(sectors))
        file.write(_header(disk, table, here=1, other=sectors - 1, table_at=2, sectors=sectors))
        file.write(table)
        file.seek((sectors - 1 - _TABLE_SECTORS) * SECTOR)
        file.write(table)
        at = sectors - 1 - _TABLE_SECTORS
        file.write(_header(disk, table, here=sectors - 1, other=1, table_at=at, sectors=sectors))


def _protective_mbr(sectors: int) -> bytes:
    entry = struct.pack(
        "<B3sB3sII", 0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1, min(sectors - 1, 0xFFFFFFFF)
    )
    return b"\0" * 446 + entry + b"\0" * 48 + b"\x55\xaa"


def _header(
    disk: uuid.UUID, table: bytes, *, here: int, other: int, table_at: int, sectors: int
) -> bytes:
    def pack(checksum: int) -> bytes:
        return struct.pack(
            "<8sIIIIQQQQ16sQIII",
            b"EFI PART",
            0x10000,
            92,
            checksum,
            0,
            here,
            other,
            2 + _TABLE_SECTORS,
            sectors - 2 - _TABLE_SECTORS,
            disk.bytes_le,
            table_at,
            _ENTRIES,
            _ENTRY_SIZE,
            zlib.crc32(table),
        )

    return pack(zlib.crc32(pack(0))).ljust(SECTOR, b"\0")
