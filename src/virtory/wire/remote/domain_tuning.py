"""What a domain may use: memory, and shares of processors, disks and networks.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Record, UHyper, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import (
    DOMAIN_BLKIO_PARAMETERS_MAX,
    DOMAIN_INTERFACE_PARAMETERS_MAX,
    DOMAIN_MEMORY_PARAMETERS_MAX,
    DOMAIN_NUMA_PARAMETERS_MAX,
    DOMAIN_SCHEDULER_PARAMETERS_MAX,
)
from virtory.wire.remote.types import NonnullDomain, NonnullString, TypedParam

# Memory


class DomainGetMaxMemoryArgs(Record):
    dom: NonnullDomain


class DomainGetMaxMemoryRet(Record):
    memory: UHyper


DOMAIN_GET_MAX_MEMORY = REMOTE.call(
    "DOMAIN_GET_MAX_MEMORY",
    17,
    DomainGetMaxMemoryArgs,
    DomainGetMaxMemoryRet,
    acl="domain:read",
    high=True,
)


class DomainSetMaxMemoryArgs(Record):
    dom: NonnullDomain
    memory: UHyper


DOMAIN_SET_MAX_MEMORY = REMOTE.call(
    "DOMAIN_SET_MAX_MEMORY", 30, DomainSetMaxMemoryArgs, None, acl="domain:write", high=True
)


class DomainSetMemoryArgs(Record):
    dom: NonnullDomain
    memory: UHyper


DOMAIN_SET_MEMORY = REMOTE.call(
    "DOMAIN_SET_MEMORY", 31, DomainSetMemoryArgs, None, acl="domain:write"
)


class DomainSetMemoryFlagsArgs(Record):
    dom: NonnullDomain
    memory: UHyper
    flags: UInt = 0


DOMAIN_SET_MEMORY_FLAGS = REMOTE.call(
    "DOMAIN_SET_MEMORY_FLAGS",
    204,
    DomainSetMemoryFlagsArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainGetMemoryParametersArgs(Record):
    dom: NonnullDomain
    nparams: Int
    flags: UInt = 0


class DomainGetMemoryParametersRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_MEMORY_PARAMETERS_MAX)]
    nparams: Int


DOMAIN_GET_MEMORY_PARAMETERS = REMOTE.call(
    "DOMAIN_GET_MEMORY_PARAMETERS",
    198,
    DomainGetMemoryParametersArgs,
    DomainGetMemoryParametersRet,
    acl="domain:read",
)


class DomainSetMemoryParametersArgs(Record):
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(DOMAIN_MEMORY_PARAMETERS_MAX)]
    flags: UInt = 0


DOMAIN_SET_MEMORY_PARAMETERS = REMOTE.call(
    "DOMAIN_SET_MEMORY_PARAMETERS",
    197,
    DomainSetMemoryParametersArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


# Scheduler


class DomainGetSchedulerTypeArgs(Record):
    dom: NonnullDomain


class DomainGetSchedulerTypeRet(Record):
    type: NonnullString
    nparams: Int


DOMAIN_GET_SCHEDULER_TYPE = REMOTE.call(
    "DOMAIN_GET_SCHEDULER_TYPE",
    56,
    DomainGetSchedulerTypeArgs,
    DomainGetSchedulerTypeRet,
    acl="domain:read",
)


class DomainGetSchedulerParametersArgs(Record):
    dom: NonnullDomain
    nparams: Int


class DomainGetSchedulerParametersRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_SCHEDULER_PARAMETERS_MAX)]


DOMAIN_GET_SCHEDULER_PARAMETERS = REMOTE.call(
    "DOMAIN_GET_SCHEDULER_PARAMETERS",
    57,
    DomainGetSchedulerParametersArgs,
    DomainGetSchedulerParametersRet,
    acl="domain:read",
)


class DomainGetSchedulerParametersFlagsArgs(Record):
    dom: NonnullDomain
    nparams: Int
    flags: UInt = 0


class DomainGetSchedulerParametersFlagsRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_SCHEDULER_PARAMETERS_MAX)]


DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS = REMOTE.call(
    "DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS",
    223,
    DomainGetSchedulerParametersFlagsArgs,
    DomainGetSchedulerParametersFlagsRet,
    acl="domain:read",
)


class DomainSetSchedulerParametersArgs(Record):
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(DOMAIN_SCHEDULER_PARAMETERS_MAX)]


DOMAIN_SET_SCHEDULER_PARAMETERS = REMOTE.call(
    "DOMAIN_SET_SCHEDULER_PARAMETERS", 58, DomainSetSchedulerParametersArgs, None, acl="domain:read"
)


class DomainSetSchedulerParametersFlagsArgs(Record):
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(DOMAIN_SCHEDULER_PARAMETERS_MAX)]
    flags: UInt = 0


DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS = REMOTE.call(
    "DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS",
    219,
    DomainSetSchedulerParametersFlagsArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


# Disk and network


class DomainGetBlkioParametersArgs(Record):
    dom: NonnullDomain
    nparams: Int
    flags: UInt = 0


class DomainGetBlkioParametersRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_BLKIO_PARAMETERS_MAX)]
    nparams: Int


DOMAIN_GET_BLKIO_PARAMETERS = REMOTE.call(
    "DOMAIN_GET_BLKIO_PARAMETERS",
    206,
    DomainGetBlkioParametersArgs,
    DomainGetBlkioParametersRet,
    acl="domain:read",
)


class DomainSetBlkioParametersArgs(Record):
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(DOMAIN_BLKIO_PARAMETERS_MAX)]
    flags: UInt = 0


DOMAIN_SET_BLKIO_PARAMETERS = REMOTE.call(
    "DOMAIN_SET_BLKIO_PARAMETERS",
    205,
    DomainSetBlkioParametersArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainGetInterfaceParametersArgs(Record):
    dom: NonnullDomain
    device: NonnullString
    nparams: Int
    flags: UInt = 0


class DomainGetInterfaceParametersRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_INTERFACE_PARAMETERS_MAX)]
    nparams: Int


DOMAIN_GET_INTERFACE_PARAMETERS = REMOTE.call(
    "DOMAIN_GET_INTERFACE_PARAMETERS",
    257,
    DomainGetInterfaceParametersArgs,
    DomainGetInterfaceParametersRet,
    acl="domain:read",
)


class DomainSetInterfaceParametersArgs(Record):
    dom: NonnullDomain
    device: NonnullString
    params: Annotated[list[TypedParam], Array(DOMAIN_INTERFACE_PARAMETERS_MAX)]
    flags: UInt = 0


DOMAIN_SET_INTERFACE_PARAMETERS = REMOTE.call(
    "DOMAIN_SET_INTERFACE_PARAMETERS",
    256,
    DomainSetInterfaceParametersArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


# NUMA


class DomainGetNumaParametersArgs(Record):
    dom: NonnullDomain
    nparams: Int
    flags: UInt = 0


class DomainGetNumaParametersRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_NUMA_PARAMETERS_MAX)]
    nparams: Int


DOMAIN_GET_NUMA_PARAMETERS = REMOTE.call(
    "DOMAIN_GET_NUMA_PARAMETERS",
    255,
    DomainGetNumaParametersArgs,
    DomainGetNumaParametersRet,
    acl="domain:read",
)


class DomainSetNumaParametersArgs(Record):
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(DOMAIN_NUMA_PARAMETERS_MAX)]
    flags: UInt = 0


DOMAIN_SET_NUMA_PARAMETERS = REMOTE.call(
    "DOMAIN_SET_NUMA_PARAMETERS",
    254,
    DomainSetNumaParametersArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)
