"""Reading the store at start: every row that can be understood, and a report of every other.

The rule kept here: one bad row costs one row. It is moved as it is to the table `damaged`.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any, TypeVar

from virtory.driver.store import Damage, DomainRow, Intent, Loaded, ObjectRow, RunningRow

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)

Row = TypeVar("Row", DomainRow, RunningRow, ObjectRow, Intent)

_TABLES: dict[type, tuple[str, tuple[str, ...]]] = {
    DomainRow: ("domain", ("uuid",)),
    RunningRow: ("running", ("uuid",)),
    ObjectRow: ("object", ("kind", "key")),
    Intent: ("intent", ("key",)),
}
"""The table of each kind of row, and the columns that tell one from another."""

_KEYS = {"uuid", "key"}
_TEXTS = {"name", "xml", "os_type", "title", "plan", "sockets", "job", "extra", "kind", "step"}
_OPTIONAL = {"title", "job"}
_FLAGS = {"autostart", "managed_save"}


def load(db: sqlite3.Connection) -> Loaded:
    """All rows of the store; the damaged ones are set aside."""
    damaged: list[Damage] = []
    db.text_factory = bytes
    try:
        domains = _rows(db, DomainRow, damaged)
        running = _rows(db, RunningRow, damaged)
        objects = _rows(db, ObjectRow, damaged)
        intents = _rows(db, Intent, damaged)
        aside = db.execute("SELECT uuid FROM damaged WHERE source IN ('domain', 'running')")
        uuids = frozenset(uuid for (uuid,) in aside if isinstance(uuid, bytes))
    finally:
        db.text_factory = str
    for damage in damaged:
        _log.error("state of %s %r is damaged: %s", *damage)
    return Loaded(domains, running, damaged, objects, intents, uuids)


def _rows(db: sqlite3.Connection, cls: type[Row], damaged: list[Damage]) -> list[Row]:
    whole: list[Row] = []
    for raw in _raw_rows(db, cls, damaged):
        try:
            whole.append(_understand(cls, raw))
        except ValueError as error:
            damaged.append(Damage(_TABLES[cls][0], _named(cls, raw), str(error)))
            _set_aside(db, cls, raw, str(error))
    return whole


def _raw_rows(
    db: sqlite3.Connection, cls: type[Row], damaged: list[Damage]
) -> list[tuple[object, ...]]:
    table, keys = _TABLES[cls]
    every = f"SELECT {', '.join(cls._fields)} FROM {table}"
    try:
        return db.execute(every).fetchall()
    except sqlite3.DatabaseError as error:
        problem = f"a page of the file is unreadable ({error})"
    found: list[tuple[object, ...]] = []
    for key in _keys(db, table, keys):
        try:
            found += db.execute(f"{every} WHERE {_is(keys)}", _bound(keys, key)).fetchall()
        except sqlite3.DatabaseError:
            damaged.append(Damage(table, _shown(key[-1]), problem))
    return found


def _keys(db: sqlite3.Connection, table: str, columns: tuple[str, ...]) -> list[tuple[object, ...]]:
    """The keys that can still be read, from either end of the table."""
    keys: dict[tuple[object, ...], None] = {}
    for way in ("ASC", "DESC"):
        order = ", ".join(f"{column} {way}" for column in columns)
        cursor = db.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}")
        try:
            for key in cursor:
                keys[key] = None
        except sqlite3.DatabaseError:
            continue
    return list(keys)


def _is(columns: tuple[str, ...]) -> str:
    """The condition for one row."""
    return " AND ".join(f"{column} = ?" for column in columns)


def _bound(columns: tuple[str, ...], key: Sequence[object]) -> list[object]:
    """The values for that: a text is read as bytes here, which SQLite holds to be another."""
    return [
        value.decode("utf-8", "replace") if column == "kind" and isinstance(value, bytes) else value
        for column, value in zip(columns, key, strict=True)
    ]


def _understand(cls: type[Row], raw: tuple[object, ...]) -> Row:
    values: list[Any] = [_value(name, value) for name, value in zip(cls._fields, raw, strict=True)]
    row = cls(*values)
    if isinstance(row, DomainRow | RunningRow):
        if not row.name:
            raise ValueError("the name is empty")
        xml = row.xml.strip()
        if not (xml.startswith("<") and xml.endswith("</domain>")):
            raise ValueError("the description is not a domain's XML")
    return row


def _value(name: str, value: object) -> object:
    if name in _KEYS:
        if not isinstance(value, bytes) or (name == "uuid" and len(value) != 16):
            raise ValueError(f"the {name} is not {'16 ' if name == 'uuid' else ''}bytes")
        return value
    if isinstance(value, bytes):
        if name not in _TEXTS:
            raise ValueError(f"{name} is not a number")
        return _text(name, value)
    if value is None:
        if name not in _OPTIONAL:
            raise ValueError(f"{name} is missing")
        return None
    if name in _FLAGS:
        return bool(value)
    if not isinstance(value, int) or name in _TEXTS:
        raise ValueError(f"{name} is of the wrong type")
    return value


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8 text") from None


def _named(cls: type[Row], raw: tuple[object, ...]) -> str:
    """What a damaged row is called: by its name, if it has one that is a text."""
    values = dict(zip(cls._fields, raw, strict=True))
    name = values.get("name")
    if isinstance(name, bytes):
        return name.decode("utf-8", "replace")
    return _shown(values.get("key"))


def _shown(key: object) -> str:
    return key.hex() if isinstance(key, bytes) else "?"


def _set_aside(
    db: sqlite3.Connection, cls: type[Row], raw: tuple[object, ...], problem: str
) -> None:
    table, keys = _TABLES[cls]
    values = dict(zip(cls._fields, raw, strict=True))
    content = "\n".join(
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for name, value in values.items()
        if name not in (*_KEYS, "name")
    )
    db.execute("BEGIN IMMEDIATE")
    db.execute(
        "INSERT INTO damaged (source, problem, uuid, name, content) VALUES (?, ?, ?, ?, ?)",
        (table, problem, values[keys[-1]], values.get("name"), content),
    )
    key = [values[column] for column in keys]
    db.execute(f"DELETE FROM {table} WHERE {_is(keys)}", _bound(keys, key))
    db.execute("COMMIT")
