"""A new file without a name, until it is whole: then it appears under its name at once.

The rule kept here: a daemon killed at any moment leaves nothing half-made. Where the file system
has no unnamed files, the name of the unfinished one is written down before it is made.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from typing import TYPE_CHECKING, Any

from virtory.driver.storage.failures import failed, invalid
from virtory.driver.storage.scan import UNFINISHED
from virtory.driver.store import ForgetIntent, Intent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.journal import Work
    from virtory.driver.storage.backend import Keeper
    from virtory.model.storage_volume import Permissions

KIND = "storage-file"
DEFAULT_MODE = 0o600


class NewFile:
    """An open file on its way to `path`; `self.reached` is a path that programs can open."""

    def __init__(self, fd: int, path: str, temporary: str | None) -> None:
        self.fd = fd
        self.path = path
        self.temporary = temporary
        self.reached = temporary or f"/proc/self/fd/{fd}"

    def appear(self, permissions: Permissions | None) -> None:
        """Give it its rights and its name; FileExistsError's place is taken by a clear error."""
        set_rights(self.fd, permissions)
        try:
            if self.temporary is not None:
                os.link(self.temporary, self.path)
                os.unlink(self.temporary)
            else:
                _link(self.fd, self.path)
        except FileExistsError:
            raise exists(self.path) from None


def set_rights(fd: int, permissions: Permissions | None) -> None:
    """Owner and mode as they are asked for; without a mode for the owner alone."""
    mode = permissions.mode if permissions else None
    owner = permissions.owner if permissions and permissions.owner is not None else -1
    group = permissions.group if permissions and permissions.group is not None else -1
    if owner >= 0 or group >= 0:
        os.fchown(fd, owner, group)
    os.fchmod(fd, int(mode, 8) if mode else DEFAULT_MODE)


def exists(path: str) -> Exception:
    """The error for a file that is in the way."""
    return invalid(
        f"volume target path '{path}' already exists",
        "choose another name, or 'pool-refresh' to see what is there",
    )


@contextlib.contextmanager
def new_file(path: str, store: Keeper) -> Iterator[NewFile]:
    """A file that will be `path`; unless it has appeared, nothing is left when the block ends.

    Raises:
        SystemCallFailed: what was tried inside and failed, or the directory is not writable.
    """
    directory = os.path.dirname(path)
    try:
        with _unfinished(directory, path, store) as file:
            try:
                yield file
            finally:
                os.close(file.fd)
    except OSError as error:
        raise failed(f"cannot create path '{path}'", error) from None


@contextlib.contextmanager
def _unfinished(directory: str, path: str, store: Keeper) -> Iterator[NewFile]:
    try:
        fd = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, DEFAULT_MODE)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
    else:
        yield NewFile(fd, path, None)
        return
    temporary = os.path.join(directory, UNFINISHED + os.urandom(8).hex())
    key = os.urandom(16)
    store.save_now(Intent(key, KIND, json.dumps({"path": temporary})))
    try:
        fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, DEFAULT_MODE)
        yield NewFile(fd, path, temporary)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        store.save_now(ForgetIntent(key))


async def mend(work: Work, step: dict[str, Any]) -> None:
    """An earlier daemon ended while it made a file: the file goes."""
    if os.path.basename(step["path"]).startswith(UNFINISHED):
        with contextlib.suppress(OSError):
            os.unlink(step["path"])
    await work.done()


def _link(fd: int, path: str) -> None:
    """linkat(2) of an unnamed file; Python calls it only with a directory's descriptor."""
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(
            f"/proc/self/fd/{fd}",
            os.path.basename(path),
            src_dir_fd=directory,
            dst_dir_fd=directory,
            follow_symlinks=True,
        )
    finally:
        os.close(directory)
