"""Domains: what they use; typed parameters in libvirt's two steps (how many, then which)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.model.refs import STRING
from virtory.wire.remote import domain_agent, domain_block, domain_stats

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer
    from virtory.driver.interface import Param

_STRING_OKAY = 4


def shown(params: list[Param], flags: int) -> list[Param]:
    """The parameters without texts, unless the client says that it understands them."""
    return params if flags & _STRING_OKAY else [param for param in params if param.kind != STRING]


@serves(domain_stats.CONNECT_GET_ALL_DOMAIN_STATS)
async def get_all_domain_stats(
    peer: Peer, args: domain_stats.ConnectGetAllDomainStatsArgs
) -> domain_stats.ConnectGetAllDomainStatsRet:
    uuids = list(dict.fromkeys(domain.uuid for domain in args.doms))
    return domain_stats.ConnectGetAllDomainStatsRet(
        await peer.driver.domain.stats(uuids, args.stats, args.flags)
    )


@serves(domain_stats.DOMAIN_MEMORY_STATS)
async def memory_stats(
    peer: Peer, args: domain_stats.DomainMemoryStatsArgs
) -> domain_stats.DomainMemoryStatsRet:
    stats = await peer.driver.domain.memory_stats(args.dom.uuid, args.flags)
    return domain_stats.DomainMemoryStatsRet(stats[: args.max_stats])


@serves(domain_stats.DOMAIN_SET_MEMORY_STATS_PERIOD)
async def set_memory_stats_period(
    peer: Peer, args: domain_stats.DomainSetMemoryStatsPeriodArgs
) -> None:
    await peer.driver.domain.set_memory_stats_period(args.dom.uuid, args.period, args.flags)


@serves(domain_stats.DOMAIN_BLOCK_STATS)
async def block_stats(
    peer: Peer, args: domain_stats.DomainBlockStatsArgs
) -> domain_stats.DomainBlockStatsRet:
    return domain_stats.DomainBlockStatsRet(
        *await peer.driver.domain.block_stats(args.dom.uuid, args.path)
    )


@serves(domain_stats.DOMAIN_BLOCK_STATS_FLAGS)
async def block_stats_flags(
    peer: Peer, args: domain_stats.DomainBlockStatsFlagsArgs
) -> domain_stats.DomainBlockStatsFlagsRet:
    stats = await peer.driver.domain.block_stats_params(
        args.dom.uuid, args.path, args.flags & ~_STRING_OKAY
    )
    stats = shown(stats, args.flags)
    return domain_stats.DomainBlockStatsFlagsRet(
        stats[: args.nparams] if args.nparams > 0 else [], len(stats)
    )


@serves(domain_block.DOMAIN_GET_BLOCK_INFO)
async def get_block_info(
    peer: Peer, args: domain_block.DomainGetBlockInfoArgs
) -> domain_block.DomainGetBlockInfoRet:
    info = await peer.driver.domain.block_info(args.dom.uuid, args.path, args.flags)
    return domain_block.DomainGetBlockInfoRet(
        allocation=info.allocation, capacity=info.capacity, physical=info.physical
    )


@serves(domain_block.DOMAIN_GET_DISK_ERRORS)
async def get_disk_errors(
    peer: Peer, args: domain_block.DomainGetDiskErrorsArgs
) -> domain_block.DomainGetDiskErrorsRet:
    errors = await peer.driver.domain.disk_errors(args.dom.uuid, args.flags)
    kept = errors[: args.maxerrors]
    return domain_block.DomainGetDiskErrorsRet(kept, len(kept) if args.maxerrors else len(errors))


@serves(domain_stats.DOMAIN_INTERFACE_STATS)
async def interface_stats(
    peer: Peer, args: domain_stats.DomainInterfaceStatsArgs
) -> domain_stats.DomainInterfaceStatsRet:
    return domain_stats.DomainInterfaceStatsRet(
        *await peer.driver.domain.interface_stats(args.dom.uuid, args.device)
    )


@serves(domain_agent.DOMAIN_INTERFACE_ADDRESSES)
async def interface_addresses(
    peer: Peer, args: domain_agent.DomainInterfaceAddressesArgs
) -> domain_agent.DomainInterfaceAddressesRet:
    found = await peer.driver.domain.interface_addresses(args.dom.uuid, args.source, args.flags)
    return domain_agent.DomainInterfaceAddressesRet(found)


@serves(domain_stats.DOMAIN_GET_CPU_STATS)
async def get_cpu_stats(
    peer: Peer, args: domain_stats.DomainGetCpuStatsArgs
) -> domain_stats.DomainGetCpuStatsRet:
    per_cpu, cpus = await peer.driver.domain.cpu_stats(
        args.dom.uuid, args.start_cpu, args.ncpus, args.flags & ~_STRING_OKAY
    )
    if args.ncpus == 0:
        return domain_stats.DomainGetCpuStatsRet([], cpus)
    nparams = max((len(params) for params in per_cpu), default=0)
    if args.nparams == 0:
        return domain_stats.DomainGetCpuStatsRet([], nparams)
    kept = [param for params in per_cpu for param in params[: args.nparams]]
    return domain_stats.DomainGetCpuStatsRet(kept, min(nparams, args.nparams))
