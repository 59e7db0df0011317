"""The driver's places and the administrator's wishes, from the `[qemu]` table of the configuration.

The rule kept here: an unknown or ill-typed entry is refused by name; nothing is looked up here.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any, NamedTuple

from virtory.errors import FROM_CONF, ConfigUnsupported

_SYSTEM_STATE = "/var/lib/virtory"
_LONGEST_RUN_DIRECTORY = 60
"""Sockets below it have up to 47 bytes more; Linux allows 107."""

_LARGEST_ID = (1 << 32) - 2

_KNOWN: dict[str, type] = {
    "user": int,
    "group": int,
    "first_uid": int,
    "prefer_passt": bool,
    "run_directory": str,
    "log_directory": str,
    "cache_directory": str,
}


class Settings(NamedTuple):
    """`of_host` are fields of `planning.host.Host` that win over what is found."""

    state_directory: str
    run_directory: str
    cache_directory: str
    log_directory: str
    privileged: bool
    of_host: dict[str, Any]


def settings_of(state: str, privileged: bool, table: dict[str, Any]) -> Settings:
    """The settings of an instance that keeps its state in the directory `state`."""
    for key, value in table.items():
        kind = _KNOWN.get(key)
        if kind is None:
            raise _refused(f"has an unknown entry 'qemu.{key}'")
        if type(value) is not kind:
            raise _refused(f"sets 'qemu.{key}' to {value!r}, which is not of type {kind.__name__}")
        if type(value) is int and not 0 < value <= _LARGEST_ID:
            raise _refused(f"sets 'qemu.{key}' to {value}: guests run as ordinary users only")
    of_host: dict[str, Any] = {"privileged": privileged}
    if "user" in table:
        of_host["user"] = (table["user"], table.get("group", table["user"]))
    if "first_uid" in table:
        of_host["first_uid"] = table["first_uid"]
    if "prefer_passt" in table:
        of_host["prefers_passt"] = table["prefer_passt"]
    state = os.path.abspath(state)
    return Settings(
        state_directory=state,
        run_directory=table.get("run_directory") or _run_directory(state, privileged),
        cache_directory=table.get("cache_directory") or os.path.join(state, "cache"),
        log_directory=table.get("log_directory") or _log_directory(state, privileged),
        privileged=privileged,
        of_host=of_host,
    )


def _run_directory(state: str, privileged: bool) -> str:
    """On the state's own path when that is short enough for a socket's name."""
    if privileged and state == _SYSTEM_STATE:
        return "/run/virtory/qemu"
    own = os.path.join(state, "run")
    if len(os.fsencode(own)) <= _LONGEST_RUN_DIRECTORY:
        return own
    name = hashlib.sha256(os.fsencode(state)).hexdigest()[:12]
    if privileged:
        return f"/run/virtory-{name}"
    if base := os.environ.get("XDG_RUNTIME_DIR"):
        return f"{base}/virtory-{name}"
    return f"/tmp/virtory-{os.getuid()}-{name}"


def _log_directory(state: str, privileged: bool) -> str:
    if privileged and state == _SYSTEM_STATE:
        return "/var/log/virtory/qemu"
    return os.path.join(state, "log")


def _refused(why: str) -> ConfigUnsupported:
    return ConfigUnsupported(
        f"the daemon's configuration {why}",
        cure=f"known entries of [qemu] are {', '.join(_KNOWN)}",
        domain=FROM_CONF,
    )
