"""The host: processors, memory, security model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.driver.interface import Param
from virtory.errors import InvalidArgument
from virtory.wire.remote import node

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(node.NODE_GET_INFO)
def get_info(peer: Peer, _args: None) -> node.NodeGetInfoRet:
    info = peer.driver.connect.node_info()
    return node.NodeGetInfoRet(info.model.encode()[:31], *info[1:])


@serves(node.NODE_GET_CPU_MAP)
def get_cpu_map(peer: Peer, args: node.NodeGetCpuMapArgs) -> node.NodeGetCpuMapRet:
    cpumap, online, present = peer.driver.connect.cpu_map()
    return node.NodeGetCpuMapRet(
        cpumap if args.need_map else b"", online if args.need_online else 0, present
    )


@serves(node.NODE_GET_CPU_STATS)
def get_cpu_stats(peer: Peer, args: node.NodeGetCpuStatsArgs) -> node.NodeGetCpuStatsRet:
    stats = peer.driver.connect.cpu_stats(args.cpu_num, args.flags)
    return node.NodeGetCpuStatsRet(stats[: args.nparams] if args.nparams > 0 else [], len(stats))


@serves(node.NODE_GET_MEMORY_STATS)
def get_memory_stats(peer: Peer, args: node.NodeGetMemoryStatsArgs) -> node.NodeGetMemoryStatsRet:
    stats = peer.driver.connect.memory_stats(args.cell_num, args.flags)
    return node.NodeGetMemoryStatsRet(stats[: args.nparams] if args.nparams > 0 else [], len(stats))


@serves(node.NODE_GET_FREE_MEMORY)
def get_free_memory(peer: Peer, _args: None) -> node.NodeGetFreeMemoryRet:
    return node.NodeGetFreeMemoryRet(peer.driver.connect.free_memory())


@serves(node.NODE_GET_CELLS_FREE_MEMORY)
def get_cells_free_memory(
    peer: Peer, args: node.NodeGetCellsFreeMemoryArgs
) -> node.NodeGetCellsFreeMemoryRet:
    return node.NodeGetCellsFreeMemoryRet(
        peer.driver.connect.cells_free_memory(args.start_cell, args.maxcells)
    )


@serves(node.NODE_GET_FREE_PAGES)
def get_free_pages(peer: Peer, args: node.NodeGetFreePagesArgs) -> node.NodeGetFreePagesRet:
    return node.NodeGetFreePagesRet(
        peer.driver.connect.free_pages(args.pages, args.start_cell, args.cell_count)
    )


@serves(node.NODE_ALLOC_PAGES)
async def alloc_pages(peer: Peer, args: node.NodeAllocPagesArgs) -> node.NodeAllocPagesRet:
    if len(args.page_sizes) != len(args.page_counts):
        raise InvalidArgument("as many counts of pages as sizes are needed")
    wanted = list(zip(args.page_sizes, args.page_counts, strict=True))
    return node.NodeAllocPagesRet(
        await peer.driver.connect.alloc_pages(wanted, args.start_cell, args.cell_count, args.flags)
    )


@serves(node.NODE_GET_MEMORY_PARAMETERS)
def get_memory_parameters(
    peer: Peer, args: node.NodeGetMemoryParametersArgs
) -> node.NodeGetMemoryParametersRet:
    told = peer.driver.connect.shared_memory()
    return node.NodeGetMemoryParametersRet(told[: args.nparams], len(told))


@serves(node.NODE_SET_MEMORY_PARAMETERS)
def set_memory_parameters(peer: Peer, args: node.NodeSetMemoryParametersArgs) -> None:
    peer.driver.connect.set_shared_memory([Param(*one) for one in args.params])


@serves(node.NODE_GET_SECURITY_MODEL)
def get_security_model(peer: Peer, _args: None) -> node.NodeGetSecurityModelRet:
    model, doi = peer.driver.connect.security_model()
    return node.NodeGetSecurityModelRet(model.encode(), doi.encode())
