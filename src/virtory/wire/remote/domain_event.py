"""Domain events of current clients: subscriptions by callback, and their messages.

The rule kept here: these messages start with the callback's id, which the server chose.
"""

from virtory.codec.xdr import Array, Int, Record, UHyper, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.domain_event_legacy import (
    DomainEventBalloonChangeMsg,
    DomainEventBlockJobMsg,
    DomainEventControlErrorMsg,
    DomainEventDeviceRemovedMsg,
    DomainEventDiskChangeMsg,
    DomainEventGraphicsMsg,
    DomainEventIoErrorMsg,
    DomainEventIoErrorReasonMsg,
    DomainEventLifecycleMsg,
    DomainEventPmsuspendDiskMsg,
    DomainEventPmsuspendMsg,
    DomainEventPmwakeupMsg,
    DomainEventRebootMsg,
    DomainEventRtcChangeMsg,
    DomainEventTrayChangeMsg,
    DomainEventWatchdogMsg,
)
from virtory.wire.remote.limits import DOMAIN_EVENT_TUNABLE_MAX, DOMAIN_JOB_STATS_MAX
from virtory.wire.remote.types import NonnullDomain, NonnullString, NullableString, TypedParam

# Subscribing


class ConnectDomainEventCallbackRegisterAnyArgs(Record):
    event_id: Int
    dom: NonnullDomain | None


class ConnectDomainEventCallbackRegisterAnyRet(Record):
    callback_id: Int


CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY = REMOTE.call(
    "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY",
    316,
    ConnectDomainEventCallbackRegisterAnyArgs,
    ConnectDomainEventCallbackRegisterAnyRet,
    acl="connect:search_domains",
    acl_filter="domain:getattr",
    high=True,
)


class ConnectDomainEventCallbackDeregisterAnyArgs(Record):
    callback_id: Int


CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY = REMOTE.call(
    "CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY",
    317,
    ConnectDomainEventCallbackDeregisterAnyArgs,
    None,
    acl="connect:read",
    high=True,
)


# Life


class DomainEventCallbackLifecycleMsg(Record):
    callback_id: Int
    msg: DomainEventLifecycleMsg


DOMAIN_EVENT_CALLBACK_LIFECYCLE = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_LIFECYCLE", 318, DomainEventCallbackLifecycleMsg
)


class DomainEventCallbackRebootMsg(Record):
    callback_id: Int
    msg: DomainEventRebootMsg


DOMAIN_EVENT_CALLBACK_REBOOT = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_REBOOT", 319, DomainEventCallbackRebootMsg
)


class DomainEventCallbackDeviceRemovedMsg(Record):
    callback_id: Int
    msg: DomainEventDeviceRemovedMsg


DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED", 333, DomainEventCallbackDeviceRemovedMsg
)


class DomainEventCallbackDeviceAddedMsg(Record):
    callback_id: Int
    dom: NonnullDomain
    dev_alias: NonnullString


DOMAIN_EVENT_CALLBACK_DEVICE_ADDED = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_DEVICE_ADDED", 354, DomainEventCallbackDeviceAddedMsg
)


class DomainEventCallbackDeviceRemovalFailedMsg(Record):
    callback_id: Int
    dom: NonnullDomain
    dev_alias: NonnullString


DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED", 367, DomainEventCallbackDeviceRemovalFailedMsg
)


class DomainEventCallbackAgentLifecycleMsg(Record):
    callback_id: Int
    dom: NonnullDomain
    state: Int
    reason: Int


DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE", 348, DomainEventCallbackAgentLifecycleMsg
)


class DomainEventCallbackMetadataChangeMsg(Record):
    callback_id: Int
    dom: NonnullDomain
    type: Int
    nsuri: NullableString


DOMAIN_EVENT_CALLBACK_METADATA_CHANGE = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_METADATA_CHANGE", 379, DomainEventCallbackMetadataChangeMsg
)


# Devices and host


class DomainEventCallbackRtcChangeMsg(Record):
    callback_id: Int
    msg: DomainEventRtcChangeMsg


DOMAIN_EVENT_CALLBACK_RTC_CHANGE = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_RTC_CHANGE", 320, DomainEventCallbackRtcChangeMsg
)


class DomainEventCallbackWatchdogMsg(Record):
    callback_id: Int
    msg: DomainEventWatchdogMsg


DOMAIN_EVENT_CALLBACK_WATCHDOG = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_WATCHDOG", 321, DomainEventCallbackWatchdogMsg
)


class DomainEventCallbackIoErrorMsg(Record):
    callback_id: Int
    msg: DomainEventIoErrorMsg


DOMAIN_EVENT_CALLBACK_IO_ERROR = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_IO_ERROR", 322, DomainEventCallbackIoErrorMsg
)


class DomainEventCallbackIoErrorReasonMsg(Record):
    callback_id: Int
    msg: DomainEventIoErrorReasonMsg


DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON", 324, DomainEventCallbackIoErrorReasonMsg
)


class DomainEventCallbackGraphicsMsg(Record):
    callback_id: Int
    msg: DomainEventGraphicsMsg


DOMAIN_EVENT_CALLBACK_GRAPHICS = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_GRAPHICS", 323, DomainEventCallbackGraphicsMsg
)


class DomainEventCallbackControlErrorMsg(Record):
    callback_id: Int
    msg: DomainEventControlErrorMsg


DOMAIN_EVENT_CALLBACK_CONTROL_ERROR = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_CONTROL_ERROR", 325, DomainEventCallbackControlErrorMsg
)


class DomainEventCallbackBalloonChangeMsg(Record):
    callback_id: Int
    msg: DomainEventBalloonChangeMsg


DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE", 331, DomainEventCallbackBalloonChangeMsg
)


class DomainEventCallbackTunableMsg(Record):
    callback_id: Int
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(DOMAIN_EVENT_TUNABLE_MAX)]


DOMAIN_EVENT_CALLBACK_TUNABLE = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_TUNABLE", 346, DomainEventCallbackTunableMsg
)


# Disks


class DomainEventCallbackBlockJobMsg(Record):
    callback_id: Int
    msg: DomainEventBlockJobMsg


DOMAIN_EVENT_CALLBACK_BLOCK_JOB = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_BLOCK_JOB", 326, DomainEventCallbackBlockJobMsg
)


class DomainEventBlockJob2Msg(Record):
    callback_id: Int
    dom: NonnullDomain
    dst: NonnullString
    type: Int
    status: Int


DOMAIN_EVENT_BLOCK_JOB_2 = REMOTE.event("DOMAIN_EVENT_BLOCK_JOB_2", 339, DomainEventBlockJob2Msg)


class DomainEventCallbackDiskChangeMsg(Record):
    callback_id: Int
    msg: DomainEventDiskChangeMsg


DOMAIN_EVENT_CALLBACK_DISK_CHANGE = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_DISK_CHANGE", 327, DomainEventCallbackDiskChangeMsg
)


class DomainEventCallbackTrayChangeMsg(Record):
    callback_id: Int
    msg: DomainEventTrayChangeMsg


DOMAIN_EVENT_CALLBACK_TRAY_CHANGE = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_TRAY_CHANGE", 328, DomainEventCallbackTrayChangeMsg
)


class DomainEventBlockThresholdMsg(Record):
    callback_id: Int
    dom: NonnullDomain
    dev: NonnullString
    path: NullableString
    threshold: UHyper
    excess: UHyper


DOMAIN_EVENT_BLOCK_THRESHOLD = REMOTE.event(
    "DOMAIN_EVENT_BLOCK_THRESHOLD", 385, DomainEventBlockThresholdMsg
)


# Power management


class DomainEventCallbackPmwakeupMsg(Record):
    callback_id: Int
    reason: Int
    msg: DomainEventPmwakeupMsg


DOMAIN_EVENT_CALLBACK_PMWAKEUP = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_PMWAKEUP", 329, DomainEventCallbackPmwakeupMsg
)


class DomainEventCallbackPmsuspendMsg(Record):
    callback_id: Int
    reason: Int
    msg: DomainEventPmsuspendMsg


DOMAIN_EVENT_CALLBACK_PMSUSPEND = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_PMSUSPEND", 330, DomainEventCallbackPmsuspendMsg
)


class DomainEventCallbackPmsuspendDiskMsg(Record):
    callback_id: Int
    reason: Int
    msg: DomainEventPmsuspendDiskMsg


DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK", 332, DomainEventCallbackPmsuspendDiskMsg
)


# Jobs and migration


class DomainEventCallbackMigrationIterationMsg(Record):
    callback_id: Int
    dom: NonnullDomain
    iteration: Int


DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION", 359, DomainEventCallbackMigrationIterationMsg
)


class DomainEventCallbackJobCompletedMsg(Record):
    callback_id: Int
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(DOMAIN_JOB_STATS_MAX)]


DOMAIN_EVENT_CALLBACK_JOB_COMPLETED = REMOTE.event(
    "DOMAIN_EVENT_CALLBACK_JOB_COMPLETED", 363, DomainEventCallbackJobCompletedMsg
)


# Memory


class DomainEventMemoryFailureMsg(Record):
    callback_id: Int
    dom: NonnullDomain
    recipient: Int
    action: Int
    flags: UInt


DOMAIN_EVENT_MEMORY_FAILURE = REMOTE.event(
    "DOMAIN_EVENT_MEMORY_FAILURE", 423, DomainEventMemoryFailureMsg
)


class DomainEventMemoryDeviceSizeChangeMsg(Record):
    callback_id: Int
    dom: NonnullDomain
    alias: NonnullString
    size: UHyper


DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE = REMOTE.event(
    "DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE", 438, DomainEventMemoryDeviceSizeChangeMsg
)
