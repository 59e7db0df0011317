"""Every domain that the driver knows, in memory: found by UUID, name or number, filtered for lists.

The rule kept here: definitions stay text until somebody needs to look inside, so that a thousand
defined domains cost a thousand strings; a running domain's value is its guest's. An entry that has
neither a definition nor a guest is no domain: it only keeps name and UUID for those who hold it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from virtory.driver.interface import DomainRef
from virtory.driver.store import DomainRow
from virtory.errors import DomainNotFound, OperationInvalid
from virtory.model.flags import ConnectListDomains as List
from virtory.model.flags import DomainShutoffReason, DomainState
from virtory.model.values import Uuid

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from virtory.driver.qemu.guest import Guest
    from virtory.driver.snapshot_family import Family
    from virtory.driver.store import RunningRow
    from virtory.model.domain import Domain
    from virtory.model.refs import Param


class Entry:
    """One domain, running or not.

    `row` is the persistent definition, None for a transient domain; while the domain runs it is
    what the next start uses. `state` and `reason` are libvirt's numbers. `holds` counts the calls
    under way that make or end it: until all are done its name and UUID are nobody else's, so that
    what is saved of it is saved in order.
    """

    __slots__ = (
        "_turn",
        "busy",
        "guest",
        "holds",
        "last_job",
        "name",
        "reason",
        "returning",
        "row",
        "saved_row",
        "saved_running",
        "snapshot_turn",
        "snapshots",
        "state",
        "updated",
        "uuid",
    )

    def __init__(self, name: str, uuid: bytes, row: DomainRow | None = None) -> None:
        self.name = name
        self.uuid = uuid
        self.row = row
        self.guest: Guest | None = None
        self.holds = 0
        self.last_job: tuple[int, list[Param]] = (0, [])  # how its last save, dump … ended
        self.snapshot_turn: asyncio.Lock | None = None  # held by work on its snapshots
        self.busy: str | None = None  # what is done to it while it is off: "cloned" …
        self.returning = False  # it has ended only to be started as a snapshot has it
        self.updated = False  # the definition is not what runs
        self.state: int = DomainState.SHUTOFF
        self.reason: int = DomainShutoffReason.UNKNOWN if row is None else row.reason
        self.saved_row: DomainRow | None = None  # what is on disk; `records` keeps these
        self.saved_running: RunningRow | None = None
        self.snapshots: Family | None = None  # None: it has none
        self._turn: asyncio.Lock | None = None

    @property
    def ref(self) -> DomainRef:
        guest = self.guest
        return DomainRef(self.name, self.uuid, guest.id if guest is not None else -1)

    @property
    def turn(self) -> asyncio.Lock:
        """Held by whoever changes the definition: see `part.redefining`."""
        if self._turn is None:
            import asyncio

            self._turn = asyncio.Lock()
        return self._turn

    @property
    def is_known(self) -> bool:
        """Whether it is a domain: defined, running or both."""
        return self.row is not None or self.guest is not None

    @property
    def is_persistent(self) -> bool:
        return self.row is not None

    @property
    def autostart(self) -> bool:
        return self.row is not None and self.row.autostart

    def definition(self) -> DomainRow:
        """The persistent definition; OperationInvalid for a transient domain."""
        if self.row is None:
            raise OperationInvalid("transient domains do not have any persistent config")
        return self.row

    def configuration(self) -> Domain:
        """The persistent definition as a value; parsed, for it is rarely needed."""
        return parsed(self.definition().xml)

    def current(self) -> Domain:
        """What runs, or what would."""
        return self.guest.domain if self.guest is not None else self.configuration()

    def running(self) -> Guest:
        """The guest; OperationInvalid without one."""
        if self.guest is None:
            raise OperationInvalid("domain is not running")
        return self.guest


@functools.lru_cache(maxsize=8)
def parsed(xml: str) -> Domain:
    """What a definition says; a few are remembered, for work on a machine asks more than once."""
    from virtory.model.domain import parse_domain  # costs more than a small daemon's start

    return parse_domain(xml, lenient=True)


def row_of(domain: Domain, uuid: bytes, xml: str, *, autostart: bool = False) -> DomainRow:
    """What the store keeps of a definition."""
    return DomainRow(
        uuid=uuid,
        name=domain.name,
        xml=xml,
        autostart=autostart,
        os_type=domain.os.type.kind,
        title=domain.title,
        vcpus=domain.vcpu.current or domain.vcpu.count,
        max_vcpus=domain.vcpu.count,
        memory_kib=(domain.current_memory or domain.memory).kib,
        max_memory_kib=domain.memory.kib,
    )


class DomainTable:
    """The known domains."""

    def __init__(self) -> None:
        self._by_uuid: dict[bytes, Entry] = {}
        self._by_name: dict[str, Entry] = {}
        self._by_id: dict[int, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._by_uuid.values()))

    def __len__(self) -> int:
        return len(self._by_uuid)

    def add(self, entry: Entry) -> None:
        self._by_uuid[entry.uuid] = entry
        self._by_name[entry.name] = entry

    def hold(self, entry: Entry) -> None:
        """Keep the entry, whatever becomes of the domain, until `let_go`."""
        entry.holds += 1

    def let_go(self, entry: Entry) -> None:
        """Undo one `hold`; an entry that is no domain any more is dropped with the last."""
        entry.holds -= 1
        if entry.holds == 0 and not entry.is_known:
            if self._by_uuid.get(entry.uuid) is entry:
                del self._by_uuid[entry.uuid]
            if self._by_name.get(entry.name) is entry:
                del self._by_name[entry.name]

    def rename(self, entry: Entry, name: str) -> None:
        del self._by_name[entry.name]
        entry.name = name
        self._by_name[name] = entry

    def attach(self, entry: Entry, guest: Guest) -> None:
        entry.guest = guest
        self._by_id[guest.id] = entry

    def detach(self, entry: Entry) -> None:
        if entry.guest is not None:
            self._by_id.pop(entry.guest.id, None)
            entry.guest = None

    # -- lookups -------------------------------------------------------------------------------
    def find(self, uuid: bytes) -> Entry | None:
        """The entry with this UUID, even one that is only held."""
        return self._by_uuid.get(uuid)

    def find_name(self, name: str) -> Entry | None:
        """The entry with this name, even one that is only held."""
        return self._by_name.get(name)

    def get(self, uuid: bytes) -> Entry:
        """Raises DomainNotFound; the handler appends the name that the client sent."""
        entry = self._by_uuid.get(uuid)
        if entry is None or not entry.is_known:
            raise DomainNotFound(f"no domain with matching uuid '{Uuid.of_bytes(uuid)}'")
        return entry

    def get_name(self, name: str) -> Entry:
        entry = self._by_name.get(name)
        if entry is None or not entry.is_known:
            raise DomainNotFound(f"no domain with matching name '{name}'")
        return entry

    def get_id(self, number: int) -> Entry:
        entry = self._by_id.get(number)
        if entry is None:
            raise DomainNotFound(f"no domain with matching id {number}")
        return entry

    def guests(self) -> list[Guest]:
        """All that run, or are being started."""
        return [entry.guest for entry in self._by_id.values() if entry.guest is not None]

    def awaits_answer(self, uuid: bytes) -> bool:
        """Whether the domain's QEMU, found again by this daemon, has still to answer it."""
        entry = self._by_uuid.get(uuid)
        meeting = entry.guest.meeting if entry is not None and entry.guest is not None else None
        return meeting is not None and not meeting.done()

    def display_ports(self) -> frozenset[int]:
        """The TCP ports of their displays, also of those that QEMU has still to bind."""
        return frozenset(port for guest in self.guests() for port in guest.plan.vnc_ports if port)

    def select(self, flags: int) -> list[Entry]:
        """The domains that `flags` (`ConnectListDomains`) let through; 0: all."""
        if not flags & List.ALL:
            return [entry for entry in self._by_uuid.values() if entry.is_known]
        return [
            entry for entry in self._by_uuid.values() if entry.is_known and _passes(entry, flags)
        ]


