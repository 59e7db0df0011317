"""The far end of `virtory+ssh://`: joins standard input and output to a daemon on this host.

The rule kept here: bytes pass as they are, in both directions, until either side ends; what goes
wrong before that is an error, which ssh carries back to who asked.
"""

from __future__ import annotations

import os
import select

from virtory.client.dial import socket_of
from virtory.lean import TYPE_CHECKING
from virtory.link.uri import parse

if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable

PIECE = 256 * 1024


async def proxy(where: str, *, readonly: bool = False, source: int = 0, sink: int = 1) -> None:
    """Join two descriptors to the daemon at `where`: `system`, `session` or a socket's path.

    The user's own daemon is started when it does not run. Raises `OpenFailed`.
    """
    text = f"virtory:///{where}" if where in ("system", "session") else _by_path(where)
    sock = await socket_of(parse(text), readonly=readonly, blocking=True)
    try:
        _join(sock, source, sink)
    finally:
        sock.close()


def _by_path(path: str) -> str:
    plain = b"/-_.~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    path_bytes = os.fsencode(os.path.abspath(path))
    escaped = "".join(chr(byte) if byte in plain else f"%{byte:02x}" for byte in path_bytes)
    return f"virtory+unix:///session?socket={escaped}"


def _join(sock: socket, source: int, sink: int) -> None:
    """Each side waits for the other to take what it sent, so nothing piles up here."""

    def send(data: bytes) -> None:
        sock.sendall(data)

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(sink, view) :]

    ways: dict[int, tuple[Callable[[], bytes], Callable[[bytes], None]]] = {
        source: (lambda: os.read(source, PIECE), send),
        sock.fileno(): (lambda: sock.recv(PIECE), write),
    }
    poll = select.poll()
    for fd in ways:
        poll.register(fd, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            receive, forward = ways[fd]
            try:
                data = receive()
                forward(data)
            except (BrokenPipeError, ConnectionResetError):
                return
            if not data:
                return
