"""What the daemon knows, on disk: definitions and running guests, in one SQLite file.

The rule kept here: when `save` returns, all its changes are on disk, together or not at all.

One writer thread commits whatever waits as one transaction. Definitions are readable XML text that
is not parsed here; the columns beside it hold what lists and `info` need, so that a daemon with a
thousand domains starts without parsing one. A row that can not be understood is moved to the table
`damaged` and reported; it never hides another.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from virtory.driver.store_file import FILE, explain, open_database, open_hasty, take_lock
from virtory.errors import InternalError, VirtoryError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    Done = Callable[[VirtoryError | None], None]


class DomainRow(NamedTuple):
    """A persistent definition, and the parts of it that must be known without parsing.

    `reason` is why it is shut off (DomainShutoffReason), kept while it is not running.
    """

    uuid: bytes
    name: str
    xml: str
    autostart: bool = False
    managed_save: bool = False
    reason: int = 0
    os_type: str = "hvm"
    title: str | None = None
    vcpus: int = 1
    max_vcpus: int = 1
    memory_kib: int = 0
    max_memory_kib: int = 0


class RunningRow(NamedTuple):
    """A guest that has, or is about to have, a process; `pid` 0 until it is spawned.

    `start_time` is the process's start in clock ticks since boot (/proc/PID/stat, field 22).
    `plan`, `sockets`, `job` and `extra` are JSON that belongs to the driver; `xml` is the live
    description. A guest without a DomainRow is transient.
    """

    uuid: bytes
    name: str
    id: int
    pid: int
    start_time: int
    state: int
    reason: int
    plan: str
    sockets: str
    xml: str
    job: str | None = None
    extra: str = "{}"


class ShutoffReason(NamedTuple):
    """Why a defined domain is off changes; nothing else does."""

    uuid: bytes
    reason: int


class State(NamedTuple):
    """A running guest's state changes; nothing else does."""

    uuid: bytes
    state: int
    reason: int


class Job(NamedTuple):
    """A running guest's long job begins, goes on (JSON) or ends (None)."""

    uuid: bytes
    job: str | None


class ObjectRow(NamedTuple):
    """Anything kept that is not a domain: a network, a pool, a snapshot …

    `kind` says which; `key` is its UUID, for a snapshot its domain's UUID followed by its name;
    `xml` is its definition as readable text, `extra` JSON that belongs to whoever keeps it.
    """

    kind: str
    key: bytes
    name: str
    xml: str
    extra: str = "{}"


class ForgetObject(NamedTuple):
    """An object goes."""

    kind: str
    key: bytes


class Intent(NamedTuple):
    """A long work is about to take its next step: enough to finish or undo it after a crash.

    `key` is 16 random bytes that name the work; `kind` says who can take it up again; `step` is
    JSON. Written before the step is taken; the last change of the work and `ForgetIntent` are one
    save.
    """

    key: bytes
    kind: str
    step: str


class ForgetIntent(NamedTuple):
    """A work is done, or undone."""

    key: bytes


class ForgetDomain(NamedTuple):
    """A definition goes."""

    uuid: bytes


class SetAside(NamedTuple):
    """A guest's row goes to `damaged`, as a copy: the driver can not understand it."""

    uuid: bytes
    problem: str


class ForgetRunning(NamedTuple):
    """A guest is no more and has released all it had."""

    uuid: bytes


Change = (
    DomainRow
    | RunningRow
    | ShutoffReason
    | State
    | Job
    | SetAside
    | ForgetDomain
    | ForgetRunning
    | ObjectRow
    | ForgetObject
    | Intent
    | ForgetIntent
)


class Damage(NamedTuple):
    """A row that could not be understood: `source` is its table; it now lies in `damaged`."""

    source: str
    name: str
    problem: str


class Loaded(NamedTuple):
    """All that was known when the daemon last ended, however it ended.

    `aside`: UUIDs of domains whose rows were set aside, now or by an earlier daemon.
    """

    domains: list[DomainRow]
    running: list[RunningRow]
    damaged: list[Damage]
    objects: list[ObjectRow]
    intents: list[Intent]
    aside: frozenset[bytes] = frozenset()


def _insert(table: str, row: type[DomainRow] | type[RunningRow]) -> str:
    columns = row._fields
    return f"INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_NEW_DOMAIN = ", ".join(f"{name} = excluded.{name}" for name in DomainRow._fields[1:])


_SQL: dict[type, str] = {
    DomainRow: (
        f"INSERT {_insert('domain', DomainRow)} ON CONFLICT (uuid) DO UPDATE SET {_NEW_DOMAIN}"
    ),
    # Also a row of the same name goes: that guest's end could not be written (a full disk).
    RunningRow: f"REPLACE {_insert('running', RunningRow)}",
    ShutoffReason: "UPDATE domain SET reason = ?2 WHERE uuid = ?1",
    State: "UPDATE running SET state = ?2, reason = ?3 WHERE uuid = ?1",
    Job: "UPDATE running SET job = ?2 WHERE uuid = ?1",
    SetAside: (
        "INSERT INTO damaged (source, problem, uuid, name, content) SELECT 'running', ?2, uuid,"
        " name, plan || char(10) || xml || char(10) || extra FROM running WHERE uuid = ?1"
    ),
    ForgetDomain: "DELETE FROM domain WHERE uuid = ?1",
    ForgetRunning: "DELETE FROM running WHERE uuid = ?1",
    ObjectRow: "REPLACE INTO object (kind, key, name, xml, extra) VALUES (?, ?, ?, ?, ?)",
    ForgetObject: "DELETE FROM object WHERE kind = ?1 AND key = ?2",
    Intent: "REPLACE INTO intent (key, kind, step) VALUES (?, ?, ?)",
    ForgetIntent: "DELETE FROM intent WHERE key = ?1",
}
_COUNT = (
    "INSERT INTO counter (name, value) VALUES ('domain_id', ?1)"
    " ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"
)


