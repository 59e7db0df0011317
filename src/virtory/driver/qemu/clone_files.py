"""The files of a clone: which disks it gets, where; what is made for it, and taken back.

The rule kept here: nothing that is there already is touched. A file is made by us alone (O_EXCL),
and removed again only if it is still that one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from virtory.driver import new_files, qcow2
from virtory.driver.qemu.disks.disk_chain import disk_named
from virtory.driver.qemu.disks.image_chain import FORMATS, Link
from virtory.driver.qemu.disks.image_chain import chain as chain_of
from virtory.errors import (
    FROM_STORAGE,
    ConfigUnsupported,
    InvalidArgument,
    OperationAborted,
    OperationInvalid,
    SystemCallFailed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.journal import Work
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.disk import Disk


@dataclass(frozen=True, slots=True)
class DiskCopy:
    """One disk: the images it is made of now, top first, and where the clone's is to be."""

    target: str
    chain: tuple[Link, ...]
    path: str
    image_format: str

    @property
    def top(self) -> Link:
        return self.chain[0]

    @property
    def is_plain(self) -> bool:
        """Whether copying the file copies the disk."""
        top = self.top
        alone = len(self.chain) == 1 and top.data_file is None and not top.is_device
        return alone and top.format == self.image_format


def copies(
    original: Domain, clone: Domain, volume: Callable[[str, str], str], *, linked: bool
) -> list[DiskCopy]:
    """The disks to make; headers are read. `volume`: where one of a pool is.

    Raises when a disk can not be made, or would be shared.
    """
    found = []
    for disk in clone.devices.disks:
        former = disk_named(original, disk.target.dev)
        was, is_ = _path(former, volume), _path(disk, volume)
        if former is None or was is None or is_ is None or _is_shared(former):
            continue
        if os.path.realpath(was) == os.path.realpath(is_):
            raise OperationInvalid(
                f"disk '{disk.target.dev}' of clone '{clone.name}' would be '{was}', which "
                f"'{original.name}' writes",
                cure="name another file for it, or make the disk shareable or read-only",
            )
        found.append(_copy(former, was, disk, is_, linked=linked))
    paths = [each.path for each in found]
    if len(set(paths)) != len(paths):
        raise InvalidArgument(f"two disks of clone '{clone.name}' would be the same file")
    return found


def _copy(former: Disk, was: str, disk: Disk, path: str, *, linked: bool) -> DiskCopy:
    if disk.type != "file" or not os.path.isabs(path):
        raise ConfigUnsupported(
            f"disk '{disk.target.dev}' of a clone has to be a file, by its path"
        )
    image_format = "qcow2" if linked else disk.format
    if image_format not in FORMATS:
        raise ConfigUnsupported(f"a clone's disk in format '{image_format}' is not served")
    if os.path.lexists(path):
        raise ConfigUnsupported(
            f"'{path}' exists already; a clone overwrites nothing", cure="name another file"
        )
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        raise SystemCallFailed(
            f"cannot make '{path}': there is no directory '{directory}'",
            errno=2,
            domain=FROM_STORAGE,
            cure=f"make it: mkdir -p '{directory}'",
        )
    chain = chain_of(was, former.format, former.backing_store)
    return DiskCopy(disk.target.dev, tuple(chain), path, image_format)


def require_said_chain(disk: DiskCopy) -> None:
    """ConfigUnsupported when the headers name other images than the definition: qemu-img reads
    those."""
    found = [link.path for link in chain_of(disk.top.path, disk.top.format)]
    said = [link.path for link in disk.chain]
    if found != said:
        raise ConfigUnsupported(
            f"disk '{disk.target}' stands on {said[1:]} by its <backingStore>, but its headers "
            f"name {found[1:]}",
            cure="make them agree (qemu-img rebase -u), or start the machine and clone it then",
        )


