"""A domain's processors: how many, where they run, and its I/O threads.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Opaque, Record, UInt
from virtory.lean import Annotated, NamedTuple
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import (
    CPUMAP_MAX,
    CPUMAPS_MAX,
    DOMAIN_IOTHREAD_PARAMS_MAX,
    IOTHREAD_INFO_MAX,
    VCPUINFO_MAX,
)
from virtory.wire.remote.types import NonnullDomain, NonnullString, TypedParam, VcpuInfo

# Number of virtual CPUs


class DomainGetMaxVcpusArgs(Record):
    dom: NonnullDomain


class DomainGetMaxVcpusRet(Record):
    num: Int


DOMAIN_GET_MAX_VCPUS = REMOTE.call(
    "DOMAIN_GET_MAX_VCPUS",
    18,
    DomainGetMaxVcpusArgs,
    DomainGetMaxVcpusRet,
    acl="domain:read",
    high=True,
)


class DomainSetVcpusArgs(Record):
    dom: NonnullDomain
    nvcpus: UInt


DOMAIN_SET_VCPUS = REMOTE.call("DOMAIN_SET_VCPUS", 32, DomainSetVcpusArgs, None, acl="domain:write")


class DomainSetVcpusFlagsArgs(Record):
    dom: NonnullDomain
    nvcpus: UInt
    flags: UInt = 0


DOMAIN_SET_VCPUS_FLAGS = REMOTE.call(
    "DOMAIN_SET_VCPUS_FLAGS",
    199,
    DomainSetVcpusFlagsArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
        "domain:write:VIR_DOMAIN_VCPU_GUEST",
    ),
)


class DomainGetVcpusFlagsArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainGetVcpusFlagsRet(Record):
    num: Int


DOMAIN_GET_VCPUS_FLAGS = REMOTE.call(
    "DOMAIN_GET_VCPUS_FLAGS",
    200,
    DomainGetVcpusFlagsArgs,
    DomainGetVcpusFlagsRet,
    acl=("domain:read", "domain:write:VIR_DOMAIN_VCPU_GUEST"),
)


class DomainSetVcpuArgs(Record):
    dom: NonnullDomain
    cpumap: NonnullString
    state: Int
    flags: UInt = 0


DOMAIN_SET_VCPU = REMOTE.call(
    "DOMAIN_SET_VCPU",
    384,
    DomainSetVcpuArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


# Pinning


class DomainGetVcpusArgs(Record):
    dom: NonnullDomain
    maxinfo: Int
    maplen: Int


class DomainGetVcpusRet(Record):
    info: Annotated[list[VcpuInfo], Array(VCPUINFO_MAX)]
    cpumaps: Annotated[bytes, Opaque(CPUMAPS_MAX)]


DOMAIN_GET_VCPUS = REMOTE.call(
    "DOMAIN_GET_VCPUS", 20, DomainGetVcpusArgs, DomainGetVcpusRet, acl="domain:read", high=True
)


class DomainPinVcpuArgs(Record):
    dom: NonnullDomain
    vcpu: UInt
    cpumap: Annotated[bytes, Opaque(CPUMAP_MAX)]


DOMAIN_PIN_VCPU = REMOTE.call("DOMAIN_PIN_VCPU", 26, DomainPinVcpuArgs, None, acl="domain:write")


class DomainPinVcpuFlagsArgs(Record):
    dom: NonnullDomain
    vcpu: UInt
    cpumap: Annotated[bytes, Opaque(CPUMAP_MAX)]
    flags: UInt = 0


DOMAIN_PIN_VCPU_FLAGS = REMOTE.call(
    "DOMAIN_PIN_VCPU_FLAGS",
    225,
    DomainPinVcpuFlagsArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainGetVcpuPinInfoArgs(Record):
    dom: NonnullDomain
    ncpumaps: Int
    maplen: Int
    flags: UInt = 0


class DomainGetVcpuPinInfoRet(Record):
    cpumaps: Annotated[bytes, Opaque(CPUMAPS_MAX)]
    num: Int


DOMAIN_GET_VCPU_PIN_INFO = REMOTE.call(
    "DOMAIN_GET_VCPU_PIN_INFO",
    230,
    DomainGetVcpuPinInfoArgs,
    DomainGetVcpuPinInfoRet,
    acl="domain:read",
)


class DomainPinEmulatorArgs(Record):
    dom: NonnullDomain
    cpumap: Annotated[bytes, Opaque(CPUMAP_MAX)]
    flags: UInt = 0


DOMAIN_PIN_EMULATOR = REMOTE.call(
    "DOMAIN_PIN_EMULATOR",
    279,
    DomainPinEmulatorArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainGetEmulatorPinInfoArgs(Record):
    dom: NonnullDomain
    maplen: Int
    flags: UInt = 0


class DomainGetEmulatorPinInfoRet(Record):
    cpumaps: Annotated[bytes, Opaque(CPUMAPS_MAX)]
    ret: Int


DOMAIN_GET_EMULATOR_PIN_INFO = REMOTE.call(
    "DOMAIN_GET_EMULATOR_PIN_INFO",
    280,
    DomainGetEmulatorPinInfoArgs,
    DomainGetEmulatorPinInfoRet,
    acl="domain:read",
)


# I/O threads


class DomainGetIothreadInfoArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainIothreadInfo(NamedTuple):
    iothread_id: UInt
    cpumap: Annotated[bytes, Opaque(CPUMAP_MAX)]


class DomainGetIothreadInfoRet(Record):
    info: Annotated[list[DomainIothreadInfo], Array(IOTHREAD_INFO_MAX)]
    ret: UInt


DOMAIN_GET_IOTHREAD_INFO = REMOTE.call(
    "DOMAIN_GET_IOTHREAD_INFO",
    351,
    DomainGetIothreadInfoArgs,
    DomainGetIothreadInfoRet,
    acl="domain:read",
)


class DomainPinIothreadArgs(Record):
    dom: NonnullDomain
    iothreads_id: UInt
    cpumap: Annotated[bytes, Opaque(CPUMAP_MAX)]
    flags: UInt = 0


DOMAIN_PIN_IOTHREAD = REMOTE.call(
    "DOMAIN_PIN_IOTHREAD",
    352,
    DomainPinIothreadArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainAddIothreadArgs(Record):
    dom: NonnullDomain
    iothread_id: UInt
    flags: UInt = 0


DOMAIN_ADD_IOTHREAD = REMOTE.call(
    "DOMAIN_ADD_IOTHREAD",
    355,
    DomainAddIothreadArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainDelIothreadArgs(Record):
    dom: NonnullDomain
    iothread_id: UInt
    flags: UInt = 0


DOMAIN_DEL_IOTHREAD = REMOTE.call(
    "DOMAIN_DEL_IOTHREAD",
    356,
    DomainDelIothreadArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainSetIothreadParamsArgs(Record):
    dom: NonnullDomain
    iothread_id: UInt
    params: Annotated[list[TypedParam], Array(DOMAIN_IOTHREAD_PARAMS_MAX)]
    flags: UInt = 0


DOMAIN_SET_IOTHREAD_PARAMS = REMOTE.call(
    "DOMAIN_SET_IOTHREAD_PARAMS",
    402,
    DomainSetIothreadParamsArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)