class Store:
    """One state directory, held by this process alone until `close`.

    Raises (from the constructor):
        OpenFailed: another daemon holds the directory, or the file is not one of ours.
        SystemCallFailed: the directory or the file can not be written.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.path = os.path.join(directory, FILE)
        self._lock = take_lock(directory)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, self._lock)
            self._db = open_database(directory)
            undo.callback(self._db.close)
            self._hasty = open_hasty(self.path)
            undo.pop_all()
        self._next_id = 1
        self._waiting: SimpleQueue[tuple[Sequence[Change], Done] | None] = SimpleQueue()
        self._gate = threading.Lock()  # nothing waits behind None, which ends the writer
        self._closing = False
        self._writer = threading.Thread(target=self._write_all, name="store", daemon=True)
        self._writer.start()

    def load(self) -> Loaded:
        """All rows; to be called once, before the first save."""
        from virtory.driver.store_loading import load

        try:
            row = self._db.execute("SELECT value FROM counter WHERE name = 'domain_id'").fetchone()
            loaded = load(self._db)
        except sqlite3.Error as error:
            raise explain(error, self.path, "read") from error
        highest = max((running.id for running in loaded.running), default=0)
        self._next_id = max(row[0] if row else 0, highest) + 1
        return loaded

    def next_domain_id(self) -> int:
        """A number that no guest has had before; it becomes lasting with the RunningRow's save."""
        number = self._next_id
        self._next_id += 1
        return number

    async def save(self, *changes: Change) -> None:
        """Make all `changes` together; they are on disk when this returns.

        A cancelled save may still be carried out.

        Raises:
            SystemCallFailed: no space, or the file is not writable; nothing was changed.
        """
        import asyncio

        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.begin_saving(changes, lambda error: _settle(future, error))
        await future

    def begin_saving(self, changes: Sequence[Change], done: Done) -> None:
        """As `save`; the running loop calls `done` with what `save` would have raised, or None."""
        import asyncio

        loop = asyncio.get_running_loop()

        def tell(error: VirtoryError | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(done, error)

        self._submit(changes, tell)

    def save_now(self, *changes: Change) -> None:
        """As `save`, for callers that can not wait otherwise: the thread stands still meanwhile."""
        failure: list[VirtoryError | None] = []
        finished = threading.Lock()
        finished.acquire()

        def done(error: VirtoryError | None) -> None:
            failure.append(error)
            finished.release()

        self._submit(changes, done)
        finished.acquire()
        if failure[0] is not None:
            raise failure[0]

    def close(self) -> None:
        """Write what waits, then give the directory back; idempotent."""
        with self._gate:
            if self._closing:
                return
            self._closing = True
            self._waiting.put(None)
        self._writer.join()
        self._hasty.close()
        self._db.close()
        os.close(self._lock)

    def _submit(self, changes: Sequence[Change], done: Done) -> None:
        with self._gate:
            if self._closing:
                raise InternalError(f"the state file {self.path} is closed")
            self._waiting.put((changes, done))

    def _write_all(self) -> None:
        waiting, last = self._waiting, False
        while not last:
            taken = [waiting.get()]
            while waiting.qsize():
                taken.append(waiting.get())
            last = taken[-1] is None
            batch = [each for each in taken if each is not None]
            if (
                len(batch) > 1
                and self._commit([change for one, _ in batch for change in one]) is None
            ):
                results: list[VirtoryError | None] = [None] * len(batch)
            else:  # one save, or one of them failed: each for itself
                results = [self._commit(changes) for changes, _ in batch]
            for (_, done), error in zip(batch, results, strict=True):
                done(error)

    def _commit(self, changes: Sequence[Change]) -> VirtoryError | None:
        db = self._db
        try:
            if not any(_must_last(change) for change in changes):
                db = self._hasty
            if len(changes) == 1 and type(changes[0]) is not RunningRow:
                db.execute(_SQL[type(changes[0])], changes[0])  # one statement is a transaction
                return None
            db.execute("BEGIN IMMEDIATE")
            for change in changes:
                db.execute(_SQL[type(change)], change)
                if type(change) is RunningRow:
                    db.execute(_COUNT, (change.id,))
            db.execute("COMMIT")
        except Exception as error:  # whatever it is, the writer goes on: others wait for it
            if db.in_transaction:
                db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                return explain(error, self.path, "write")
            if isinstance(error, UnicodeError):
                return InternalError(f"text that is not Unicode can not be saved: {error}")
            return InternalError(f"what SQLite can not keep can not be saved: {error}")
        return None


def _must_last(change: Change) -> bool:
    """Whether it matters after a power cut.

    What is told of a guest whose process is known does not: the power ends the process too, and the
    guest is found dead whatever its record says. A definition that was only forgotten may be there
    again, like a removed file: nothing that was asked to be kept is lost.
    """
    if type(change) is RunningRow:
        return change.pid == 0
    return type(change) not in (State, ForgetDomain)


def _settle(future: asyncio.Future[None], error: VirtoryError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
