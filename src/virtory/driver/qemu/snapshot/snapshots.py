"""Snapshots of domains under QEMU: what is known of them; taking, reverting, deleting.

The rule kept here: lists and lookups, answered from memory; the work is in `taking`,
`reverting` and `deleting`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu.part import Part
from virtory.driver.snapshot_family import Family, shown
from virtory.errors import InvalidArgument, OperationInvalid, OperationTimeout
from virtory.model.snapshot_flags import (
    SnapshotCreate,
    SnapshotDelete,
    SnapshotList,
    SnapshotRevert,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.table import Entry

T = TypeVar("T")

XML_SECURE = 1
_TURN_S = 30.0  # as long as work on a machine waits for other work


class Snapshots(Part):
    """The SnapshotDriver of QEMU."""

    def _family(self, uuid: bytes) -> Family:
        return family_of(self._entry(uuid))

    def names(self, uuid: bytes, flags: int, below: str | None = None) -> list[str]:
        refuse_unknown(flags, SnapshotList.ALL, "qemuDomainListAllSnapshots")
        return [kept.name for kept in self._family(uuid).select(flags, below)]

    def require(self, uuid: bytes, name: str) -> None:
        self._family(uuid).get(name)

    def current(self, uuid: bytes) -> str | None:
        return self._family(uuid).current

    def parent(self, uuid: bytes, name: str) -> str:
        return self._family(uuid).parent(name)

    async def xml(self, uuid: bytes, name: str, flags: int) -> str:
        refuse_unknown(flags, XML_SECURE, "qemuDomainSnapshotGetXMLDesc")
        return shown(self._family(uuid).get(name), secure=bool(flags))

    async def create(self, uuid: bytes, xml: str, flags: int) -> str:
        refuse_unknown(flags, SnapshotCreate.ALL, "qemuSnapshotCreateXML")
        from virtory.driver.qemu.snapshot.taking import Taking

        _refuse_create(flags)
        taking = Taking(self._runtime, self._preparation)
        entry = self._entry(uuid)
        return await self._runtime.whole(self._in_turn(entry, taking.take(entry, xml, flags)))

    async def revert(self, uuid: bytes, name: str, flags: int) -> None:
        refuse_unknown(flags, SnapshotRevert.ALL, "qemuDomainRevertToSnapshot")
        from virtory.driver.qemu.snapshot.reverting import Reverting

        if flags & 3 == 3:
            raise InvalidArgument("running and paused flags are mutually exclusive")
        reverting = Reverting(self._runtime, self._preparation)
        entry = self._entry(uuid)
        # Wherever it was going back to before, it goes there no more.
        if gone := self._runtime.mending.give_up(uuid, "revert"):
            await self._runtime.records.store.save(*gone)
        await self._runtime.whole(self._in_turn(entry, reverting.revert(entry, name, flags)))

    async def delete(self, uuid: bytes, name: str, flags: int) -> None:
        refuse_unknown(flags, SnapshotDelete.ALL, "qemuDomainSnapshotDelete")
        from virtory.driver.qemu.snapshot.deleting import Deleting

        if flags & 5 == 5:
            raise InvalidArgument("children and children_only flags are mutually exclusive")
        deleting = Deleting(self._runtime, self._preparation)
        entry = self._entry(uuid)
        await self._runtime.whole(self._in_turn(entry, deleting.delete(entry, name, flags)))

    async def _in_turn(self, entry: Entry, work: Coroutine[Any, Any, T]) -> T:
        """One machine's snapshots are worked on one after the other: their images are shared."""
        if entry.snapshot_turn is None:
            entry.snapshot_turn = asyncio.Lock()
        turn = entry.snapshot_turn
        try:
            async with asyncio.timeout(_TURN_S if turn.locked() else None):
                await turn.acquire()
        except TimeoutError:
            work.close()
            raise OperationTimeout(
                "cannot acquire state change lock (held by other work on the domain's snapshots)",
                cure=f"wait for that, or destroy domain '{entry.name}'",
            ) from None
        try:
            try:
                await self._runtime.mending.again(entry.uuid)
            except BaseException:
                work.close()
                raise
            return await work
        finally:
            turn.release()


def family_of(entry: Entry) -> Family:
    """The domain's snapshots; made when first asked for."""
    if entry.snapshots is None:
        entry.snapshots = Family(entry.uuid)
    return entry.snapshots


def occupy(runtime: Runtime, entry: Entry, what: str) -> None:
    """Nobody starts or changes a stopped machine meanwhile; undone by `entry.busy = None`."""
    if entry.busy is not None:
        raise OperationInvalid(f"domain is just being {entry.busy}", cure="wait until that is done")
    if entry.guest is not None or entry in runtime.starting:
        raise OperationInvalid("domain is being started", cure="wait until it runs")
    entry.busy = what


def _refuse_create(flags: int) -> None:
    flag = SnapshotCreate
    if flags & flag.REDEFINE and flags & (flag.NO_METADATA | flag.HALT | flag.QUIESCE):
        raise InvalidArgument(
            "redefining a snapshot goes with neither halt, quiesce nor no-metadata"
        )
    if flags & flag.QUIESCE and not flags & flag.DISK_ONLY:
        raise InvalidArgument(
            "Flag 'VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY' is required by flag "
            "'VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE'"
        )
    if flags & flag.CURRENT and flags & flag.NO_METADATA:
        raise InvalidArgument("a snapshot without metadata can not be current")
    if flags & flag.LIVE and flags & flag.DISK_ONLY:
        raise InvalidArgument("live and disk-only snapshots exclude each other")
    if flags & flag.REDEFINE and flags & flag.LIVE:
        raise OperationInvalid("a snapshot that is redefined is not taken")
