"""The locks that QEMU keeps on the images it has open, asked for and taken without QEMU.

The rule kept here: one byte of a file stands for each thing that somebody does with the image, and
one for each thing that nobody else may do meanwhile; each who has it open holds shared locks there
(QEMU's block/file-posix.c). What is not locked because the file system knows no locks is free.
"""

from __future__ import annotations

import fcntl
import os
import struct

_WRITES, _RESIZES = 101, 103
_NO_WRITES, _NO_RESIZES = 201, 203
_FLOCK = struct.Struct("hhqqi")


def is_written(fd: int) -> bool:
    """Whether somebody has the image open for writing."""
    return _is_held(fd, _WRITES)


def take(fd: int) -> bool:
    """Lock it as the only one who writes it, until `fd` is closed; False: somebody uses it.

    The file must be open for reading, too. No QEMU opens the image meanwhile.
    """
    ours = _WRITES, _RESIZES, _NO_WRITES, _NO_RESIZES
    try:
        for place in ours:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, place, 1, 0))
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: QEMU has none either
    return not any(_is_held(fd, place) for place in ours)


def _is_held(fd: int, place: int) -> bool:
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
    try:
        found = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))
    except OSError:
        return False
    return bool(found[0] != fcntl.F_UNLCK)
