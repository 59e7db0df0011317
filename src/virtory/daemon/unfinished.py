"""What all clients together have sent of messages that are not whole yet.

The rule kept here: what is kept of them has a bound. Beyond it a client is disconnected, one of the
user's whose clients have sent most, so that nobody disconnects another user's: first of those that
have not opened their connection, among these who has sent nothing for longest.
"""

from __future__ import annotations

from collections import Counter
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
        shares: Counter[int | None] = Counter()
        for peer, count in self.of.items():
            shares[_user(peer)] += count
        ((user, _),) = shares.most_common(1)
        theirs = [peer for peer in self.of if _user(peer) == user]
        peer = next((each for each in theirs if each.uri is None), theirs[0])
        count = self.of[peer]
        self.forget(peer)
        peer.disconnect(
            f"all clients together had sent {total} bytes of unfinished messages, more than "
            f"limits.unfinished_bytes ({self.most}), and its {count} bytes waited for longest"
        )


def _user(peer: Peer) -> int | None:
    who = peer.link.credentials
    return None if who is None else who.uid
