"""A connection to one of QEMU's UNIX sockets: its monitor, the agent's channel, a console.

The rule kept here: the loop never waits. A UNIX connect completes at once when there is room in the
listener's backlog; where there is none, that is an error, or it is tried again in a while.
"""

from __future__ import annotations

import asyncio
import socket

_PACE_S = 0.1


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
    """As `connected`, but who finds that too many wait already looks for room until there is."""
    while True:
        try:
            return connected(path)
        except BlockingIOError:
            await asyncio.sleep(_PACE_S)  # no event tells of it
