"""Domains: looking them up, defining them, and what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_RPC, InternalError, InvalidArgument
from virtory.model.flags import DomainMemory, DomainVcpu
from virtory.wire.remote import domain, domain_processor, domain_state, domain_tuning
from virtory.wire.remote.limits import CPUMAPS_MAX, VCPUINFO_MAX

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer

# -- lookups ---------------------------------------------------------------------------------


@serves(domain.DOMAIN_LOOKUP_BY_NAME)
def lookup_by_name(peer: Peer, args: domain.DomainLookupByNameArgs) -> domain.DomainLookupByNameRet:
    return domain.DomainLookupByNameRet(peer.driver.domain.by_name(args.name))


@serves(domain.DOMAIN_LOOKUP_BY_UUID)
def lookup_by_uuid(peer: Peer, args: domain.DomainLookupByUuidArgs) -> domain.DomainLookupByUuidRet:
    return domain.DomainLookupByUuidRet(peer.driver.domain.by_uuid(args.uuid))


@serves(domain.DOMAIN_LOOKUP_BY_ID)
def lookup_by_id(peer: Peer, args: domain.DomainLookupByIdArgs) -> domain.DomainLookupByIdRet:
    return domain.DomainLookupByIdRet(peer.driver.domain.by_id(args.id))


# -- definition ------------------------------------------------------------------------------


@serves(domain.DOMAIN_DEFINE_XML)
async def define_xml(peer: Peer, args: domain.DomainDefineXmlArgs) -> domain.DomainDefineXmlRet:
    return domain.DomainDefineXmlRet(await peer.driver.domain.define(args.xml, 0))


@serves(domain.DOMAIN_DEFINE_XML_FLAGS)
async def define_xml_flags(
    peer: Peer, args: domain.DomainDefineXmlFlagsArgs
) -> domain.DomainDefineXmlFlagsRet:
    return domain.DomainDefineXmlFlagsRet(await peer.driver.domain.define(args.xml, args.flags))


@serves(domain.DOMAIN_UNDEFINE)
async def undefine(peer: Peer, args: domain.DomainUndefineArgs) -> None:
    await peer.driver.domain.undefine(args.dom.uuid, 0)


@serves(domain.DOMAIN_UNDEFINE_FLAGS)
async def undefine_flags(peer: Peer, args: domain.DomainUndefineFlagsArgs) -> None:
    await peer.driver.domain.undefine(args.dom.uuid, args.flags)


@serves(domain.DOMAIN_RENAME)
async def rename(peer: Peer, args: domain.DomainRenameArgs) -> domain.DomainRenameRet:
    if not args.new_name:
        raise InvalidArgument("new_name in virDomainRename must not be NULL or empty")
    await peer.driver.domain.rename(args.dom.uuid, args.new_name, args.flags)
    return domain.DomainRenameRet(0)


@serves(domain.DOMAIN_GET_XML_DESC)
async def get_xml_desc(peer: Peer, args: domain.DomainGetXmlDescArgs) -> domain.DomainGetXmlDescRet:
    return domain.DomainGetXmlDescRet(await peer.driver.domain.xml(args.dom.uuid, args.flags))


@serves(domain.DOMAIN_SET_AUTOSTART)
async def set_autostart(peer: Peer, args: domain.DomainSetAutostartArgs) -> None:
    await peer.driver.domain.set_autostart(args.dom.uuid, bool(args.autostart))


@serves(domain.DOMAIN_GET_AUTOSTART)
def get_autostart(peer: Peer, args: domain.DomainGetAutostartArgs) -> domain.DomainGetAutostartRet:
    return domain.DomainGetAutostartRet(int(peer.driver.domain.autostart(args.dom.uuid)))


@serves(domain.DOMAIN_GET_METADATA)
def get_metadata(peer: Peer, args: domain.DomainGetMetadataArgs) -> domain.DomainGetMetadataRet:
    return domain.DomainGetMetadataRet(
        peer.driver.domain.metadata(args.dom.uuid, args.type, args.uri, args.flags)
    )


@serves(domain.DOMAIN_SET_METADATA)
async def set_metadata(peer: Peer, args: domain.DomainSetMetadataArgs) -> None:
    await peer.driver.domain.set_metadata(
        args.dom.uuid, args.type, args.metadata, args.key, args.uri, args.flags
    )


# -- state -----------------------------------------------------------------------------------


@serves(domain_state.DOMAIN_GET_INFO)
def get_info(peer: Peer, args: domain_state.DomainGetInfoArgs) -> domain_state.DomainGetInfoRet:
    return domain_state.DomainGetInfoRet(*peer.driver.domain.info(args.dom.uuid))


@serves(domain_state.DOMAIN_GET_STATE)
def get_state(peer: Peer, args: domain_state.DomainGetStateArgs) -> domain_state.DomainGetStateRet:
    return domain_state.DomainGetStateRet(*peer.driver.domain.state(args.dom.uuid, args.flags))


@serves(domain_state.DOMAIN_GET_CONTROL_INFO)
def get_control_info(
    peer: Peer, args: domain_state.DomainGetControlInfoArgs
) -> domain_state.DomainGetControlInfoRet:
    return domain_state.DomainGetControlInfoRet(
        *peer.driver.domain.control_info(args.dom.uuid, args.flags)
    )


@serves(domain.DOMAIN_IS_ACTIVE)
def is_active(peer: Peer, args: domain.DomainIsActiveArgs) -> domain.DomainIsActiveRet:
    return domain.DomainIsActiveRet(int(peer.driver.domain.is_active(args.dom.uuid)))


@serves(domain.DOMAIN_IS_PERSISTENT)
def is_persistent(peer: Peer, args: domain.DomainIsPersistentArgs) -> domain.DomainIsPersistentRet:
    return domain.DomainIsPersistentRet(int(peer.driver.domain.is_persistent(args.dom.uuid)))


@serves(domain.DOMAIN_IS_UPDATED)
def is_updated(peer: Peer, args: domain.DomainIsUpdatedArgs) -> domain.DomainIsUpdatedRet:
    return domain.DomainIsUpdatedRet(int(peer.driver.domain.is_updated(args.dom.uuid)))


@serves(domain.DOMAIN_GET_OS_TYPE)
def get_os_type(peer: Peer, args: domain.DomainGetOsTypeArgs) -> domain.DomainGetOsTypeRet:
    return domain.DomainGetOsTypeRet(peer.driver.domain.os_type(args.dom.uuid))


@serves(domain.DOMAIN_GET_MESSAGES)
def get_messages(peer: Peer, args: domain.DomainGetMessagesArgs) -> domain.DomainGetMessagesRet:
    return domain.DomainGetMessagesRet(peer.driver.domain.messages(args.dom.uuid, args.flags))


@serves(domain.DOMAIN_GET_SECURITY_LABEL)
def get_security_label(
    peer: Peer, args: domain.DomainGetSecurityLabelArgs
) -> domain.DomainGetSecurityLabelRet:
    labels = peer.driver.domain.security_labels(args.dom.uuid)
    label, enforcing = labels[0] if labels else ("", False)
    return domain.DomainGetSecurityLabelRet(label.encode(), int(enforcing))


@serves(domain.DOMAIN_GET_SECURITY_LABEL_LIST)
def get_security_label_list(
    peer: Peer, args: domain.DomainGetSecurityLabelListArgs
) -> domain.DomainGetSecurityLabelListRet:
    told = peer.driver.domain.security_labels(args.dom.uuid)
    labels = [
        domain.DomainGetSecurityLabelRet(label.encode(), int(enforcing))
        for label, enforcing in told
    ]
    return domain.DomainGetSecurityLabelListRet(labels, len(labels))


# -- memory and virtual CPUs -----------------------------------------------------------------


@serves(domain_tuning.DOMAIN_GET_MAX_MEMORY)
def get_max_memory(
    peer: Peer, args: domain_tuning.DomainGetMaxMemoryArgs
) -> domain_tuning.DomainGetMaxMemoryRet:
    return domain_tuning.DomainGetMaxMemoryRet(peer.driver.domain.max_memory_kib(args.dom.uuid))


@serves(domain_tuning.DOMAIN_SET_MAX_MEMORY)
async def set_max_memory(peer: Peer, args: domain_tuning.DomainSetMaxMemoryArgs) -> None:
    await peer.driver.domain.set_memory(args.dom.uuid, args.memory, DomainMemory.MAXIMUM)


@serves(domain_tuning.DOMAIN_SET_MEMORY)
async def set_memory(peer: Peer, args: domain_tuning.DomainSetMemoryArgs) -> None:
    await peer.driver.domain.set_memory(args.dom.uuid, args.memory, DomainMemory.LIVE)


@serves(domain_tuning.DOMAIN_SET_MEMORY_FLAGS)
async def set_memory_flags(peer: Peer, args: domain_tuning.DomainSetMemoryFlagsArgs) -> None:
    await peer.driver.domain.set_memory(args.dom.uuid, args.memory, args.flags)


@serves(domain_processor.DOMAIN_GET_MAX_VCPUS)
def get_max_vcpus(
    peer: Peer, args: domain_processor.DomainGetMaxVcpusArgs
) -> domain_processor.DomainGetMaxVcpusRet:
    return domain_processor.DomainGetMaxVcpusRet(peer.driver.domain.max_vcpus(args.dom.uuid))


@serves(domain_processor.DOMAIN_GET_VCPUS_FLAGS)
async def get_vcpus_flags(
    peer: Peer, args: domain_processor.DomainGetVcpusFlagsArgs
) -> domain_processor.DomainGetVcpusFlagsRet:
    if args.flags & DomainVcpu.GUEST:
        inside = await peer.driver.domain.guest_vcpu_count(args.dom.uuid, args.flags)
        return domain_processor.DomainGetVcpusFlagsRet(inside)
    return domain_processor.DomainGetVcpusFlagsRet(
        peer.driver.domain.vcpus_flags(args.dom.uuid, args.flags)
    )


@serves(domain_processor.DOMAIN_SET_VCPUS)
async def set_vcpus(peer: Peer, args: domain_processor.DomainSetVcpusArgs) -> None:
    await peer.driver.domain.set_vcpus(args.dom.uuid, args.nvcpus, DomainVcpu.LIVE)


@serves(domain_processor.DOMAIN_SET_VCPUS_FLAGS)
async def set_vcpus_flags(peer: Peer, args: domain_processor.DomainSetVcpusFlagsArgs) -> None:
    await peer.driver.domain.set_vcpus(args.dom.uuid, args.nvcpus, args.flags)


@serves(domain_processor.DOMAIN_GET_VCPUS)
def get_vcpus(
    peer: Peer, args: domain_processor.DomainGetVcpusArgs
) -> domain_processor.DomainGetVcpusRet:
    check_bitmaps("maxinfo", args.maxinfo, args.maplen)
    vcpus = peer.driver.domain.vcpus(args.dom.uuid)[: args.maxinfo]
    maps = bitmaps([vcpu.affinity for vcpu in vcpus], args.maplen)
    return domain_processor.DomainGetVcpusRet([vcpu[:4] for vcpu in vcpus], maps)


@serves(domain_processor.DOMAIN_GET_VCPU_PIN_INFO)
def get_vcpu_pin_info(
    peer: Peer, args: domain_processor.DomainGetVcpuPinInfoArgs
) -> domain_processor.DomainGetVcpuPinInfoRet:
    check_bitmaps("ncpumaps", args.ncpumaps, args.maplen)
    pins = peer.driver.domain.vcpu_pins(args.dom.uuid, args.flags)[: args.ncpumaps]
    return domain_processor.DomainGetVcpuPinInfoRet(bitmaps(pins, args.maplen), len(pins))


@serves(domain_processor.DOMAIN_GET_EMULATOR_PIN_INFO)
def get_emulator_pin_info(
    peer: Peer, args: domain_processor.DomainGetEmulatorPinInfoArgs
) -> domain_processor.DomainGetEmulatorPinInfoRet:
    check_bitmaps("1", 1, args.maplen)
    pin = peer.driver.domain.emulator_pin(args.dom.uuid, args.flags)
    return domain_processor.DomainGetEmulatorPinInfoRet(bitmaps([pin], args.maplen), 1)


@serves(domain_tuning.DOMAIN_GET_SCHEDULER_TYPE)
def get_scheduler_type(
    peer: Peer, args: domain_tuning.DomainGetSchedulerTypeArgs
) -> domain_tuning.DomainGetSchedulerTypeRet:
    return domain_tuning.DomainGetSchedulerTypeRet(
        *peer.driver.domain.scheduler_type(args.dom.uuid)
    )


def check_bitmaps(name: str, count: int, length: int) -> None:
    """Refuse, in libvirt's words, more than there is room for in an answer."""
    if not 0 <= count <= VCPUINFO_MAX:
        raise InternalError(f"{name} > REMOTE_VCPUINFO_MAX", domain=FROM_RPC)
    if length < 0 or count * length > CPUMAPS_MAX:
        raise InternalError(f"{name} * maplen > REMOTE_CPUMAPS_MAX", domain=FROM_RPC)


def bitmaps(maps: list[bytes], length: int) -> bytes:
    """CPU bitmaps one after the other, each cut or filled up to `length` bytes."""
    return b"".join(cpus[:length].ljust(length, b"\0") for cpus in maps)
