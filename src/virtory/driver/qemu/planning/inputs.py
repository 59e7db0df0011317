"""What input devices of the host take: their event files.

The rule kept here: the daemon opens them; who may is decided by the host's permissions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.driver.qemu.planning.draft import Draft
    from virtory.model.domain.devices.input import Input


def plan_input(device: Input, draft: Draft) -> None:
    """Add the event file of a passed-through or shared device."""
    source = device.source
    path = (source.evdev or source.dev) if source is not None else None
    if device.type in ("passthrough", "evdev") and path is not None:
        draft.open(path, "rw", f"input:{device.alias}")
