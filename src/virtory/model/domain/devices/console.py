"""`<console>`: where the machine's operator types.

The rule kept here: a console with target type `serial` is the first serial port under another name,
not a device of its own.
"""

from __future__ import annotations

from typing import Literal

from virtory.codec.xml import Attr, Element
from virtory.model.domain.devices.character import CharacterDevice, SourceType


class ConsoleTarget(Element):
    """`<target>`: what carries it in the guest."""

    type: Attr[
        Literal["serial", "virtio", "xen", "uml", "lxc", "openvz", "sclp", "sclplm"] | None
    ] = None
    port: Attr[int | None] = None


class Console(CharacterDevice, tag="console"):
    """`<console>`: one console."""

    type: Attr[SourceType] = "pty"
    target: ConsoleTarget | None = None
