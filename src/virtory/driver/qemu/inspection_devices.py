"""The devices of a machine that QEMU imitates, its screens and its consoles.

The rule kept here: only what the definition holds; no question is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.model.domain import Domain


def emulated_devices(domain: Domain) -> list[dict[str, Any]]:
    """Disks, cards and the like that are no virtio devices: real hardware, imitated."""
    devices = domain.devices
    found: list[dict[str, Any]] = []
    for disk in devices.disks:
        if disk.target.bus != "virtio":
            found.append({"kind": disk.device, "name": disk.target.dev, "model": disk.target.bus})
    for card in devices.interfaces:
        if card.model is not None and not card.model.startswith("virtio"):
            found.append({"kind": "network card", "name": card.alias, "model": card.model})
    for video in devices.videos:
        if video.model is not None and video.model.type not in ("virtio", "none"):
            found.append({"kind": "video", "name": video.alias, "model": video.model.type})
    for sound in devices.sounds:
        found.append({"kind": "sound", "name": sound.alias, "model": sound.model})
    for tpm in devices.tpms:
        found.append({"kind": "tpm", "name": tpm.alias, "model": tpm.model})
    for watchdog in devices.watchdogs:
        found.append({"kind": "watchdog", "name": watchdog.alias, "model": watchdog.model})
    return found


def screens_and_consoles(domain: Domain) -> dict[str, Any]:
    """Ways to look at it from outside."""
    screens = []
    for graphics in domain.devices.graphics:
        listen = graphics.listens[0] if graphics.listens else None
        screens.append(
            {
                "type": graphics.type,
                "address": listen.address if listen is not None else None,
                "socket": listen.socket if listen is not None else None,
                "port": graphics.port if graphics.port and graphics.port > 0 else None,
            }
        )
    consoles = [
        {
            "alias": console.alias,
            "type": console.type,
            "path": next((s.path for s in console.sources if s.path), None),
        }
        for console in domain.devices.consoles
    ]
    return {"screens": screens, "consoles": consoles}
