"""`<watchdog>`: what happens when the guest no longer answers its own timer.

The rule kept here: without an action the machine is reset.
"""

from __future__ import annotations

from typing import Literal

from virtory.codec.xml import Attr
from virtory.model.domain.devices.device import Device


class Watchdog(Device, tag="watchdog"):
    """`<watchdog>`: one device."""

    model: Attr[Literal["i6300esb", "ib700", "diag288", "itco"]]
    action: Attr[
        Literal["reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi"]
    ] = "reset"
