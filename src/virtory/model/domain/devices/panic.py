"""`<panic>`: how a guest's kernel says that it has crashed.

The rule kept here: `on_crash` of the domain decides what follows.
"""

from __future__ import annotations

from typing import Literal

from virtory.codec.xml import Attr
from virtory.model.domain.devices.device import Device


class Panic(Device, tag="panic"):
    """`<panic>`: one device."""

    model: Attr[Literal["isa", "pvpanic", "pseries", "hyperv", "s390"] | None] = None
