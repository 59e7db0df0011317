"""One domain in memory: its definition, its running copy and its state.

The rule kept here: state changes only by `step`, which announces what the lifecycle table says.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from virtory.errors import OperationInvalid
from virtory.model import lifecycle
from virtory.model.domain import parse_domain, problems
from virtory.model.events import Lifecycle
from virtory.model.flags import DomainAffect, DomainSaveRestore, DomainState
from virtory.model.refs import DomainRef
from virtory.model.values import Mac, Size, Uuid

if TYPE_CHECKING:
    from virtory.driver.memory.console import Console
    from virtory.driver.memory.host import Host
    from virtory.driver.snapshot_family import Family
    from virtory.model.domain import Domain
    from virtory.model.lifecycle import Trigger

AGENT_CHANNEL = "org.qemu.guest_agent.0"


class Machine:
    """A domain; `definition` is None when transient, `live` is None when not running."""

    def __init__(self, host: Host, definition: Domain) -> None:
        assert definition.uuid is not None
        self.host = host
        self.name = definition.name
        self.uuid = definition.uuid.raw
        self.definition: Domain | None = definition
        self.live: Domain | None = None
        self.state: int = DomainState.SHUTOFF
        self.reason = 0
        self.id = -1
        self.autostart = False
        self.updated = False
        self.owner: object | None = None
        self.consoles: dict[str, Console] = {}
        self.snapshots: Family | None = None
        self.saved: tuple[Domain, bool] | None = None  # its managed save, and whether that ran
        self.frozen = 0
        self.ssh_keys: dict[str, list[str]] = {}
        self.clock_offset_ns = 0
        self._ran_ns = 0
        self._since: float | None = None

    @property
    def ref(self) -> DomainRef:
        """What clients name it by."""
        return DomainRef(self.name, self.uuid, self.id)

    @property
    def active(self) -> bool:
        """Whether it runs, paused included."""
        return self.live is not None

    @property
    def current(self) -> Domain:
        """What it is now: the running copy, else the definition."""
        domain = self.live or self.definition
        assert domain is not None
        return domain

    @property
    def cpu_time_ns(self) -> int:
        """How long its processors have run since power-on, all of them busy."""
        running = self.host.clock() - self._since if self._since is not None else 0
        return (self._ran_ns + round(running * 1e9)) * self.vcpus

    @property
    def vcpus(self) -> int:
        """How many processors it has now."""
        return self.current.vcpu.current or self.current.vcpu.count

    @property
    def memory(self) -> Size:
        """How much memory it has now."""
        return self.current.current_memory or self.current.memory

    def has_agent(self) -> bool:
        """Whether it has a channel for the guest agent; the agent then answers while it runs."""
        channels = self.current.devices.channels
        return any(c.target is not None and c.target.name == AGENT_CHANNEL for c in channels)

    def require_active(self) -> None:
        """Refuse what only a running domain can do."""
        lifecycle.require_active(self.state)

    def affected(self, flags: int) -> tuple[bool, bool]:
        """Whether the running copy and whether the definition is meant by DomainAffect `flags`.

        Raises:
            OperationInvalid: the one that is meant does not exist.
        """
        live, config = bool(flags & DomainAffect.LIVE), bool(flags & DomainAffect.CONFIG)
        if not live and not config:
            live, config = self.active, not self.active
        if live:
            self.require_active()
        if config and self.definition is None:
            raise OperationInvalid("transient domains do not have any persistent config")
        return live, config

    def start(self, trigger: Trigger, live: Domain) -> None:
        """Power on with `live` as the running copy."""
        lifecycle.step(self.state, trigger)
        self.id = self.host.next_id()
        self.live = dataclasses.replace(live, id=self.id)
        self._ran_ns = 0
        self.clock_offset_ns = 0
        self.frozen = 0
        self.host.power_on(self)
        self.step(trigger)

    def start_from(self, domain: Domain, arrived: Trigger) -> None:
        """Power on as a file or a snapshot has it, stopped for now."""
        self.state = lifecycle.step(self.state, lifecycle.Trigger.STARTING).state
        self.id = self.host.next_id()
        self.live = dataclasses.replace(domain, id=self.id)
        self._ran_ns = 0
        self.host.power_on(self)
        self.step(arrived)

    def resume_from(self, domain: Domain, *, runs: bool, flags: int) -> None:
        """Power on as it was saved; `flags` with PAUSED keep it stopped."""
        self.start_from(domain, lifecycle.Trigger.RESTORED)
        if flags & DomainSaveRestore.PAUSED:
            self.step(lifecycle.Trigger.RESTORED_TO_PAUSE)
        else:
            steps = lifecycle.Trigger.RESTORED_PAUSED, lifecycle.Trigger.RESTORED_RUNNING
            self.step(steps[runs])

    def step(self, trigger: Trigger) -> None:
        """Let `trigger` happen; power off when the table says so; announce it."""
        to = lifecycle.step(self.state, trigger)
        self.state = to.state
        if to.reason is not None:
            self.reason = to.reason
        if to.state == DomainState.RUNNING:
            if self._since is None:
                self._since = self.host.clock()
        else:
            self._ran_ns = self.cpu_time_ns // max(self.vcpus, 1)
            self._since = None
        ref = self.ref
        if not lifecycle.is_active(to.state):
            self._power_off()
            ref = self.ref._replace(id=-1)
        self.host.bus.publish(*(Lifecycle(ref, *announcement) for announcement in to.announce))

    def _power_off(self) -> None:
        self.id = -1
        self.live = None if self.definition is not None else self.live
        self.owner = None
        self._ran_ns = 0
        for console in self.consoles.values():
            console.close()
        self.consoles = {}
        self.host.powered_off(self)


def understand(xml: str) -> Domain:
    """A description with what must be there filled in: UUID, MAC addresses, current memory.

    Raises:
        XmlError: it is not valid; all problems at once.
    """
    domain = parse_domain(xml)
    wrong = problems(domain)
    if wrong:
        from virtory.errors import XmlError

        raise XmlError("; ".join(f"{path}: {message}" for path, message in wrong))
    interfaces = tuple(
        card if card.mac is not None else with_mac(card) for card in domain.devices.interfaces
    )
    return dataclasses.replace(
        domain,
        id=None,
        uuid=domain.uuid or Uuid.random(),
        current_memory=domain.current_memory or domain.memory,
        devices=dataclasses.replace(domain.devices, interfaces=interfaces),
    )


def with_mac(card: Interface) -> Interface:
    """The card with an address drawn by lot."""
    from virtory.model.domain.devices.interface import InterfaceMac

    return dataclasses.replace(card, mac=InterfaceMac(address=Mac.random()))


if TYPE_CHECKING:
    from virtory.model.domain.devices.interface import Interface
