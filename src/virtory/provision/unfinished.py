"""Directories that a killed `create` left behind: marked while a machine is made, swept later.

The rule kept here: only a directory goes whose maker is gone and whose machine the very daemon that
it was made for does not know.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from virtory.errors import ConnectionLost, DomainNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from virtory.client.connect import Host

MARK = ".making"


@contextmanager
def making(directory: Path, uri: str, instance: str) -> Iterator[None]:
    """Make the directory, marked until the block ends; the mark's lock ends with this process.

    The mark stays when the connection is lost: what the daemon did is seen by the next sweep.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o711)
    mark = directory / MARK
    descriptor = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, f"{instance}\n{uri}\n".encode())
        yield
    except ConnectionLost:
        raise
    except BaseException:
        mark.unlink(missing_ok=True)
        raise
    else:
        mark.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


async def sweep(host: Host, machines: Path) -> None:
    """Remove what makers that are gone left half-done for this daemon."""
    for mark in _marks(machines):
        try:
            descriptor = os.open(mark, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # finished meanwhile, or another user's
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            await _judge(host, mark, os.pread(descriptor, 4096, 0).decode(errors="replace"))
        except BlockingIOError:
            continue  # being made at this moment
        finally:
            os.close(descriptor)


async def _judge(host: Host, mark: Path, text: str) -> None:
    instance, _, uri = text.rstrip("\n").partition("\n")
    if uri != host.address.text:
        return
    with suppress(DomainNotFound):
        await host.domain_by_uuid(instance)
        with suppress(OSError):
            os.unlink(mark)  # the machine is whole: only the mark was left
        return
    shutil.rmtree(mark.parent, ignore_errors=True)


def _marks(machines: Path) -> list[Path]:
    return list(machines.glob(f"*/{MARK}"))
