"""The networks of a host: lists, lookups, definitions, life.

The rule kept here: a definition and what runs are two; a change of one is saved before it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from typing import TYPE_CHECKING

from virtory.driver.known_flags import refuse_unknown
from virtory.driver.network import life
from virtory.driver.network.attachment import attachment
from virtory.driver.network.changes import Changes
from virtory.driver.network.ports import Ports
from virtory.driver.network.table import KIND, Entry, NetworkTable, entry_of
from virtory.driver.network.watch import RulesWatch
from virtory.driver.store import ForgetObject, ObjectRow
from virtory.errors import (
    FROM_NETWORK,
    InternalError,
    OperationFailed,
    OperationInvalid,
    VirtoryError,
)
from virtory.model.events import NetworkLifecycle
from virtory.model.list_flags import ConnectListNetworks as List
from virtory.model.values import Uuid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence

    from virtory.driver.bus import Bus
    from virtory.driver.network.attachment import Attachment
    from virtory.driver.network.leases import Lease
    from virtory.driver.network.plan import NetworkPlan
    from virtory.driver.network.ports import GuestPort
    from virtory.driver.store import Change, Store
    from virtory.model.network import Network
    from virtory.model.refs import NamedRef

_log = logging.getLogger(__name__)
_MADE = "network-default"
"""The kind of the row that says that the default network was made once."""
VALIDATE = 1
INACTIVE_XML = 1


class Networks(Changes, Ports):
    """Every network of one daemon that is root's.

    Args:
        store: where they are kept.
        bus: where their events go.
        directory: where running ones have their files.
        guests: every port that a running guest has.
        checkpoint: called with the name of each step; a test ends the daemon there.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        directory: str,
        guests: Callable[[], Iterable[GuestPort]],
        checkpoint: Callable[[str], None],
    ) -> None:
        self.store = store
        self.bus = bus
        self.directory = directory
        self.guests = guests
        self.checkpoint = checkpoint
        self.table = NetworkTable()
        self.starting = asyncio.Lock()  # what one has taken, the next sees before it chooses
        self._naming = asyncio.Lock()
        self._claims: dict[Entry, str] = {}  # bridges of networks that are being made
        self._watch = RulesWatch(self._rules_changed)
        self._restoring: asyncio.Task[None] | None = None
        self._unlooked = False  # the host's rules have changed since they were looked at
        self._tasks: set[asyncio.Task[None]] = set()
        self.lease_changed: Callable[[Entry, Lease, bool], None] = lambda *_: None

    # -- with the daemon -------------------------------------------------------------------------
    async def open(self, rows: Sequence[ObjectRow], *, first: bool) -> None:
        """Take up what an earlier daemon left; `first`: since the host booted."""
        made = False
        for row in rows:
            made |= row.kind == _MADE
            if row.kind != KIND:
                continue
            try:
                self.table.add(entry_of(row))
            except ValueError as error:
                _log.error("the record of network '%s' is damaged: %s", row.name, error)
        await asyncio.gather(*(self._find_again(entry) for entry in self.table))
        self.watch()
        if not made:
            try:
                await self._make_default()
            except VirtoryError as error:
                _log.error("the network 'default' can not be made: %s", error)
        for entry in self.table if first else ():
            if entry.autostart and not entry.active:
                try:
                    await self._start(entry)
                except VirtoryError as error:
                    _log.error("network '%s' could not start by itself: %s", entry.name, error)

    async def _find_again(self, entry: Entry) -> None:
        try:
            await life.find_again(self, entry)
        except (VirtoryError, OSError) as error:
            _log.error("network '%s' can not be found again: %s", entry.name, error)

    def close(self) -> None:
        """Let go of everything; networks keep running."""
        for entry in self.table:
            life.deafen(entry)
        self._watch.turn(False)
        for task in self._tasks:
            task.cancel()

    def watch(self) -> None:
        """Hear of changes of the host's rules while a network of ours has some."""
        plans = [entry.plan for entry in self.table if entry.active]
        self._watch.turn(any(plan is not None and plan.table is not None for plan in plans))

    def _rules_changed(self) -> None:
        self._unlooked = True
        if self._restoring is None or self._restoring.done():
            self._restoring = self.run(self._restore_rules())

    async def _restore_rules(self) -> None:
        """Until nothing has changed since it was begun to look."""
        while self._unlooked:
            self._unlooked = False
            await life.restore_rules(self)

    def run(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Do something beside; it ends with the daemon."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _make_default(self) -> None:
        from virtory.driver.network import default

        entry = Entry("default", Uuid.random().raw)
        if self.table.find_name(entry.name) is None:
            entry.definition = await asyncio.to_thread(default.xml, Uuid.of_bytes(entry.uuid))
            entry.is_own_default = True
            self.table.add(entry)
            await self.store.save(entry.row(), ObjectRow(_MADE, b"made", "default", ""))

    # -- lists and lookups -----------------------------------------------------------------------
    def list_all(self, flags: int) -> list[NamedRef]:
        refuse_unknown(flags, List.ALL, "networkConnectListAllNetworks")
        return [entry.ref for entry in self.table if entry.is_known and _passes(entry, flags)]

    def by_name(self, name: str) -> NamedRef:
        return self.table.get_name(name).ref

    def by_uuid(self, uuid: bytes) -> NamedRef:
        return self.table.get(uuid).ref

    def is_active(self, uuid: bytes) -> bool:
        return self.table.get(uuid).active

    def is_persistent(self, uuid: bytes) -> bool:
        return self.table.get(uuid).definition is not None

    def xml(self, uuid: bytes, flags: int) -> str:
        from virtory.model.network import format_network

        refuse_unknown(flags, INACTIVE_XML, "networkGetXMLDesc")
        entry = self.table.get(uuid)
        inactive = bool(flags & INACTIVE_XML)
        network = entry.network(inactive=inactive and entry.definition is not None)
        if entry.active and not inactive:
            count = len(self.ports_of(entry))
            network = dataclasses.replace(network, connections=count or None)
        return format_network(network)

    def bridge_name(self, uuid: bytes) -> str:
        entry = self.table.get(uuid)
        bridge = entry.network().bridge
        if bridge is None or bridge.name is None:
            raise InternalError(
                f"network '{entry.name}' does not have a bridge name.", domain=FROM_NETWORK
            )
        return bridge.name

    def autostart(self, uuid: bytes) -> bool:
        return self.table.get(uuid).autostart

    async def set_autostart(self, uuid: bytes, autostart: bool) -> None:
        entry = self.table.get(uuid)
        if entry.definition is None:
            raise OperationInvalid(
                "cannot set autostart for transient network", domain=FROM_NETWORK
            )
        if entry.autostart is not autostart:
            former, entry.autostart = entry.autostart, autostart
            try:
                await self.store.save(entry.row())
            except VirtoryError:
                entry.autostart = former
                raise

    # -- definition ------------------------------------------------------------------------------
    async def define(self, xml: str, flags: int) -> NamedRef:
        refuse_unknown(flags, VALIDATE, "networkDefineXMLFlags")
        async with self._claimed_in_turn(xml) as (network, known):
            await self.keep(known, network)
        self.bus.publish(NetworkLifecycle(known.ref, life.DEFINED, 0))
        return known.ref

    @contextlib.asynccontextmanager
    async def _claimed_in_turn(self, xml: str) -> AsyncIterator[tuple[Network, Entry]]:
        """A client's description, and the network of its name and UUID, known or new; held."""
        async with self._naming:
            network, entry = await self.read(xml)
            known = entry or Entry(network.name, _raw(network))
            self.table.add(known)
            self._claims[known] = _bridge_name(network)
        try:
            async with known.lock:
                if self.table.find(known.uuid) is not known:  # it was undefined meanwhile
                    self._claimed(network)  # raises when another has the name by now
                    self.table.add(known)
                yield network, known
        finally:
            self._claims.pop(known, None)
            if not known.is_known:
                self.table.remove(known)

    async def undefine(self, uuid: bytes) -> None:
        entry = self.table.get(uuid)
        async with entry.lock:
            if entry.definition is None:
                raise OperationInvalid("can't undefine transient network", domain=FROM_NETWORK)
            former = entry.definition, entry.autostart, entry.is_own_default
            entry.definition, entry.autostart, entry.is_own_default = None, False, False
            change: Change = entry.row()
            if not entry.active:
                self.table.remove(entry)
                change = ForgetObject(KIND, entry.uuid)
            try:
                await self.store.save(change)
            except VirtoryError:
                entry.definition, entry.autostart, entry.is_own_default = former
                self.table.add(entry)
                raise
        self.bus.publish(NetworkLifecycle(entry.ref, life.UNDEFINED, 0))

    async def read(self, xml: str) -> tuple[Network, Entry | None]:
        """A client's description, whole and checked, and the network it changes, if there is one.

        Raises all its problems at once; OperationFailed when another network has its name or UUID,
        InternalError when another has its bridge.
        """
        from virtory.codec.xml import Problem, error_of
        from virtory.driver.network import choice
        from virtory.model.network import parse_network, problems, unserved

        network = parse_network(xml)
        found = [Problem(*each) for each in problems(network)]
        found += [Problem(*each, unsupported=True) for each in unserved(network)]
        if found:
            error = error_of(found, "network")
            error.domain = FROM_NETWORK
            raise error
        entry = self._claimed(network)
        if entry is not None and network.mac is None:
            network = dataclasses.replace(network, mac=entry.network(inactive=True).mac)
        here = await asyncio.to_thread(choice.surroundings)
        others = [each for each in self.table if each is not entry and each.is_known]
        bridges = {each: _bridge_name(each.network(inactive=True)) for each in others}
        bridges |= {each: name for each, name in self._claims.items() if each is not entry}
        network = choice.with_identity(network, bridges.values(), here)
        mine = _bridge_name(network)
        for other, name in bridges.items():
            if name == mine and mine and network.is_ours:
                raise InternalError(
                    f"bridge name '{mine}' already in use by network '{other.name}'",
                    cure="give the network another bridge name, or none to have one chosen",
                    domain=FROM_NETWORK,
                )
            mac = other.network(inactive=True).mac if other.is_known else None
            if network.mac is not None and mac is not None and mac.address == network.mac.address:
                raise OperationFailed(
                    f"MAC address {mac.address} is already the bridge's of network '{other.name}'",
                    cure="leave <mac> away to have one chosen",
                    domain=FROM_NETWORK,
                )
        return network, entry

    def _claimed(self, network: Network) -> Entry | None:
        """The known network of this name and UUID."""
        name = network.name
        entry = None if network.uuid is None else self.table.find(network.uuid.raw)
        if entry is not None:
            if entry.name != name:
                raise OperationFailed(
                    f"network '{entry.name}' is already defined with uuid {network.uuid}",
                    domain=FROM_NETWORK,
                )
            return entry
        entry = self.table.find_name(name)
        if entry is not None:  # also without a UUID: libvirt's clients rely on the refusal
            uuid = Uuid.of_bytes(entry.uuid)
            raise OperationFailed(
                f"network '{name}' already exists with uuid {uuid}",
                cure=f"to change it say <uuid>{uuid}</uuid>, or use net-edit",
                domain=FROM_NETWORK,
            )
        return None

    # -- life ------------------------------------------------------------------------------------
    async def create_xml(self, xml: str, flags: int) -> NamedRef:
        refuse_unknown(flags, VALIDATE, "networkCreateXMLFlags")
        async with self._claimed_in_turn(xml) as (network, known):
            await life.start_transient(self, known, network)
        return known.ref

    async def create(self, uuid: bytes) -> None:
        await self._start(self.table.get(uuid))

    async def _start(self, entry: Entry) -> None:
        async with entry.lock:
            self.table.get(entry.uuid)  # it may have been undefined while others had their turn
            if entry.is_own_default and not entry.active:
                await self._move_default(entry)
            await life.start(self, entry)

    async def _move_default(self, entry: Entry) -> None:
        """Our own default network gives way to whatever took its subnet or bridge meanwhile."""
        from virtory.driver.network import default

        changed = await asyncio.to_thread(default.moved, entry.definition or "")
        if changed is not None:
            entry.definition = changed
            await self.store.save(entry.row())

    async def destroy(self, uuid: bytes) -> None:
        await life.stop(self, self.table.get(uuid))

    # -- for domains -----------------------------------------------------------------------------
    async def make_ready(self, names: Iterable[str]) -> None:
        """Start those of the named networks that start when they are needed."""
        for name in names:
            entry = self.table.find_name(name)
            if entry is not None and entry.is_own_default and not entry.active:
                try:
                    await self._start(entry)
                except OperationInvalid:
                    if not entry.active:  # else another start was quicker
                        raise

    def attachment(self, name: str, portgroup: str | None) -> Attachment:
        """Where an interface on this network is plugged in; the network runs."""
        return attachment(self.table.get_name(name), portgroup)

    def listen(self, entry: Entry) -> None:
        """Hear of the network's leases from now on."""
        life.listen(self, entry)

    def deafen(self, entry: Entry) -> None:
        """Hear no more of them."""
        life.deafen(entry)

    def owner_of(self, device: str) -> str | None:
        """Which running network has a bridge of that name."""
        for entry in self.table:
            if entry.active and entry.plan is not None and entry.plan.bridge == device:
                return entry.name
        return None

    def plug_in_again(self, entry: Entry, plan: NetworkPlan) -> None:
        """Guests that were on the network before it was stopped are on it again."""
        from virtory.driver.network.netlink import Netlink

        if not plan.made:
            return
        with Netlink() as netlink:
            for port in self.guests():
                if port.network == entry.uuid and port.device is not None:
                    try:
                        netlink.set_link(port.device, master=plan.bridge)
                    except OSError as error:
                        _log.warning("%s can not be put on %s: %s", port.device, plan.bridge, error)


def _bridge_name(network: Network) -> str:
    return (network.bridge.name if network.bridge is not None else None) or ""


def _raw(network: Network) -> bytes:
    assert network.uuid is not None
    return network.uuid.raw


def _passes(entry: Entry, flags: int) -> bool:
    groups = (
        (List.ACTIVE, List.INACTIVE, entry.active),
        (List.PERSISTENT, List.TRANSIENT, entry.definition is not None),
        (List.AUTOSTART, List.NO_AUTOSTART, entry.autostart),
    )
    return all(
        not flags & (yes | no) or flags & (yes if answer else no) for yes, no, answer in groups
    )
