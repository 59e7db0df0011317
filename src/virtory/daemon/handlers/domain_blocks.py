"""Domains: block jobs and thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from virtory.daemon.dispatch import serves
from virtory.errors import BackupNotFound, InvalidArgument, OperationUnsupported
from virtory.wire.remote import domain_block

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(domain_block.DOMAIN_BLOCK_COMMIT)
async def commit(peer: Peer, args: domain_block.DomainBlockCommitArgs) -> None:
    await peer.driver.domain.block_commit(
        args.dom.uuid, args.disk, args.base, args.top, args.bandwidth, args.flags
    )


@serves(domain_block.DOMAIN_BLOCK_PULL)
async def pull(peer: Peer, args: domain_block.DomainBlockPullArgs) -> None:
    domain = peer.driver.domain
    await domain.block_pull(args.dom.uuid, args.path, None, args.bandwidth, args.flags)


@serves(domain_block.DOMAIN_BLOCK_REBASE)
async def rebase(peer: Peer, args: domain_block.DomainBlockRebaseArgs) -> None:
    domain = peer.driver.domain
    await domain.block_rebase(args.dom.uuid, args.path, args.base, args.bandwidth, args.flags)


@serves(domain_block.DOMAIN_BLOCK_COPY)
async def copy(peer: Peer, args: domain_block.DomainBlockCopyArgs) -> None:
    params: dict[str, int] = {}
    for field, _, value in args.params:
        if not isinstance(value, int):
            raise InvalidArgument(f"invalid type of parameter '{field}', expected a whole number")
        params[field] = value
    await peer.driver.domain.block_copy(args.dom.uuid, args.path, args.destxml, params, args.flags)


@serves(domain_block.DOMAIN_BLOCK_JOB_ABORT)
async def job_abort(peer: Peer, args: domain_block.DomainBlockJobAbortArgs) -> None:
    await peer.driver.domain.block_job_abort(args.dom.uuid, args.path, args.flags)


@serves(domain_block.DOMAIN_GET_BLOCK_JOB_INFO)
async def job_info(
    peer: Peer, args: domain_block.DomainGetBlockJobInfoArgs
) -> domain_block.DomainGetBlockJobInfoRet:
    info = await peer.driver.domain.block_job_info(args.dom.uuid, args.path, args.flags)
    return domain_block.DomainGetBlockJobInfoRet(int(info is not None), *(info or (0, 0, 0, 0)))


@serves(domain_block.DOMAIN_BLOCK_JOB_SET_SPEED)
async def job_set_speed(peer: Peer, args: domain_block.DomainBlockJobSetSpeedArgs) -> None:
    domain = peer.driver.domain
    await domain.block_job_set_speed(args.dom.uuid, args.path, args.bandwidth, args.flags)


@serves(domain_block.DOMAIN_SET_BLOCK_THRESHOLD)
async def set_threshold(peer: Peer, args: domain_block.DomainSetBlockThresholdArgs) -> None:
    domain = peer.driver.domain
    await domain.set_block_threshold(args.dom.uuid, args.dev, args.threshold, args.flags)


@serves(domain_block.DOMAIN_BACKUP_GET_XML_DESC)
def backup_get_xml_desc(peer: Peer, args: domain_block.DomainBackupGetXmlDescArgs) -> NoReturn:
    peer.driver.domain.by_uuid(args.dom.uuid)
    raise BackupNotFound("no domain backup job present")


@serves(domain_block.DOMAIN_BACKUP_BEGIN)
def backup_begin(peer: Peer, args: domain_block.DomainBackupBeginArgs) -> None:
    peer.driver.domain.by_uuid(args.dom.uuid)
    raise OperationUnsupported(
        "incremental and pull-mode backups are not served by this version",
        cure="copy a running disk with `blockcopy --wait --finish`, or clone the machine",
    )
