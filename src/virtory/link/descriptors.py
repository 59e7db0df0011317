"""What the kernel says beside the bytes: passed descriptors, and who is at the other end.

The rule kept here: every descriptor taken from a message is closed by us or given to one owner.
"""

from __future__ import annotations

import _socket as socket  # its Python half takes longer to import than a call to make
import os
from struct import Struct, unpack

from virtory.errors import PeerMisbehaved
from virtory.lean import TYPE_CHECKING
from virtory.link.link import MOST_DESCRIPTORS, Credentials

if TYPE_CHECKING:
    from collections.abc import Iterable

ANCILLARY_SPACE = socket.CMSG_SPACE(MOST_DESCRIPTORS * 4)
_CREDENTIALS = Struct("3i")


def peer_credentials(sock: socket.socket) -> Credentials | None:
    """Who is at the other end, as the kernel says; None when it is no UNIX socket."""
    if sock.family != socket.AF_UNIX:
        return None
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Credentials(*_CREDENTIALS.unpack(raw))


def received_descriptors(ancillary: list[tuple[int, int, bytes]], flags: int) -> tuple[int, ...]:
    """The descriptors among `recvmsg`'s ancillary data, in order.

    Raises `PeerMisbehaved` when there were more than fit; then none is left open.
    """
    fds: tuple[int, ...] = ()
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            count = len(data) // 4
            fds += unpack(f"{count}i", data[: count * 4])
    if flags & socket.MSG_CTRUNC:
        close_descriptors(fds)
        raise PeerMisbehaved(
            f"the peer passed more than {MOST_DESCRIPTORS} file descriptors at once"
        )
    return fds


def close_descriptors(fds: Iterable[int]) -> None:
    """Close each of them."""
    for fd in fds:
        os.close(fd)
