"""The memory of a machine that crashed, or whose watchdog rang, kept in a file.

The rule kept here: what was to follow follows whether the dump succeeds or not; a guest that
crashes again and again does not fill the disk.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING, Final

from virtory.driver.new_files import UNFINISHED
from virtory.driver.qemu.domain_jobs import memory_only, new_dump
from virtory.errors import OperationFailed, VirtoryError
from virtory.model.values import Uuid

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest

MOST: Final = 3
_log = logging.getLogger(__name__)


async def keep_memory(guest: Guest) -> None:
    """Write the guest's memory, as ELF, into the daemon's directory of dumps; logged either way."""
    try:
        async with guest.job("dump"):
            path = await asyncio.to_thread(_place, guest)
            async with new_dump(path) as descriptor:
                await memory_only(guest, descriptor, "elf")
    except (VirtoryError, OSError) as error:
        _log.warning("domain '%s': its memory could not be dumped: %s", guest.entry.name, error)
    else:
        _log.warning("domain '%s': its memory is in '%s'", guest.entry.name, path)


def _place(guest: Guest) -> str:
    """A new name in the directory of dumps.

    Raises OperationFailed when there are enough of this machine.
    """
    directory = os.path.join(guest.runtime.records.store.directory, "dump")
    os.makedirs(directory, 0o700, exist_ok=True)
    own = f"-{Uuid.of_bytes(guest.entry.uuid)}-"
    known = []
    for name in os.listdir(directory):
        if own in name and name.endswith(UNFINISHED):  # of a daemon that died
            os.unlink(os.path.join(directory, name))
        elif own in name:
            known.append(name)
    if len(known) >= MOST:
        raise OperationFailed(
            f"there are {len(known)} dumps of this domain in '{directory}' already",
            cure="Remove those that are not needed.",
        )
    stamp = time.strftime("%Y-%m-%d-%H:%M:%S")
    called = guest.entry.name.encode()[:150].decode(errors="ignore")  # of a file name's 255 bytes
    return os.path.join(directory, f"{called}{own}{stamp}")
