"""Reading the store at start: every row that can be understood, and a report of every other.

The rule kept here: one bad row costs one row. It is moved as it is to the table `damaged`.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import Any, TypeVar

from virtory.driver.store import Damage, DomainRow, Intent, Loaded, ObjectRow, RunningRow

_log = logging.getLogger(__name__)

Row = TypeVar("Row", DomainRow, RunningRow)

_TEXTS = {"name", "xml", "os_type", "title", "plan", "sockets", "job", "extra"}
_OPTIONAL = {"title", "job"}
_FLAGS = {"autostart", "managed_save"}


def load(db: sqlite3.Connection) -> Loaded:
    """All rows of the store; the damaged ones are set aside."""
    damaged: list[Damage] = []
    db.text_factory = bytes
    try:
        domains = _rows(db, "domain", DomainRow, damaged)
        running = _rows(db, "running", RunningRow, damaged)
        objects = [ObjectRow(*row) for row in _texts(db, "object", ObjectRow._fields, damaged)]
        intents = [Intent(*row) for row in _texts(db, "intent", Intent._fields, damaged)]
    finally:
        db.text_factory = str
    for damage in damaged:
        _log.error("state of %s %r is damaged: %s", *damage)
    return Loaded(domains, running, damaged, objects, intents)


def _texts(
    db: sqlite3.Connection, table: str, columns: tuple[str, ...], damaged: list[Damage]
) -> list[tuple[Any, ...]]:
    """The rows of a table whose columns are texts but for `key`; a damaged one is set aside."""
    whole: list[tuple[Any, ...]] = []
    try:
        raws = db.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
    except sqlite3.DatabaseError as error:
        damaged.append(Damage(table, "?", f"a page of the file is unreadable ({error})"))
        return whole
    place = columns.index("key")
    for raw in raws:
        try:
            whole.append(
                tuple(
                    value if column == "key" else _text(column, value)
                    for column, value in zip(columns, raw, strict=True)
                )
            )
        except (ValueError, AttributeError) as error:
            key = raw[place]
            damaged.append(Damage(table, bytes(key).hex(), str(error)))
            db.execute("BEGIN IMMEDIATE")
            db.execute(
                "INSERT INTO damaged (source, problem, uuid, content) VALUES (?, ?, ?, ?)",
                (table, str(error), key, repr(raw)),
            )
            db.execute(f"DELETE FROM {table} WHERE key = ?", (key,))
            db.execute("COMMIT")
    return whole


def _rows(db: sqlite3.Connection, table: str, cls: type[Row], damaged: list[Damage]) -> list[Row]:
    columns = ", ".join(cls._fields)
    whole: list[Row] = []
    for raw in _raw_rows(db, table, columns, damaged):
        try:
            whole.append(_understand(cls, raw))
        except ValueError as error:
            name = bytes(raw[1]).decode("utf-8", "replace") if isinstance(raw[1], bytes) else "?"
            _set_aside(db, table, raw, str(error))
            damaged.append(Damage(table, name, str(error)))
    return whole


def _raw_rows(
    db: sqlite3.Connection, table: str, columns: str, damaged: list[Damage]
) -> list[tuple[object, ...]]:
    try:
        return db.execute(f"SELECT {columns} FROM {table}").fetchall()
    except sqlite3.DatabaseError as error:
        problem = f"a page of the file is unreadable ({error})"
    found: list[tuple[object, ...]] = []
    for key in _keys(db, table):
        try:
            found += db.execute(f"SELECT {columns} FROM {table} WHERE uuid = ?", (key,)).fetchall()
        except sqlite3.DatabaseError:
            damaged.append(Damage(table, key.hex(), problem))
    return found


def _keys(db: sqlite3.Connection, table: str) -> list[bytes]:
    """The keys that can still be read, from either end of the table."""
    keys: dict[bytes, None] = {}
    for order in ("ASC", "DESC"):
        cursor = db.execute(f"SELECT uuid FROM {table} ORDER BY uuid {order}")
        try:
            for (key,) in cursor:
                keys[key] = None
        except sqlite3.DatabaseError:
            continue
    return list(keys)


def _understand(cls: type[Row], raw: tuple[object, ...]) -> Row:
    values: list[object] = []
    for name, value in zip(cls._fields, raw, strict=True):
        if name == "uuid":
            if not isinstance(value, bytes) or len(value) != 16:
                raise ValueError("the uuid is not 16 bytes")
        elif isinstance(value, bytes):
            if name not in _TEXTS:
                raise ValueError(f"{name} is not a number")
            value = _text(name, value)
        elif value is None:
            if name not in _OPTIONAL:
                raise ValueError(f"{name} is missing")
        elif name in _FLAGS:
            value = bool(value)
        elif not isinstance(value, int):
            raise ValueError(f"{name} is of the wrong type")
        values.append(value)
    row = cls(*values)  # type: ignore[arg-type]
    if not row.name:
        raise ValueError("the name is empty")
    xml = row.xml.strip()
    if not (xml.startswith("<") and xml.endswith("</domain>")):
        raise ValueError("the description is not a domain's XML")
    return row


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8 text") from None


def _set_aside(db: sqlite3.Connection, table: str, raw: tuple[object, ...], problem: str) -> None:
    content = "\n".join(
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for value in raw[2:]
    )
    db.execute("BEGIN IMMEDIATE")
    db.execute(
        "INSERT INTO damaged (source, problem, uuid, name, content) VALUES (?, ?, ?, ?, ?)",
        (table, problem, raw[0], raw[1], content),
    )
    db.execute(f"DELETE FROM {table} WHERE uuid = ?", (raw[0],))
    db.execute("COMMIT")
