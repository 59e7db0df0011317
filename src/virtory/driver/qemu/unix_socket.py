"""A connection to one of QEMU's UNIX sockets: its monitor, the agent's channel, a console.

The rule kept here: the loop never waits. A UNIX connect completes at once when there is room in the
listener's backlog; where there is none, that is an error, or a thread waits for room.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct

_A_WHILE = struct.pack("@ll", 1, 0)
"""A second, as a `struct timeval`: for no longer a thread keeps the daemon from ending."""


def connected(path: str) -> socket.socket:
    """A non-blocking socket, connected to who listens at `path`.

    Raises OSError when nobody listens there, or too many wait to be let in already.
    """
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    peer.setblocking(False)
    try:
        peer.connect(path)
    except BaseException:
        peer.close()
        raise
    return peer


async def let_in(path: str) -> socket.socket:
    """As `connected`, but who finds that too many wait already waits with them."""
    while True:
        try:
            return connected(path)
        except BlockingIOError:
            waiting = asyncio.get_running_loop().run_in_executor(None, _waited, path)
        try:
            peer = await asyncio.shield(waiting)
        except asyncio.CancelledError:
            waiting.add_done_callback(_give_back)
            raise
        if peer is not None:
            return peer


def _waited(path: str) -> socket.socket | None:
    """As `connected`, in a thread; None when there was no room for a while."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _A_WHILE)
    try:
        peer.connect(path)
        peer.getpeername()  # Python takes a connect that a signal cut off for one that succeeded
    except OSError as error:
        peer.close()
        if error.errno in (errno.EAGAIN, errno.ENOTCONN):
            return None
        raise
    peer.setblocking(False)
    return peer


def _give_back(waiting: asyncio.Future[socket.socket | None]) -> None:
    """Nobody waits for it any more."""
    if not waiting.cancelled() and waiting.exception() is None and (peer := waiting.result()):
        peer.close()
