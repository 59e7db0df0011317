"""The host machine: processors, memory, pages and power.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, CharArray, FixedCharArray, Int, Opaque, Record, UHyper, UInt
from virtory.lean import Annotated, NamedTuple
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import (
    CPUMAP_MAX,
    NODE_CPU_STATS_MAX,
    NODE_MAX_CELLS,
    NODE_MEMORY_PARAMETERS_MAX,
    NODE_MEMORY_STATS_MAX,
    NODE_SEV_INFO_MAX,
    SECURITY_DOI_MAX,
    SECURITY_MODEL_MAX,
)
from virtory.wire.remote.types import NonnullString, TypedParam

# What it is


class NodeGetInfoRet(Record):
    model: Annotated[bytes, FixedCharArray(32)]
    memory: UHyper
    cpus: Int
    mhz: Int
    nodes: Int
    sockets: Int
    cores: Int
    threads: Int


NODE_GET_INFO = REMOTE.call("NODE_GET_INFO", 6, None, NodeGetInfoRet, acl="connect:read", high=True)


class NodeGetCpuMapArgs(Record):
    need_map: Int
    need_online: Int
    flags: UInt = 0


class NodeGetCpuMapRet(Record):
    cpumap: Annotated[bytes, Opaque(CPUMAP_MAX)]
    online: UInt
    ret: Int


NODE_GET_CPU_MAP = REMOTE.call(
    "NODE_GET_CPU_MAP", 293, NodeGetCpuMapArgs, NodeGetCpuMapRet, acl="connect:read"
)


class NodeGetSecurityModelRet(Record):
    model: Annotated[bytes, CharArray(SECURITY_MODEL_MAX)]
    doi: Annotated[bytes, CharArray(SECURITY_DOI_MAX)]


NODE_GET_SECURITY_MODEL = REMOTE.call(
    "NODE_GET_SECURITY_MODEL", 122, None, NodeGetSecurityModelRet, acl="connect:read", high=True
)


class NodeGetSevInfoArgs(Record):
    nparams: Int
    flags: UInt = 0


class NodeGetSevInfoRet(Record):
    params: Annotated[list[TypedParam], Array(NODE_SEV_INFO_MAX)]
    nparams: Int


NODE_GET_SEV_INFO = REMOTE.call(
    "NODE_GET_SEV_INFO", 395, NodeGetSevInfoArgs, NodeGetSevInfoRet, acl="connect:read"
)


# Statistics


class NodeGetCpuStatsArgs(Record):
    cpu_num: Int
    nparams: Int
    flags: UInt = 0


class NodeGetCpuStats(NamedTuple):
    field: NonnullString
    value: UHyper


class NodeGetCpuStatsRet(Record):
    params: Annotated[list[NodeGetCpuStats], Array(NODE_CPU_STATS_MAX)]
    nparams: Int


NODE_GET_CPU_STATS = REMOTE.call(
    "NODE_GET_CPU_STATS",
    227,
    NodeGetCpuStatsArgs,
    NodeGetCpuStatsRet,
    acl="connect:read",
    high=True,
)


class NodeGetMemoryStatsArgs(Record):
    nparams: Int
    cell_num: Int
    flags: UInt = 0


class NodeGetMemoryStats(NamedTuple):
    field: NonnullString
    value: UHyper


class NodeGetMemoryStatsRet(Record):
    params: Annotated[list[NodeGetMemoryStats], Array(NODE_MEMORY_STATS_MAX)]
    nparams: Int


NODE_GET_MEMORY_STATS = REMOTE.call(
    "NODE_GET_MEMORY_STATS",
    228,
    NodeGetMemoryStatsArgs,
    NodeGetMemoryStatsRet,
    acl="connect:read",
    high=True,
)


# Free memory and pages


class NodeGetCellsFreeMemoryArgs(Record):
    start_cell: Int
    maxcells: Int


class NodeGetCellsFreeMemoryRet(Record):
    cells: Annotated[list[UHyper], Array(NODE_MAX_CELLS)]


NODE_GET_CELLS_FREE_MEMORY = REMOTE.call(
    "NODE_GET_CELLS_FREE_MEMORY",
    101,
    NodeGetCellsFreeMemoryArgs,
    NodeGetCellsFreeMemoryRet,
    acl="connect:read",
    high=True,
)


class NodeGetFreeMemoryRet(Record):
    free_mem: UHyper


NODE_GET_FREE_MEMORY = REMOTE.call(
    "NODE_GET_FREE_MEMORY", 102, None, NodeGetFreeMemoryRet, acl="connect:read", high=True
)


class NodeGetFreePagesArgs(Record):
    pages: Annotated[list[UInt], Array(NODE_MAX_CELLS)]
    start_cell: Int
    cell_count: UInt
    flags: UInt = 0


class NodeGetFreePagesRet(Record):
    counts: Annotated[list[UHyper], Array(NODE_MAX_CELLS)]


NODE_GET_FREE_PAGES = REMOTE.call(
    "NODE_GET_FREE_PAGES",
    340,
    NodeGetFreePagesArgs,
    NodeGetFreePagesRet,
    acl="connect:read",
    high=True,
)


class NodeAllocPagesArgs(Record):
    page_sizes: Annotated[list[UInt], Array(NODE_MAX_CELLS)]
    page_counts: Annotated[list[UHyper], Array(NODE_MAX_CELLS)]
    start_cell: Int
    cell_count: UInt
    flags: UInt = 0


class NodeAllocPagesRet(Record):
    ret: Int


NODE_ALLOC_PAGES = REMOTE.call(
    "NODE_ALLOC_PAGES", 347, NodeAllocPagesArgs, NodeAllocPagesRet, acl="connect:write"
)


# Memory tuning


class NodeSetMemoryParametersArgs(Record):
    params: Annotated[list[TypedParam], Array(NODE_MEMORY_PARAMETERS_MAX)]
    flags: UInt = 0


NODE_SET_MEMORY_PARAMETERS = REMOTE.call(
    "NODE_SET_MEMORY_PARAMETERS", 288, NodeSetMemoryParametersArgs, None, acl="connect:write"
)


class NodeGetMemoryParametersArgs(Record):
    nparams: Int
    flags: UInt = 0


class NodeGetMemoryParametersRet(Record):
    params: Annotated[list[TypedParam], Array(NODE_MEMORY_PARAMETERS_MAX)]
    nparams: Int


NODE_GET_MEMORY_PARAMETERS = REMOTE.call(
    "NODE_GET_MEMORY_PARAMETERS",
    289,
    NodeGetMemoryParametersArgs,
    NodeGetMemoryParametersRet,
    acl="connect:read",
)


# Power


class NodeSuspendForDurationArgs(Record):
    target: UInt
    duration: UHyper
    flags: UInt = 0


NODE_SUSPEND_FOR_DURATION = REMOTE.call(
    "NODE_SUSPEND_FOR_DURATION", 250, NodeSuspendForDurationArgs, None, acl="connect:pm_control"
)
