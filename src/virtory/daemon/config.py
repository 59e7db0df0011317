"""What an administrator may set: the daemon's configuration file, as one value.

The rule kept here: `virtoryd.toml` beside this module is the documented default; it sets every key
to the value used when the key is absent, and a key it does not show is refused by name.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from virtory.errors import FROM_CONF, ConfigUnsupported, SystemCallFailed

DEFAULT_FILE = os.path.join(os.path.dirname(__file__), "virtoryd.toml")
SYSTEM_FILE = "/etc/virtory/virtoryd.toml"
LEVELS = ("error", "warning", "info", "debug")


class Sockets(NamedTuple):
    """Who may connect: the group and the modes of a system instance's sockets."""

    group: str = ""
    mode: str = "0660"
    read_only_mode: str = "0666"
    libvirt: bool = False


class Limits(NamedTuple):
    """What one client, and all of them together, may hold."""

    clients: int = 5000
    calls_per_client: int = 64
    queued_bytes_per_client: int = 64 << 20
    queued_event_bytes_per_client: int = 16 << 20
    unfinished_bytes: int = 256 << 20


class Keepalive(NamedTuple):
    """Idle seconds before a client is asked for a sign of life; how many tries end it."""

    interval_s: int = 5
    tries: int = 5


class Log(NamedTuple):
    level: str = "warning"
    json: bool = False


class Config(NamedTuple):
    """Everything the file holds; `qemu` is handed to the driver as it stands."""

    sockets: Sockets = Sockets()
    limits: Limits = Limits()
    keepalive: Keepalive = Keepalive()
    log: Log = Log()
    qemu: dict[str, Any] = {}  # noqa: RUF012 (a NamedTuple's default, never changed)


_TABLES: dict[str, Any] = {
    "sockets": Sockets,
    "limits": Limits,
    "keepalive": Keepalive,
    "log": Log,
}


def load(path: str | None) -> Config:
    """The configuration in `path`; without one, the system file's when it exists, else defaults."""
    if path is None:
        if not os.path.exists(SYSTEM_FILE):
            return Config()
        path = SYSTEM_FILE
    import tomllib

    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except OSError as error:
        raise SystemCallFailed(
            f"cannot read the configuration file {path}: {error.strerror}", errno=error.errno
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _refused(path, f"is not TOML: {error}") from error
    return _config(path, found)


def _refused(path: str, why: str) -> ConfigUnsupported:
    return ConfigUnsupported(
        f"the configuration file {path} {why}",
        cure=f"compare it with the documented default {DEFAULT_FILE}",
        domain=FROM_CONF,
    )


def _config(path: str, found: dict[str, Any]) -> Config:
    values: dict[str, Any] = {}
    for name, table in found.items():
        if name not in {*_TABLES, "qemu"} or not isinstance(table, dict):
            raise _refused(path, f"has an unknown entry '{name}'")
        values[name] = table if name == "qemu" else _table(path, name, table)
    return Config(**values)


def _table(path: str, name: str, table: dict[str, Any]) -> Any:
    cls = _TABLES[name]
    for key, value in table.items():
        if key not in cls._fields:
            raise _refused(path, f"has an unknown entry '{name}.{key}'")
        wanted = type(cls._field_defaults[key])
        if type(value) is not wanted:
            raise _refused(
                path, f"sets '{name}.{key}' to {value!r}, which is not of type {wanted.__name__}"
            )
        if key.endswith("mode") and not (3 <= len(value) <= 4 and set(value) <= set("01234567")):
            raise _refused(path, f"sets '{name}.{key}' to {value!r}, which is no mode like '0660'")
        if key == "level" and value not in LEVELS:
            raise _refused(path, f"sets '{name}.{key}' to {value!r}: use {', '.join(LEVELS)}")
        if wanted is int and value < 1:
            raise _refused(path, f"sets '{name}.{key}' to {value}; it must be at least 1")
    return cls(**table)
