"""SPICE: the server that shows the screen, plays the sound and carries USB devices.

The rule kept here: a password is told over QMP (see `command_line.setup`), never in an argument;
until then nobody gets in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.machine_text import escaped
from virtory.driver.qemu.planning.displays import spice_socket

if TYPE_CHECKING:
    from virtory.driver.qemu.devices.wiring import Wiring
    from virtory.model.domain.devices.graphics import Graphics


def argument(graphics: Graphics, number: int, wiring: Wiring) -> str:
    """The value of `-spice`; `number` is the display's among all."""
    parts = _place(graphics, number, wiring)
    if graphics.passwd is None:
        parts.append("disable-ticketing=on")
    if graphics.default_mode == "insecure":
        parts.append("plaintext-channel=default")
    parts += [f"plaintext-channel={c.name}" for c in graphics.channels if c.mode == "insecure"]
    for option, value in (
        ("image-compression", graphics.image),
        ("jpeg-wan-compression", graphics.jpeg),
        ("zlib-glz-wan-compression", graphics.zlib),
        ("playback-compression", _on(graphics.playback)),
        ("streaming-video", graphics.streaming),
        ("agent-mouse", {"client": "on", "server": "off"}.get(graphics.mouse or "")),
        ("disable-copy-paste", "on" if graphics.clipboard is False else None),
        ("disable-agent-file-xfer", "on" if graphics.filetransfer is False else None),
    ):
        if value is not None:
            parts.append(f"{option}={value}")
    return ",".join([*parts, "seamless-migration=on"])


def _place(graphics: Graphics, number: int, wiring: Wiring) -> list[str]:
    listen = graphics.listens[0] if graphics.listens else None
    if listen is None or listen.type == "none":
        return []
    if listen.type == "socket":
        return ["unix=on", f"addr={spice_socket('', number)[1:]}"]  # from where QEMU runs
    address = escaped(listen.address or "127.0.0.1")
    return [f"port={wiring.plan.vnc_ports[number]}", f"addr={address}"]


def _on(value: bool | None) -> str | None:
    return None if value is None else "on" if value else "off"
