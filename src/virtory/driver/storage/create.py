"""Making images: empty ones natively where that is simple, the others by qemu-img.

The rule kept here: what is asked for and can not be had is refused; nothing is left out silently.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from virtory.driver.storage.failures import failed, run
from virtory.driver.storage.nocow import without_copies
from virtory.driver.storage.opened import program_format
from virtory.driver.storage.scan import header_of
from virtory.driver.storage.unnamed import exists, new_file, set_rights
from virtory.errors import (
    FROM_STORAGE,
    ConfigUnsupported,
    NotSupported,
    OperationInvalid,
    SystemCallFailed,
)
from virtory.model.image_format import CREATABLE, new_qcow2
from virtory.model.values import Size

if TYPE_CHECKING:
    from virtory.driver.storage.backend import Keeper
    from virtory.driver.storage.unnamed import NewFile
    from virtory.model.storage_volume import StorageVolume

_MOST_LINKS = 200
_WITH_BACKING = ("qcow2", "qcow", "qed", "vmdk")


def checked(volume: StorageVolume, *, preallocate: bool) -> str:
    """The format that is made for this description.

    Raises:
        ConfigUnsupported: a format, an encryption or a preallocation that can not be had.
        NotSupported: a raw image on top of another.
    """
    format = volume.format or "raw"
    if format not in CREATABLE:
        raise ConfigUnsupported(
            f"unknown volume format type {format}",
            cure=f"use one of {', '.join(CREATABLE)}",
            domain=FROM_STORAGE,
        )
    target = volume.target
    if target is not None and target.encryption is not None:
        raise ConfigUnsupported(
            f"volume '{volume.name}' asks for encryption, which is not served yet",
            cure="leave <encryption> out, and encrypt inside the guest or below the pool",
            domain=FROM_STORAGE,
        )
    below = volume.backing_store
    if below is not None and below.path and format not in _WITH_BACKING:
        raise NotSupported(
            f"backing storage not supported for {format} volumes",
            cure="use the format qcow2",
            domain=FROM_STORAGE,
        )
    if preallocate and format != "qcow2":
        raise ConfigUnsupported(
            f"metadata preallocation is not supported for {format} volumes",
            cure="use qcow2, or give an <allocation> for a raw volume",
            domain=FROM_STORAGE,
        )
    if format != "qcow2" and target is not None and _qcow2_only(volume):
        raise ConfigUnsupported(
            f"compat, clusterSize and features are of qcow2, not of {format}",
            cure="leave them out, or use the format qcow2",
            domain=FROM_STORAGE,
        )
    return format


def _qcow2_only(volume: StorageVolume) -> bool:
    target = volume.target
    return target is not None and bool(target.compat or target.cluster_size or target.features)


def create(path: str, volume: StorageVolume, store: Keeper, *, preallocate: bool) -> None:
    """Make the file that `volume` describes; blocking.

    Raises:
        SystemCallFailed: no space, no right, no such directory.
        OperationInvalid: something of that name is there.
        InternalError: qemu-img refused it.
    """
    format = checked(volume, preallocate=preallocate)
    if os.path.lexists(path):
        raise exists(path)
    if format == "dir":
        _create_directory(path, volume)
        return
    volume = with_capacity(path, volume)
    permissions = volume.target.permissions if volume.target else None
    with new_file(path, store) as file:
        if volume.target is not None and volume.target.nocow:
            without_copies(file.fd)
        if format in ("raw", "iso"):
            _fill_raw(file, volume, format)
        elif not _fill_qcow2(file, volume, format, preallocate=preallocate):
            _fill_by_program(file, volume, format, preallocate=preallocate)
        file.appear(permissions)


def _create_directory(path: str, volume: StorageVolume) -> None:
    permissions = volume.target.permissions if volume.target else None
    try:
        os.mkdir(path, 0o700)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            set_rights(fd, permissions)
        finally:
            os.close(fd)
    except OSError as error:
        raise failed(f"cannot create directory '{path}'", error) from None


def _fill_raw(file: NewFile, volume: StorageVolume, format: str) -> None:
    """A file as long as the disk, of which so much is allocated as was asked for."""
    capacity = volume.capacity or 0
    wanted = volume.allocation
    if wanted is None:
        wanted = Size(0) if format == "iso" else Size(capacity)
    os.ftruncate(file.fd, capacity)
    if wanted:
        allocate(file.fd, file.path, 0, min(wanted, capacity))
    os.fsync(file.fd)


def allocate(fd: int, path: str, start: int, length: int) -> None:
    """Have the file system set this part of a file aside."""
    if length <= 0:
        return
    try:
        os.posix_fallocate(fd, start, length)
    except OSError as error:
        raise failed(f"cannot allocate {length} bytes in file '{path}'", error) from None


def _fill_qcow2(file: NewFile, volume: StorageVolume, format: str, *, preallocate: bool) -> bool:
    """Write the few bytes of an empty qcow2 image; False where QEMU's own program must."""
    target = volume.target
    features = target.features if target else None
    if format != "qcow2" or preallocate or (features and features.extended_l2):
        return False
    below = volume.backing_store
    path = below.path if below else None
    cluster = target.cluster_size if target else None
    image = new_qcow2(
        -(-(volume.capacity or 0) // 1024) * 1024,
        compat=compat_of(volume),
        cluster_size=cluster.size if cluster else 65536,
        lazy_refcounts=bool(features and features.lazy_refcounts),
        backing=os.fsencode(path) if path else None,
        backing_format=(below.format if below else None) or ("raw" if path else None),
    )
    if image is None:
        return False
    for offset, piece in image.pieces:
        os.pwrite(file.fd, piece, offset)
    os.ftruncate(file.fd, image.length)
    return True


def compat_of(volume: StorageVolume) -> str:
    """The version of qcow2 that libvirt makes for this description."""
    target = volume.target
    if target is None:
        return "0.10"
    return target.compat or ("1.1" if target.features is not None else "0.10")


def options(volume: StorageVolume, format: str, *, preallocate: bool = False) -> list[str]:
    """qemu-img's `-o` for what the description asks for, without the backing file."""
    if format != "qcow2":
        return []
    target = volume.target
    words = [f"compat={compat_of(volume)}"]
    if target is not None and target.cluster_size is not None:
        words.append(f"cluster_size={target.cluster_size.size}")
    if target is not None and target.features is not None:
        words += ["lazy_refcounts=on"] * target.features.lazy_refcounts
        words += ["extended_l2=on"] * target.features.extended_l2
    if preallocate:
        capacity = volume.capacity or 0
        whole = volume.allocation is None or volume.allocation >= capacity
        words.append(f"preallocation={'falloc' if whole else 'metadata'}")
    return ["-o", ",".join(words)]


def _fill_by_program(
    file: NewFile, volume: StorageVolume, format: str, *, preallocate: bool
) -> None:
    command = ["qemu-img", "create", "-q", "-f", program_format(format)]
    command += options(volume, format, preallocate=preallocate)
    below = volume.backing_store
    if below is not None and below.path:
        command += ["-u", "-b", below.path]
        if format != "vmdk":
            command += ["-F", below.format or "raw"]
    command += [file.reached, f"{-(-(volume.capacity or 0) // 1024)}K"]
    run(command, f"cannot create {format} image '{file.path}'", fds=(file.fd,))


def with_capacity(path: str, volume: StorageVolume) -> StorageVolume:
    """The description with the capacity of the image below it, where it says none itself.

    Raises:
        SystemCallFailed: the image below is missing.
        OperationInvalid: it is above the new one: a loop.
    """
    below = volume.backing_store
    if below is None or not below.path:
        return volume
    lies_at = os.path.join(os.path.dirname(path), below.path)
    capacity = _capacity_below(path, lies_at, below.format or "raw")
    if volume.capacity is not None:
        return volume
    return dataclasses.replace(volume, capacity=Size(capacity))


def _capacity_below(path: str, below: str, format: str) -> int:
    """What the image below holds; its chain is walked as far as formats are named."""
    capacity: int | None = None
    for _ in range(_MOST_LINKS):
        if os.path.realpath(below) == os.path.realpath(path):
            raise OperationInvalid(
                f"'{path}' would be below itself: it is in the backing chain of its backing file",
                cure="choose another name, or another <backingStore>",
                domain=FROM_STORAGE,
            )
        try:
            fd = os.open(below, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if capacity is not None:
                return capacity  # a chain that is broken further down: not this volume's matter
            raise _inaccessible(below, error) from None
        try:
            header = header_of(fd)
            size = os.lseek(fd, 0, os.SEEK_END)
        except OSError as error:
            raise _inaccessible(below, error) from None
        finally:
            os.close(fd)
        if capacity is None:
            known = format != "raw" and header.format == format and header.capacity is not None
            capacity = header.capacity if known else size
            assert capacity is not None
        if format == "raw" or header.format != format or header.backing is None:
            return capacity
        below = os.path.join(os.path.dirname(below), header.backing)
        format = header.backing_format or "raw"
    return capacity or 0


def _inaccessible(below: str, error: OSError) -> SystemCallFailed:
    problem = failed(f"inaccessible backing store volume {below}", error)
    problem.cure = "name an image that is there in <backingStore><path>"
    return problem
