"""Sockets between guest and host without a network.

The rule kept here: the daemon opens /dev/vhost-vsock, QEMU gets the descriptor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.devices.wiring import Item, Wiring, virtio_options, without_none

if TYPE_CHECKING:
    from virtory.model.domain.devices.vsock import Vsock


def describe(vsock: Vsock, wiring: Wiring) -> list[Item]:
    """The device with this run's number."""
    slot = wiring.plan.slot("vsock")
    value = {
        "driver": wiring.virtio("vhost-vsock", vsock, vsock.model),
        "id": vsock.alias,
        "guest-cid": wiring.plan.cids[0] if wiring.plan.cids else None,
        "vhostfd": wiring.fd(slot) if slot is not None else None,
        **virtio_options(vsock.driver),
        **wiring.place(vsock),
    }
    return [Item("device", without_none(value))]
