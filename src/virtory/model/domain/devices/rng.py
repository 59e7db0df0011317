"""`<rng>`: random numbers for the guest.

The rule kept here: the guest can not drain the host, when a `rate` is given.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, Text
from virtory.model.domain.devices.character import CharacterSource, Protocol, SourceType
from virtory.model.domain.devices.device import Device, VirtioOptions


class RngDriver(VirtioOptions):
    """`<driver>`."""


class RngRate(Element):
    """`<rate>`: `bytes` in each `period` of milliseconds."""

    bytes: Attr[int]
    period: Attr[int | None] = None


class RngBackend(Element):
    """`<backend>`: a device file (`random`), QEMU's own (`builtin`), or a daemon (`egd`)."""

    model: Attr[Literal["random", "egd", "builtin"]]
    type: Attr[SourceType | None] = None
    path: Text[str | None] = None
    sources: tuple[CharacterSource, ...] = ()
    protocol: Annotated[Protocol | None, At("protocol/@type")] = None


class Rng(Device, tag="rng"):
    """`<rng>`: one device."""

    model: Attr[Literal["virtio", "virtio-transitional", "virtio-non-transitional"]]
    rate: RngRate | None = None
    backend: RngBackend
    driver: RngDriver | None = None
