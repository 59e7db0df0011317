"""`<video>`: the graphics card.

The rule kept here: the first card is the primary one unless another says so.
"""

from __future__ import annotations

from typing import Literal

from virtory.codec.xml import Attr, Element, OnOff, YesNo
from virtory.model.domain.devices.device import Device, VirtioOptions

VideoType = Literal[
    "vga", "cirrus", "vmvga", "xen", "vbox", "qxl", "virtio", "gop", "none", "bochs", "ramfb"
]


class VideoDriver(VirtioOptions):
    """`<driver>`."""

    vgaconf: Attr[Literal["io", "on", "off"] | None] = None
    name: Attr[Literal["qemu", "vhostuser"] | None] = None


class Acceleration(Element):
    """`<acceleration>`."""

    accel2d: Attr[YesNo | None] = None
    accel3d: Attr[YesNo | None] = None
    rendernode: Attr[str | None] = None


class Resolution(Element):
    """`<resolution>` in pixels, with which the guest starts."""

    x: Attr[int]
    y: Attr[int]


class VideoModel(Element):
    """`<model>`: the card; its memories are in KiB."""

    type: Attr[VideoType]
    ram: Attr[int | None] = None
    vram: Attr[int | None] = None
    vram64: Attr[int | None] = None
    vgamem: Attr[int | None] = None
    heads: Attr[int | None] = None
    primary: Attr[YesNo | None] = None
    blob: Attr[OnOff | None] = None
    acceleration: Acceleration | None = None
    resolution: Resolution | None = None


class Video(Device, tag="video"):
    """`<video>`: one card."""

    driver: VideoDriver | None = None
    model: VideoModel | None = None
