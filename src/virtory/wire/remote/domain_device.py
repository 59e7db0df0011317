"""A domain's devices: hotplug, consoles, graphics, keys, and memory as seen from outside.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Hyper, Opaque, Record, UHyper, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import (
    DOMAIN_LAUNCH_SECURITY_INFO_PARAMS_MAX,
    DOMAIN_LAUNCH_SECURITY_STATE_PARAMS_MAX,
    DOMAIN_MEMORY_PEEK_BUFFER_MAX,
    DOMAIN_SEND_KEY_MAX,
)
from virtory.wire.remote.types import NonnullDomain, NonnullString, NullableString, TypedParam

# Hotplug


class DomainAttachDeviceArgs(Record):
    dom: NonnullDomain
    xml: NonnullString


DOMAIN_ATTACH_DEVICE = REMOTE.call(
    "DOMAIN_ATTACH_DEVICE", 8, DomainAttachDeviceArgs, None, acl="domain:write"
)


class DomainAttachDeviceFlagsArgs(Record):
    dom: NonnullDomain
    xml: NonnullString
    flags: UInt = 0


DOMAIN_ATTACH_DEVICE_FLAGS = REMOTE.call(
    "DOMAIN_ATTACH_DEVICE_FLAGS",
    160,
    DomainAttachDeviceFlagsArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainDetachDeviceArgs(Record):
    dom: NonnullDomain
    xml: NonnullString


DOMAIN_DETACH_DEVICE = REMOTE.call(
    "DOMAIN_DETACH_DEVICE", 13, DomainDetachDeviceArgs, None, acl="domain:write"
)


class DomainDetachDeviceFlagsArgs(Record):
    dom: NonnullDomain
    xml: NonnullString
    flags: UInt = 0


DOMAIN_DETACH_DEVICE_FLAGS = REMOTE.call(
    "DOMAIN_DETACH_DEVICE_FLAGS",
    161,
    DomainDetachDeviceFlagsArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainDetachDeviceAliasArgs(Record):
    dom: NonnullDomain
    alias: NonnullString
    flags: UInt = 0


DOMAIN_DETACH_DEVICE_ALIAS = REMOTE.call(
    "DOMAIN_DETACH_DEVICE_ALIAS",
    392,
    DomainDetachDeviceAliasArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainUpdateDeviceFlagsArgs(Record):
    dom: NonnullDomain
    xml: NonnullString
    flags: UInt = 0


DOMAIN_UPDATE_DEVICE_FLAGS = REMOTE.call(
    "DOMAIN_UPDATE_DEVICE_FLAGS",
    174,
    DomainUpdateDeviceFlagsArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainFdAssociateArgs(Record):
    dom: NonnullDomain
    name: NonnullString
    flags: UInt = 0


DOMAIN_FD_ASSOCIATE = REMOTE.call(
    "DOMAIN_FD_ASSOCIATE", 443, DomainFdAssociateArgs, None, acl="domain:write"
)


# Consoles, channels, graphics


class DomainOpenConsoleArgs(Record):
    dom: NonnullDomain
    dev_name: NullableString
    flags: UInt = 0


# A read stream in libvirt's protocol file; in fact data goes both ways.
DOMAIN_OPEN_CONSOLE = REMOTE.call(
    "DOMAIN_OPEN_CONSOLE", 201, DomainOpenConsoleArgs, None, acl="domain:open_device", stream="both"
)


class DomainOpenChannelArgs(Record):
    dom: NonnullDomain
    name: NullableString
    flags: UInt = 0


# A read stream in libvirt's protocol file; in fact data goes both ways.
DOMAIN_OPEN_CHANNEL = REMOTE.call(
    "DOMAIN_OPEN_CHANNEL", 296, DomainOpenChannelArgs, None, acl="domain:open_device", stream="both"
)


class DomainScreenshotArgs(Record):
    dom: NonnullDomain
    screen: UInt
    flags: UInt = 0


class DomainScreenshotRet(Record):
    mime: NullableString


DOMAIN_SCREENSHOT = REMOTE.call(
    "DOMAIN_SCREENSHOT",
    211,
    DomainScreenshotArgs,
    DomainScreenshotRet,
    acl="domain:screenshot",
    stream="read",
)


class DomainOpenGraphicsArgs(Record):
    dom: NonnullDomain
    idx: UInt
    flags: UInt = 0


DOMAIN_OPEN_GRAPHICS = REMOTE.call(
    "DOMAIN_OPEN_GRAPHICS", 249, DomainOpenGraphicsArgs, None, acl="domain:open_graphics"
)


class DomainOpenGraphicsFdArgs(Record):
    dom: NonnullDomain
    idx: UInt
    flags: UInt = 0


DOMAIN_OPEN_GRAPHICS_FD = REMOTE.call(
    "DOMAIN_OPEN_GRAPHICS_FD", 343, DomainOpenGraphicsFdArgs, None, acl="domain:open_graphics"
)


# Input and interrupts


class DomainSendKeyArgs(Record):
    dom: NonnullDomain
    codeset: UInt
    holdtime: UInt
    keycodes: Annotated[list[UInt], Array(DOMAIN_SEND_KEY_MAX)]
    flags: UInt = 0


DOMAIN_SEND_KEY = REMOTE.call(
    "DOMAIN_SEND_KEY", 226, DomainSendKeyArgs, None, acl="domain:send_input"
)


class DomainInjectNmiArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


DOMAIN_INJECT_NMI = REMOTE.call(
    "DOMAIN_INJECT_NMI", 210, DomainInjectNmiArgs, None, acl="domain:inject_nmi"
)


class DomainSendProcessSignalArgs(Record):
    dom: NonnullDomain
    pid_value: Hyper
    signum: UInt
    flags: UInt = 0


DOMAIN_SEND_PROCESS_SIGNAL = REMOTE.call(
    "DOMAIN_SEND_PROCESS_SIGNAL", 295, DomainSendProcessSignalArgs, None, acl="domain:send_signal"
)


# Memory, as seen from outside


class DomainMemoryPeekArgs(Record):
    dom: NonnullDomain
    offset: UHyper
    size: UInt
    flags: UInt = 0


class DomainMemoryPeekRet(Record):
    buffer: Annotated[bytes, Opaque(DOMAIN_MEMORY_PEEK_BUFFER_MAX)]


DOMAIN_MEMORY_PEEK = REMOTE.call(
    "DOMAIN_MEMORY_PEEK", 104, DomainMemoryPeekArgs, DomainMemoryPeekRet, acl="domain:mem_read"
)


# Confidential guests


class DomainGetLaunchSecurityInfoArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainGetLaunchSecurityInfoRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_LAUNCH_SECURITY_INFO_PARAMS_MAX)]


DOMAIN_GET_LAUNCH_SECURITY_INFO = REMOTE.call(
    "DOMAIN_GET_LAUNCH_SECURITY_INFO",
    396,
    DomainGetLaunchSecurityInfoArgs,
    DomainGetLaunchSecurityInfoRet,
    acl="domain:read",
)


class DomainSetLaunchSecurityStateArgs(Record):
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(DOMAIN_LAUNCH_SECURITY_STATE_PARAMS_MAX)]
    flags: UInt = 0


DOMAIN_SET_LAUNCH_SECURITY_STATE = REMOTE.call(
    "DOMAIN_SET_LAUNCH_SECURITY_STATE",
    439,
    DomainSetLaunchSecurityStateArgs,
    None,
    acl="domain:write",
)
