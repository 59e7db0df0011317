"""Random numbers for the guest.

The rule kept here: back end first, device second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.devices.character import Stream, back_end
from virtory.driver.qemu.devices.wiring import Item, Wiring, virtio_options, without_none

if TYPE_CHECKING:
    from virtory.model.domain.devices.rng import Rng


def describe(rng: Rng, wiring: Wiring) -> list[Item]:
    """The source on the host and the device in the guest."""
    source: dict[str, Any] = {"qom-type": f"rng-{rng.backend.model}", "id": f"obj{rng.alias}"}
    if rng.backend.model == "random":
        source["filename"] = rng.backend.path or "/dev/urandom"
    daemon = stream(rng)
    if daemon is not None:
        source["chardev"] = f"char{rng.alias}"
    value: dict[str, Any] = {
        "driver": wiring.virtio("virtio-rng", rng, rng.model),
        "rng": source["id"],
        "id": rng.alias,
        **virtio_options(rng.driver),
        **wiring.place(rng),
    }
    if rng.rate is not None:
        value["max-bytes"] = rng.rate.bytes
        value["period"] = rng.rate.period if rng.rate.period is not None else 1000
    ends = [] if daemon is None else [back_end(daemon, wiring)]
    return [*ends, Item("object", source), Item("device", without_none(value))]


def stream(rng: Rng) -> Stream | None:
    """The connection to an entropy gathering daemon (`egd`)."""
    end = rng.backend
    if end.model != "egd" or end.type is None:
        return None
    return Stream(rng.alias, end.type, end.sources, end.protocol)
