"""The ports that running guests have on virtual networks.

The rule kept here: read from what each guest has taken, never kept apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.network.ports import GuestPort

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.qemu.table import DomainTable


def guest_ports(table: DomainTable) -> Iterator[GuestPort]:
    """Every port of every guest."""
    for guest in table.guests():
        for tap in guest.plan.taps:
            if tap.network is not None and tap.port is not None:
                yield GuestPort(
                    bytes.fromhex(tap.network),
                    bytes.fromhex(tap.port),
                    guest.entry.name,
                    guest.entry.uuid,
                    tap.guest_mac,
                    tap.name,
                    tap.device or "",
                )
