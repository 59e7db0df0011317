"""Snapshots of domains in memory: the machine's description at a moment, and its state.

The rule kept here: what `snapshot/draft.py` of the QEMU driver checks about images is not checked
here: there are no images.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from virtory.driver.memory.flags_check import only
from virtory.driver.snapshot_family import Family, Kept, shown
from virtory.errors import OperationFailed, OperationInvalid
from virtory.model.flags import DomainState
from virtory.model.lifecycle import Trigger
from virtory.model.snapshot import (
    Memory,
    SnapshotDisk,
    SnapshotDisks,
    format_snapshot,
    parse_snapshot,
)
from virtory.model.snapshot_flags import (
    SnapshotCreate,
    SnapshotDelete,
    SnapshotList,
    SnapshotRevert,
)

if TYPE_CHECKING:
    from virtory.driver.memory.host import Host
    from virtory.driver.memory.machine import Machine
    from virtory.model.domain import Domain
    from virtory.model.snapshot import Where

_WORDS = {DomainState.RUNNING: "running", DomainState.SHUTOFF: "shutoff"}


class MemorySnapshots:
    """The SnapshotDriver of `test:///default`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def _family(self, uuid: bytes) -> Family:
        machine = self._host.machine(uuid)
        if machine.snapshots is None:
            machine.snapshots = Family(uuid)
        return machine.snapshots

    def names(self, uuid: bytes, flags: int, below: str | None = None) -> list[str]:
        only(flags, SnapshotList.ALL, "testDomainListAllSnapshots")
        return [kept.name for kept in self._family(uuid).select(flags, below)]

    def require(self, uuid: bytes, name: str) -> None:
        self._family(uuid).get(name)

    def current(self, uuid: bytes) -> str | None:
        return self._family(uuid).current

    def parent(self, uuid: bytes, name: str) -> str:
        return self._family(uuid).parent(name)

    async def xml(self, uuid: bytes, name: str, flags: int) -> str:
        only(flags, 1, "testDomainSnapshotGetXMLDesc")
        return shown(self._family(uuid).get(name), secure=bool(flags))

    async def create(self, uuid: bytes, xml: str, flags: int) -> str:
        only(flags, SnapshotCreate.ALL, "testDomainSnapshotCreateXML")
        machine, family = self._host.machine(uuid), self._family(uuid)
        asked = parse_snapshot(xml, lenient=True)
        now = self._host.time_ns() // 10**9
        name = asked.name or str(now)
        redefine = bool(flags & SnapshotCreate.REDEFINE)
        if name in family.by_name and not redefine:
            raise OperationFailed(f"domain moment {name} already exists")
        disk_only = bool(flags & SnapshotCreate.DISK_ONLY)
        state = "disk-snapshot" if disk_only else _WORDS.get(machine.state, "paused")
        kind: Where = "external" if disk_only else "internal"
        parent = family.current
        if redefine:
            state = asked.state or state
            parent = asked.parent.name if asked.parent is not None else None
        memory: Where = "internal" if state in ("running", "paused") else "no"
        snapshot = dataclasses.replace(
            asked,
            name=name,
            state=state,
            parent=None,
            creation_time=asked.creation_time if redefine else now,
            memory=Memory(snapshot=memory),
            disks=_disks(machine.current, kind),
            domain=dataclasses.replace(machine.current, id=None),
        )
        kept = Kept(name, parent, state, now, disk_only, format_snapshot(snapshot), {})
        if not flags & SnapshotCreate.NO_METADATA:
            family.put(kept, current=not redefine or bool(flags & SnapshotCreate.CURRENT))
        if flags & SnapshotCreate.HALT and machine.active:
            machine.step(Trigger.HALTED_BY_SNAPSHOT)
        return name

    async def revert(self, uuid: bytes, name: str, flags: int) -> None:
        only(flags, SnapshotRevert.ALL, "testDomainRevertToSnapshot")
        machine, kept = self._host.machine(uuid), self._family(uuid).get(name)
        domain = parse_snapshot(kept.xml, lenient=True).domain
        if domain is None:
            raise OperationInvalid(f"snapshot '{name}' lacks domain rollback info")
        if machine.definition is not None:
            machine.definition = domain
        self._family(uuid).mark(name)
        runs = kept.state == "running" or bool(flags & SnapshotRevert.RUNNING)
        runs = runs and not flags & SnapshotRevert.PAUSED
        if kept.state not in ("running", "paused") and not flags & 3:
            if machine.active:
                machine.step(Trigger.REVERTED_OFF)
            return
        _as_it_was(machine, domain, runs=runs)

    async def delete(self, uuid: bytes, name: str, flags: int) -> None:
        only(flags, SnapshotDelete.ALL, "testDomainSnapshotDelete")
        family = self._family(uuid)
        family.get(name)
        doomed = []
        if flags & (SnapshotDelete.CHILDREN | SnapshotDelete.CHILDREN_ONLY):
            doomed = [kept.name for kept in family.descendants(name)]
        if not flags & SnapshotDelete.CHILDREN_ONLY:
            doomed.append(name)
        family.remove(doomed)


def _as_it_was(machine: Machine, domain: Domain, *, runs: bool) -> None:
    if not machine.active:
        machine.start_from(domain, Trigger.FROM_SNAPSHOT)
    else:
        if machine.state == DomainState.RUNNING:
            machine.step(Trigger.REVERT_PAUSED)
        machine.live = dataclasses.replace(domain, id=machine.id)
    machine.step(Trigger.REVERTED_RUNNING if runs else Trigger.REVERTED_PAUSED)


def _disks(domain: Domain, kind: Where) -> SnapshotDisks:
    disks = []
    for disk in domain.devices.disks:
        mode: Where = "no" if disk.readonly or disk.source is None else kind
        disks.append(SnapshotDisk(name=disk.target.dev, snapshot=mode))
    return SnapshotDisks(disks=tuple(disks))
