"""A descriptor that threads read and write: it is closed when the last of them has let go of it.

The rule kept here: a number that the kernel may give to another file is never used. A call that is
cancelled leaves its thread at work, so nobody but the threads themselves knows when that is.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Descriptor:
    """An open file; `closed` is called in the loop, once it is."""

    def __init__(self, fd: int, closed: Callable[[], None]) -> None:
        self._fd = fd
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._users = 0
        self._closing = False

    @contextlib.contextmanager
    def used(self) -> Iterator[int]:
        """The number, for as long as the block runs; OSError when it was closed before."""
        with self._lock:
            if self._closing:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            self._users += 1
        try:
            yield self._fd
        finally:
            self._let_go()

    def _let_go(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._closing and not self._users
        if last:
            os.close(self._fd)
            with contextlib.suppress(RuntimeError):  # the loop has ended before
                self._loop.call_soon_threadsafe(self._closed)

    def close(self) -> None:
        """Closed now, or as soon as nobody uses it; idempotent."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            idle = not self._users
        if idle:
            os.close(self._fd)
            self._closed()