def _path(disk: Disk | None, volume: Callable[[str, str], str]) -> str | None:
    source = disk.source if disk is not None else None
    if source is not None and source.pool and source.volume:
        return volume(source.pool, source.volume)
    return source.path if source is not None else None


def _is_shared(disk: Disk) -> bool:
    """What both may have: media, and what is said to be shared or read-only."""
    return disk.readonly or disk.shareable or disk.device not in ("disk", "lun")


class Made:
    """The files and directories that are new, each with the number that tells it from another."""

    def __init__(self, paths: list[list[Any]] | None = None) -> None:
        self.paths = paths or []

    def file(self, path: str, like: str | None = None) -> None:
        """A new, empty file, with the mode and owner of `like`. Raises SystemCallFailed."""
        try:
            descriptor = new_files.make(path)
        except OSError as error:
            raise SystemCallFailed(
                f"cannot make '{path}': {error.strerror}", errno=error.errno, domain=FROM_STORAGE
            ) from None
        try:
            self.paths.append([path, os.fstat(descriptor).st_ino])
            if like is not None:
                new_files.resemble(descriptor, os.stat(like))
        finally:
            os.close(descriptor)

    def tree(self, source: str, target: str) -> None:
        """A copy of a TPM's state."""
        os.mkdir(target, 0o700)
        self.paths.append([target, os.stat(target).st_ino])
        new_files.carry_over(source, target)

    def remove(self) -> None:
        """Take everything back that is still what was made; repeatable."""
        for path, number in self.paths:
            with contextlib.suppress(OSError):
                if os.lstat(path).st_ino != number:
                    continue
                if os.path.isdir(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)


class Log:
    """What is written down of a clone under way: what was made, and the names it was to get.

    `overlays`: target and path of those that a running original is switched to.
    """

    def __init__(self, made: Made, original: str, planned: list[str]) -> None:
        self.made = made
        self.original = original
        self.planned = planned
        self.overlays: list[list[str]] = []
        self.work: Work | None = None

    def step(self) -> dict[str, Any]:
        return {
            "original": self.original,
            "made": self.made.paths,
            "planned": self.planned,
            "overlays": self.overlays,
        }

    async def note(self) -> None:
        """On disk when it returns."""
        assert self.work is not None
        await self.work.step(**self.step())


class Progress:
    """How far a clone is, in bytes, and whether it is wanted any longer."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 0
        self.given_up = False

    def add(self, count: int) -> None:
        """So many bytes more; raises `OperationAborted` once the clone is given up."""
        self.reach(self.done + count)

    def reach(self, done: int) -> None:
        """So many bytes in all; raises as `add` does."""
        self.done = done
        if self.given_up:
            raise OperationAborted("the clone was given up")


def remove_planned(paths: list[str]) -> None:
    """Remove files of these names that were made and not yet written down: they are empty."""
    for path in paths:
        with contextlib.suppress(OSError):
            if os.lstat(path).st_size == 0 or qcow2.is_empty_overlay(path):
                os.unlink(path)


def write_overlay(path: str, below: Link) -> None:
    """Make the empty file an overlay on an image; raises SystemCallFailed."""
    try:
        if below.format == "qcow2":
            size = qcow2.virtual_size(below.path)
        else:
            with open(below.path, "rb") as file:
                size = (file.seek(0, os.SEEK_END) + 511) & ~511
        qcow2.write_empty(path, size, below.path, below.format)
    except ValueError as error:
        raise ConfigUnsupported(f"cannot make the overlay '{path}': {error}") from None
    except OSError as error:
        raise SystemCallFailed(
            f"cannot write '{path}': {error.strerror}", errno=error.errno, domain=FROM_STORAGE
        ) from None


def overlay_path(path: str) -> str:
    """A free name beside an image that is to be shared, for who goes on writing."""
    stem, _ = os.path.splitext(path)
    number = 1
    while os.path.lexists(f"{stem}.overlay{number}.qcow2"):
        number += 1
    return f"{stem}.overlay{number}.qcow2"
