"""`<vsock>`: sockets between guest and host without a network.

The rule kept here: a guest's number (`cid`) is 3 or more and unique on the host.
"""

from __future__ import annotations

from typing import Literal

from virtory.codec.xml import Attr, Element, YesNo
from virtory.model.domain.devices.device import Device, VirtioOptions


class VsockDriver(VirtioOptions):
    """`<driver>`."""


class Cid(Element):
    """`<cid>`: the number, or that one is chosen at each start."""

    auto: Attr[YesNo | None] = None
    address: Attr[int | None] = None


class Vsock(Device, tag="vsock", last="driver"):
    """`<vsock>`: the device."""

    model: Attr[Literal["virtio", "virtio-transitional", "virtio-non-transitional"] | None] = None
    cid: Cid | None = None
    driver: VsockDriver | None = None
