"""Overwriting what a volume holds.

The rule kept here: a wipe that was begun is finished, by the next daemon if need be: a volume that
is half wiped is neither the user's data nor empty. It is tried once: what fails is told, since a
later daemon may find another volume at that path.
"""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING, Any

from virtory.driver.storage.failures import failed, run
from virtory.errors import FROM_STORAGE, ArgumentUnsupported, InvalidArgument

if TYPE_CHECKING:
    from virtory.driver.journal import Work

KIND = "storage-wipe"
ZERO, TRIM, RANDOM = 0, 9, 8
_SCRUB = {
    1: "nnsa",
    2: "dod",
    3: "bsi",
    4: "gutmann",
    5: "schneier",
    6: "pfitzner7",
    7: "pfitzner33",
}
_STEP = 4 << 20


def check_algorithm(algorithm: int) -> None:
    """Refuse what is no algorithm, or not one for files.

    Raises:
        InvalidArgument: no such number.
        ArgumentUnsupported: trimming.
        InternalError: one that the program `scrub` knows, which is not installed.
    """
    if algorithm == TRIM:
        raise ArgumentUnsupported("'trim' algorithm not supported", domain=FROM_STORAGE)
    if algorithm in _SCRUB:
        from virtory.driver.storage.failures import program

        program("scrub")
    elif algorithm not in (ZERO, RANDOM):
        raise InvalidArgument(f"wiping algorithm {algorithm} not supported", domain=FROM_STORAGE)


def wipe(path: str, algorithm: int) -> None:
    """Overwrite the file or device; blocking, and repeatable."""
    if algorithm in _SCRUB:
        run(["scrub", "-f", "-p", _SCRUB[algorithm], path], f"cannot wipe '{path}'")
        return
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _overwrite(fd, algorithm)
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise failed(f"cannot wipe volume '{path}'", error) from None


def _overwrite(fd: int, algorithm: int) -> None:
    found = os.fstat(fd)
    size = os.lseek(fd, 0, os.SEEK_END)
    sparse = stat.S_ISREG(found.st_mode) and found.st_blocks * 512 < size
    if algorithm == ZERO and sparse:
        os.ftruncate(fd, 0)
        os.ftruncate(fd, size)
        return
    zeroes = bytes(min(_STEP, size))
    position = 0
    while position < size:
        count = min(_STEP, size - position)
        piece = os.urandom(count) if algorithm == RANDOM else zeroes[:count]
        position += os.pwrite(fd, piece, position)


async def mend(work: Work, step: dict[str, Any]) -> None:
    """An earlier daemon ended while it wiped: the wipe is finished, if the volume is there."""

    def finish() -> None:
        if os.path.exists(step["path"]):
            wipe(step["path"], step["algorithm"])

    try:
        await asyncio.to_thread(finish)
    finally:
        await work.done()
