"""Consoles, channels and files as byte streams, and who may have which console.

The rule kept here: bytes are read only when somebody asks for them, so a slow client never makes
the daemon grow; a console has one owner at a time, and `force` replaces the former one at once.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from virtory.errors import OperationFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.interface import Owner


class DescriptorStream:
    """A two-way stream on a non-blocking descriptor (terminal, socket or pipe), which it owns."""

    def __init__(
        self, descriptor: int, on_close: Callable[[DescriptorStream], None] | None = None
    ) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    async def read(self, limit: int = 262120) -> bytes:
        while self._descriptor >= 0:
            try:
                return os.read(self._descriptor, limit)
            except BlockingIOError:
                pass
            except OSError:
                return b""  # EIO: the other end of a terminal is closed
            self._readable = self._loop.create_future()
            self._loop.add_reader(self._descriptor, _wake, self._readable)
            try:
                await self._readable
            finally:
                self._readable = None
                if self._descriptor >= 0:
                    self._loop.remove_reader(self._descriptor)
        return b""

    async def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            if self._descriptor < 0:
                raise OperationFailed("the stream is closed")
            try:
                rest = rest[os.write(self._descriptor, rest) :]
                continue
            except BlockingIOError:
                pass
            except OSError as error:
                raise OperationFailed(f"writing to the stream failed: {error.strerror}") from None
            self._writable = self._loop.create_future()
            self._loop.add_writer(self._descriptor, _wake, self._writable)
            try:
                await self._writable
            finally:
                self._writable = None
                if self._descriptor >= 0:
                    self._loop.remove_writer(self._descriptor)

    def close(self) -> None:
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        self._loop.remove_reader(descriptor)
        self._loop.remove_writer(descriptor)
        os.close(descriptor)
        for waiter in (self._readable, self._writable):
            if waiter is not None:
                _wake(waiter)
        if self._on_close is not None:
            self._on_close(self)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def open_terminal(path: str) -> int:
    """The descriptor of a pseudo terminal that QEMU made; it never becomes ours to control."""
    return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)


class Consoles:
    """The open consoles and channels of one guest, by alias."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[DescriptorStream, Owner]] = {}

    def open(
        self, alias: str, owner: Owner, opener: Callable[[], int], *, force: bool
    ) -> DescriptorStream:
        """A stream on `opener()`'s descriptor; a present owner yields only to `force`."""
        present = self._open.get(alias)
        if present is not None:
            if not force:
                raise OperationFailed("Active console session exists for this domain")
            present[0].close()

        def forget(stream: DescriptorStream) -> None:
            held = self._open.get(alias)
            if held is not None and held[0] is stream:
                del self._open[alias]

        stream = DescriptorStream(opener(), forget)
        self._open[alias] = (stream, owner)
        return stream

    def owner_gone(self, owner: Owner) -> None:
        for stream, holder in list(self._open.values()):
            if holder is owner:
                stream.close()

    def close(self) -> None:
        for stream, _ in list(self._open.values()):
            stream.close()


def tail(path: str, limit: int) -> bytes:
    """The last `limit` bytes of a log and its predecessor `PATH.0` (see `logs`)."""
    end = _tail_of_one(path, limit)
    if len(end) < limit:
        end = _tail_of_one(path + ".0", limit - len(end)) + end
    return end


def _tail_of_one(path: str, limit: int) -> bytes:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - limit))
            return file.read(limit)
    except FileNotFoundError:
        return b""
