"""`<memballoon>`: memory that the guest gives back while it runs.

The rule kept here: model `none` says that the machine has no balloon, unlike an absent element.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, OnOff
from virtory.model.domain.devices.device import Device, VirtioOptions


class BalloonDriver(VirtioOptions):
    """`<driver>`."""


class Balloon(Device, tag="memballoon", last="driver"):
    """`<memballoon>`: the balloon; `stats_period` in seconds."""

    model: Attr[Literal["virtio", "virtio-transitional", "virtio-non-transitional", "xen", "none"]]
    autodeflate: Attr[OnOff | None] = None
    free_page_reporting: Annotated[OnOff | None, At("@freePageReporting")] = None
    stats_period: Annotated[int | None, At("stats/@period")] = None
    driver: BalloonDriver | None = None
