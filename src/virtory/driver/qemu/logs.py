"""What guests and QEMU print to files, kept bounded: a guest can not fill the host's disk.

The rule kept here: a log and its predecessor stay below the limit each. Writers append (O_APPEND),
so a log is bounded by copying its end to `PATH.0` and truncating it under the writer's feet.
inotify tells when one grew: no polling, no pipe through this daemon, which may be restarted.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LOG_LIMIT = 4 << 20
_IN_MODIFY = 0x2
_HEADER = struct.Struct("iIII")


class LogKeeper:
    """Watches log files through one inotify descriptor for the whole driver."""

    def __init__(self, limit: int = LOG_LIMIT) -> None:
        self._limit = limit
        self._paths: dict[int, str] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._inotify >= 0:
            asyncio.get_running_loop().add_reader(self._inotify, self._readable)

    def watch(self, paths: Iterable[str]) -> None:
        """Bound these files from now on; one that does not exist is passed over."""
        for path in paths:
            if self._inotify >= 0 and os.path.exists(path):
                number = self._libc.inotify_add_watch(self._inotify, os.fsencode(path), _IN_MODIFY)
                if number >= 0:
                    self._paths[number] = path
                self._bound(path)

    def forget(self, paths: Iterable[str]) -> None:
        gone = set(paths)
        for number, path in list(self._paths.items()):
            if path in gone:
                del self._paths[number]
                self._libc.inotify_rm_watch(self._inotify, number)

    def close(self) -> None:
        if self._inotify >= 0:
            asyncio.get_running_loop().remove_reader(self._inotify)
            os.close(self._inotify)
            self._inotify = -1

    def _readable(self) -> None:
        try:
            data = os.read(self._inotify, 65536)
        except BlockingIOError:
            return
        grown, offset = set(), 0
        while offset < len(data):
            number, _, _, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size + length
            grown.add(number)
        for number in grown:
            if number in self._paths:
                self._bound(self._paths[number])

    def _bound(self, path: str) -> None:
        try:
            if os.stat(path).st_size > self._limit:
                truncate_keeping_end(path, self._limit)
        except OSError:
            pass  # the log itself went away, or the disk is full: nothing to bound


def truncate_keeping_end(path: str, limit: int) -> None:
    """Move the last `limit` bytes of `path` to `PATH.0`, and start `path` again."""
    with open(path, "r+b", buffering=0, opener=_no_link) as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - limit))
        end = file.read(limit)
        with open(path + ".0", "wb", buffering=0, opener=_no_link) as kept:
            kept.write(end)
        file.truncate(0)


def _no_link(path: str, flags: int) -> int:
    """A description may name a log in anybody's directory: what a link there names is not ours."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
