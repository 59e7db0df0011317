"""A QMP peer that follows a script: it greets, takes commands and answers as it is told.

The rule kept here: it parses what it gets as a stream of JSON, as QEMU does.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.qmp import JsonStream

if TYPE_CHECKING:
    import socket

GREETING = {
    "QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}, "capabilities": ["oob"]}
}


class ScriptedPeer:
    """QEMU's end of a monitor; `commands` are what came, in order."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self.socket = connected
        self.commands: list[dict[str, Any]] = []
        self._stream = JsonStream()
        self._unread: list[dict[str, Any]] = []

    async def send(self, *messages: dict[str, Any]) -> None:
        raw = b"".join(json.dumps(one).encode() + b"\r\n" for one in messages)
        await asyncio.get_running_loop().sock_sendall(self.socket, raw)

    async def command(self) -> dict[str, Any]:
        """The next command."""
        while not self._unread:
            data = await asyncio.get_running_loop().sock_recv(self.socket, 65536)
            assert data, "the other side closed"
            self._unread += self._stream.feed(data)
        found = self._unread.pop(0)
        self.commands.append(found)
        return found

    async def answer(self, value: Any = None, *, error: str | None = None) -> dict[str, Any]:
        """Take the next command and answer it; returns the command."""
        taken = await self.command()
        if error is None:
            await self.send({"return": {} if value is None else value, "id": taken["id"]})
        else:
            described = {"class": "GenericError", "desc": error}
            await self.send({"error": described, "id": taken["id"]})
        return taken

    async def event(self, name: str, **data: Any) -> None:
        stamp = {"seconds": 1, "microseconds": 2}
        await self.send({"event": name, "data": data, "timestamp": stamp})

    async def greet(self) -> None:
        await self.send(GREETING)
        await self.answer()

    def close(self) -> None:
        self.socket.close()
