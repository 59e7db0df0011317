"""The connection itself: opening, naming and describing it.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Record, UHyper, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import (
    CONNECT_CPU_MODELS_MAX,
    CONNECT_IDENTITY_PARAMS_MAX,
    CPU_BASELINE_MAX,
)
from virtory.wire.remote.types import NonnullString, NullableString, TypedParam

# Opening and closing


class ConnectOpenArgs(Record):
    name: NullableString
    flags: UInt = 0


CONNECT_OPEN = REMOTE.call(
    "CONNECT_OPEN", 1, ConnectOpenArgs, None, acl="connect:getattr", high=True
)


CONNECT_CLOSE = REMOTE.call("CONNECT_CLOSE", 2, None, None, acl="none", high=True)


class ConnectSupportsFeatureArgs(Record):
    feature: Int


class ConnectSupportsFeatureRet(Record):
    supported: Int


CONNECT_SUPPORTS_FEATURE = REMOTE.call(
    "CONNECT_SUPPORTS_FEATURE",
    60,
    ConnectSupportsFeatureArgs,
    ConnectSupportsFeatureRet,
    acl="connect:getattr",
    high=True,
)


class ConnectSetIdentityArgs(Record):
    params: Annotated[list[TypedParam], Array(CONNECT_IDENTITY_PARAMS_MAX)]
    flags: UInt = 0


CONNECT_SET_IDENTITY = REMOTE.call(
    "CONNECT_SET_IDENTITY", 419, ConnectSetIdentityArgs, None, acl="connect:write"
)


CONNECT_REGISTER_CLOSE_CALLBACK = REMOTE.call(
    "CONNECT_REGISTER_CLOSE_CALLBACK", 360, None, None, acl="connect:getattr", high=True
)


CONNECT_UNREGISTER_CLOSE_CALLBACK = REMOTE.call(
    "CONNECT_UNREGISTER_CLOSE_CALLBACK", 361, None, None, acl="connect:getattr", high=True
)


class ConnectEventConnectionClosedMsg(Record):
    reason: Int


CONNECT_EVENT_CONNECTION_CLOSED = REMOTE.event(
    "CONNECT_EVENT_CONNECTION_CLOSED", 362, ConnectEventConnectionClosedMsg
)


# Who answers


class ConnectGetTypeRet(Record):
    type: NonnullString


CONNECT_GET_TYPE = REMOTE.call(
    "CONNECT_GET_TYPE", 3, None, ConnectGetTypeRet, acl="connect:getattr", high=True
)


class ConnectGetVersionRet(Record):
    hv_ver: UHyper


CONNECT_GET_VERSION = REMOTE.call(
    "CONNECT_GET_VERSION", 4, None, ConnectGetVersionRet, acl="connect:getattr", high=True
)


class ConnectGetLibVersionRet(Record):
    lib_ver: UHyper


CONNECT_GET_LIB_VERSION = REMOTE.call(
    "CONNECT_GET_LIB_VERSION", 157, None, ConnectGetLibVersionRet, acl="connect:getattr", high=True
)


class ConnectGetHostnameRet(Record):
    hostname: NonnullString


CONNECT_GET_HOSTNAME = REMOTE.call(
    "CONNECT_GET_HOSTNAME", 59, None, ConnectGetHostnameRet, acl="connect:getattr", high=True
)


class ConnectGetUriRet(Record):
    uri: NonnullString


CONNECT_GET_URI = REMOTE.call(
    "CONNECT_GET_URI", 110, None, ConnectGetUriRet, acl="connect:getattr", high=True
)


class ConnectIsSecureRet(Record):
    secure: Int


CONNECT_IS_SECURE = REMOTE.call(
    "CONNECT_IS_SECURE", 149, None, ConnectIsSecureRet, acl="none", high=True
)


class ConnectGetSysinfoArgs(Record):
    flags: UInt = 0


class ConnectGetSysinfoRet(Record):
    sysinfo: NonnullString


CONNECT_GET_SYSINFO = REMOTE.call(
    "CONNECT_GET_SYSINFO",
    203,
    ConnectGetSysinfoArgs,
    ConnectGetSysinfoRet,
    acl="connect:read",
    high=True,
)


# What can run here


class ConnectGetMaxVcpusArgs(Record):
    type: NullableString


class ConnectGetMaxVcpusRet(Record):
    max_vcpus: Int


CONNECT_GET_MAX_VCPUS = REMOTE.call(
    "CONNECT_GET_MAX_VCPUS",
    5,
    ConnectGetMaxVcpusArgs,
    ConnectGetMaxVcpusRet,
    acl="connect:read",
    high=True,
)


class ConnectGetCapabilitiesRet(Record):
    capabilities: NonnullString


CONNECT_GET_CAPABILITIES = REMOTE.call(
    "CONNECT_GET_CAPABILITIES", 7, None, ConnectGetCapabilitiesRet, acl="connect:read"
)


class ConnectGetDomainCapabilitiesArgs(Record):
    emulatorbin: NullableString
    arch: NullableString
    machine: NullableString
    virttype: NullableString
    flags: UInt = 0


class ConnectGetDomainCapabilitiesRet(Record):
    capabilities: NonnullString


CONNECT_GET_DOMAIN_CAPABILITIES = REMOTE.call(
    "CONNECT_GET_DOMAIN_CAPABILITIES",
    342,
    ConnectGetDomainCapabilitiesArgs,
    ConnectGetDomainCapabilitiesRet,
    acl="connect:write",
)


class ConnectDomainXmlFromNativeArgs(Record):
    native_format: NonnullString
    native_config: NonnullString
    flags: UInt = 0


class ConnectDomainXmlFromNativeRet(Record):
    domain_xml: NonnullString


CONNECT_DOMAIN_XML_FROM_NATIVE = REMOTE.call(
    "CONNECT_DOMAIN_XML_FROM_NATIVE",
    135,
    ConnectDomainXmlFromNativeArgs,
    ConnectDomainXmlFromNativeRet,
    acl="connect:write",
)


class ConnectDomainXmlToNativeArgs(Record):
    native_format: NonnullString
    domain_xml: NonnullString
    flags: UInt = 0


class ConnectDomainXmlToNativeRet(Record):
    native_config: NonnullString


CONNECT_DOMAIN_XML_TO_NATIVE = REMOTE.call(
    "CONNECT_DOMAIN_XML_TO_NATIVE",
    136,
    ConnectDomainXmlToNativeArgs,
    ConnectDomainXmlToNativeRet,
    acl="connect:write",
)


# CPU models


class ConnectGetCpuModelNamesArgs(Record):
    arch: NonnullString
    need_results: Int = 1
    flags: UInt = 0


class ConnectGetCpuModelNamesRet(Record):
    models: Annotated[list[NonnullString], Array(CONNECT_CPU_MODELS_MAX)]
    ret: Int


CONNECT_GET_CPU_MODEL_NAMES = REMOTE.call(
    "CONNECT_GET_CPU_MODEL_NAMES",
    312,
    ConnectGetCpuModelNamesArgs,
    ConnectGetCpuModelNamesRet,
    acl="connect:read",
)


class ConnectCompareCpuArgs(Record):
    xml: NonnullString
    flags: UInt = 0


class ConnectCompareCpuRet(Record):
    result: Int


CONNECT_COMPARE_CPU = REMOTE.call(
    "CONNECT_COMPARE_CPU",
    158,
    ConnectCompareCpuArgs,
    ConnectCompareCpuRet,
    acl="connect:read",
    high=True,
)


class ConnectBaselineCpuArgs(Record):
    xml_cpus: Annotated[list[NonnullString], Array(CPU_BASELINE_MAX)]
    flags: UInt = 0


class ConnectBaselineCpuRet(Record):
    cpu: NonnullString


CONNECT_BASELINE_CPU = REMOTE.call(
    "CONNECT_BASELINE_CPU", 162, ConnectBaselineCpuArgs, ConnectBaselineCpuRet, acl="connect:read"
)


class ConnectCompareHypervisorCpuArgs(Record):
    emulator: NullableString
    arch: NullableString
    machine: NullableString
    virttype: NullableString
    xml_cpu: NonnullString
    flags: UInt = 0


class ConnectCompareHypervisorCpuRet(Record):
    result: Int


CONNECT_COMPARE_HYPERVISOR_CPU = REMOTE.call(
    "CONNECT_COMPARE_HYPERVISOR_CPU",
    393,
    ConnectCompareHypervisorCpuArgs,
    ConnectCompareHypervisorCpuRet,
    acl="connect:write",
)


class ConnectBaselineHypervisorCpuArgs(Record):
    emulator: NullableString
    arch: NullableString
    machine: NullableString
    virttype: NullableString
    xml_cpus: Annotated[list[NonnullString], Array(CPU_BASELINE_MAX)]
    flags: UInt = 0


class ConnectBaselineHypervisorCpuRet(Record):
    cpu: NonnullString


CONNECT_BASELINE_HYPERVISOR_CPU = REMOTE.call(
    "CONNECT_BASELINE_HYPERVISOR_CPU",
    394,
    ConnectBaselineHypervisorCpuArgs,
    ConnectBaselineHypervisorCpuRet,
    acl="connect:write",
)
