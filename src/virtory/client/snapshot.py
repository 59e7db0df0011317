"""Snapshots, to which a domain can go back, and checkpoints, from which increments are counted.

The rule kept here: both are named by their domain and their name.
"""

from __future__ import annotations

from virtory.client.handle import Handle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.client.domain import Domain
    from virtory.wire.remote import domain_checkpoint as w_checkpoint
    from virtory.wire.remote import domain_snapshot as w
else:
    w_checkpoint = Later("virtory.wire.remote.domain_checkpoint")
    w = Later("virtory.wire.remote.domain_snapshot")


class Moment(Handle):
    """What snapshots and checkpoints share."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} of {self.ref.dom.name!r}>"

    @property
    def _identity(self) -> Any:
        return self.ref.dom.uuid, self.ref.name

    @property
    def name(self) -> str:
        """Its name, unique within its domain."""
        return str(self.ref.name)

    @property
    def domain(self) -> Domain:
        """The domain it belongs to."""
        from virtory.client.domain import Domain

        return Domain(self.host, self.ref.dom)


class Snapshot(Moment):
    """A state that a domain was in."""

    __slots__ = ()

    async def xml(self, *, secure: bool = False, flags: int = 0) -> str:
        """`DOMAIN_SNAPSHOT_GET_XML_DESC`: its description, the domain's then included."""
        args = w.DomainSnapshotGetXmlDescArgs(self.ref, flags | secure)
        return (await self._call(w.DOMAIN_SNAPSHOT_GET_XML_DESC, args)).xml

    async def parent(self, *, flags: int = 0) -> Snapshot:
        """`DOMAIN_SNAPSHOT_GET_PARENT`: raises `SnapshotNotFound` for a root."""
        args = w.DomainSnapshotGetParentArgs(self.ref, flags)
        return Snapshot(self.host, (await self._call(w.DOMAIN_SNAPSHOT_GET_PARENT, args)).snap)

    async def children(self, *, descendants: bool = False, flags: int = 0) -> list[Snapshot]:
        """`DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN`: what was taken after it, all the way if wanted.

        It supersedes `DOMAIN_SNAPSHOT_LIST_CHILDREN_NAMES`.
        """
        args = w.DomainSnapshotListAllChildrenArgs(self.ref, 1, flags | descendants)
        ret = await self._call(w.DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN, args)
        return [Snapshot(self.host, ref) for ref in ret.snapshots]

    async def child_count(self, *, flags: int = 0) -> int:
        """`DOMAIN_SNAPSHOT_NUM_CHILDREN`: how many children it has."""
        args = w.DomainSnapshotNumChildrenArgs(self.ref, flags)
        return (await self._call(w.DOMAIN_SNAPSHOT_NUM_CHILDREN, args)).num

    async def is_current(self, *, flags: int = 0) -> bool:
        """`DOMAIN_SNAPSHOT_IS_CURRENT`: whether the domain stems from it."""
        args = w.DomainSnapshotIsCurrentArgs(self.ref, flags)
        return bool((await self._call(w.DOMAIN_SNAPSHOT_IS_CURRENT, args)).current)

    async def has_metadata(self, *, flags: int = 0) -> bool:
        """`DOMAIN_SNAPSHOT_HAS_METADATA`: whether the daemon, not only the disk, knows it."""
        args = w.DomainSnapshotHasMetadataArgs(self.ref, flags)
        return bool((await self._call(w.DOMAIN_SNAPSHOT_HAS_METADATA, args)).metadata)

    async def revert(self, *, running: bool = False, paused: bool = False, flags: int = 0) -> None:
        """`DOMAIN_REVERT_TO_SNAPSHOT`: make the domain as it was; what came after is lost."""
        flags |= running | paused << 1
        args = w.DomainRevertToSnapshotArgs(self.ref, flags)
        await self._call(w.DOMAIN_REVERT_TO_SNAPSHOT, args)

    async def delete(
        self, *, children: bool = False, metadata_only: bool = False, flags: int = 0
    ) -> None:
        """`DOMAIN_SNAPSHOT_DELETE`: forget it; `metadata_only` leaves the data on the disks."""
        flags |= children | metadata_only << 1
        args = w.DomainSnapshotDeleteArgs(self.ref, flags)
        await self._call(w.DOMAIN_SNAPSHOT_DELETE, args)


class Checkpoint(Moment):
    """A point in time since when changed blocks are known."""

    __slots__ = ()

    async def xml(self, *, flags: int = 0) -> str:
        """`DOMAIN_CHECKPOINT_GET_XML_DESC`: its description."""
        args = w_checkpoint.DomainCheckpointGetXmlDescArgs(self.ref, flags)
        return (await self._call(w_checkpoint.DOMAIN_CHECKPOINT_GET_XML_DESC, args)).xml

    async def parent(self, *, flags: int = 0) -> Checkpoint:
        """`DOMAIN_CHECKPOINT_GET_PARENT`: raises `CheckpointNotFound` for a root."""
        args = w_checkpoint.DomainCheckpointGetParentArgs(self.ref, flags)
        ret = await self._call(w_checkpoint.DOMAIN_CHECKPOINT_GET_PARENT, args)
        return Checkpoint(self.host, ret.parent)

    async def children(self, *, descendants: bool = False, flags: int = 0) -> list[Checkpoint]:
        """`DOMAIN_CHECKPOINT_LIST_ALL_CHILDREN`: what was made after it."""
        args = w_checkpoint.DomainCheckpointListAllChildrenArgs(self.ref, 1, flags | descendants)
        ret = await self._call(w_checkpoint.DOMAIN_CHECKPOINT_LIST_ALL_CHILDREN, args)
        return [Checkpoint(self.host, ref) for ref in ret.checkpoints]

    async def delete(self, *, children: bool = False, flags: int = 0) -> None:
        """`DOMAIN_CHECKPOINT_DELETE`: forget it; its changes count for its parent."""
        args = w_checkpoint.DomainCheckpointDeleteArgs(self.ref, flags | children)
        await self._call(w_checkpoint.DOMAIN_CHECKPOINT_DELETE, args)
