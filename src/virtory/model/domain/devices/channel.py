"""`<channel>`: named byte streams between guest and host, such as the guest agent's.

The rule kept here: `target.name` is the name by which programs in the guest find it.
"""

from __future__ import annotations

from typing import Literal

from virtory.codec.xml import Attr, Element
from virtory.model.domain.devices.character import CharacterDevice


class ChannelTarget(Element):
    """`<target>`: the channel's kind and name; `state` says whether the guest has it open."""

    type: Attr[Literal["virtio", "guestfwd", "xen"]]
    name: Attr[str | None] = None
    state: Attr[Literal["connected", "disconnected"] | None] = None
    address: Attr[str | None] = None
    port: Attr[int | None] = None


class Channel(CharacterDevice, tag="channel"):
    """`<channel>`: one channel."""

    target: ChannelTarget
