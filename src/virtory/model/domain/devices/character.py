"""What serial ports, consoles, channels and their like share: the host's end of a byte stream.

The rule kept here: `type` says what the host's end is, `source` where; `target`, in the device's
own file, says what the guest sees.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, OnOff, YesNo
from virtory.model.domain.devices.device import Device
from virtory.model.domain.seclabel import SourceSeclabel

SourceType = Literal[
    "pty", "unix", "tcp", "udp", "file", "null", "stdio", "vc", "dev", "pipe", "spicevmc",
    "spiceport", "nmdm", "qemu-vdagent", "dbus",
]  # fmt: skip

Protocol = Literal["raw", "telnet", "telnets", "tls"]


class Reconnect(Element):
    """`<reconnect>`: how a client end comes back; seconds between attempts."""

    enabled: Attr[YesNo]
    timeout: Attr[int | None] = None


class CharacterSource(Element, tag="source"):
    """`<source>`: path, address or options; two of them (`mode` bind and connect) for UDP."""

    mode: Attr[Literal["bind", "connect", "server", "client"] | None] = None
    host: Attr[str | None] = None
    service: Attr[str | None] = None
    tls: Attr[YesNo | None] = None
    path: Attr[str | None] = None
    channel: Attr[str | None] = None
    master: Attr[str | None] = None
    slave: Attr[str | None] = None
    append: Attr[OnOff | None] = None
    clipboard: Annotated[YesNo | None, At("clipboard/@copypaste")] = None
    mouse: Annotated[Literal["server", "client"] | None, At("mouse/@mode")] = None
    reconnect: Reconnect | None = None
    seclabels: tuple[SourceSeclabel, ...] = ()


class Log(Element):
    """`<log>`: a file that gets a copy of what the guest says."""

    file: Attr[str]
    append: Attr[OnOff | None] = None


class CharacterDevice(Device):
    """The parent of devices that are a byte stream on the host."""

    type: Attr[SourceType] = "pty"
    tty: Attr[str | None] = None
    sources: tuple[CharacterSource, ...] = ()
    protocol: Annotated[Protocol | None, At("protocol/@type")] = None
    log: Log | None = None

    @property
    def source(self) -> CharacterSource | None:
        """The only or first source."""
        return self.sources[0] if self.sources else None
