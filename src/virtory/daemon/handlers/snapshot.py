"""Snapshots and checkpoints of domains: none are made yet, and every answer says so truthfully."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from virtory.daemon.dispatch import serves
from virtory.errors import (
    FROM_DOM,
    FROM_DOMAIN_SNAPSHOT,
    CheckpointNotFound,
    ConfigUnsupported,
    SnapshotNotFound,
)
from virtory.wire.remote import domain_checkpoint, domain_snapshot

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(domain_snapshot.DOMAIN_SNAPSHOT_NUM)
def domain_snapshot_num(
    peer: Peer, args: domain_snapshot.DomainSnapshotNumArgs
) -> domain_snapshot.DomainSnapshotNumRet:
    peer.driver.domain.by_uuid(args.dom.uuid)
    return domain_snapshot.DomainSnapshotNumRet(0)


@serves(domain_snapshot.DOMAIN_SNAPSHOT_LIST_NAMES)
def domain_snapshot_list_names(
    peer: Peer, args: domain_snapshot.DomainSnapshotListNamesArgs
) -> domain_snapshot.DomainSnapshotListNamesRet:
    peer.driver.domain.by_uuid(args.dom.uuid)
    return domain_snapshot.DomainSnapshotListNamesRet([])


@serves(domain_snapshot.DOMAIN_LIST_ALL_SNAPSHOTS)
def domain_list_all_snapshots(
    peer: Peer, args: domain_snapshot.DomainListAllSnapshotsArgs
) -> domain_snapshot.DomainListAllSnapshotsRet:
    peer.driver.domain.by_uuid(args.dom.uuid)
    return domain_snapshot.DomainListAllSnapshotsRet([], 0)


@serves(domain_snapshot.DOMAIN_HAS_CURRENT_SNAPSHOT)
def domain_has_current_snapshot(
    peer: Peer, args: domain_snapshot.DomainHasCurrentSnapshotArgs
) -> domain_snapshot.DomainHasCurrentSnapshotRet:
    peer.driver.domain.by_uuid(args.dom.uuid)
    return domain_snapshot.DomainHasCurrentSnapshotRet(0)


@serves(domain_snapshot.DOMAIN_SNAPSHOT_CURRENT)
def domain_snapshot_current(
    peer: Peer, args: domain_snapshot.DomainSnapshotCurrentArgs
) -> NoReturn:
    peer.driver.domain.by_uuid(args.dom.uuid)
    raise SnapshotNotFound("the domain does not have a current snapshot")


@serves(domain_snapshot.DOMAIN_SNAPSHOT_LOOKUP_BY_NAME)
def domain_snapshot_lookup_by_name(
    peer: Peer, args: domain_snapshot.DomainSnapshotLookupByNameArgs
) -> NoReturn:
    peer.driver.domain.by_uuid(args.dom.uuid)
    raise SnapshotNotFound(f"no domain snapshot with matching name '{args.name}'")


@serves(domain_snapshot.DOMAIN_SNAPSHOT_CREATE_XML)
def domain_snapshot_create_xml(
    peer: Peer, args: domain_snapshot.DomainSnapshotCreateXmlArgs
) -> NoReturn:
    peer.driver.domain.by_uuid(args.dom.uuid)
    raise _unserved("snapshot", FROM_DOMAIN_SNAPSHOT)


@serves(domain_checkpoint.DOMAIN_LIST_ALL_CHECKPOINTS)
def domain_list_all_checkpoints(
    peer: Peer, args: domain_checkpoint.DomainListAllCheckpointsArgs
) -> domain_checkpoint.DomainListAllCheckpointsRet:
    peer.driver.domain.by_uuid(args.dom.uuid)
    return domain_checkpoint.DomainListAllCheckpointsRet([], 0)


@serves(domain_checkpoint.DOMAIN_CHECKPOINT_LOOKUP_BY_NAME)
def domain_checkpoint_lookup_by_name(
    peer: Peer, args: domain_checkpoint.DomainCheckpointLookupByNameArgs
) -> NoReturn:
    peer.driver.domain.by_uuid(args.dom.uuid)
    raise CheckpointNotFound(f"no domain checkpoint with matching name '{args.name}'")


@serves(domain_checkpoint.DOMAIN_CHECKPOINT_CREATE_XML)
def domain_checkpoint_create_xml(
    peer: Peer, args: domain_checkpoint.DomainCheckpointCreateXmlArgs
) -> NoReturn:
    peer.driver.domain.by_uuid(args.dom.uuid)
    raise _unserved("checkpoint", FROM_DOM)


def _unserved(what: str, domain: int) -> ConfigUnsupported:
    """What the wish for a snapshot or checkpoint is answered with."""
    return ConfigUnsupported(
        f"{what}s are not made by this version of virtoryd",
        cure="copy the disk images while the domain is shut off",
        domain=domain,
    )
