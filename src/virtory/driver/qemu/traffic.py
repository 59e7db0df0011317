"""Limits of a card's traffic: nft's rate limits on its tap.

The rule kept here: directions are the guest's: `inbound` is what it receives. What is over the rate
is dropped at the tap; the table bears the tap's name, and goes with it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver import typed_params
from virtory.driver.network.limits import WAYS, limit_rules, limits
from virtory.errors import FROM_NETWORK, InvalidArgument, OperationFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.plan import Tap
    from virtory.model.domain.devices.interface import Bandwidth, Interface
    from virtory.model.refs import Param


def rules(tap: Tap) -> str:
    """The transaction that puts the tap's limits in force, whatever they were; pure."""
    wanted = {"inbound": tap.inbound, "outbound": tap.outbound}
    return "\n".join(limit_rules(tap.name, wanted)) + "\n"


def limit(tap: Tap) -> None:
    """Put the limits in force; blocking. Raises OperationFailed, OpenFailed."""
    from virtory.driver.network.firewall import find_program, transaction

    find_program("nft", "nftables", f"limiting the traffic of '{tap.name}'")
    said = transaction(rules(tap))
    if said:
        raise OperationFailed(
            f"the traffic of '{tap.name}' can not be limited: {said}",
            cure="leave <bandwidth> away; limits need Linux 5.16 or newer",
            domain=FROM_NETWORK,
        )


def free(tap: Tap) -> None:
    """Take the limits away; blocking, and no error when there are none."""
    from virtory.driver.network.firewall import transaction

    transaction(rules(replace(tap, inbound=None, outbound=None)))


# -- while it runs -------------------------------------------------------------------------------


def changed(bandwidth: Bandwidth | None, params: Sequence[Param]) -> Bandwidth | None:
    """The limits with these parameters (`inbound.average` …); an average of 0 ends a direction.

    Raises InvalidArgument for a parameter that is none, or that is not served.
    """
    from virtory.model.domain.devices.interface import Bandwidth, Rate

    wanted = {way: getattr(bandwidth, way, None) or Rate() for way, _ in WAYS}
    for param in params:
        way, _, what = param.field.partition(".")
        if way not in wanted or what not in ("average", "peak", "burst", "floor"):
            raise InvalidArgument(f"parameter '{param.field}' not supported")
        value = typed_params.number(param)
        if what == "floor" and value:
            raise InvalidArgument("a floor needs a network that shares out its bandwidth")
        changes: dict[str, Any] = {what: value or None}
        wanted[way] = replace(wanted[way], **changes)
    for way, rate in wanted.items():
        if (
            rate.average is None
            and (rate.peak or rate.burst)
            and getattr(bandwidth, way, None) is None
        ):
            raise InvalidArgument(f"{way}.average must be given with its peak and burst")
    kept = {way: rate if rate.average else None for way, rate in wanted.items()}
    return Bandwidth(**kept) if any(kept.values()) else None


async def relimit(guest: Guest, card: Interface) -> None:
    """Let the limits of a running guest's card be those of its description."""
    from virtory.driver.qemu import growth

    tap = guest.plan.tap(card.alias)
    assert tap is not None
    wanted: dict[str, Any] = limits(card.bandwidth)
    new = replace(tap, **wanted)
    await growth.put_tap(guest, tap, new)
    try:
        await asyncio.to_thread(limit, new)
    except BaseException:
        await growth.put_tap(guest, new, tap)
        raise
