"""Screens: graphics cards, and the VNC server that shows them.

The rule kept here: VNC starts without an address; where it listens is told over QMP (see
`command_line.setup`), with a socket that the daemon has bound.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.devices.wiring import Item, Step, Wiring, virtio_options, without_none

if TYPE_CHECKING:
    from virtory.model.domain.devices.graphics import Graphics
    from virtory.model.domain.devices.video import Video

VIDEO_DRIVERS = {
    "vga": "VGA",
    "cirrus": "cirrus-vga",
    "vmvga": "vmware-svga",
    "qxl": "qxl-vga",
    "virtio": "virtio-vga",
    "bochs": "bochs-display",
    "ramfb": "ramfb",
}


def describe_video(video: Video, wiring: Wiring) -> list[Item]:
    """A graphics card; type `none` is none."""
    model = video.model
    if model is None or model.type == "none":
        return []
    value: dict[str, Any] = {"driver": driver(video), "id": video.alias}
    if model.type == "vga":
        value["vgamem_mb"] = model.vram // 1024 if model.vram else None
    elif model.type == "bochs":
        value["vgamem"] = model.vram * 1024 if model.vram else None
    elif model.type == "qxl":
        value["ram_size"] = (model.ram or 65536) * 1024
        value["vram_size"] = (model.vram or 65536) * 1024
        value["vram64_size_mb"] = model.vram64 // 1024 if model.vram64 else None
        value["vgamem_mb"] = (model.vgamem or 16384) // 1024
        value["max_outputs"] = model.heads
    elif model.type == "virtio":
        value["max_outputs"] = model.heads
        value["blob"] = model.blob
        value.update(virtio_options(video.driver))
    if model.resolution is not None:
        value["xres"], value["yres"] = model.resolution.x, model.resolution.y
    value.update(wiring.place(video))
    return [Item("device", without_none(value))]


def driver(video: Video) -> str:
    """QEMU's name of the card; a second virtio or QXL card has no VGA part."""
    kind = video.model.type if video.model is not None else "cirrus"
    if video.model is not None and not video.model.primary:
        return {"virtio": "virtio-gpu-pci", "qxl": "qxl"}.get(kind, VIDEO_DRIVERS.get(kind, kind))
    return VIDEO_DRIVERS.get(kind, kind)


def password_steps(graphics: Graphics) -> list[Step]:
    """A screen's password and the time until which it holds, as QMP takes them."""
    if graphics.type not in ("vnc", "spice") or graphics.passwd is None:
        return []
    password: dict[str, Any] = {"protocol": graphics.type, "password": graphics.passwd}
    if graphics.connected is not None and graphics.type == "spice":
        password["connected"] = graphics.connected
    steps = [Step("set_password", password)]
    if graphics.passwd_valid_to is not None:
        when = {"protocol": graphics.type, "time": str(moment(graphics.passwd_valid_to))}
        steps.append(Step("expire_password", when))
    return steps


def moment(text: str) -> int:
    """When a password ends, in seconds since 1970: UTC unless it says another; or ValueError."""
    told = datetime.fromisoformat(text)
    return int(told.replace(tzinfo=told.tzinfo or UTC).timestamp())


def vnc_argument(graphics: Graphics, wiring: Wiring) -> str:
    """The value of `-vnc`."""
    parts = ["none"]
    if graphics.passwd is not None:
        parts.append("password=on")
    if graphics.share_policy is not None:
        parts.append(f"share={graphics.share_policy}")
    if graphics.power_control is not None:
        parts.append(f"power-control={'on' if graphics.power_control else 'off'}")
    audios = wiring.domain.devices.audios
    if graphics.audio is not None or audios:
        parts.append(f"audiodev=audio{graphics.audio or audios[0].id}")
    return ",".join(parts)
