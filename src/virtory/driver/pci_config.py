"""What a PCI device's configuration space says of its links (PCI Express Base, chapter 7.5.3).

The rule kept here: an unprivileged reader gets only its first 64 bytes; what is beyond is unknown.
"""

from __future__ import annotations

import struct
from typing import Literal

from virtory.model.node_device import Link, PciExpress

_EXPRESS = 0x10
_SPEEDS = {1: "2.5", 2: "5", 3: "8", 4: "16", 5: "32", 6: "64"}
_WITHOUT_LINK = {9, 10}  # root complex integrated end point, event collector


def bridge(config: bytes) -> Literal["pci-bridge", "cardbus-bridge"] | None:
    """Which kind of bridge it is, from the header type."""
    kind = config[14] & 0x7F if len(config) > 14 else 0
    return "pci-bridge" if kind == 1 else "cardbus-bridge" if kind == 2 else None


def express(config: bytes) -> PciExpress | None:
    """The PCI Express capability, with what its link can do and does."""
    place = _capability(config, _EXPRESS)
    if place is None:
        return None
    if place + 0x14 > len(config) or (config[place + 2] >> 4) in _WITHOUT_LINK:
        return PciExpress()
    (able,) = struct.unpack_from("<I", config, place + 0x0C)
    (now,) = struct.unpack_from("<H", config, place + 0x12)
    return PciExpress(
        links=(
            Link(
                validity="cap",
                port=able >> 24,
                speed=_SPEEDS.get(able & 0xF),
                width=able >> 4 & 0x3F,
            ),
            Link(validity="sta", speed=_SPEEDS.get(now & 0xF), width=now >> 4 & 0x3F),
        )
    )


def _capability(config: bytes, wanted: int) -> int | None:
    """Where a capability begins; the list may be damaged, so that each place is visited once."""
    if len(config) <= 64 or not config[6] & 0x10:
        return None
    place, seen = config[0x34] & 0xFC, set[int]()
    while place and place not in seen and place + 1 < len(config):
        seen.add(place)
        if config[place] == wanted:
            return place
        place = config[place + 1] & 0xFC
    return None
