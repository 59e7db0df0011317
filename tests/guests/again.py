"""A driver started again on what runs, for tests and for the programs that they kill."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.driver.qemu.driver import QemuDriver


async def begun(driver: QemuDriver) -> QemuDriver:
    """Start it, and wait also for a QEMU that a busy host has kept from answering in time."""
    await driver.start()
    meetings = [guest.meeting for guest in driver.domain._table.guests() if guest.meeting]
    if late := [meeting for meeting in meetings if not meeting.done()]:
        await asyncio.wait(late)
        await driver._runtime.idle()
    return driver
