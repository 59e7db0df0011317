"""What a domain uses: statistics of processors, memory, disks and interfaces.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Hyper, Int, Record, UHyper, UInt
from virtory.lean import Annotated, NamedTuple
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import (
    CONNECT_GET_ALL_DOMAIN_STATS_MAX,
    DOMAIN_BLOCK_STATS_PARAMETERS_MAX,
    DOMAIN_GET_CPU_STATS_MAX,
    DOMAIN_LIST_MAX,
    DOMAIN_MEMORY_STATS_MAX,
    DOMAIN_PERF_EVENTS_MAX,
)
from virtory.wire.remote.types import NonnullDomain, NonnullString, TypedParam

# Everything at once


class ConnectGetAllDomainStatsArgs(Record):
    doms: Annotated[list[NonnullDomain], Array(DOMAIN_LIST_MAX)]
    stats: UInt
    flags: UInt = 0


class DomainStatsRecord(NamedTuple):
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(CONNECT_GET_ALL_DOMAIN_STATS_MAX)]


class ConnectGetAllDomainStatsRet(Record):
    ret_stats: Annotated[list[DomainStatsRecord], Array(DOMAIN_LIST_MAX)]


CONNECT_GET_ALL_DOMAIN_STATS = REMOTE.call(
    "CONNECT_GET_ALL_DOMAIN_STATS",
    344,
    ConnectGetAllDomainStatsArgs,
    ConnectGetAllDomainStatsRet,
    acl="connect:search_domains",
    acl_filter="domain:read",
)


# One subsystem


class DomainBlockStatsArgs(Record):
    dom: NonnullDomain
    path: NonnullString


class DomainBlockStatsRet(Record):
    rd_req: Hyper
    rd_bytes: Hyper
    wr_req: Hyper
    wr_bytes: Hyper
    errs: Hyper


DOMAIN_BLOCK_STATS = REMOTE.call(
    "DOMAIN_BLOCK_STATS", 64, DomainBlockStatsArgs, DomainBlockStatsRet, acl="domain:read"
)


class DomainBlockStatsFlagsArgs(Record):
    dom: NonnullDomain
    path: NonnullString
    nparams: Int
    flags: UInt = 0


class DomainBlockStatsFlagsRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_BLOCK_STATS_PARAMETERS_MAX)]
    nparams: Int


DOMAIN_BLOCK_STATS_FLAGS = REMOTE.call(
    "DOMAIN_BLOCK_STATS_FLAGS",
    243,
    DomainBlockStatsFlagsArgs,
    DomainBlockStatsFlagsRet,
    acl="domain:read",
)


class DomainInterfaceStatsArgs(Record):
    dom: NonnullDomain
    device: NonnullString


class DomainInterfaceStatsRet(Record):
    rx_bytes: Hyper
    rx_packets: Hyper
    rx_errs: Hyper
    rx_drop: Hyper
    tx_bytes: Hyper
    tx_packets: Hyper
    tx_errs: Hyper
    tx_drop: Hyper


DOMAIN_INTERFACE_STATS = REMOTE.call(
    "DOMAIN_INTERFACE_STATS",
    65,
    DomainInterfaceStatsArgs,
    DomainInterfaceStatsRet,
    acl="domain:read",
    high=True,
)


class DomainMemoryStatsArgs(Record):
    dom: NonnullDomain
    max_stats: UInt
    flags: UInt = 0


class DomainMemoryStat(NamedTuple):
    tag: Int
    val: UHyper


class DomainMemoryStatsRet(Record):
    stats: Annotated[list[DomainMemoryStat], Array(DOMAIN_MEMORY_STATS_MAX)]


DOMAIN_MEMORY_STATS = REMOTE.call(
    "DOMAIN_MEMORY_STATS", 159, DomainMemoryStatsArgs, DomainMemoryStatsRet, acl="domain:read"
)


class DomainSetMemoryStatsPeriodArgs(Record):
    dom: NonnullDomain
    period: Int
    flags: UInt = 0


DOMAIN_SET_MEMORY_STATS_PERIOD = REMOTE.call(
    "DOMAIN_SET_MEMORY_STATS_PERIOD",
    308,
    DomainSetMemoryStatsPeriodArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainGetCpuStatsArgs(Record):
    dom: NonnullDomain
    nparams: UInt
    start_cpu: Int
    ncpus: UInt
    flags: UInt = 0


class DomainGetCpuStatsRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_GET_CPU_STATS_MAX)]
    nparams: Int


DOMAIN_GET_CPU_STATS = REMOTE.call(
    "DOMAIN_GET_CPU_STATS", 262, DomainGetCpuStatsArgs, DomainGetCpuStatsRet, acl="domain:read"
)


# Performance events


class DomainGetPerfEventsArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainGetPerfEventsRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_PERF_EVENTS_MAX)]


DOMAIN_GET_PERF_EVENTS = REMOTE.call(
    "DOMAIN_GET_PERF_EVENTS",
    365,
    DomainGetPerfEventsArgs,
    DomainGetPerfEventsRet,
    acl="domain:read",
)


class DomainSetPerfEventsArgs(Record):
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(DOMAIN_PERF_EVENTS_MAX)]
    flags: UInt = 0


DOMAIN_SET_PERF_EVENTS = REMOTE.call(
    "DOMAIN_SET_PERF_EVENTS", 366, DomainSetPerfEventsArgs, None, acl="domain:write"
)


# Dirty memory


class DomainStartDirtyRateCalcArgs(Record):
    dom: NonnullDomain
    seconds: Int
    flags: UInt = 0


DOMAIN_START_DIRTY_RATE_CALC = REMOTE.call(
    "DOMAIN_START_DIRTY_RATE_CALC", 427, DomainStartDirtyRateCalcArgs, None, acl="domain:write"
)
