"""libvirt's public constants about snapshots, as plain integers.

The rule kept here: as of `flags`: names and values of libvirt's public headers (9.0.0).
"""

from __future__ import annotations

from typing import Final


class SnapshotCreate:
    REDEFINE: Final = 1
    CURRENT: Final = 2
    NO_METADATA: Final = 4
    HALT: Final = 8
    DISK_ONLY: Final = 0x10
    REUSE_EXT: Final = 0x20
    QUIESCE: Final = 0x40
    ATOMIC: Final = 0x80
    LIVE: Final = 0x100
    VALIDATE: Final = 0x200
    ALL: Final = 0x3FF


class SnapshotList:
    ROOTS: Final = 1
    DESCENDANTS: Final = 1
    METADATA: Final = 2
    LEAVES: Final = 4
    NO_LEAVES: Final = 8
    NO_METADATA: Final = 0x10
    INACTIVE: Final = 0x20
    ACTIVE: Final = 0x40
    DISK_ONLY: Final = 0x80
    INTERNAL: Final = 0x100
    EXTERNAL: Final = 0x200
    TOPOLOGICAL: Final = 0x400
    ALL: Final = 0x7FF


class SnapshotRevert:
    RUNNING: Final = 1
    PAUSED: Final = 2
    FORCE: Final = 4
    RESET_NVRAM: Final = 8
    ALL: Final = 0xF


class SnapshotDelete:
    CHILDREN: Final = 1
    METADATA_ONLY: Final = 2
    CHILDREN_ONLY: Final = 4
    ALL: Final = 7
