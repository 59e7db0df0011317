"""Errors of storage, in one place: the system's, and those of the programs it runs.

The rule kept here: every error names the file or pool, what was tried, and what can be done.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from virtory.driver.known_flags import refuse_unknown
from virtory.errors import (
    FROM_STORAGE,
    InternalError,
    OperationInvalid,
    SystemCallFailed,
    VirtoryError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

VOLUME_EXISTS = 90

_CURES = {
    errno.ENOSPC: "free some space there, or choose another pool",
    errno.EDQUOT: "the quota there is used up; free some space, or choose another pool",
    errno.EROFS: "the file system is read-only; remount it, or choose another pool",
    errno.EACCES: "give the daemon the right to it, or choose another place",
    errno.EPERM: "the daemon has no right to do that; an ordinary user's can only use own files",
    errno.ENOENT: "see that it exists: 'pool-build' makes a pool's directory, "
    "'pool-refresh' looks again for volumes",
    errno.ENAMETOOLONG: "choose a shorter name",
}
_PACKAGES = {
    "qemu-img": "qemu-utils",
    "vgs": "lvm2",
    "lvs": "lvm2",
    "pvs": "lvm2",
    "vgcreate": "lvm2",
    "vgremove": "lvm2",
    "vgchange": "lvm2",
    "pvcreate": "lvm2",
    "pvremove": "lvm2",
    "lvcreate": "lvm2",
    "lvremove": "lvm2",
    "lvresize": "lvm2",
    "scrub": "scrub",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.ext3": "e2fsprogs",
    "mkfs.ext2": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "mkfs.vfat": "dosfstools",
    "mount": "mount",
    "umount": "mount",
}


def failed(what: str, error: OSError | OverflowError) -> SystemCallFailed:
    """`what` could not be done, by the system's answer; a number may be too large to be asked."""
    if isinstance(error, OverflowError):
        error = OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return SystemCallFailed(
        f"{what}: {error.strerror or error}",
        errno=error.errno,
        cure=_CURES.get(error.errno or 0),
        domain=FROM_STORAGE,
    )


def invalid(detail: str, cure: str | None = None) -> OperationInvalid:
    """Not in this state."""
    return OperationInvalid(detail, cure=cure, domain=FROM_STORAGE)


def volume_exists(name: str) -> VirtoryError:
    """A name that is taken."""
    return VirtoryError(
        f"storage volume '{name}' exists already", code=VOLUME_EXISTS, domain=FROM_STORAGE
    )


def only(flags: int, known: int, function: str) -> None:
    """As `refuse_unknown`, for calls on pools and volumes."""
    refuse_unknown(flags, known, function, FROM_STORAGE)


def program(name: str) -> str:
    """Where a program is.

    Raises:
        InternalError: it is not installed; names the package.
    """
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")
    if path is None:
        package = _PACKAGES.get(name, name)
        raise InternalError(
            f"the program '{name}' is not installed",
            cure=f"apt install {package}",
            domain=FROM_STORAGE,
        )
    return path


def run(command: Sequence[str], what: str, *, fds: Sequence[int] = ()) -> str:
    """What a program printed; it is run with the C locale and without input.

    Raises:
        InternalError: it is not installed, or failed: with its own words.
    """
    done = subprocess.run(
        [program(command[0]), *command[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        pass_fds=tuple(fds),
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode:
        words = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise InternalError(f"{what}: {words}", domain=FROM_STORAGE)
    return done.stdout
