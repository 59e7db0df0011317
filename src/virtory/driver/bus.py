"""Publish and subscribe: how what happened in a driver reaches whoever asked to know.

The rule kept here: publishing never waits and never fails. Every queue is bounded; a subscriber
that falls behind is closed with an error, the others notice nothing.

Everything runs in the event loop's thread. A subscription is made before acting, by a `with` block:

    with bus.subscribe(Lifecycle, uuid=uuid) as events:
        await driver.domain.create(uuid, 0, owner)
        async for event in events: …
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from virtory.errors import OperationFailed
from virtory.model.events import Event

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable
    from types import TracebackType

_log = logging.getLogger(__name__)

QUEUE_LIMIT = 1024


class Listener:
    """A callback that is called at once for every event it asked for, until `close()`."""

    __slots__ = ("_bus", "_callback", "classes", "uuid")

    def __init__(
        self,
        bus: Bus,
        callback: Callable[[Event], object],
        classes: tuple[type[Event], ...],
        uuid: bytes | None,
    ) -> None:
        self._bus = bus
        self._callback = callback
        self.classes = classes
        self.uuid = uuid

    def close(self) -> None:
        """No further call; idempotent."""
        self._bus.remove(self)

    def deliver(self, event: Event) -> None:
        """Pass one event on; a callback that fails is logged and not called again."""
        try:
            self._callback(event)
        except Exception:
            self.close()
            _log.exception("a listener failed on %r and is closed", event)


class Subscription:
    """A bounded queue of events: a context manager and an asynchronous iterator.

    Iteration ends when the subscription or the bus is closed, after what was queued before.

    Raises (from iteration):
        OperationFailed: the queue overflowed; events are lost from there on.
    """

    __slots__ = ("_error", "_limit", "_listener", "_open", "_queue", "_waiter")

    def __init__(
        self, bus: Bus, classes: tuple[type[Event], ...], uuid: bytes | None, limit: int
    ) -> None:
        self._queue: deque[Event] = deque()
        self._limit = limit
        self._error: OperationFailed | None = None
        self._open = True
        self._waiter: asyncio.Future[None] | None = None
        self._listener = bus.add(Listener(bus, self._put, classes, uuid), self.close)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._queue)

    def close(self) -> None:
        """No further event; what is queued may still be read. Idempotent."""
        self._listener.close()
        self._open = False
        self._wake()

    def take(self) -> list[Event]:
        """All that is queued, without waiting.

        Raises:
            OperationFailed: the queue overflowed, and what was queued has been read.
        """
        events = list(self._queue)
        self._queue.clear()
        if not events and self._error is not None:
            raise self._error
        return events

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        while not self._queue:
            if self._error is not None:
                raise self._error
            if not self._open:
                raise StopAsyncIteration
            await self._wait()
        return self._queue.popleft()

    def _put(self, event: Event) -> None:
        if len(self._queue) >= self._limit:
            self._error = OperationFailed(
                f"an event subscriber fell behind: {self._limit} events wait to be read",
                cure="Read events as they come, or subscribe to fewer kinds",
            )
            self.close()
            return
        self._queue.append(event)
        self._wake()

    async def _wait(self) -> None:
        import asyncio

        if self._waiter is not None:
            raise RuntimeError("two tasks read one subscription")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Bus:
    """All subscribers of one driver."""

    def __init__(self) -> None:
        self._listeners: dict[Listener, Callable[[], None] | None] = {}
        self._by_class: dict[type[Event], tuple[Listener, ...]] = {}

    def publish(self, *events: Event) -> None:
        """Tell every subscriber; call it after the state that the events report is saved."""
        for event in events:
            listeners = self._by_class.get(type(event))
            if listeners is None:
                listeners = self._by_class[type(event)] = tuple(self._who_wants(type(event)))
            for listener in listeners:
                if listener in self._listeners and (
                    listener.uuid is None or event.about == listener.uuid
                ):
                    listener.deliver(event)

    def subscribe(
        self, *classes: type[Event], uuid: bytes | None = None, limit: int = QUEUE_LIMIT
    ) -> Subscription:
        """A queue of the events of these classes (all without any), of one object or of all."""
        return Subscription(self, classes or (Event,), uuid, limit)

    def listen(
        self,
        callback: Callable[[Event], object],
        *classes: type[Event],
        uuid: bytes | None = None,
    ) -> Listener:
        """Call `callback(event)` inside `publish`; it must return at once. End with `close()`."""
        return self.add(Listener(self, callback, classes or (Event,), uuid))

    def close(self) -> None:
        """End every subscription: iterators stop after what they have queued."""
        for listener, on_close in list(self._listeners.items()):
            listener.close()
            if on_close is not None:
                on_close()

    def __len__(self) -> int:
        return len(self._listeners)

    def add(self, listener: Listener, on_close: Callable[[], None] | None = None) -> Listener:
        """Register a listener; `on_close` is called when the whole bus closes."""
        self._listeners[listener] = on_close
        self._by_class.clear()
        return listener

    def remove(self, listener: Listener) -> None:
        """Forget a listener; idempotent."""
        if self._listeners.pop(listener, self) is not self:
            self._by_class.clear()

    def _who_wants(self, cls: type[Event]) -> Iterable[Listener]:
        return (item for item in self._listeners if issubclass(cls, item.classes))
