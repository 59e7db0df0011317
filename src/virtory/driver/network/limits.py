"""Limits of traffic at one device of the host, as rules of nft(8).

The rule kept here: pure. Directions are those of who is behind the device: `inbound` is what it
receives, hence what the host sends out there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.model.domain.devices.interface import Bandwidth, Rate

Limit = tuple[int, int, int]
"""KiB a second over time and at most, KiB at once."""

LEAST_BURST_KIB = 128
"""A frame that a tap takes may have 64 KiB: less at once would let none of those pass."""

WAYS = (("inbound", "egress"), ("outbound", "ingress"))
"""A description's word, the device's hook."""


def limits(bandwidth: Bandwidth | None) -> dict[str, Limit | None]:
    """What a description allows, by its words."""
    found: dict[str, Limit | None] = {}
    for way, _ in WAYS:
        rate: Rate | None = getattr(bandwidth, way, None)
        found[way] = None
        if rate is not None and rate.average:
            burst = max(rate.burst or rate.average, LEAST_BURST_KIB)
            found[way] = (rate.average, max(rate.peak or 0, 0), burst)
    return found


def table_of(device: str) -> str:
    """The name of a device's table, its alone: nft takes all that a device's name can have."""
    return f"virtory_{device}"


def limit_rules(device: str, wanted: dict[str, Limit | None]) -> list[str]:
    """The lines of a transaction that put the limits in force, whatever they were."""
    table = f"netdev {table_of(device)}"
    lines = [f"add table {table}", f"delete table {table}"]
    chains = []
    for way, hook in WAYS:
        limit = wanted.get(way)
        if limit is None:
            continue
        average, peak, burst = limit
        chains += [
            f"chain {way} {{",
            f'type filter hook {hook} device "{device}" priority filter; policy accept;',
            f"limit rate over {average} kbytes/second burst {burst} kbytes drop",
        ]
        if peak > average:
            at_once = f"burst {LEAST_BURST_KIB} kbytes"
            chains.append(f"limit rate over {peak} kbytes/second {at_once} drop")
        chains.append("}")
    return [*lines, f"table {table} {{", *chains, "}"] if chains else lines
