"""Domains: save, restore, managed save, core dumps, and the job that these are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.errors import InvalidArgument
from virtory.wire.remote import domain_save, domain_state

if TYPE_CHECKING:
    from typing import Any

    from virtory.daemon.peer import Peer


@serves(domain_save.DOMAIN_SAVE)
async def save(peer: Peer, args: domain_save.DomainSaveArgs) -> None:
    await peer.driver.domain.save(args.dom.uuid, args.to, None, 0)


@serves(domain_save.DOMAIN_SAVE_FLAGS)
async def save_flags(peer: Peer, args: domain_save.DomainSaveFlagsArgs) -> None:
    await peer.driver.domain.save(args.dom.uuid, args.to, args.dxml, args.flags)


@serves(domain_save.DOMAIN_SAVE_PARAMS)
async def save_params(peer: Peer, args: domain_save.DomainSaveParamsArgs) -> None:
    file, xml = _file_and_xml(args.params)
    if file is None:
        await peer.driver.domain.managed_save(args.dom.uuid, args.flags)
    else:
        await peer.driver.domain.save(args.dom.uuid, file, xml, args.flags)


@serves(domain_save.DOMAIN_RESTORE)
async def restore(peer: Peer, args: domain_save.DomainRestoreArgs) -> None:
    await peer.driver.domain.restore(args.from_, None, 0, peer)


@serves(domain_save.DOMAIN_RESTORE_FLAGS)
async def restore_flags(peer: Peer, args: domain_save.DomainRestoreFlagsArgs) -> None:
    await peer.driver.domain.restore(args.from_, args.dxml, args.flags, peer)


@serves(domain_save.DOMAIN_RESTORE_PARAMS)
async def restore_params(peer: Peer, args: domain_save.DomainRestoreParamsArgs) -> None:
    file, xml = _file_and_xml(args.params)
    if file is None:
        raise InvalidArgument("missing path to restore from", cure="name it with 'file'")
    await peer.driver.domain.restore(file, xml, args.flags, peer)


def _file_and_xml(params: list[Any]) -> tuple[str | None, str | None]:
    """`VIR_DOMAIN_SAVE_PARAM_FILE` and `_DXML`; others are refused."""
    known: dict[str, str] = {}
    for param in params:
        if param.field not in ("file", "dxml") or not isinstance(param.value, str):
            raise InvalidArgument(f"parameter '{param.field}' not supported")
        known[param.field] = param.value
    return known.get("file"), known.get("dxml")


@serves(domain_save.DOMAIN_SAVE_IMAGE_GET_XML_DESC)
async def save_image_get_xml_desc(
    peer: Peer, args: domain_save.DomainSaveImageGetXmlDescArgs
) -> domain_save.DomainSaveImageGetXmlDescRet:
    xml = await peer.driver.domain.save_image_xml(args.file, args.flags)
    return domain_save.DomainSaveImageGetXmlDescRet(xml)


@serves(domain_save.DOMAIN_SAVE_IMAGE_DEFINE_XML)
async def save_image_define_xml(peer: Peer, args: domain_save.DomainSaveImageDefineXmlArgs) -> None:
    await peer.driver.domain.define_save_image_xml(args.file, args.dxml, args.flags)


@serves(domain_save.DOMAIN_MANAGED_SAVE)
async def managed_save(peer: Peer, args: domain_save.DomainManagedSaveArgs) -> None:
    await peer.driver.domain.managed_save(args.dom.uuid, args.flags)


@serves(domain_save.DOMAIN_HAS_MANAGED_SAVE_IMAGE)
def has_managed_save_image(
    peer: Peer, args: domain_save.DomainHasManagedSaveImageArgs
) -> domain_save.DomainHasManagedSaveImageRet:
    saved = peer.driver.domain.has_managed_save(args.dom.uuid, args.flags)
    return domain_save.DomainHasManagedSaveImageRet(int(saved))


@serves(domain_save.DOMAIN_MANAGED_SAVE_REMOVE)
async def managed_save_remove(peer: Peer, args: domain_save.DomainManagedSaveRemoveArgs) -> None:
    await peer.driver.domain.remove_managed_save(args.dom.uuid, args.flags)


@serves(domain_save.DOMAIN_MANAGED_SAVE_GET_XML_DESC)
async def managed_save_get_xml_desc(
    peer: Peer, args: domain_save.DomainManagedSaveGetXmlDescArgs
) -> domain_save.DomainManagedSaveGetXmlDescRet:
    xml = await peer.driver.domain.managed_save_xml(args.dom.uuid, args.flags)
    return domain_save.DomainManagedSaveGetXmlDescRet(xml)


@serves(domain_save.DOMAIN_MANAGED_SAVE_DEFINE_XML)
async def managed_save_define_xml(
    peer: Peer, args: domain_save.DomainManagedSaveDefineXmlArgs
) -> None:
    await peer.driver.domain.define_managed_save_xml(args.dom.uuid, args.dxml, args.flags)


@serves(domain_save.DOMAIN_CORE_DUMP)
async def core_dump(peer: Peer, args: domain_save.DomainCoreDumpArgs) -> None:
    await peer.driver.domain.core_dump(args.dom.uuid, args.to, 0, args.flags)


@serves(domain_save.DOMAIN_CORE_DUMP_WITH_FORMAT)
async def core_dump_with_format(peer: Peer, args: domain_save.DomainCoreDumpWithFormatArgs) -> None:
    await peer.driver.domain.core_dump(args.dom.uuid, args.to, args.dumpformat, args.flags)


# -- jobs ------------------------------------------------------------------------------------


@serves(domain_state.DOMAIN_GET_JOB_INFO)
async def get_job_info(
    peer: Peer, args: domain_state.DomainGetJobInfoArgs
) -> domain_state.DomainGetJobInfoRet:
    return domain_state.DomainGetJobInfoRet(*await peer.driver.domain.job_info(args.dom.uuid))


@serves(domain_state.DOMAIN_GET_JOB_STATS)
async def get_job_stats(
    peer: Peer, args: domain_state.DomainGetJobStatsArgs
) -> domain_state.DomainGetJobStatsRet:
    return domain_state.DomainGetJobStatsRet(
        *await peer.driver.domain.job_stats(args.dom.uuid, args.flags)
    )


@serves(domain_state.DOMAIN_ABORT_JOB)
async def abort_job(peer: Peer, args: domain_state.DomainAbortJobArgs) -> None:
    await peer.driver.domain.abort_job(args.dom.uuid, 0)


@serves(domain_state.DOMAIN_ABORT_JOB_FLAGS)
async def abort_job_flags(peer: Peer, args: domain_state.DomainAbortJobFlagsArgs) -> None:
    await peer.driver.domain.abort_job(args.dom.uuid, args.flags)
