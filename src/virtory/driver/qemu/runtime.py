"""What all guests of one driver share, and the one way by which news leaves it.

The rule kept here: save, then publish. Events of one domain leave in their order, after the state
they report is on disk; domains do not wait for each other, and what changes while a save is under
way is saved with the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from virtory.driver.qemu.strays import Strays
from virtory.model import lifecycle
from virtory.model.events import Lifecycle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from virtory.driver.bus import Bus
    from virtory.driver.interface import DomainRef
    from virtory.driver.journal import Mending
    from virtory.driver.qemu.logs import LogKeeper
    from virtory.driver.qemu.records import Records
    from virtory.driver.qemu.table import DomainTable, Entry
    from virtory.model.events import Event

T = TypeVar("T")

_log = logging.getLogger(__name__)


class _Round:
    """What is saved and told together."""

    __slots__ = ("_waiters", "dirty", "events")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.dirty = False
        self._waiters: list[asyncio.Future[Exception | None]] = []

    def end(self) -> asyncio.Future[Exception | None]:
        """Becomes what saving raised once it is saved and told; of this caller alone."""
        waiter: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    def ended(self, problem: Exception | None) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(problem)


class _Outbox:
    """What one domain has to tell: what is being saved, and what comes after it."""

    __slots__ = ("coming", "current")

    def __init__(self) -> None:
        self.current: _Round | None = None
        self.coming: _Round | None = None

    @property
    def rounds(self) -> list[_Round]:
        return [each for each in (self.current, self.coming) if each is not None]


class Runtime:
    """The table, the records, the bus, the logs of one driver.

    Args:
        checkpoint: called with the name of each step of a start; a test ends the daemon there.
    """

    def __init__(
        self,
        table: DomainTable,
        records: Records,
        bus: Bus,
        logs: LogKeeper,
        mending: Mending,
        checkpoint: Callable[[str], None] | None = None,
    ) -> None:
        self.table = table
        self.records = records
        self.bus = bus
        self.logs = logs
        self.mending = mending
        self.checkpoint = checkpoint or (lambda _: None)
        self.starting: set[Entry] = set()  # being planned: no guest yet
        self.strays = Strays()
        self._outboxes: dict[Entry, _Outbox] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- state ---------------------------------------------------------------------------------
    def step(self, entry: Entry, trigger: lifecycle.Trigger, ref: DomainRef | None = None) -> None:
        """Let `trigger` happen to the domain: new state now, saved and announced soon.

        `ref` is how it is named in what is announced; as it is now when None. Raises
        OperationInvalid when it can not happen in this state.
        """
        to = lifecycle.step(entry.state, trigger)
        entry.state = to.state
        if to.reason is not None:
            entry.reason = to.reason
        ref = ref or entry.ref
        self.announce(entry, *[Lifecycle(ref, one.event, one.detail) for one in to.announce])

    def announce(self, entry: Entry, *events: Event, save: bool = True) -> None:
        """Tell these events, after what they report is saved (`save`) and after earlier ones."""
        outbox = self._outboxes.get(entry)
        if outbox is None:
            if not save:
                self.bus.publish(*events)
                return
            outbox = self._outboxes[entry] = _Outbox()
        if outbox.coming is None:
            outbox.coming = _Round()
            if outbox.current is None:
                asyncio.get_running_loop().call_soon(self._begin, entry, outbox)
        outbox.coming.events += events
        outbox.coming.dirty |= save

    async def settled(self, entry: Entry) -> None:
        """Wait until all that was announced of the domain is saved and told.

        Raises what saving raised: the caller's change is then true but not on disk.
        """
        outbox = self._outboxes.get(entry)
        for end in [each.end() for each in outbox.rounds] if outbox is not None else ():
            if (problem := await end) is not None:
                raise problem

    async def commit(self, entry: Entry) -> None:
        """Save the domain as it is now; when this returns it is on disk, else it raises."""
        self.announce(entry)
        outbox = self._outboxes[entry]
        assert outbox.coming is not None
        end = outbox.coming.end()
        self._begin(entry, outbox)
        if (problem := await end) is not None:
            raise problem

    def _begin(self, entry: Entry, outbox: _Outbox) -> None:
        """Save what is to come, unless that is under way: its end begins the next."""
        if outbox.current is not None or outbox.coming is None:
            return
        now = outbox.current = outbox.coming
        outbox.coming = None
        if not now.dirty:
            self._saved(entry, outbox, now, None)
            return
        try:
            self.records.begin_saving(entry, partial(self._saved, entry, outbox, now))
        except Exception as error:
            self._saved(entry, outbox, now, error)

    def _saved(self, entry: Entry, outbox: _Outbox, now: _Round, problem: Exception | None) -> None:
        if problem is not None:
            # What happened has happened: listeners learn of it even from a full disk.
            _log.error("cannot save the state of domain '%s': %s", entry.name, problem)
        self.bus.publish(*now.events)
        outbox.current = None
        if outbox.coming is None:
            del self._outboxes[entry]
        else:
            asyncio.get_running_loop().call_soon(self._begin, entry, outbox)
        now.ended(problem)

    # -- tasks ---------------------------------------------------------------------------------
    def run(self, work: Coroutine[object, object, None], name: str) -> None:
        """Do something beside; what goes wrong there is logged."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do something in a task of its own, for whoever wants to know its end."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something to its end, even when the caller is cancelled; `idle` waits for it."""
        task = self.begin(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed: %s", task.get_name(), error, exc_info=error)

    async def idle(self, limit_s: float | None = None) -> bool:
        """Wait until nothing is under way any more; whether that came to pass in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self._tasks or self._outboxes:
                    boxes = self._outboxes.values()
                    ends = [each.end() for box in boxes for each in box.rounds]
                    await asyncio.wait([*self._tasks, *ends])
        return not self._tasks and not self._outboxes
