"""Domains in memory: lists, lookups, definitions, metadata.

The rule kept here: nothing here starts or stops anything.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from virtory.driver.memory.flags_check import only
from virtory.driver.memory.machine import Machine, understand
from virtory.driver.metadata import find_metadata, with_changed_metadata
from virtory.errors import DomainNotFound, InvalidArgument, OperationInvalid
from virtory.model import flags as f
from virtory.model.domain import format_domain, without_secrets
from virtory.model.domain.problems import name_problem
from virtory.model.events import Lifecycle, MetadataChange

if TYPE_CHECKING:
    from virtory.driver.memory.host import Host
    from virtory.model.domain import Domain
    from virtory.model.refs import DomainRef

_EVENT = f.DomainEventLifecycle


class Definitions:
    """The part of the driver that knows what there is."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def list_all(self, flags: int) -> list[DomainRef]:
        only(flags, f.ConnectListDomains.ALL, "testConnectListAllDomains")
        return [machine.ref for machine in self._host.matching(flags)]

    def by_name(self, name: str) -> DomainRef:
        machine = self._host.named(name)
        if machine is None:
            raise DomainNotFound(f"no domain with matching name '{name}'")
        return machine.ref

    def by_uuid(self, uuid: bytes) -> DomainRef:
        return self._host.machine(uuid).ref

    def by_id(self, domain_id: int) -> DomainRef:
        return self._host.by_id(domain_id).ref

    async def define(self, xml: str, flags: int) -> DomainRef:
        only(flags, f.DomainDefine.ALL, "testDomainDefineXMLFlags")
        domain = understand(xml)
        machine = self._host.known(domain)
        detail = f.DomainEventDefined.ADDED
        if machine is None:
            machine = Machine(self._host, domain)
            self._host.add(machine)
        else:
            detail = f.DomainEventDefined.UPDATED
            machine.updated = machine.active
            machine.definition = domain
        self._host.bus.publish(Lifecycle(machine.ref, _EVENT.DEFINED, detail))
        return machine.ref

    async def undefine(self, uuid: bytes, flags: int) -> None:
        only(flags, f.DomainUndefine.ALL, "testDomainUndefineFlags")
        machine = self._host.machine(uuid)
        if machine.definition is None:
            raise OperationInvalid("cannot undefine transient domain")
        if machine.saved is not None and not flags & f.DomainUndefine.MANAGED_SAVE:
            raise OperationInvalid("Refusing to undefine while domain managed save image exists")
        keep_none = bool(flags & f.DomainUndefine.SNAPSHOTS_METADATA)
        if machine.snapshots and not machine.active and not keep_none:
            count = len(machine.snapshots)
            raise OperationInvalid(f"cannot delete inactive domain with {count} snapshots")
        machine.saved = None
        ref = machine.ref
        machine.definition = None
        machine.autostart = False
        if not machine.active:
            del self._host.machines[uuid]
        self._host.bus.publish(Lifecycle(ref, _EVENT.UNDEFINED, f.DomainEventUndefined.REMOVED))

    async def rename(self, uuid: bytes, name: str, flags: int) -> None:
        only(flags, 0, "testDomainRename")
        machine = self._host.machine(uuid)
        if machine.active:
            raise OperationInvalid("cannot rename active domain")
        if name == machine.name:
            raise OperationInvalid("Can't rename domain to itself")
        if problem := name_problem(name):
            raise InvalidArgument(problem)
        if self._host.named(name) is not None:
            raise OperationInvalid(f"domain with name '{name}' already exists")
        assert machine.definition is not None
        old = machine.ref
        machine.name = name
        machine.definition = dataclasses.replace(machine.definition, name=name)
        self._host.bus.publish(
            Lifecycle(old, _EVENT.UNDEFINED, f.DomainEventUndefined.RENAMED),
            Lifecycle(machine.ref, _EVENT.DEFINED, f.DomainEventDefined.RENAMED),
        )

    async def xml(self, uuid: bytes, flags: int) -> str:
        only(flags, f.DomainXml.ALL, "testDomainGetXMLDesc")
        machine = self._host.machine(uuid)
        domain = machine.current
        if flags & f.DomainXml.INACTIVE and machine.definition is not None:
            domain = machine.definition
        elif flags & f.DomainXml.INACTIVE:
            domain = dataclasses.replace(domain, id=None)
        return format_domain(domain if flags & f.DomainXml.SECURE else without_secrets(domain))

    async def set_autostart(self, uuid: bytes, autostart: bool) -> None:
        machine = self._host.machine(uuid)
        if machine.definition is None:
            raise OperationInvalid("cannot set autostart for transient domain")
        machine.autostart = autostart

    def autostart(self, uuid: bytes) -> bool:
        return self._host.machine(uuid).autostart

    def metadata(self, uuid: bytes, kind: int, uri: str | None, flags: int) -> str:
        only(flags, f.DomainAffect.ALL, "testDomainGetMetadata")
        machine = self._host.machine(uuid)
        live, _ = machine.affected(flags)
        domain = machine.live if live else machine.definition
        assert domain is not None
        return find_metadata(domain, kind, uri)

    async def set_metadata(
        self,
        uuid: bytes,
        kind: int,
        metadata: str | None,
        key: str | None,
        uri: str | None,
        flags: int,
    ) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainSetMetadata")
        machine = self._host.machine(uuid)
        live, config = machine.affected(flags)

        def changed(domain: Domain) -> Domain:
            return with_changed_metadata(domain, kind, metadata, key, uri)

        if live and machine.live is not None:
            machine.live = changed(machine.live)
        if config and machine.definition is not None:
            machine.definition = changed(machine.definition)
        self._host.bus.publish(MetadataChange(machine.ref, kind, uri))

    def is_persistent(self, uuid: bytes) -> bool:
        return self._host.machine(uuid).definition is not None

    def is_updated(self, uuid: bytes) -> bool:
        return self._host.machine(uuid).updated
