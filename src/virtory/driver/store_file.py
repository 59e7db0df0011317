"""The file below the store: its lock, its schema and its migrations, and what SQLite's errors mean.

The rule kept here: nothing opens unless it is ours alone, of a schema we know, and writable; each
refusal says what to do.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from typing import TYPE_CHECKING

from virtory.errors import InternalError, OpenFailed, SystemCallFailed, VirtoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Migration = Callable[[sqlite3.Connection], None]

FILE = "state.sqlite"
LOCK = "lock"
_HANDED_DOWN_S = 10.0
APPLICATION_ID = 0x76697274  # "virt"

_FIRST_SCHEMA = """
CREATE TABLE domain (
    uuid BLOB PRIMARY KEY NOT NULL CHECK (length(uuid) = 16),
    name TEXT NOT NULL UNIQUE,
    xml TEXT NOT NULL,
    autostart INTEGER NOT NULL,
    managed_save INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    os_type TEXT NOT NULL,
    title TEXT,
    vcpus INTEGER NOT NULL,
    max_vcpus INTEGER NOT NULL,
    memory_kib INTEGER NOT NULL,
    max_memory_kib INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE running (
    uuid BLOB PRIMARY KEY NOT NULL CHECK (length(uuid) = 16),
    name TEXT NOT NULL UNIQUE,
    id INTEGER NOT NULL UNIQUE,
    pid INTEGER NOT NULL,
    start_time INTEGER NOT NULL,
    state INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    plan TEXT NOT NULL,
    sockets TEXT NOT NULL,
    xml TEXT NOT NULL,
    job TEXT,
    extra TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE damaged (
    found TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    source TEXT NOT NULL,
    problem TEXT NOT NULL,
    uuid BLOB,
    name BLOB,
    content BLOB
);
"""

_OBJECTS_SCHEMA = """
CREATE TABLE object (
    kind TEXT NOT NULL,
    key BLOB NOT NULL,
    name TEXT NOT NULL,
    xml TEXT NOT NULL,
    extra TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE intent (
    key BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 16),
    kind TEXT NOT NULL,
    step TEXT NOT NULL
) WITHOUT ROWID;
"""


def _statements(script: str) -> Migration:
    def run(db: sqlite3.Connection) -> None:
        for statement in filter(str.strip, script.split(";\n")):
            db.execute(statement)

    return run


MIGRATIONS: list[Migration] = [_statements(_FIRST_SCHEMA), _statements(_OBJECTS_SCHEMA)]
"""Step n makes schema n+1 of schema n; an empty file is schema 0. Only ever append."""


def take_lock(directory: str) -> int:
    """The descriptor that holds this directory's lock; closing it gives the lock back.

    Raises:
        OpenFailed: another daemon holds it, or the directory can not be written.
    """
    path = os.path.join(directory, LOCK)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(directory, error) from None
    try:
        if not _locked(lock):
            holder = _holder(lock) or "unknown"
            os.close(lock)
            raise OpenFailed(
                f"the state directory {directory} is in use by another virtoryd, process {holder}",
                cure=f"Use that one, end it (kill {holder}), or name another directory with "
                "--state",
            )
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    except OSError as error:
        os.close(lock)
        raise _unusable(directory, error) from None
    return lock


def _locked(lock: int) -> bool:
    """Whether it is ours now; a moment is waited for where who had it has died, or is dying.

    A killed daemon has it until its last thread has ended. A child that it had just made has it,
    too, until it becomes another program.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        from virtory.driver.qemu.process import lives_on

        holder = _holder(lock)
        if not holder.isdecimal() or lives_on(int(holder)):
            return False
        waiting = threading.Thread(target=fcntl.flock, args=(lock, fcntl.LOCK_EX), daemon=True)
        waiting.start()
        waiting.join(_HANDED_DOWN_S)
        return not waiting.is_alive()
    return True


def _holder(lock: int) -> str:
    return os.pread(lock, 32, 0).decode("ascii", "replace").strip()


def open_database(
    directory: str, migrations: Sequence[Migration] = tuple(MIGRATIONS)
) -> sqlite3.Connection:
    """The database in `directory`, made or migrated when need be."""
    path = os.path.join(directory, FILE)
    if os.path.exists(path) and not os.access(path, os.W_OK):  # SQLite would open it for reading
        raise SystemCallFailed(
            f"cannot write the state file {path}",
            errno=errno.EACCES,
            cure=f"Make it writable for uid {os.geteuid()}",
        )
    try:
        _make_private(path)
        db = connect(path)
    except OSError as error:
        raise _unusable(directory, error) from None
    except sqlite3.Error as error:
        raise explain(error, path, "open") from error
    try:
        db.execute("PRAGMA journal_mode = WAL")
        _migrate(db, path, migrations)
    except sqlite3.Error as error:
        db.close()
        raise explain(error, path, "open") from error
    except VirtoryError:
        db.close()
        raise
    return db


def _make_private(path: str) -> None:
    """Definitions hold passwords: whatever the directory's mode, only its owner reads them.

    SQLite gives the files that it makes beside this one the same mode.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for each in (path, f"{path}-wal", f"{path}-shm"):
        if os.path.exists(each) and os.stat(each).st_mode & 0o077:
            os.chmod(each, 0o600)


def connect(path: str) -> sqlite3.Connection:
    """A connection in autocommit mode, with every commit on disk before it returns."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    _prepare(db, "PRAGMA synchronous = FULL")
    return db


def _prepare(db: sqlite3.Connection, *pragmas: str) -> None:
    """A connection that does not take them is closed: the error alone would keep its file open."""
    try:
        for pragma in pragmas:
            db.execute(pragma)
    except sqlite3.Error:
        db.close()
        raise


def open_hasty(path: str) -> sqlite3.Connection:
    """A connection that does not wait for the disk: to tell one to costs more than another.

    What it commits may be as before after a power cut, not after a crash of the daemon; the next
    commit that is waited for carries it to the disk too. Its files are open when this returns.
    """
    try:
        db = connect(path)
        # What the other commits empties the cache.
        _prepare(
            db, "PRAGMA synchronous = NORMAL", "PRAGMA cache_size = 32", "PRAGMA schema_version"
        )
    except sqlite3.Error as error:
        raise explain(error, path, "open") from error
    return db


def explain(error: sqlite3.Error, path: str, action: str) -> VirtoryError:
    """What an SQLite error means for the user."""
    name = getattr(error, "sqlite_errorname", "") or ""
    text = f"cannot {action} the state file {path}: {error}"
    if name.startswith("SQLITE_FULL"):
        cure = f"Free some space on the file system of {path} and try again; nothing was changed"
        return SystemCallFailed(text, errno=errno.ENOSPC, cure=cure)
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        cure = f"Make {os.path.dirname(path)} writable for uid {os.geteuid()}"
        return SystemCallFailed(text, errno=errno.EACCES, cure=cure)
    if name.startswith("SQLITE_IOERR"):
        cure = "Look at the kernel's log (dmesg) for failures of the disk"
        return SystemCallFailed(text, errno=errno.EIO, cure=cure)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        cure = f"Move {path} away, save what is readable with `sqlite3 {path} .recover`, restart"
        return OpenFailed(text, cure=cure)
    if name.startswith("SQLITE_BUSY"):
        return OpenFailed(text, cure=f"End the program that has {path} open")
    return InternalError(text)


def _unusable(directory: str, error: OSError) -> VirtoryError:
    return SystemCallFailed(
        f"cannot use the state directory {directory}: {error.strerror}",
        errno=error.errno,
        cure=f"Make it writable for uid {os.geteuid()}, or name another one with --state",
    )


def _migrate(db: sqlite3.Connection, path: str, migrations: Sequence[Migration]) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    application = db.execute("PRAGMA application_id").fetchone()[0]
    if application not in (0, APPLICATION_ID) or (version and not application):
        raise OpenFailed(
            f"{path} belongs to another program (application id 0x{application:x})",
            cure="Name another directory with --state",
        )
    if version > len(migrations):
        raise OpenFailed(
            f"{path} has schema {version}, this virtoryd knows schemas up to {len(migrations)}",
            cure="Start the newer virtoryd that wrote it, or name another directory with --state",
        )
    if version == len(migrations):
        return
    if version:
        _keep_copy(db, f"{path}.schema-{version}")
    db.execute("BEGIN IMMEDIATE")
    try:
        for migration in migrations[version:]:
            migration(db)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(migrations)}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _keep_copy(db: sqlite3.Connection, path: str) -> None:
    """What was there before a migration, in one file beside it."""
    if not os.path.exists(path):
        _make_private(path)  # SQLite fills an empty file
        db.execute("VACUUM INTO ?", (path,))
