"""An emulated TPM: swtpm, which QEMU reaches by a socket pair.

The rule kept here: character device, back end, device, in this order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.devices.wiring import Item, Wiring

if TYPE_CHECKING:
    from virtory.model.domain.devices.tpm import Tpm


def describe(tpm: Tpm, wiring: Wiring) -> list[Item]:
    """The three of them."""
    slot = wiring.plan.slot("tpm")
    if slot is None:
        return []
    alias = tpm.alias or "tpm0"
    address = {"type": "fd", "data": {"str": wiring.fd(slot)}}
    socket = {"type": "socket", "data": {"addr": address, "server": False}}
    return [
        Item("chardev", {"id": "chrtpm", "backend": socket}),
        Item("tpmdev", {"type": "emulator", "id": f"tpm-{alias}", "chardev": "chrtpm"}),
        Item("device", {"driver": tpm.model, "tpmdev": f"tpm-{alias}", "id": alias}),
    ]
