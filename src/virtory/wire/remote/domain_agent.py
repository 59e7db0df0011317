"""What the guest agent does: file systems, time, users, processors, addresses.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Hyper, Int, Record, UHyper, UInt
from virtory.lean import Annotated, NamedTuple
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import (
    DOMAIN_AUTHORIZED_SSH_KEYS_MAX,
    DOMAIN_FSFREEZE_MOUNTPOINTS_MAX,
    DOMAIN_FSINFO_DISKS_MAX,
    DOMAIN_FSINFO_MAX,
    DOMAIN_GUEST_INFO_PARAMS_MAX,
    DOMAIN_GUEST_VCPU_PARAMS_MAX,
    DOMAIN_INTERFACE_MAX,
    DOMAIN_IP_ADDR_MAX,
)
from virtory.wire.remote.types import NonnullDomain, NonnullString, NullableString, TypedParam

# File systems


class DomainFsfreezeArgs(Record):
    dom: NonnullDomain
    mountpoints: Annotated[list[NonnullString], Array(DOMAIN_FSFREEZE_MOUNTPOINTS_MAX)]
    flags: UInt = 0


class DomainFsfreezeRet(Record):
    filesystems: Int


DOMAIN_FSFREEZE = REMOTE.call(
    "DOMAIN_FSFREEZE", 335, DomainFsfreezeArgs, DomainFsfreezeRet, acl="domain:fs_freeze"
)


class DomainFsthawArgs(Record):
    dom: NonnullDomain
    mountpoints: Annotated[list[NonnullString], Array(DOMAIN_FSFREEZE_MOUNTPOINTS_MAX)]
    flags: UInt = 0


class DomainFsthawRet(Record):
    filesystems: Int


DOMAIN_FSTHAW = REMOTE.call(
    "DOMAIN_FSTHAW", 336, DomainFsthawArgs, DomainFsthawRet, acl="domain:fs_freeze"
)


class DomainFstrimArgs(Record):
    dom: NonnullDomain
    mount_point: NullableString
    minimum: UHyper
    flags: UInt = 0


DOMAIN_FSTRIM = REMOTE.call("DOMAIN_FSTRIM", 294, DomainFstrimArgs, None, acl="domain:fs_trim")


class DomainGetFsinfoArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainFsinfo(NamedTuple):
    mountpoint: NonnullString
    name: NonnullString
    fstype: NonnullString
    dev_aliases: Annotated[list[NonnullString], Array(DOMAIN_FSINFO_DISKS_MAX)]


class DomainGetFsinfoRet(Record):
    info: Annotated[list[DomainFsinfo], Array(DOMAIN_FSINFO_MAX)]
    ret: UInt


DOMAIN_GET_FSINFO = REMOTE.call(
    "DOMAIN_GET_FSINFO", 349, DomainGetFsinfoArgs, DomainGetFsinfoRet, acl="domain:fs_freeze"
)


# Time


class DomainGetTimeArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainGetTimeRet(Record):
    seconds: Hyper
    nseconds: UInt


DOMAIN_GET_TIME = REMOTE.call(
    "DOMAIN_GET_TIME", 337, DomainGetTimeArgs, DomainGetTimeRet, acl="domain:write"
)


class DomainSetTimeArgs(Record):
    dom: NonnullDomain
    seconds: Hyper
    nseconds: UInt
    flags: UInt = 0


DOMAIN_SET_TIME = REMOTE.call(
    "DOMAIN_SET_TIME", 338, DomainSetTimeArgs, None, acl="domain:set_time"
)


# Users and keys


class DomainSetUserPasswordArgs(Record):
    dom: NonnullDomain
    user: NullableString
    password: NullableString
    flags: UInt = 0


DOMAIN_SET_USER_PASSWORD = REMOTE.call(
    "DOMAIN_SET_USER_PASSWORD", 357, DomainSetUserPasswordArgs, None, acl="domain:set_password"
)


class DomainAuthorizedSshKeysGetArgs(Record):
    dom: NonnullDomain
    user: NonnullString
    flags: UInt = 0


class DomainAuthorizedSshKeysGetRet(Record):
    keys: Annotated[list[NonnullString], Array(DOMAIN_AUTHORIZED_SSH_KEYS_MAX)]


DOMAIN_AUTHORIZED_SSH_KEYS_GET = REMOTE.call(
    "DOMAIN_AUTHORIZED_SSH_KEYS_GET",
    424,
    DomainAuthorizedSshKeysGetArgs,
    DomainAuthorizedSshKeysGetRet,
    acl="domain:write",
)


class DomainAuthorizedSshKeysSetArgs(Record):
    dom: NonnullDomain
    user: NonnullString
    keys: Annotated[list[NonnullString], Array(DOMAIN_AUTHORIZED_SSH_KEYS_MAX)]
    flags: UInt = 0


DOMAIN_AUTHORIZED_SSH_KEYS_SET = REMOTE.call(
    "DOMAIN_AUTHORIZED_SSH_KEYS_SET", 425, DomainAuthorizedSshKeysSetArgs, None, acl="domain:write"
)


# Processors


class DomainGetGuestVcpusArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainGetGuestVcpusRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_GUEST_VCPU_PARAMS_MAX)]


DOMAIN_GET_GUEST_VCPUS = REMOTE.call(
    "DOMAIN_GET_GUEST_VCPUS",
    371,
    DomainGetGuestVcpusArgs,
    DomainGetGuestVcpusRet,
    acl="domain:write",
)


class DomainSetGuestVcpusArgs(Record):
    dom: NonnullDomain
    cpumap: NonnullString
    state: Int
    flags: UInt = 0


DOMAIN_SET_GUEST_VCPUS = REMOTE.call(
    "DOMAIN_SET_GUEST_VCPUS", 372, DomainSetGuestVcpusArgs, None, acl="domain:write"
)


# What the guest tells


class DomainGetGuestInfoArgs(Record):
    dom: NonnullDomain
    types: UInt
    flags: UInt = 0


class DomainGetGuestInfoRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_GUEST_INFO_PARAMS_MAX)]


DOMAIN_GET_GUEST_INFO = REMOTE.call(
    "DOMAIN_GET_GUEST_INFO", 418, DomainGetGuestInfoArgs, DomainGetGuestInfoRet, acl="domain:write"
)


class DomainInterfaceAddressesArgs(Record):
    dom: NonnullDomain
    source: UInt
    flags: UInt = 0


class DomainIpAddr(NamedTuple):
    type: Int
    addr: NonnullString
    prefix: UInt


class DomainInterface(NamedTuple):
    name: NonnullString
    hwaddr: NullableString
    addrs: Annotated[list[DomainIpAddr], Array(DOMAIN_IP_ADDR_MAX)]


class DomainInterfaceAddressesRet(Record):
    ifaces: Annotated[list[DomainInterface], Array(DOMAIN_INTERFACE_MAX)]


DOMAIN_INTERFACE_ADDRESSES = REMOTE.call(
    "DOMAIN_INTERFACE_ADDRESSES",
    353,
    DomainInterfaceAddressesArgs,
    DomainInterfaceAddressesRet,
    acl=("domain:read", "domain:write::source:VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT"),
)


# The agent itself


class DomainAgentSetResponseTimeoutArgs(Record):
    dom: NonnullDomain
    timeout: Int
    flags: UInt = 0


class DomainAgentSetResponseTimeoutRet(Record):
    result: Int


DOMAIN_AGENT_SET_RESPONSE_TIMEOUT = REMOTE.call(
    "DOMAIN_AGENT_SET_RESPONSE_TIMEOUT",
    420,
    DomainAgentSetResponseTimeoutArgs,
    DomainAgentSetResponseTimeoutRet,
    acl="domain:write",
)
