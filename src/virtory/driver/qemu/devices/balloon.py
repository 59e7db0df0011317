"""The balloon: memory that the guest gives back.

The rule kept here: its statistics are switched on over QMP (`command_line.setup`), not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.devices.wiring import Item, Wiring, virtio_options, without_none

if TYPE_CHECKING:
    from virtory.model.domain.devices.balloon import Balloon


def describe(balloon: Balloon, wiring: Wiring) -> list[Item]:
    """The balloon; model `none` is none."""
    if balloon.model == "none":
        return []
    value = {
        "driver": wiring.virtio("virtio-balloon", balloon, balloon.model),
        "id": balloon.alias,
        "deflate-on-oom": balloon.autodeflate,
        "free-page-reporting": balloon.free_page_reporting,
        **virtio_options(balloon.driver),
        **wiring.place(balloon),
    }
    return [Item("device", without_none(value))]
