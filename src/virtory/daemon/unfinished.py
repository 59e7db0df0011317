"""What all clients together have sent of messages that are not whole yet.

The rule kept here: what is kept of them has a bound. Beyond it a client is disconnected: first of
those that have not opened their connection, among these who has sent nothing for longest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


class Unfinished:
    """The bytes of each client and of all; `most` is the bound."""

    def __init__(self) -> None:
        self.most = 0
        self.total = 0
        self.of: dict[Peer, int] = {}  # who has been silent for longest comes first

    def changed(self, peer: Peer, count: int) -> None:
        """The client has sent something; this is what there is now."""
        self.forget(peer)
        if count:
            self.of[peer] = count
            self.total += count
        while self.total > self.most:
            self._end_one()

    def forget(self, peer: Peer) -> None:
        """Its message is whole, or its connection has ended."""
        self.total -= self.of.pop(peer, 0)

    def _end_one(self) -> None:
        total = self.total
        peer = next((each for each in self.of if each.uri is None), None) or next(iter(self.of))
        count = self.of[peer]
        self.forget(peer)
        peer.disconnect(
            f"all clients together had sent {total} bytes of unfinished messages, more than "
            f"limits.unfinished_bytes ({self.most}), and its {count} bytes waited for longest"
        )
