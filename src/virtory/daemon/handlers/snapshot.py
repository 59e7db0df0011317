"""Snapshots of domains; checkpoints, of which there are none, and every answer says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from virtory.daemon.dispatch import serves
from virtory.errors import (
    FROM_DOM,
    CheckpointNotFound,
    ConfigUnsupported,
    NotSupported,
    SnapshotNotFound,
)
from virtory.wire.remote import domain_checkpoint, domain_snapshot
from virtory.wire.remote.types import NonnullDomainSnapshot

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer
    from virtory.driver.interface.snapshot import SnapshotDriver
    from virtory.wire.remote.types import NonnullDomain


def _of(peer: Peer, dom: NonnullDomain) -> SnapshotDriver:
    """The driver, for a domain that is there."""
    peer.driver.domain.by_uuid(dom.uuid)
    if peer.driver.snapshot is None:
        raise NotSupported("snapshots are not served by this driver")
    return peer.driver.snapshot


def _ref(peer: Peer, dom: NonnullDomain, name: str) -> NonnullDomainSnapshot:
    return NonnullDomainSnapshot(name, peer.driver.domain.by_uuid(dom.uuid))


# -- lists -----------------------------------------------------------------------------------


@serves(domain_snapshot.DOMAIN_SNAPSHOT_NUM)
def domain_snapshot_num(
    peer: Peer, args: domain_snapshot.DomainSnapshotNumArgs
) -> domain_snapshot.DomainSnapshotNumRet:
    names = _of(peer, args.dom).names(args.dom.uuid, args.flags)
    return domain_snapshot.DomainSnapshotNumRet(len(names))


@serves(domain_snapshot.DOMAIN_SNAPSHOT_LIST_NAMES)
def domain_snapshot_list_names(
    peer: Peer, args: domain_snapshot.DomainSnapshotListNamesArgs
) -> domain_snapshot.DomainSnapshotListNamesRet:
    names = _of(peer, args.dom).names(args.dom.uuid, args.flags)
    return domain_snapshot.DomainSnapshotListNamesRet(names[: max(args.maxnames, 0)])


@serves(domain_snapshot.DOMAIN_LIST_ALL_SNAPSHOTS)
def domain_list_all_snapshots(
    peer: Peer, args: domain_snapshot.DomainListAllSnapshotsArgs
) -> domain_snapshot.DomainListAllSnapshotsRet:
    names = _of(peer, args.dom).names(args.dom.uuid, args.flags)
    dom = peer.driver.domain.by_uuid(args.dom.uuid)
    refs = [NonnullDomainSnapshot(name, dom) for name in names] if args.need_results else []
    return domain_snapshot.DomainListAllSnapshotsRet(refs, len(names))


@serves(domain_snapshot.DOMAIN_SNAPSHOT_NUM_CHILDREN)
def domain_snapshot_num_children(
    peer: Peer, args: domain_snapshot.DomainSnapshotNumChildrenArgs
) -> domain_snapshot.DomainSnapshotNumChildrenRet:
    dom = args.snap.dom
    names = _of(peer, dom).names(dom.uuid, args.flags, args.snap.name)
    return domain_snapshot.DomainSnapshotNumChildrenRet(len(names))


@serves(domain_snapshot.DOMAIN_SNAPSHOT_LIST_CHILDREN_NAMES)
def domain_snapshot_list_children_names(
    peer: Peer, args: domain_snapshot.DomainSnapshotListChildrenNamesArgs
) -> domain_snapshot.DomainSnapshotListChildrenNamesRet:
    dom = args.snap.dom
    names = _of(peer, dom).names(dom.uuid, args.flags, args.snap.name)
    return domain_snapshot.DomainSnapshotListChildrenNamesRet(names[: max(args.maxnames, 0)])


@serves(domain_snapshot.DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN)
def domain_snapshot_list_all_children(
    peer: Peer, args: domain_snapshot.DomainSnapshotListAllChildrenArgs
) -> domain_snapshot.DomainSnapshotListAllChildrenRet:
    dom = args.snapshot.dom
    names = _of(peer, dom).names(dom.uuid, args.flags, args.snapshot.name)
    refs = [_ref(peer, dom, name) for name in names] if args.need_results else []
    return domain_snapshot.DomainSnapshotListAllChildrenRet(refs, len(names))


# -- one snapshot ----------------------------------------------------------------------------


@serves(domain_snapshot.DOMAIN_SNAPSHOT_LOOKUP_BY_NAME)
def domain_snapshot_lookup_by_name(
    peer: Peer, args: domain_snapshot.DomainSnapshotLookupByNameArgs
) -> domain_snapshot.DomainSnapshotLookupByNameRet:
    _of(peer, args.dom).require(args.dom.uuid, args.name)
    return domain_snapshot.DomainSnapshotLookupByNameRet(_ref(peer, args.dom, args.name))


@serves(domain_snapshot.DOMAIN_HAS_CURRENT_SNAPSHOT)
def domain_has_current_snapshot(
    peer: Peer, args: domain_snapshot.DomainHasCurrentSnapshotArgs
) -> domain_snapshot.DomainHasCurrentSnapshotRet:
    current = _of(peer, args.dom).current(args.dom.uuid)
    return domain_snapshot.DomainHasCurrentSnapshotRet(int(current is not None))


@serves(domain_snapshot.DOMAIN_SNAPSHOT_CURRENT)
def domain_snapshot_current(
    peer: Peer, args: domain_snapshot.DomainSnapshotCurrentArgs
) -> domain_snapshot.DomainSnapshotCurrentRet:
    current = _of(peer, args.dom).current(args.dom.uuid)
    if current is None:
        raise SnapshotNotFound("the domain does not have a current snapshot")
    return domain_snapshot.DomainSnapshotCurrentRet(_ref(peer, args.dom, current))


@serves(domain_snapshot.DOMAIN_SNAPSHOT_IS_CURRENT)
def domain_snapshot_is_current(
    peer: Peer, args: domain_snapshot.DomainSnapshotIsCurrentArgs
) -> domain_snapshot.DomainSnapshotIsCurrentRet:
    driver, dom = _of(peer, args.snap.dom), args.snap.dom
    driver.require(dom.uuid, args.snap.name)
    is_current = driver.current(dom.uuid) == args.snap.name
    return domain_snapshot.DomainSnapshotIsCurrentRet(int(is_current))


@serves(domain_snapshot.DOMAIN_SNAPSHOT_HAS_METADATA)
def domain_snapshot_has_metadata(
    peer: Peer, args: domain_snapshot.DomainSnapshotHasMetadataArgs
) -> domain_snapshot.DomainSnapshotHasMetadataRet:
    _of(peer, args.snap.dom).require(args.snap.dom.uuid, args.snap.name)
    return domain_snapshot.DomainSnapshotHasMetadataRet(1)


@serves(domain_snapshot.DOMAIN_SNAPSHOT_GET_PARENT)
def domain_snapshot_get_parent(
    peer: Peer, args: domain_snapshot.DomainSnapshotGetParentArgs
) -> domain_snapshot.DomainSnapshotGetParentRet:
    dom = args.snap.dom
    name = _of(peer, dom).parent(dom.uuid, args.snap.name)
    return domain_snapshot.DomainSnapshotGetParentRet(_ref(peer, dom, name))


@serves(domain_snapshot.DOMAIN_SNAPSHOT_GET_XML_DESC)
async def domain_snapshot_get_xml_desc(
    peer: Peer, args: domain_snapshot.DomainSnapshotGetXmlDescArgs
) -> domain_snapshot.DomainSnapshotGetXmlDescRet:
    dom = args.snap.dom
    xml = await _of(peer, dom).xml(dom.uuid, args.snap.name, args.flags)
    return domain_snapshot.DomainSnapshotGetXmlDescRet(xml)


# -- doing -----------------------------------------------------------------------------------


@serves(domain_snapshot.DOMAIN_SNAPSHOT_CREATE_XML)
async def domain_snapshot_create_xml(
    peer: Peer, args: domain_snapshot.DomainSnapshotCreateXmlArgs
) -> domain_snapshot.DomainSnapshotCreateXmlRet:
    name = await _of(peer, args.dom).create(args.dom.uuid, args.xml_desc, args.flags)
    dom = args.dom
    return domain_snapshot.DomainSnapshotCreateXmlRet(NonnullDomainSnapshot(name, dom))


@serves(domain_snapshot.DOMAIN_REVERT_TO_SNAPSHOT)
async def domain_revert_to_snapshot(
    peer: Peer, args: domain_snapshot.DomainRevertToSnapshotArgs
) -> None:
    dom = args.snap.dom
    await _of(peer, dom).revert(dom.uuid, args.snap.name, args.flags)


@serves(domain_snapshot.DOMAIN_SNAPSHOT_DELETE)
async def domain_snapshot_delete(
    peer: Peer, args: domain_snapshot.DomainSnapshotDeleteArgs
) -> None:
    dom = args.snap.dom
    await _of(peer, dom).delete(dom.uuid, args.snap.name, args.flags)


# -- checkpoints -----------------------------------------------------------------------------


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
    raise ConfigUnsupported(
        "checkpoints are not made by this version of virtoryd",
        cure="take snapshots, or copy the disk images while the domain is shut off",
        domain=FROM_DOM,
    )
