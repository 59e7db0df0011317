"""Each virtio device of a guest: what it offers, what the guest's driver took, what is behind it.

The rule kept here: QEMU (from 7.2) tells features by name; an older one is not asked twice, and its
devices are told without features.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from virtory.errors import VirtoryError

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.disk import Disk
    from virtory.model.domain.devices.interface import Interface

_ANSWER_S = 5.0
_DRIVER_OK = "VIRTIO_CONFIG_S_DRIVER_OK"
# Bits that are said to be offered because of how QEMU keeps them, not because a guest could have
# them: bit 30, which only a vhost-user back end sees.
_NOT_THE_GUESTS = "VHOST_USER_F_PROTOCOL_FEATURES"


async def virtio_devices(guest: Guest) -> list[dict[str, Any]]:
    """In the order in which QEMU has them."""
    try:
        listed = await guest.execute("x-query-virtio", timeout_s=_ANSWER_S)
    except VirtoryError:
        return [
            {"alias": alias, "kind": None, "backend": backend, "features": None}
            for alias, backend in backends(guest).items()
        ]
    behind = backends(guest)
    found = await asyncio.gather(*(_device(guest, one, behind) for one in listed))
    return sorted((one for one in found if one is not None), key=lambda one: str(one["alias"]))


async def _device(
    guest: Guest, listed: dict[str, Any], behind: dict[str, dict[str, Any]]
) -> dict[str, Any] | None:
    path = str(listed["path"])
    parts = path.split("/")
    alias = parts[3] if len(parts) > 3 and parts[2] == "peripheral" else None
    try:
        told = await guest.execute("x-query-virtio-status", {"path": path}, timeout_s=_ANSWER_S)
    except VirtoryError:
        return None  # it went while we asked
    offered, taken = _features(told["host-features"]), _features(told["guest-features"])
    statuses = [str(one).partition(":")[0] for one in told["status"].get("statuses", ())]
    return {
        "alias": alias,
        "kind": str(told["name"]),
        "queues": int(told["num-vqs"]),
        "driver_running": _DRIVER_OK in statuses,
        "broken": bool(told.get("broken")),
        "in_kernel": bool(told.get("vhost-started")),
        "modern": any(name == "VIRTIO_F_VERSION_1" for name in taken),
        "features": [
            {"name": name, "meaning": meaning, "negotiated": name in taken}
            for name, meaning in offered.items()
        ],
        "backend": behind.get(alias or "", {"type": "qemu"}),
    }


def _features(told: dict[str, Any]) -> dict[str, str]:
    """Name → meaning."""
    pairs = [str(one).partition(": ") for group in ("dev-features", "transports")
             for one in told.get(group, ())]  # fmt: skip
    return {name: meaning for name, _, meaning in pairs if name != _NOT_THE_GUESTS}


def backends(guest: Guest) -> dict[str, dict[str, Any]]:
    """What does the work for each virtio device, by its alias."""
    domain = guest.domain
    found = {disk.alias or "": _of_disk(disk, guest) for disk in domain.devices.disks}
    for card in domain.devices.interfaces:
        found[card.alias or ""] = _of_card(card, guest)
    for rng in domain.devices.rngs:
        found[rng.alias or ""] = {"type": rng.backend.model, "path": rng.backend.path}
    for controller in domain.devices.controllers:
        if controller.type == "virtio-serial":
            found[controller.alias or ""] = {"type": "ports", "ports": _ports(domain)}
        elif controller.type == "scsi":
            found[controller.alias or ""] = {"type": "disks", "disks": _scsi_disks(domain)}
    return {alias: backend for alias, backend in found.items() if alias}


def _of_disk(disk: Disk, guest: Guest) -> dict[str, Any]:
    driver = disk.driver
    images = [image for image in guest.plan.images if image.target == disk.target.dev]
    return {
        "type": "image",
        "path": disk.path,
        "format": driver.type if driver is not None else None,
        "chain": [image.path for image in sorted(images, key=lambda image: image.depth)],
        "cache": (driver.cache if driver is not None else None) or "default",
        "io": (driver.io if driver is not None else None) or "threads",
        "iothread": driver.iothread if driver is not None else None,
        "read_only": disk.readonly,
    }


def _of_card(card: Interface, guest: Guest) -> dict[str, Any]:
    helper = f"passt-{card.alias}"
    kind: str = card.type
    if kind == "user":
        passt = any(one.name == helper for one in guest.plan.helpers)
        kind = "passt" if passt else "slirp"
    source = card.source
    return {
        "type": kind,
        "mac": card.mac.address if card.mac is not None else None,
        "tap": card.target.dev if card.target is not None else None,
        "network": source.network if source is not None else None,
        "bridge": source.bridge if source is not None else None,
        "forwards": [
            f"{forward.proto} {forward.address or '*'}:{ports.start} to {ports.to or ports.start}"
            for forward in card.port_forwards
            for ports in forward.ranges
            if not ports.exclude
        ],
    }


def _ports(domain: Domain) -> list[str]:
    names = [
        str(channel.target.name)
        for channel in domain.devices.channels
        if channel.target.type == "virtio" and channel.target.name
    ]
    names += [
        "console"
        for console in domain.devices.consoles
        if console.target is not None and console.target.type == "virtio"
    ]
    return names


def _scsi_disks(domain: Domain) -> list[str]:
    return [disk.target.dev for disk in domain.devices.disks if disk.target.bus == "scsi"]
