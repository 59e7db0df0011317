"""Overwriting what a volume holds.

The rule kept here: a wipe that was begun is finished, by the next daemon if need be, beside its
other work: a volume that is half wiped is neither the user's data nor empty. It is tried once: what
fails is told, since a later daemon may find another volume at that path.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

from virtory.driver.storage.failures import failed, run
from virtory.driver.storage.usage import lock
from virtory.errors import FROM_STORAGE, ArgumentUnsupported, InvalidArgument, OperationFailed

if TYPE_CHECKING:
    from threading import Event

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


class Interrupted(OperationFailed):
    """The daemon ends; the next one goes on."""


def wipe(path: str, algorithm: int, ending: Event) -> None:
    """Overwrite the file or device; blocking, and repeatable.

    Raises:
        OperationInvalid: a running machine has it open.
        Interrupted: `ending` was set.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            lock(fd, os.path.basename(path))
            if algorithm in _SCRUB:
                run(["scrub", "-f", "-p", _SCRUB[algorithm], path], f"cannot wipe '{path}'")
                return
            _overwrite(fd, algorithm, ending)
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise failed(f"cannot wipe volume '{path}'", error) from None


def _overwrite(fd: int, algorithm: int, ending: Event) -> None:
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
        if ending.is_set():
            raise Interrupted("the daemon ends; the next one goes on wiping", domain=FROM_STORAGE)
        count = min(_STEP, size - position)
        piece = os.urandom(count) if algorithm == RANDOM else zeroes[:count]
        position += os.pwrite(fd, piece, position)


def intention(path: str, algorithm: int) -> str:
    """What a later daemon must know to go on; which file it is, since another may take its name."""
    return json.dumps({"path": path, "algorithm": algorithm, "inode": _inode(path)})


def go_on(step: dict[str, Any], ending: Event) -> None:
    """An earlier daemon ended while it wiped: it is finished, if the same volume is there."""
    path = step["path"]
    if os.path.exists(path) and step.get("inode") in (None, _inode(path)):
        wipe(path, step["algorithm"], ending)


def _inode(path: str) -> int | None:
    """The file's number; None for what has none that lasts."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino if stat.S_ISREG(found.st_mode) else None
