"""The host that the domains in memory live on: their registry, ids, clock and bus.

The rule kept here: names and UUIDs are unique; libvirt's words for every refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.memory.console import Console
from virtory.errors import DomainNotFound, OperationFailed
from virtory.model.events import AgentLifecycle
from virtory.model.flags import (
    ConnectListDomains,
    DomainEventAgentReason,
    DomainEventAgentState,
    DomainState,
)
from virtory.model.values import Uuid

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.bus import Bus
    from virtory.driver.memory.machine import Machine
    from virtory.model.domain import Domain

_L = ConnectListDomains


class Host:
    """All machines by UUID, in the order in which they came."""

    def __init__(self, bus: Bus, clock: Callable[[], float], time_ns: Callable[[], int]) -> None:
        self.bus = bus
        self.clock = clock
        self.time_ns = time_ns
        self.machines: dict[bytes, Machine] = {}
        self._last_id = 0

    def next_id(self) -> int:
        """An id that no machine has had."""
        self._last_id += 1
        return self._last_id

    def machine(self, uuid: bytes) -> Machine:
        """The machine; raises DomainNotFound."""
        try:
            return self.machines[uuid]
        except KeyError:
            raise DomainNotFound(f"no domain with matching uuid '{Uuid.of_bytes(uuid)}'") from None

    def running(self, uuid: bytes) -> Machine:
        """The machine, which must be running."""
        machine = self.machine(uuid)
        machine.require_active()
        return machine

    def named(self, name: str) -> Machine | None:
        """The machine of that name, if any."""
        return next((m for m in self.machines.values() if m.name == name), None)

    def by_id(self, domain_id: int) -> Machine:
        """The running machine with this id; raises DomainNotFound."""
        for machine in self.machines.values():
            if machine.id == domain_id and machine.active:
                return machine
        raise DomainNotFound(f"no domain with matching id {domain_id}")

    def matching(self, flags: int) -> list[Machine]:
        """The machines that ConnectListDomains `flags` select; of each group any one will do."""
        return [machine for machine in self.machines.values() if _matches(machine, flags)]

    def known(self, domain: Domain) -> Machine | None:
        """The machine that `domain` describes anew, None when it is a new one.

        Raises:
            OperationFailed: its name or its UUID belongs to another machine.
        """
        assert domain.uuid is not None
        known = self.machines.get(domain.uuid.raw)
        if known is not None and known.name != domain.name:
            raise OperationFailed(
                f"domain '{known.name}' is already defined with uuid {domain.uuid}"
            )
        other = self.named(domain.name)
        if other is not None and other is not known:
            uuid = Uuid.of_bytes(other.uuid)
            raise OperationFailed(f"domain '{domain.name}' already exists with uuid {uuid}")
        return known

    def add(self, machine: Machine) -> None:
        """Take a new machine in."""
        self.machines[machine.uuid] = machine

    def power_on(self, machine: Machine) -> None:
        """Give a machine that is being started its consoles and its agent."""
        machine.consoles = {alias: Console() for alias in console_aliases(machine.current)}

    def agent_appears(self, machine: Machine) -> None:
        """Announce the agent of a machine that has one and has booted."""
        if machine.has_agent():
            self.bus.publish(
                AgentLifecycle(
                    machine.ref, DomainEventAgentState.CONNECTED, DomainEventAgentReason.CHANNEL
                )
            )

    def powered_off(self, machine: Machine) -> None:
        """Forget a machine that had no definition."""
        if machine.definition is None:
            self.machines.pop(machine.uuid, None)


def console_aliases(domain: Domain) -> list[str]:
    """The names of a machine's consoles: aliases where given, else `serial0`, `console0` …

    A console whose target is a serial port is that port, and not counted twice.
    """
    devices = domain.devices
    names = [port.alias or f"serial{i}" for i, port in enumerate(devices.serials)]
    for i, console in enumerate(devices.consoles):
        on_serial = console.target is None or console.target.type in (None, "serial")
        if not (on_serial and devices.serials):
            names.append(console.alias or f"console{i}")
    return names


def _matches(machine: Machine, flags: int) -> bool:
    state = machine.state
    groups = (
        (_L.ACTIVE, machine.active, _L.INACTIVE, not machine.active),
        (
            _L.PERSISTENT,
            machine.definition is not None,
            _L.TRANSIENT,
            machine.definition is None,
        ),
        (_L.AUTOSTART, machine.autostart, _L.NO_AUTOSTART, not machine.autostart),
        (_L.MANAGEDSAVE, bool(machine.saved), _L.NO_MANAGEDSAVE, not machine.saved),
        (_L.HAS_SNAPSHOT, bool(machine.snapshots), _L.NO_SNAPSHOT, not machine.snapshots),
        (_L.HAS_CHECKPOINT, False, _L.NO_CHECKPOINT, True),
        (
            _L.RUNNING,
            state == DomainState.RUNNING,
            _L.PAUSED,
            state == DomainState.PAUSED,
            _L.SHUTOFF,
            state == DomainState.SHUTOFF,
            _L.OTHER,
            state not in (DomainState.RUNNING, DomainState.PAUSED, DomainState.SHUTOFF),
        ),
    )
    for group in groups:
        wanted = [is_so for bit, is_so in zip(group[::2], group[1::2], strict=True) if flags & bit]
        if wanted and not any(wanted):
            return False
    return True
