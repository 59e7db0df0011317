"""What all guests of one driver share, and the one way by which news leaves it.

The rule kept here: save, then publish. Events of one domain leave in their order, after the state
they report is on disk; domains do not wait for each other, and what changes while a save is under
way is saved with the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
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
    """What is saved and told together; `done` becomes what saving raised."""

    __slots__ = ("dirty", "done", "events")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.dirty = False
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Exception | None] = loop.create_future()


class _Outbox:
    """What one domain has to tell: what is being saved, what comes after it, and the task."""

    __slots__ = ("coming", "current", "task")

    def __init__(self) -> None:
        self.current: _Round | None = None
        self.coming: _Round | None = None
        self.task: asyncio.Task[None] | None = None


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
        outbox.coming.events += events
        outbox.coming.dirty |= save
        if outbox.task is None:
            outbox.task = asyncio.get_running_loop().create_task(self._deliver(entry, outbox))

    async def settled(self, entry: Entry) -> None:
        """Wait until all that was announced of the domain is saved and told.

        Raises what saving raised: the caller's change is then true but not on disk.
        """
        outbox = self._outboxes.get(entry)
        if outbox is not None:
            for each in (outbox.current, outbox.coming):
                await _ended(each)

    async def commit(self, entry: Entry) -> None:
        """Save the domain as it is now; when this returns it is on disk, else it raises."""
        self.announce(entry)
        await _ended(self._outboxes[entry].coming)

    async def _deliver(self, entry: Entry, outbox: _Outbox) -> None:
        while (now := outbox.coming) is not None:
            outbox.current, outbox.coming = now, None
            problem = None
            if now.dirty:
                try:
                    await self.records.save(entry)
                except Exception as error:
                    # What happened has happened: listeners learn of it even from a full disk.
                    problem = error
                    _log.error("cannot save the state of domain '%s': %s", entry.name, error)
            self.bus.publish(*now.events)
            now.done.set_result(problem)
        self._outboxes.pop(entry, None)

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
                    tasks = [box.task for box in self._outboxes.values() if box.task is not None]
                    await asyncio.wait([*self._tasks, *tasks])
        return not self._tasks and not self._outboxes


async def _ended(each: _Round | None) -> None:
    """Wait until it is saved and told; raises what saving raised."""
    if each is not None and (problem := await asyncio.shield(each.done)) is not None:
        raise problem
