"""Domain events of old clients: one subscription per kind, and messages without a callback's id.

The rule kept here: current messages nest these, so that the two cannot differ.
"""

from virtory.codec.xdr import Array, Hyper, Int, Record, UHyper
from virtory.lean import Annotated, NamedTuple
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import DOMAIN_EVENT_GRAPHICS_IDENTITY_MAX
from virtory.wire.remote.types import NonnullDomain, NonnullString, NullableString

# Subscribing


class ConnectDomainEventRegisterRet(Record):
    cb_registered: Int


CONNECT_DOMAIN_EVENT_REGISTER = REMOTE.call(
    "CONNECT_DOMAIN_EVENT_REGISTER",
    105,
    None,
    ConnectDomainEventRegisterRet,
    acl="connect:search_domains",
    acl_filter="domain:getattr",
    high=True,
)


class ConnectDomainEventDeregisterRet(Record):
    cb_registered: Int


CONNECT_DOMAIN_EVENT_DEREGISTER = REMOTE.call(
    "CONNECT_DOMAIN_EVENT_DEREGISTER",
    106,
    None,
    ConnectDomainEventDeregisterRet,
    acl="connect:read",
    high=True,
)


class ConnectDomainEventRegisterAnyArgs(Record):
    event_id: Int


CONNECT_DOMAIN_EVENT_REGISTER_ANY = REMOTE.call(
    "CONNECT_DOMAIN_EVENT_REGISTER_ANY",
    167,
    ConnectDomainEventRegisterAnyArgs,
    None,
    acl="connect:search_domains",
    acl_filter="domain:getattr",
    high=True,
)


class ConnectDomainEventDeregisterAnyArgs(Record):
    event_id: Int


CONNECT_DOMAIN_EVENT_DEREGISTER_ANY = REMOTE.call(
    "CONNECT_DOMAIN_EVENT_DEREGISTER_ANY",
    168,
    ConnectDomainEventDeregisterAnyArgs,
    None,
    acl="connect:read",
    high=True,
)


# Life


class DomainEventLifecycleMsg(Record):
    dom: NonnullDomain
    event: Int
    detail: Int


DOMAIN_EVENT_LIFECYCLE = REMOTE.event("DOMAIN_EVENT_LIFECYCLE", 107, DomainEventLifecycleMsg)


class DomainEventRebootMsg(Record):
    dom: NonnullDomain


DOMAIN_EVENT_REBOOT = REMOTE.event("DOMAIN_EVENT_REBOOT", 169, DomainEventRebootMsg)


class DomainEventDeviceRemovedMsg(Record):
    dom: NonnullDomain
    dev_alias: NonnullString


DOMAIN_EVENT_DEVICE_REMOVED = REMOTE.event(
    "DOMAIN_EVENT_DEVICE_REMOVED", 311, DomainEventDeviceRemovedMsg
)


# Devices and host


class DomainEventRtcChangeMsg(Record):
    dom: NonnullDomain
    offset: Hyper


DOMAIN_EVENT_RTC_CHANGE = REMOTE.event("DOMAIN_EVENT_RTC_CHANGE", 170, DomainEventRtcChangeMsg)


class DomainEventWatchdogMsg(Record):
    dom: NonnullDomain
    action: Int


DOMAIN_EVENT_WATCHDOG = REMOTE.event("DOMAIN_EVENT_WATCHDOG", 171, DomainEventWatchdogMsg)


class DomainEventIoErrorMsg(Record):
    dom: NonnullDomain
    src_path: NonnullString
    dev_alias: NonnullString
    action: Int


DOMAIN_EVENT_IO_ERROR = REMOTE.event("DOMAIN_EVENT_IO_ERROR", 172, DomainEventIoErrorMsg)


class DomainEventIoErrorReasonMsg(Record):
    dom: NonnullDomain
    src_path: NonnullString
    dev_alias: NonnullString
    action: Int
    reason: NonnullString


DOMAIN_EVENT_IO_ERROR_REASON = REMOTE.event(
    "DOMAIN_EVENT_IO_ERROR_REASON", 195, DomainEventIoErrorReasonMsg
)


class DomainEventGraphicsAddress(NamedTuple):
    family: Int
    node: NonnullString
    service: NonnullString


class DomainEventGraphicsIdentity(NamedTuple):
    type: NonnullString
    name: NonnullString


class DomainEventGraphicsMsg(Record):
    dom: NonnullDomain
    phase: Int
    local: DomainEventGraphicsAddress
    remote: DomainEventGraphicsAddress
    auth_scheme: NonnullString
    subject: Annotated[list[DomainEventGraphicsIdentity], Array(DOMAIN_EVENT_GRAPHICS_IDENTITY_MAX)]


DOMAIN_EVENT_GRAPHICS = REMOTE.event("DOMAIN_EVENT_GRAPHICS", 173, DomainEventGraphicsMsg)


class DomainEventControlErrorMsg(Record):
    dom: NonnullDomain


DOMAIN_EVENT_CONTROL_ERROR = REMOTE.event(
    "DOMAIN_EVENT_CONTROL_ERROR", 224, DomainEventControlErrorMsg
)


class DomainEventBalloonChangeMsg(Record):
    dom: NonnullDomain
    actual: UHyper


DOMAIN_EVENT_BALLOON_CHANGE = REMOTE.event(
    "DOMAIN_EVENT_BALLOON_CHANGE", 276, DomainEventBalloonChangeMsg
)


# Disks


class DomainEventBlockJobMsg(Record):
    dom: NonnullDomain
    path: NonnullString
    type: Int
    status: Int


DOMAIN_EVENT_BLOCK_JOB = REMOTE.event("DOMAIN_EVENT_BLOCK_JOB", 241, DomainEventBlockJobMsg)


class DomainEventDiskChangeMsg(Record):
    dom: NonnullDomain
    old_src_path: NullableString
    new_src_path: NullableString
    dev_alias: NonnullString
    reason: Int


DOMAIN_EVENT_DISK_CHANGE = REMOTE.event("DOMAIN_EVENT_DISK_CHANGE", 248, DomainEventDiskChangeMsg)


class DomainEventTrayChangeMsg(Record):
    dom: NonnullDomain
    dev_alias: NonnullString
    reason: Int


DOMAIN_EVENT_TRAY_CHANGE = REMOTE.event("DOMAIN_EVENT_TRAY_CHANGE", 268, DomainEventTrayChangeMsg)


# Power management


class DomainEventPmwakeupMsg(Record):
    dom: NonnullDomain


DOMAIN_EVENT_PMWAKEUP = REMOTE.event("DOMAIN_EVENT_PMWAKEUP", 269, DomainEventPmwakeupMsg)


class DomainEventPmsuspendMsg(Record):
    dom: NonnullDomain


DOMAIN_EVENT_PMSUSPEND = REMOTE.event("DOMAIN_EVENT_PMSUSPEND", 270, DomainEventPmsuspendMsg)


class DomainEventPmsuspendDiskMsg(Record):
    dom: NonnullDomain


DOMAIN_EVENT_PMSUSPEND_DISK = REMOTE.event(
    "DOMAIN_EVENT_PMSUSPEND_DISK", 292, DomainEventPmsuspendDiskMsg
)
