"""Files made and copied where an ordinary user, or a guest's own, may change what lies there.

The rule kept here: a new file is made by us alone (O_EXCL) and gets its rights by its descriptor;
no link is followed to what is written, and nothing but plain files is carried along.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from typing import Final

from virtory.driver.file_copy import copy_data

UNFINISHED: Final = ".virtory-part"
"""How the name of a file that is being made ends, beside where it will be: nobody else's do."""


def make(path: str) -> int:
    """The descriptor of a new, empty file for its owner alone; raises OSError when it is there."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def make_anew(path: str) -> int:
    """As `make`; what an earlier work left under that name goes first."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return make(path)


def resemble(fd: int, like: os.stat_result) -> None:
    """Mode and owner of another file, as far as we may give them."""
    os.fchmod(fd, like.st_mode & 0o666 | 0o600)
    with contextlib.suppress(PermissionError):
        os.fchown(fd, like.st_uid, like.st_gid)


def lengthen(path: str, size: int) -> None:
    """Let a file that was made before have this size."""
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(fd, size)
    finally:
        os.close(fd)


def replace_file(source: str, target: str) -> None:
    """Let `target` be what `source` is, with its mode and owner: whole, or as it was before."""
    target = os.path.realpath(target)
    fresh = target + UNFINISHED
    reading = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        writing = make_anew(fresh)
        try:
            _copy(reading, writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)
    os.rename(fresh, target)


def replace_text(path: str, text: str, mode: int) -> None:
    """Let `path` be this text, with this mode: whole, or as it was before."""
    fresh = path + UNFINISHED
    with open(make_anew(fresh), "w") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
    os.rename(fresh, path)


def replace_directory(source: str, target: str) -> None:
    """The same for a directory of plain files."""
    fresh = target + UNFINISHED
    shutil.rmtree(fresh, ignore_errors=True)
    os.mkdir(fresh, 0o700)
    carry_over(source, fresh)
    shutil.rmtree(target, ignore_errors=True)
    os.rename(fresh, target)


def carry_over(source: str, target: str) -> None:
    """The plain files of one directory into another, which is ours, and whose they are.

    Who writes in `source` may be a guest's user: a link is not followed, and nothing else than
    files with one name is looked at.
    """
    directory = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for name in os.listdir(directory):
            _carry(directory, name, os.path.join(target, name))
        status = os.fstat(directory)
        with contextlib.suppress(PermissionError):
            os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    finally:
        os.close(directory)


def _carry(directory: int, name: str, target: str) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        reading = os.open(name, flags, dir_fd=directory)
    except OSError:
        return  # a link, or a socket
    try:
        status = os.fstat(reading)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            return
        writing = make(target)
        try:
            _copy(reading, writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy(reading: int, writing: int) -> None:
    status = os.fstat(reading)
    os.ftruncate(writing, status.st_size)
    copy_data(reading, writing, status.st_size)
    resemble(writing, status)
    os.fsync(writing)
