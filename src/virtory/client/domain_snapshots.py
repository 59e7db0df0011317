"""A domain's snapshots and checkpoints: create, list, look up.

The rule kept here: what is found is an object of `snapshot.py`, which does the rest.
"""

from __future__ import annotations

from virtory.client.domain_handle import DomainHandle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.client import snapshot
    from virtory.client.snapshot import Checkpoint, Snapshot
    from virtory.wire.remote import domain_checkpoint as w_checkpoint
    from virtory.wire.remote import domain_snapshot as w
else:
    snapshot = Later("virtory.client.snapshot")
    w_checkpoint = Later("virtory.wire.remote.domain_checkpoint")
    w = Later("virtory.wire.remote.domain_snapshot")


class DomainSnapshots(DomainHandle):
    """What a domain was."""

    __slots__ = ()

    async def create_snapshot(self, xml: str, *, flags: int = 0) -> Snapshot:
        """`DOMAIN_SNAPSHOT_CREATE_XML`: take a snapshot as `xml` describes it."""
        args = w.DomainSnapshotCreateXmlArgs(self.ref, xml, flags)
        ret = await self._call(w.DOMAIN_SNAPSHOT_CREATE_XML, args)
        return snapshot.Snapshot(self.host, ret.snap)

    async def snapshots(self, *, flags: int = 0) -> list[Snapshot]:
        """`DOMAIN_LIST_ALL_SNAPSHOTS` (supersedes `DOMAIN_SNAPSHOT_LIST_NAMES`): all, or roots."""
        args = w.DomainListAllSnapshotsArgs(self.ref, 1, flags)
        ret = await self._call(w.DOMAIN_LIST_ALL_SNAPSHOTS, args)
        return [snapshot.Snapshot(self.host, ref) for ref in ret.snapshots]

    async def snapshot_count(self, *, flags: int = 0) -> int:
        """`DOMAIN_SNAPSHOT_NUM`: how many snapshots it has."""
        args = w.DomainSnapshotNumArgs(self.ref, flags)
        return (await self._call(w.DOMAIN_SNAPSHOT_NUM, args)).num

    async def snapshot(self, name: str, *, flags: int = 0) -> Snapshot:
        """`DOMAIN_SNAPSHOT_LOOKUP_BY_NAME`: raises `SnapshotNotFound`."""
        args = w.DomainSnapshotLookupByNameArgs(self.ref, name, flags)
        ret = await self._call(w.DOMAIN_SNAPSHOT_LOOKUP_BY_NAME, args)
        return snapshot.Snapshot(self.host, ret.snap)

    async def has_current_snapshot(self, *, flags: int = 0) -> bool:
        """`DOMAIN_HAS_CURRENT_SNAPSHOT`: whether it stems from a snapshot."""
        args = w.DomainHasCurrentSnapshotArgs(self.ref, flags)
        return bool((await self._call(w.DOMAIN_HAS_CURRENT_SNAPSHOT, args)).result)

    async def current_snapshot(self, *, flags: int = 0) -> Snapshot:
        """`DOMAIN_SNAPSHOT_CURRENT`: the snapshot it stems from; raises `SnapshotNotFound`."""
        args = w.DomainSnapshotCurrentArgs(self.ref, flags)
        ret = await self._call(w.DOMAIN_SNAPSHOT_CURRENT, args)
        return snapshot.Snapshot(self.host, ret.snap)

    async def create_checkpoint(self, xml: str, *, flags: int = 0) -> Checkpoint:
        """`DOMAIN_CHECKPOINT_CREATE_XML`: mark a point in time for incremental backups."""
        args = w_checkpoint.DomainCheckpointCreateXmlArgs(self.ref, xml, flags)
        ret = await self._call(w_checkpoint.DOMAIN_CHECKPOINT_CREATE_XML, args)
        return snapshot.Checkpoint(self.host, ret.checkpoint)

    async def checkpoints(self, *, flags: int = 0) -> list[Checkpoint]:
        """`DOMAIN_LIST_ALL_CHECKPOINTS`: all, or roots, as `flags` say."""
        args = w_checkpoint.DomainListAllCheckpointsArgs(self.ref, 1, flags)
        ret = await self._call(w_checkpoint.DOMAIN_LIST_ALL_CHECKPOINTS, args)
        return [snapshot.Checkpoint(self.host, ref) for ref in ret.checkpoints]

    async def checkpoint(self, name: str, *, flags: int = 0) -> Checkpoint:
        """`DOMAIN_CHECKPOINT_LOOKUP_BY_NAME`: raises `CheckpointNotFound`."""
        args = w_checkpoint.DomainCheckpointLookupByNameArgs(self.ref, name, flags)
        ret = await self._call(w_checkpoint.DOMAIN_CHECKPOINT_LOOKUP_BY_NAME, args)
        return snapshot.Checkpoint(self.host, ret.checkpoint)
