"""Domains: limits, priorities, counted events; typed parameters in libvirt's two steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.daemon.handlers.domain_statistics import shown
from virtory.wire.remote import domain_device, domain_processor, domain_stats, domain_tuning

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer
    from virtory.driver.interface import Param


def _some(params: list[Param], wanted: int, flags: int) -> tuple[list[Param], int]:
    """The parameters that the client takes, and how many there are when it only asks that."""
    told = shown(params, flags)
    return (told[:wanted], min(wanted, len(told))) if wanted > 0 else ([], len(told))


@serves(domain_tuning.DOMAIN_GET_MEMORY_PARAMETERS)
def get_memory_parameters(
    peer: Peer, args: domain_tuning.DomainGetMemoryParametersArgs
) -> domain_tuning.DomainGetMemoryParametersRet:
    params = peer.driver.domain.memory_parameters(args.dom.uuid, args.flags)
    return domain_tuning.DomainGetMemoryParametersRet(*_some(params, args.nparams, args.flags))


@serves(domain_tuning.DOMAIN_GET_BLKIO_PARAMETERS)
def get_blkio_parameters(
    peer: Peer, args: domain_tuning.DomainGetBlkioParametersArgs
) -> domain_tuning.DomainGetBlkioParametersRet:
    params = peer.driver.domain.blkio_parameters(args.dom.uuid, args.flags)
    return domain_tuning.DomainGetBlkioParametersRet(*_some(params, args.nparams, args.flags))


@serves(domain_tuning.DOMAIN_GET_NUMA_PARAMETERS)
def get_numa_parameters(
    peer: Peer, args: domain_tuning.DomainGetNumaParametersArgs
) -> domain_tuning.DomainGetNumaParametersRet:
    params = peer.driver.domain.numa_parameters(args.dom.uuid, args.flags)
    return domain_tuning.DomainGetNumaParametersRet(*_some(params, args.nparams, args.flags))


@serves(domain_tuning.DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS)
def get_scheduler_parameters_flags(
    peer: Peer, args: domain_tuning.DomainGetSchedulerParametersFlagsArgs
) -> domain_tuning.DomainGetSchedulerParametersFlagsRet:
    params = peer.driver.domain.scheduler_parameters(args.dom.uuid, args.flags)
    return domain_tuning.DomainGetSchedulerParametersFlagsRet(shown(params, args.flags))


@serves(domain_tuning.DOMAIN_GET_SCHEDULER_PARAMETERS)
def get_scheduler_parameters(
    peer: Peer, args: domain_tuning.DomainGetSchedulerParametersArgs
) -> domain_tuning.DomainGetSchedulerParametersRet:
    params = peer.driver.domain.scheduler_parameters(args.dom.uuid, 0)
    return domain_tuning.DomainGetSchedulerParametersRet(shown(params, 0)[: args.nparams])


@serves(domain_tuning.DOMAIN_SET_MEMORY_PARAMETERS)
def set_memory_parameters(peer: Peer, args: domain_tuning.DomainSetMemoryParametersArgs) -> None:
    peer.driver.domain.refuse_limits(args.dom.uuid, "the memory")


@serves(domain_tuning.DOMAIN_SET_BLKIO_PARAMETERS)
def set_blkio_parameters(peer: Peer, args: domain_tuning.DomainSetBlkioParametersArgs) -> None:
    peer.driver.domain.refuse_limits(args.dom.uuid, "the disk traffic")


@serves(domain_tuning.DOMAIN_SET_NUMA_PARAMETERS)
def set_numa_parameters(peer: Peer, args: domain_tuning.DomainSetNumaParametersArgs) -> None:
    peer.driver.domain.refuse_limits(args.dom.uuid, "the NUMA nodes")


@serves(
    domain_tuning.DOMAIN_SET_SCHEDULER_PARAMETERS,
    domain_tuning.DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS,
)
def set_scheduler_parameters(
    peer: Peer, args: domain_tuning.DomainSetSchedulerParametersArgs
) -> None:
    peer.driver.domain.refuse_limits(args.dom.uuid, "the processor time")


@serves(domain_stats.DOMAIN_GET_PERF_EVENTS)
def get_perf_events(
    peer: Peer, args: domain_stats.DomainGetPerfEventsArgs
) -> domain_stats.DomainGetPerfEventsRet:
    params = peer.driver.domain.perf_events(args.dom.uuid, args.flags)
    return domain_stats.DomainGetPerfEventsRet(shown(params, args.flags))


@serves(domain_stats.DOMAIN_SET_PERF_EVENTS)
def set_perf_events(peer: Peer, args: domain_stats.DomainSetPerfEventsArgs) -> None:
    peer.driver.domain.set_perf_events(args.dom.uuid, args.params, args.flags)


@serves(domain_stats.DOMAIN_START_DIRTY_RATE_CALC)
async def start_dirty_rate_calc(
    peer: Peer, args: domain_stats.DomainStartDirtyRateCalcArgs
) -> None:
    await peer.driver.domain.start_dirty_rate(args.dom.uuid, args.seconds, args.flags)


@serves(domain_device.DOMAIN_GET_LAUNCH_SECURITY_INFO)
def get_launch_security_info(
    peer: Peer, args: domain_device.DomainGetLaunchSecurityInfoArgs
) -> domain_device.DomainGetLaunchSecurityInfoRet:
    params = peer.driver.domain.launch_security(args.dom.uuid, args.flags)
    return domain_device.DomainGetLaunchSecurityInfoRet(params)


@serves(domain_processor.DOMAIN_GET_IOTHREAD_INFO)
async def get_iothread_info(
    peer: Peer, args: domain_processor.DomainGetIothreadInfoArgs
) -> domain_processor.DomainGetIothreadInfoRet:
    found = await peer.driver.domain.iothreads(args.dom.uuid, args.flags)
    info = [domain_processor.DomainIothreadInfo(*one) for one in found]
    return domain_processor.DomainGetIothreadInfoRet(info, len(info))
