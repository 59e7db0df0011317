"""`<smartcard>`: a card reader in the guest.

The rule kept here: the card itself stays with the host or the viewer.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr
from virtory.model.domain.devices.character import CharacterSource, Protocol, SourceType
from virtory.model.domain.devices.device import Device


class Smartcard(Device, tag="smartcard"):
    """`<smartcard>`: one reader."""

    mode: Attr[Literal["host", "host-certificates", "passthrough"]]
    type: Attr[SourceType | None] = None
    certificate: tuple[str, ...] = ()
    database: str | None = None
    sources: tuple[CharacterSource, ...] = ()
    protocol: Annotated[Protocol | None, At("protocol/@type")] = None

    @property
    def source(self) -> CharacterSource | None:
        """The only or first source."""
        return self.sources[0] if self.sources else None
