"""What a link still has to send: bytes in order, and the descriptors passed between them.

The rule kept here: descriptors go one by one, each with one dummy byte in a `sendmsg` of its own,
after the frame they belong to; never with the frame's bytes (libvirt reads them so). The outbox
owns the descriptors it is given and closes each once it has been passed, or when the link ends.
"""

from __future__ import annotations

import _socket as socket  # its Python half takes longer to import than a call to make
import os
from struct import Struct

from virtory.lean import TYPE_CHECKING, deque

if TYPE_CHECKING:
    from virtory.wire.session import Chunk

_DUMMY = b"\0"
_NOW = int(socket.MSG_DONTWAIT)
_pack_fd = Struct("i").pack


class Outbox:
    """A queue of bytes and descriptors in front of one stream socket; sending never waits."""

    __slots__ = ("_queue", "_sock", "queued")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._queue: deque[memoryview | int] = deque()
        self.queued = 0

    def put(self, chunks: list[Chunk]) -> None:
        """Append the chunks; nothing is sent yet."""
        queue = self._queue
        for data, fds in chunks:
            queue.append(memoryview(data))
            self.queued += len(data)
            if fds:
                queue.extend(fds)
                self.queued += len(fds)

    def offer(self, chunks: list[Chunk]) -> bool:
        """`put` and `send`, without the queue when one chunk goes out whole, as most replies do."""
        if not self._queue and len(chunks) == 1 and not chunks[0][1]:
            data = chunks[0][0]
            try:
                sent = self._sock.send(data, _NOW)
            except (BlockingIOError, InterruptedError):
                sent = 0
            if sent == len(data):
                return True
            self._queue.append(memoryview(data)[sent:])
            self.queued += len(data) - sent
            return False
        self.put(chunks)
        return self.send()

    def send(self) -> bool:
        """Send until everything is gone (True) or the socket takes no more (False).

        Raises `OSError` when the peer is gone.
        """
        queue = self._queue
        while queue:
            head = queue[0]
            try:
                if isinstance(head, int):
                    passed = (socket.SOL_SOCKET, socket.SCM_RIGHTS, _pack_fd(head))
                    self._sock.sendmsg([_DUMMY], [passed], _NOW)
                    sent = 1
                else:
                    sent = self._sock.send(head, _NOW)
            except (BlockingIOError, InterruptedError):
                return False
            self.queued -= sent
            if isinstance(head, int):
                queue.popleft()
                os.close(head)
            elif sent == len(head):
                queue.popleft()
            else:
                queue[0] = head[sent:]
        return True

    def clear(self) -> None:
        """Forget everything and close the descriptors that were not passed."""
        for item in self._queue:
            if isinstance(item, int):
                os.close(item)
        self._queue.clear()
        self.queued = 0
