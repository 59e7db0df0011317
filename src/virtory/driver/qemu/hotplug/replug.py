"""A card's tap is taken off one bridge and put on another while the guest runs.

The rule kept here: the plan names the new place before the tap is there, and the old one again when
it could not be moved.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from virtory.driver.qemu import growth, taps
from virtory.driver.qemu.live import live_interface
from virtory.driver.qemu.planning.interfaces import attachment_of
from virtory.errors import OperationUnsupported

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.preparation import Preparation
    from virtory.model.domain.devices.interface import Interface


async def replugged(
    guest: Guest, preparation: Preparation, old: Interface, new: Interface
) -> Interface:
    """The card's live description on its new network or bridge; it is there when this returns.

    Raises OperationUnsupported for a macvtap, SystemCallFailed when the bridge is not there; the
    card is then where it was.
    """
    tap = guest.plan.tap(old.alias)
    await preparation.networks_ready((new,))
    where = attachment_of(new, await preparation.host())
    if tap is None or where is None or tap.mode is not None or where.mode is not None:
        raise OperationUnsupported(
            f"unable to change the source of interface '{old.alias}' while it runs",
            cure="detach the interface and attach another",
        )
    on_network = new.type == "network"
    moved = replace(
        tap,
        device=where.device,
        network=where.uuid.hex() if on_network else None,
        port=uuid.uuid4().hex if on_network else None,
    )
    await growth.put_tap(guest, tap, moved)
    try:
        await asyncio.to_thread(taps.move, moved)
    except BaseException:
        await growth.put_tap(guest, moved, tap)
        raise
    source = replace(new.source, portid=None) if new.source is not None else None
    return live_interface(replace(old, type=new.type, source=source), guest.plan)
