"""Where a block copy goes: the destination that a client describes, checked, and made.

The rule kept here: nothing that is there already is overwritten unless the client says that it is
made for this (`REUSE_EXT`); its format is what the client says.
"""

from __future__ import annotations

import asyncio
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from virtory.driver import new_files, qcow2
from virtory.driver.qemu import growth
from virtory.driver.qemu.disks import disk_chain
from virtory.driver.qemu.disks.image_chain import FORMATS, no_access
from virtory.driver.qemu.disks.image_chain import chain as chain_of
from virtory.errors import (
    FROM_STORAGE,
    ConfigUnsupported,
    InvalidArgument,
    OperationInvalid,
    SystemCallFailed,
)

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.plan import Image
    from virtory.model.domain.copy_destination import CopyDestination


@dataclass(frozen=True, slots=True)
class Destination:
    """A file or block device for a copy; `image_format` None: that of the disk."""

    path: str
    image_format: str | None
    is_device: bool
    shallow: bool
    reuse: bool


def destination(wanted: CopyDestination, *, shallow: bool, reuse: bool) -> Destination:
    """The destination that the XML names; ConfigUnsupported when it is none for us."""
    source = wanted.source
    path = source.path if source is not None else None
    if wanted.type not in ("file", "block") or path is None:
        raise ConfigUnsupported(
            f"a block copy to a disk of type '{wanted.type}' is not served",
            cure="name type='file' with <source file='…'/> or type='block' with <source dev='…'/>",
        )
    if not os.path.isabs(path):
        raise InvalidArgument(f"the destination '{path}' is no absolute path")
    image_format = wanted.driver.type if wanted.driver is not None else None
    return Destination(path, image_format, wanted.type == "block", shallow, reuse)


def check(to: Destination, target: str, chain: list[Image], size: int) -> tuple[str, bool]:
    """The copy's format, and whether its file is there, once it is found to be fit; blocking."""
    image_format = to.image_format or chain[0].format
    if image_format not in FORMATS:
        raise ConfigUnsupported(
            f"a block copy in format '{image_format}' is not served",
            cure=f"take one of {', '.join(FORMATS)}",
        )
    if to.shallow and len(chain) > 1 and image_format == "raw":
        raise ConfigUnsupported("raw destination can't be used with shallow copy")
    try:
        status = os.stat(to.path)
    except FileNotFoundError:
        if to.reuse or to.is_device:
            raise SystemCallFailed(
                f"missing destination file for disk {target}: {to.path}: No such file or directory",
                errno=2,
                domain=FROM_STORAGE,
                cure="make it, or leave out --reuse-external",
            ) from None
        return image_format, False
    except OSError as error:
        raise no_access(to.path, error) from None
    for image in chain:
        if os.path.exists(image.path) and os.path.samestat(status, os.stat(image.path)):
            raise ConfigUnsupported(f"'{to.path}' is an image of disk '{target}' itself")
    if stat.S_ISBLK(status.st_mode):
        _check_device(to, size, image_format)
    elif to.is_device:
        raise InvalidArgument(
            f"blockdev flag requested for disk {target}, but file '{to.path}' is not a block device"
        )
    elif not to.reuse and status.st_size:
        raise ConfigUnsupported(
            f"external destination file for disk {target} already exists and is not a block "
            f"device: {to.path}",
            cure="name another file, or use --reuse-external if it was made for this",
        )
    return image_format, True


def _check_device(to: Destination, size: int, image_format: str) -> None:
    if image_format != "raw":
        return
    descriptor = os.open(to.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        length = os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)
    if length < size:
        raise OperationInvalid(f"'{to.path}' has {length} bytes, the disk has {size}")


async def prepare(guest: Guest, target: str, to: Destination) -> tuple[Image, list[Image]]:
    """QEMU has the destination open; with the images that are to be below it.

    When it raises, nothing of it is left.
    """
    chain = guest.plan.chain(target)
    size = await disk_chain.size_of(guest, chain[0].node)
    image_format, there = await asyncio.to_thread(check, to, target, chain, size)
    below = chain[1:] if to.shallow else []
    more = disk_chain.beside(guest.plan, target, to.path, image_format, create=not there)
    await growth.grow(guest, more)
    image = more.images[0]
    try:
        if not to.reuse:
            await asyncio.to_thread(_make, to.path, image_format, size, below[:1])
        elif to.shallow:
            await asyncio.to_thread(_require_same_chain, to, image_format, below)
        await disk_chain.plug(guest, image, below=below[0] if below else None)
    except OSError as error:
        await disk_chain.give_back(guest, target)
        raise SystemCallFailed(
            f"cannot make the copy '{to.path}': {error.strerror or error}",
            errno=error.errno,
            cure="make room there, or name another file",
            domain=FROM_STORAGE,
        ) from None
    except BaseException:
        await disk_chain.give_back(guest, target)
        raise
    return image, below


def _make(path: str, image_format: str, size: int, below: list[Image]) -> None:
    if image_format == "qcow2":
        over = below[0] if below else None
        qcow2.write_empty(path, size, over.path if over else None, over.format if over else None)
    elif not stat.S_ISBLK(os.stat(path).st_mode):
        new_files.lengthen(path, size)


def _require_same_chain(to: Destination, image_format: str, below: list[Image]) -> None:
    """A shallow copy into an image made elsewhere: it must stand on the images that are there."""
    found = [os.path.realpath(link.path) for link in chain_of(to.path, image_format)[1:]]
    wanted = [os.path.realpath(image.path) for image in below]
    if found != wanted:
        raise ConfigUnsupported(
            f"'{to.path}' stands on {found or 'nothing'}, the disk on {wanted or 'nothing'}",
            cure=f"rebase it first: qemu-img rebase -u -b {wanted[0] if wanted else '…'} "
            f"-F FORMAT '{to.path}'",
        )
