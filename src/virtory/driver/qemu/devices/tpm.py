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
    slot, alias = wiring.plan.slot("tpm"), tpm.alias or "tpm0"
    device, cancel = wiring.plan.slot("tpm-device"), wiring.plan.slot("tpm-cancel")
    value = {"driver": tpm.model, "tpmdev": f"tpm-{alias}", "id": alias}
    if device is not None and cancel is not None:
        own = {"type": "passthrough", "id": f"tpm-{alias}", "path": wiring.image_path(device)}
        own["cancel-path"] = wiring.image_path(cancel)
        return [Item("tpmdev", own), Item("device", value)]
    if slot is None:
        return []
    address = {"type": "fd", "data": {"str": wiring.fd(slot)}}
    socket = {"type": "socket", "data": {"addr": address, "server": False}}
    return [
        Item("chardev", {"id": "chrtpm", "backend": socket}),
        Item("tpmdev", {"type": "emulator", "id": f"tpm-{alias}", "chardev": "chrtpm"}),
        Item("device", value),
    ]
