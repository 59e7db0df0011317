"""`<input>`: keyboards, mice and tablets.

The rule kept here: a PS/2 keyboard and mouse are part of every PC and named for completeness.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, OnOff
from virtory.model.domain.devices.device import Device, VirtioOptions


class InputDriver(VirtioOptions):
    """`<driver>`."""


class InputSource(Element):
    """`<source>`: the host's event device of a passthrough or evdev input."""

    evdev: Attr[str | None] = None
    dev: Attr[str | None] = None
    grab: Attr[Literal["all"] | None] = None
    grab_toggle: Annotated[str | None, At("@grabToggle")] = None
    repeat: Attr[OnOff | None] = None


class Input(Device, tag="input"):
    """`<input>`: one of them."""

    type: Attr[Literal["tablet", "mouse", "keyboard", "passthrough", "evdev"]]
    bus: Attr[Literal["ps2", "usb", "xen", "virtio", "parallels", "none"] | None] = None
    model: Attr[Literal["virtio", "virtio-transitional", "virtio-non-transitional"] | None] = None
    driver: InputDriver | None = None
    source: InputSource | None = None
