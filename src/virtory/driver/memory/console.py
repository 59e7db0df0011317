"""A console that echoes: what is typed comes back, as from a terminal in the guest.

The rule kept here: bounded on both sides; a reader that does not read makes the writer wait.
"""

from __future__ import annotations

import asyncio

BANNER = b"\r\nVirtory test guest\r\n\r\nlogin: "
WINDOW = 256 * 1024
HISTORY = 64 * 1024


class Console:
    """One console device of a running machine; `session` is the client that has it open."""

    def __init__(self) -> None:
        self.history = bytearray(BANNER)
        self.session: Session | None = None

    def open(self) -> Session:
        """A new session; the one before ends."""
        if self.session is not None:
            self.session.close()
        self.session = Session(self)
        return self.session

    def close(self) -> None:
        """End the session, as when the machine is powered off."""
        if self.session is not None:
            self.session.close()

    def record(self, data: bytes) -> None:
        """Remember what the guest has printed."""
        self.history += data
        del self.history[:-HISTORY]


class Session:
    """The two-way byte stream of one client."""

    def __init__(self, console: Console) -> None:
        self.owner: object | None = None
        self.closed = False
        self._console = console
        self._waiting = bytearray()
        self._changed = asyncio.Event()

    async def read(self, limit: int = 262120) -> bytes:
        """What was echoed; empty once closed and drained."""
        while not self._waiting and not self.closed:
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._waiting[:limit])
        del self._waiting[:limit]
        self._changed.set()
        return data

    async def write(self, data: bytes) -> None:
        """Type `data`; a carriage return is echoed as the start of a new line."""
        while len(self._waiting) >= WINDOW and not self.closed:
            self._changed.clear()
            await self._changed.wait()
        if self.closed:
            return
        echo = data.replace(b"\r", b"\r\n")
        self._waiting += echo
        self._console.record(echo)
        self._changed.set()

    def close(self) -> None:
        """End it; idempotent."""
        self.closed = True
        if self._console.session is self:
            self._console.session = None
        self._changed.set()


class Bytes:
    """A stream of bytes that were there before, such as a picture; what is written is dropped."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    async def read(self, limit: int = 262120) -> bytes:
        """The next bytes; empty at the end."""
        data, self._rest = self._rest[:limit], self._rest[limit:]
        return data

    async def write(self, data: bytes) -> None:
        """Nothing can be changed: the bytes are dropped."""

    def close(self) -> None:
        """Drop what is left."""
        self._rest = b""
