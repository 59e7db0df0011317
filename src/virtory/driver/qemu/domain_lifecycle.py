"""Starting, stopping, pausing: what changes whether a domain runs.

The rule kept here: a call returns when what it asked for is true, saved and announced; the guest's
own cooperation (shutdown, reboot) is asked for, not waited for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import events
from virtory.driver.qemu.part import Part
from virtory.driver.qemu.preparation import Wanted
from virtory.driver.qemu.start import start
from virtory.errors import (
    AgentUnresponsive,
    ArgumentUnsupported,
    OperationInvalid,
    SystemCallFailed,
    VirtoryError,
)
from virtory.model.flags import (
    DomainDestroy,
    DomainReboot,
    DomainShutdown,
    DomainStart,
    DomainState,
)
from virtory.model.lifecycle import Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.interface import DomainRef, Owner
    from virtory.driver.qemu.agent import Agent
    from virtory.driver.qemu.guest import Guest

_GRACEFUL_S = 30.0
"""How long QEMU is waited for, as in libvirt, when nothing harder follows."""
_START = DomainStart.PAUSED | DomainStart.AUTODESTROY | DomainStart.BYPASS_CACHE
_START |= DomainStart.FORCE_BOOT | DomainStart.VALIDATE | DomainStart.RESET_NVRAM
_SHUTDOWN = DomainShutdown.ACPI_POWER_BTN | DomainShutdown.GUEST_AGENT
_REBOOT = DomainReboot.ACPI_POWER_BTN | DomainReboot.GUEST_AGENT


class DomainLives(Part):
    """What starts, ends and interrupts a run."""

    async def create_xml(
        self, xml: str, flags: int, owner: Owner, fds: Sequence[int] = ()
    ) -> DomainRef:
        refuse_unknown(flags, _START, "qemuDomainCreateXML")
        _refuse_descriptors(fds)
        wanted = await self._preparation.read(xml)
        entry = wanted.claim(self._table, running_is_fine=False)
        try:
            await start(self._runtime, self._preparation, entry, wanted, flags, owner)
        finally:
            self._table.let_go(entry)
        return entry.ref

    async def create(
        self, uuid: bytes, flags: int, owner: Owner, fds: Sequence[int] = ()
    ) -> DomainRef:
        refuse_unknown(flags, _START, "qemuDomainCreateWithFlags")
        _refuse_descriptors(fds)
        entry = self._entry(uuid)
        if entry.guest is not None:
            raise OperationInvalid("domain is already running")
        await self._runtime.mending.again(uuid)  # it may change the definition
        if entry.row is not None and entry.row.managed_save:
            from virtory.driver.qemu.domain_saves import DomainSaves

            saves = DomainSaves(self._runtime, self._preparation)
            if await saves.start_managed(entry, flags, owner):
                return entry.ref
        wanted = Wanted(entry.configuration(), None)
        await start(self._runtime, self._preparation, entry, wanted, flags, owner)
        return entry.ref

    # -- the guest is asked --------------------------------------------------------------------
    async def shutdown(self, uuid: bytes, flags: int) -> None:
        refuse_unknown(flags, _SHUTDOWN, "qemuDomainShutdownFlags")
        guest = self._guest(uuid)
        async with guest.job("shutdown"):
            if guest.entry.state != DomainState.RUNNING:
                raise OperationInvalid("domain is not running", cure="resume it, or destroy it")
            guest.reboot_wanted = False
            await self._press(guest, "powerdown", flags, guest.domain.on_poweroff)

    async def reboot(self, uuid: bytes, flags: int) -> None:
        refuse_unknown(flags, _REBOOT, "qemuDomainReboot")
        guest = self._guest(uuid)
        async with guest.job("reboot"):
            await self._press(guest, "reboot", flags, guest.domain.on_reboot)

    async def _press(self, guest: Guest, mode: str, flags: int, action: str) -> None:
        """By the agent when asked for or, without a word, where it answers; else by ACPI."""
        by_agent = bool(flags & DomainShutdown.GUEST_AGENT)
        by_acpi = bool(flags & DomainShutdown.ACPI_POWER_BTN)
        if by_agent or not by_acpi:
            try:
                agent = usable_agent(guest)
                guest.reboot_wanted = False
                await agent.shut_down(mode)
                return
            except VirtoryError:
                if by_agent and not by_acpi:
                    raise
        if mode == "reboot":
            guest.reboot_wanted = action not in ("destroy", "preserve")
        await guest.soon("system_powerdown")

    # -- the machine is told -------------------------------------------------------------------
    async def reset(self, uuid: bytes, flags: int) -> None:
        refuse_unknown(flags, 0, "qemuDomainReset")
        guest = self._guest(uuid)
        async with guest.job("reset"):
            await press_reset(guest)
            if guest.entry.state != DomainState.SHUTDOWN:  # as <on_reboot> may have it
                guest.step(Trigger.RESET)
            await guest.settled()

    async def suspend(self, uuid: bytes) -> None:
        guest = self._guest(uuid)
        async with guest.job("suspend"):
            state = guest.entry.state
            if state == DomainState.PMSUSPENDED:
                raise OperationInvalid("domain is pmsuspended")
            if state != DomainState.PAUSED:
                guest.pause_cause = Trigger.SUSPENDED
                await guest.soon("stop")
                refuse_off(guest)
                await guest.settled()

    async def resume(self, uuid: bytes) -> None:
        guest = self._guest(uuid)
        async with guest.job("resume"):
            state = guest.entry.state
            if state == DomainState.PMSUSPENDED:
                raise OperationInvalid("domain is pmsuspended")
            if state == DomainState.RUNNING:
                raise OperationInvalid("domain is already running")
            await guest.soon("cont")
            await guest.settled()

    async def destroy(self, uuid: bytes, flags: int) -> None:
        """Without the lock: it must also end what a stuck job holds."""
        refuse_unknown(flags, DomainDestroy.ALL, "qemuDomainDestroyFlags")
        guest = self._guest(uuid)
        if guest.ending in (None, Trigger.REVERTED_OFF):  # then it is not started again either
            guest.ending = Trigger.DESTROYED
        process = guest.process
        if process is not None:
            graceful = bool(flags & DomainDestroy.GRACEFUL)
            grace_s = _GRACEFUL_S if graceful else None
            if not await guest.end_process(grace_s, force=not graceful):
                guest.ending = None
                raise SystemCallFailed(
                    f"Failed to terminate process {guest.pid} with "
                    f"{'SIGTERM' if graceful else 'SIGKILL'}: Device or resource busy",
                    errno=16,
                    cure="destroy without --graceful" if graceful else None,
                )
        await guest.finished
        if flags & DomainDestroy.REMOVE_LOGS:
            await self._preparation.remove_log(guest.entry.name)

    async def inject_nmi(self, uuid: bytes, flags: int) -> None:
        refuse_unknown(flags, 0, "qemuDomainInjectNMI")
        guest = self._guest(uuid)
        async with guest.job("inject-nmi"):
            await guest.soon("inject-nmi")

    async def pm_wakeup(self, uuid: bytes, flags: int) -> None:
        refuse_unknown(flags, 0, "qemuDomainPMWakeup")
        guest = self._guest(uuid)
        async with guest.job("wakeup"):
            await guest.soon("system_wakeup")
            await guest.settled()

    def owner_gone(self, owner: Owner) -> None:
        for guest in self._table.guests():
            guest.consoles.owner_gone(owner)
            if guest.owner is owner:
                guest.end_soon(Trigger.DESTROYED)


async def press_reset(guest: Guest) -> None:
    """Reset the machine; QEMU answers before it does so, and tells when it has, or ends."""
    done = guest.resetting = asyncio.get_running_loop().create_future()
    try:
        await guest.soon("system_reset")
        ends: list[asyncio.Future[Any]] = [done, guest.finished]
        await asyncio.wait(ends, timeout=guest.patience_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        guest.resetting = None


def refuse_off(guest: Guest) -> None:
    """Raise when it went off before it could be stopped: there is nothing to keep.

    One that is kept when it is off (`<on_poweroff>preserve`) is still there.
    """
    if guest.rebooting:
        raise OperationInvalid("domain is just being rebooted", cure="try again")
    if guest.ending is not None:
        raise OperationInvalid("domain is not running: it has just gone off, or was ended")


def _refuse_descriptors(fds: Sequence[int]) -> None:
    if fds:
        raise ArgumentUnsupported(
            "descriptors are passed only to containers; a machine takes none",
            cure="start it without descriptors",
        )


def usable_agent(guest: Guest) -> Agent:
    """The agent, of a guest that runs; ArgumentUnsupported without a channel for it.

    Raises AgentUnresponsive when it is not there.
    """
    if guest.entry.state != DomainState.RUNNING:
        raise OperationInvalid("domain is not running", cure="resume it")
    if guest.agent is None:
        raise ArgumentUnsupported(
            "QEMU guest agent is not configured",
            cure=f"add a channel named '{events.AGENT_CHANNEL}' to the domain",
        )
    if not guest.agent.connected:
        raise AgentUnresponsive(
            "QEMU guest agent is not connected",
            cure="install and start qemu-guest-agent inside the guest",
        )
    return guest.agent
