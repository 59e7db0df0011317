"""The keepalive program: two empty messages, and the rule when to send one and when to give up.

The rule kept here: anything received proves that the peer lives. After `interval` seconds of
silence a PING goes out, at most `count` of them, `interval` apart; then the peer is dead.
"""

from __future__ import annotations

from virtory.lean import Final
from virtory.wire.frame import HEADER, HEADER_SIZE, MESSAGE, OK
from virtory.wire.procedure import KEEPALIVE

PING = KEEPALIVE.event("PING", 1, None)
PONG = KEEPALIVE.event("PONG", 2, None)

PING_FRAME: Final = HEADER.pack(
    HEADER_SIZE, KEEPALIVE.number, KEEPALIVE.version, PING.number, MESSAGE, 0, OK
)
PONG_FRAME: Final = HEADER.pack(
    HEADER_SIZE, KEEPALIVE.number, KEEPALIVE.version, PONG.number, MESSAGE, 0, OK
)


class Keepalive:
    """When to ping one peer; time comes only as an argument, in seconds of any steady clock."""

    __slots__ = ("_deadline", "_left", "count", "heard", "interval")

    def __init__(self, interval: float, count: int) -> None:
        self.interval = interval
        self.count = count
        self.heard = True
        self._left = count
        self._deadline = 0.0

    def tick(self, now: float) -> tuple[float, bool]:
        """The next time to call this, and whether a PING is due; the time is 0 when all is lost."""
        if self.heard:
            self.heard = False
            self._left = self.count
            self._deadline = now + self.interval
        if now < self._deadline:
            return self._deadline, False
        if self._left == 0:
            return 0.0, False
        self._left -= 1
        self._deadline = now + self.interval
        return self._deadline, True