_GROUPS = (
    (List.ACTIVE, List.INACTIVE),
    (List.PERSISTENT, List.TRANSIENT),
    (List.AUTOSTART, List.NO_AUTOSTART),
    (List.MANAGEDSAVE, List.NO_MANAGEDSAVE),
    (List.HAS_SNAPSHOT, List.NO_SNAPSHOT),
    (List.HAS_CHECKPOINT, List.NO_CHECKPOINT),
)
_STATES = List.RUNNING | List.PAUSED | List.SHUTOFF | List.OTHER
_STATE_BIT = {
    DomainState.RUNNING: List.RUNNING,
    DomainState.PAUSED: List.PAUSED,
    DomainState.SHUTOFF: List.SHUTOFF,
}


def _passes(entry: Entry, flags: int) -> bool:
    """Within a group any bit lets through; every group that has a bit set must."""
    answers = (
        entry.guest is not None,
        entry.is_persistent,
        entry.autostart,
        entry.row is not None and entry.row.managed_save,
        bool(entry.snapshots),
        False,
    )
    for (yes, no), answer in zip(_GROUPS, answers, strict=True):
        if flags & (yes | no) and not flags & (yes if answer else no):
            return False
    return not flags & _STATES or bool(flags & _STATE_BIT.get(entry.state, List.OTHER))
