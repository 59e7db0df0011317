"""Directories of the host that the guest can mount: 9p by QEMU itself, or virtiofs by virtiofsd.

The rule kept here: QEMU reaches a 9p directory by a descriptor that the daemon opened; virtiofsd is
a process of its own at the other end of a socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.devices.wiring import Item, Wiring, virtio_options, without_none

if TYPE_CHECKING:
    from virtory.model.domain.devices.filesystem import Filesystem

_SECURITY = {"passthrough": "passthrough", "mapped": "mapped", "squash": "none"}


def describe(share: Filesystem, wiring: Wiring, boot_index: int | None = None) -> list[Item]:
    """The host's side, then the device."""
    if share.driver is not None and share.driver.type == "virtiofs":
        return _virtiofs(share, wiring, boot_index)
    return _plan9(share, wiring)


def _virtiofs(share: Filesystem, wiring: Wiring, boot_index: int | None) -> list[Item]:
    slot = wiring.plan.slot(f"fs:{share.alias}")
    address = {"type": "fd", "data": {"str": wiring.fd(slot if slot is not None else 0)}}
    name = f"chr-vu-{share.alias}"
    socket = {"type": "socket", "data": {"addr": address, "server": False}}
    value = {
        "driver": wiring.virtio("vhost-user-fs", share, share.model),
        "id": share.alias,
        "chardev": name,
        "tag": share.target,
        "queue-size": share.driver.queue if share.driver is not None else None,
        "bootindex": boot_index,
        **virtio_options(share.driver),
        **wiring.place(share),
    }
    return [Item("chardev", {"id": name, "backend": socket}), Item("device", without_none(value))]


def _plan9(share: Filesystem, wiring: Wiring) -> list[Item]:
    slot = wiring.plan.slot(f"fs:{share.alias}")
    back_end: dict[str, Any] = {
        "driver": "local",
        "security_model": _SECURITY[share.accessmode or "passthrough"],
        "multidevs": share.multidevs if share.multidevs != "default" else None,
        "writeout": share.driver.wrpolicy if share.driver is not None else None,
        "fmode": None if share.fmode is None else f"{share.fmode:04o}",
        "dmode": None if share.dmode is None else f"{share.dmode:04o}",
        "id": f"fsdev-{share.alias}",
        "path": f"/proc/self/fd/{wiring.fd(slot if slot is not None else 0)}",
        "readonly": "on" if share.readonly else None,
    }
    value = {
        "driver": wiring.virtio("virtio-9p", share, share.model),
        "id": share.alias,
        "fsdev": back_end["id"],
        "mount_tag": share.target,
        **virtio_options(share.driver),
        **wiring.place(share),
    }
    return [Item("fsdev", without_none(back_end)), Item("device", without_none(value))]
