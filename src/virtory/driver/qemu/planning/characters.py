"""What serial ports, parallel ports, consoles and channels take: sockets, files, their scrollback.

The rule kept here: the daemon binds and opens; what ports print is kept, what channels carry is
not, unless a log is asked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.devices.character import Stream
from virtory.driver.qemu.devices.rng import stream
from virtory.model.domain.devices.channel import Channel
from virtory.model.domain.devices.redirdev import Redirdev
from virtory.model.domain.devices.smartcard import Smartcard

if TYPE_CHECKING:
    from virtory.driver.qemu.planning.draft import Draft
    from virtory.model.domain import Devices


_OURS = (".sock", ".log", ".log.0", ".pid")
"""How the names of other files in a guest's directory end."""


def characters(devices: Devices) -> tuple[Any, ...]:
    """All devices of these kinds that have a back end of their own."""
    consoles = [c for c in devices.consoles if c.target and c.target.type == "virtio"]
    return (
        *devices.serials,
        *devices.parallels,
        *consoles,
        *devices.channels,
        *devices.redirdevs,
        *(each for each in devices.smartcards if each.mode == "passthrough"),
        *(each for each in map(stream, devices.rngs) if each is not None),
    )


def plan_character(device: Any, draft: Draft) -> None:
    """Add one device's socket or file, and its log."""
    alias, source = device.alias or "", device.source
    mode = source.mode if source is not None else None
    if device.type == "unix" and mode != "connect":
        given = draft.own(source.path if source is not None else None)
        draft.listen(f"char:{alias}", given or _socket_name(device, alias))
    elif device.type == "file" and source is not None and source.path:
        draft.open(source.path, "append", f"char:{alias}", create=True)
    elif device.type == "dev" and source is not None and source.path:
        draft.open(source.path, "rw", f"char:{alias}")
    if (
        isinstance(device, Channel | Redirdev | Smartcard | Stream)
        and getattr(device, "log", None) is None
    ):
        return
    log = device.log
    path = log.file if log is not None else os.path.join(draft.directory, f"{alias}.log")
    draft.open(path, "append", f"log:{alias}", create=True)


def _socket_name(device: Any, alias: str) -> str:
    """The channel's name where that is a file's, and none that something else here has."""
    name = getattr(getattr(device, "target", None), "name", None) or ""
    plain = "/" not in name and not name.startswith(".") and not name.endswith(_OURS)
    return name if name and plain else f"{alias}.sock"
