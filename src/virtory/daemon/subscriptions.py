"""What one client wants to be told: callback ids, and the bus listeners behind them.

The rule kept here: an event is sent inside `publish`, so that it precedes the reply of the call
that caused it; and every listener ends with the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.errors import FROM_RPC, InternalError, OperationFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.daemon.peer import Peer
    from virtory.driver.bus import Listener
    from virtory.model.events import Event

MOST = 16384
"""How many callbacks one client may have: each is looked at with every event."""


class Subscriptions:
    """The callbacks of one connection, of every kind of object, numbered from 0."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._next = 0
        self._callbacks: dict[int, Listener | None] = {}
        self._plain: dict[int, Listener] = {}

    def add(
        self,
        cls: type[Event] | None = None,
        uuid: bytes | None = None,
        tell: Callable[[int, Event], None] | None = None,
    ) -> int:
        """Call `tell(callback id, event)` for each event of `cls`; the callback's id.

        Without a class the id stands for a kind of object of which this daemon has none.
        """
        if len(self._callbacks) >= MOST:
            raise OperationFailed(
                f"the connection has {MOST} event callbacks, which is the most that it may have",
                cure="register once for all objects, or deregister what is not needed any more",
                domain=FROM_RPC,
            )
        number = self._next
        self._next += 1
        if cls is None or tell is None:
            self._callbacks[number] = None
        else:
            self._callbacks[number] = self._peer.driver.bus.listen(
                lambda event: tell(number, event), cls, uuid=uuid
            )
        return number

    def remove(self, number: int) -> None:
        """End a callback."""
        if number not in self._callbacks:
            raise InternalError(f"event callback {number} not registered", domain=FROM_RPC)
        listener = self._callbacks.pop(number)
        if listener is not None:
            listener.close()

    def add_plain(self, cls: type[Event], tell: Callable[[Event], None]) -> None:
        """The older form: at most one registration for each event, without an id."""
        if cls.number in self._plain:
            raise InternalError(f"domain event {cls.number} already registered", domain=FROM_RPC)
        self._plain[cls.number] = self._peer.driver.bus.listen(tell, cls)

    def remove_plain(self, event_number: int) -> None:
        """End a registration of the older form."""
        if event_number not in self._plain:
            raise InternalError(f"domain event {event_number} not registered", domain=FROM_RPC)
        self._plain.pop(event_number).close()

    def close(self) -> None:
        """End every callback; idempotent."""
        for listener in (*self._callbacks.values(), *self._plain.values()):
            if listener is not None:
                listener.close()
        self._callbacks.clear()
        self._plain.clear()
