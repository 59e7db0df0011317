"""Domains in memory: starting, stopping, pausing.

The rule kept here: what can happen when is in `virtory.model.lifecycle`, nowhere else.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from virtory.driver.memory.flags_check import only
from virtory.driver.memory.machine import Machine, understand
from virtory.errors import AgentUnresponsive, ArgumentUnsupported, OperationInvalid
from virtory.model import flags as f
from virtory.model.events import AgentLifecycle, PmWakeup, Reboot
from virtory.model.lifecycle import Trigger, step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.memory.host import Host
    from virtory.model.refs import DomainRef


class Lifecycles:
    """The part of the driver that lets things happen."""

    _host: Host

    async def create_xml(
        self, xml: str, flags: int, owner: object, fds: Sequence[int] = ()
    ) -> DomainRef:
        only(flags, f.DomainStart.ALL, "testDomainCreateXML")
        domain = understand(xml)
        machine = self._host.known(domain)
        if machine is not None and machine.active:
            raise OperationInvalid(f"domain '{machine.name}' is already active")
        if machine is None:
            machine = Machine(self._host, domain)
            machine.definition = None
            self._host.add(machine)
        machine.start(_start_trigger(flags), domain)
        return self._started(machine, flags, owner)

    async def create(
        self, uuid: bytes, flags: int, owner: object, fds: Sequence[int] = ()
    ) -> DomainRef:
        only(flags, f.DomainStart.ALL, "testDomainCreateWithFlags")
        machine = self._host.machine(uuid)
        if machine.active or machine.definition is None:
            raise OperationInvalid("domain is already running")
        saved, machine.saved = machine.saved, None
        if saved is not None and not flags & f.DomainStart.FORCE_BOOT:
            paused = f.DomainSaveRestore.PAUSED if flags & f.DomainStart.PAUSED else 0
            machine.resume_from(saved[0], runs=saved[1], flags=paused)
            return self._started(machine, flags, owner)
        machine.start(_start_trigger(flags), machine.definition)
        return self._started(machine, flags, owner)

    def _started(self, machine: Machine, flags: int, owner: object) -> DomainRef:
        machine.owner = owner if flags & f.DomainStart.AUTODESTROY else None
        if not flags & f.DomainStart.PAUSED:
            self._host.agent_appears(machine)
        return machine.ref

    async def shutdown(self, uuid: bytes, flags: int) -> None:
        only(flags, f.DomainShutdown.ALL, "testDomainShutdownFlags")
        machine = self._host.running(uuid)
        _require_way(machine, flags)
        step(machine.state, Trigger.GUEST_SHUTDOWN)
        asyncio.get_running_loop().call_soon(self._power_itself_off, machine, machine.id)

    def _power_itself_off(self, machine: Machine, domain_id: int) -> None:
        """What the guest does soon after it was asked to."""
        if machine.id != domain_id or machine.state == f.DomainState.PAUSED:
            return
        machine.step(Trigger.GUEST_SHUTDOWN)
        if machine.has_agent():
            reason = f.DomainEventAgentReason.CHANNEL
            state = f.DomainEventAgentState.DISCONNECTED
            self._host.bus.publish(AgentLifecycle(machine.ref, state, reason))
        machine.step(Trigger.STOPPED)

    async def reboot(self, uuid: bytes, flags: int) -> None:
        only(flags, f.DomainReboot.ALL, "testDomainReboot")
        machine = self._host.running(uuid)
        _require_way(machine, flags)
        self._host.bus.publish(Reboot(machine.ref))

    async def reset(self, uuid: bytes, flags: int) -> None:
        only(flags, 0, "testDomainReset")
        machine = self._host.running(uuid)
        machine.step(Trigger.RESET)
        self._host.bus.publish(Reboot(machine.ref))

    async def suspend(self, uuid: bytes) -> None:
        self._host.machine(uuid).step(Trigger.SUSPENDED)

    async def resume(self, uuid: bytes) -> None:
        self._host.machine(uuid).step(Trigger.RESUMED)

    async def destroy(self, uuid: bytes, flags: int) -> None:
        only(flags, f.DomainDestroy.ALL, "testDomainDestroyFlags")
        self._host.machine(uuid).step(Trigger.DESTROYED)

    async def inject_nmi(self, uuid: bytes, flags: int) -> None:
        only(flags, 0, "testDomainInjectNMI")
        self._host.running(uuid)

    async def pm_wakeup(self, uuid: bytes, flags: int) -> None:
        only(flags, 0, "testDomainPMWakeup")
        machine = self._host.machine(uuid)
        machine.step(Trigger.WOKEN)
        self._host.bus.publish(PmWakeup(machine.ref, 0))

    def owner_gone(self, owner: object) -> None:
        """The connection ended: destroy what it started with AUTODESTROY, close its consoles."""
        for machine in list(self._host.machines.values()):
            for console in machine.consoles.values():
                if console.session is not None and console.session.owner is owner:
                    console.session.close()
            if machine.active and machine.owner is owner:
                machine.step(Trigger.DESTROYED)

    def start_marked(self) -> None:
        """Start every domain that is marked for it."""
        for machine in list(self._host.machines.values()):
            if machine.autostart and not machine.active and machine.definition is not None:
                machine.start(Trigger.BOOTED, machine.definition)

    def adopt(self, xml: str, *, running: bool) -> DomainRef:
        """Put a domain there without a word, as a host has some when a daemon first looks."""
        domain = understand(xml)
        machine = Machine(self._host, dataclasses.replace(domain, id=None))
        self._host.add(machine)
        if running:
            machine.start(Trigger.BOOTED, domain)
        return machine.ref


def _start_trigger(flags: int) -> Trigger:
    return Trigger.BOOTED_PAUSED if flags & f.DomainStart.PAUSED else Trigger.BOOTED


def _require_way(machine: Machine, flags: int) -> None:
    """Refuse shutdown and reboot modes that this guest does not offer."""
    mode = f.DomainShutdown
    if flags & (mode.INITCTL | mode.SIGNAL | mode.PARAVIRT):
        raise ArgumentUnsupported("this domain can only be asked by ACPI or by its agent")
    if flags == mode.GUEST_AGENT:
        require_agent(machine)


def require_agent(machine: Machine) -> None:
    """Refuse what needs the guest agent where there is none, or where it can not run."""
    machine.require_active()
    if not machine.has_agent():
        raise ArgumentUnsupported(
            "QEMU guest agent is not configured",
            cure="Add a virtio channel named org.qemu.guest_agent.0 to the domain",
        )
    if machine.state != f.DomainState.RUNNING:
        raise AgentUnresponsive("QEMU guest agent is not connected")
