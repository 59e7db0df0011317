"""The life of a domain: start, stop, suspend, and the state and job it is in.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Record, UChar, UHyper, UInt, UShort
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import DOMAIN_JOB_STATS_MAX
from virtory.wire.remote.types import NonnullDomain, NonnullString, TypedParam

# Start


class DomainCreateArgs(Record):
    dom: NonnullDomain


DOMAIN_CREATE = REMOTE.call("DOMAIN_CREATE", 9, DomainCreateArgs, None, acl="domain:start")


class DomainCreateWithFlagsArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainCreateWithFlagsRet(Record):
    dom: NonnullDomain


DOMAIN_CREATE_WITH_FLAGS = REMOTE.call(
    "DOMAIN_CREATE_WITH_FLAGS",
    196,
    DomainCreateWithFlagsArgs,
    DomainCreateWithFlagsRet,
    acl="domain:start",
)


class DomainCreateWithFilesArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainCreateWithFilesRet(Record):
    dom: NonnullDomain


DOMAIN_CREATE_WITH_FILES = REMOTE.call(
    "DOMAIN_CREATE_WITH_FILES",
    310,
    DomainCreateWithFilesArgs,
    DomainCreateWithFilesRet,
    acl="domain:start",
)


class DomainCreateXmlArgs(Record):
    xml_desc: NonnullString
    flags: UInt = 0


class DomainCreateXmlRet(Record):
    dom: NonnullDomain


DOMAIN_CREATE_XML = REMOTE.call(
    "DOMAIN_CREATE_XML",
    10,
    DomainCreateXmlArgs,
    DomainCreateXmlRet,
    acl=("domain:write", "domain:start"),
)


class DomainCreateXmlWithFilesArgs(Record):
    xml_desc: NonnullString
    flags: UInt = 0


class DomainCreateXmlWithFilesRet(Record):
    dom: NonnullDomain


DOMAIN_CREATE_XML_WITH_FILES = REMOTE.call(
    "DOMAIN_CREATE_XML_WITH_FILES",
    309,
    DomainCreateXmlWithFilesArgs,
    DomainCreateXmlWithFilesRet,
    acl=("domain:write", "domain:start"),
)


# Stop


class DomainShutdownArgs(Record):
    dom: NonnullDomain


DOMAIN_SHUTDOWN = REMOTE.call(
    "DOMAIN_SHUTDOWN", 33, DomainShutdownArgs, None, acl="domain:init_control"
)


class DomainShutdownFlagsArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


DOMAIN_SHUTDOWN_FLAGS = REMOTE.call(
    "DOMAIN_SHUTDOWN_FLAGS",
    258,
    DomainShutdownFlagsArgs,
    None,
    acl=("domain:init_control", "domain:write:VIR_DOMAIN_SHUTDOWN_GUEST_AGENT"),
)


class DomainRebootArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


DOMAIN_REBOOT = REMOTE.call(
    "DOMAIN_REBOOT",
    27,
    DomainRebootArgs,
    None,
    acl=("domain:init_control", "domain:write:VIR_DOMAIN_REBOOT_GUEST_AGENT"),
)


class DomainResetArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


DOMAIN_RESET = REMOTE.call("DOMAIN_RESET", 245, DomainResetArgs, None, acl="domain:reset")


class DomainDestroyArgs(Record):
    dom: NonnullDomain


DOMAIN_DESTROY = REMOTE.call(
    "DOMAIN_DESTROY", 12, DomainDestroyArgs, None, acl="domain:stop", high=True
)


class DomainDestroyFlagsArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


DOMAIN_DESTROY_FLAGS = REMOTE.call(
    "DOMAIN_DESTROY_FLAGS", 234, DomainDestroyFlagsArgs, None, acl="domain:stop", high=True
)


class DomainSetLifecycleActionArgs(Record):
    dom: NonnullDomain
    type: UInt
    action: UInt
    flags: UInt = 0


DOMAIN_SET_LIFECYCLE_ACTION = REMOTE.call(
    "DOMAIN_SET_LIFECYCLE_ACTION", 390, DomainSetLifecycleActionArgs, None, acl="domain:write"
)


# Suspend and resume


class DomainSuspendArgs(Record):
    dom: NonnullDomain


DOMAIN_SUSPEND = REMOTE.call("DOMAIN_SUSPEND", 34, DomainSuspendArgs, None, acl="domain:suspend")


class DomainResumeArgs(Record):
    dom: NonnullDomain


DOMAIN_RESUME = REMOTE.call("DOMAIN_RESUME", 28, DomainResumeArgs, None, acl="domain:suspend")


class DomainPmSuspendForDurationArgs(Record):
    dom: NonnullDomain
    target: UInt
    duration: UHyper
    flags: UInt = 0


DOMAIN_PM_SUSPEND_FOR_DURATION = REMOTE.call(
    "DOMAIN_PM_SUSPEND_FOR_DURATION",
    261,
    DomainPmSuspendForDurationArgs,
    None,
    acl="domain:pm_control",
)


class DomainPmWakeupArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


DOMAIN_PM_WAKEUP = REMOTE.call(
    "DOMAIN_PM_WAKEUP", 267, DomainPmWakeupArgs, None, acl="domain:pm_control"
)


# State


class DomainGetInfoArgs(Record):
    dom: NonnullDomain


class DomainGetInfoRet(Record):
    state: UChar
    max_mem: UHyper
    memory: UHyper
    nr_virt_cpu: UShort
    cpu_time: UHyper


DOMAIN_GET_INFO = REMOTE.call(
    "DOMAIN_GET_INFO", 16, DomainGetInfoArgs, DomainGetInfoRet, acl="domain:read"
)


class DomainGetStateArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainGetStateRet(Record):
    state: Int
    reason: Int


DOMAIN_GET_STATE = REMOTE.call(
    "DOMAIN_GET_STATE", 212, DomainGetStateArgs, DomainGetStateRet, acl="domain:read", high=True
)


class DomainGetControlInfoArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainGetControlInfoRet(Record):
    state: UInt
    details: UInt
    state_time: UHyper


DOMAIN_GET_CONTROL_INFO = REMOTE.call(
    "DOMAIN_GET_CONTROL_INFO",
    229,
    DomainGetControlInfoArgs,
    DomainGetControlInfoRet,
    acl="domain:read",
    high=True,
)


# Jobs


class DomainGetJobInfoArgs(Record):
    dom: NonnullDomain


class DomainGetJobInfoRet(Record):
    type: Int
    time_elapsed: UHyper
    time_remaining: UHyper
    data_total: UHyper
    data_processed: UHyper
    data_remaining: UHyper
    mem_total: UHyper
    mem_processed: UHyper
    mem_remaining: UHyper
    file_total: UHyper
    file_processed: UHyper
    file_remaining: UHyper


DOMAIN_GET_JOB_INFO = REMOTE.call(
    "DOMAIN_GET_JOB_INFO", 163, DomainGetJobInfoArgs, DomainGetJobInfoRet, acl="domain:read"
)


class DomainGetJobStatsArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainGetJobStatsRet(Record):
    type: Int
    params: Annotated[list[TypedParam], Array(DOMAIN_JOB_STATS_MAX)]


DOMAIN_GET_JOB_STATS = REMOTE.call(
    "DOMAIN_GET_JOB_STATS", 298, DomainGetJobStatsArgs, DomainGetJobStatsRet, acl="domain:read"
)


class DomainAbortJobArgs(Record):
    dom: NonnullDomain


DOMAIN_ABORT_JOB = REMOTE.call(
    "DOMAIN_ABORT_JOB", 164, DomainAbortJobArgs, None, acl="domain:write"
)


class DomainAbortJobFlagsArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


DOMAIN_ABORT_JOB_FLAGS = REMOTE.call(
    "DOMAIN_ABORT_JOB_FLAGS", 442, DomainAbortJobFlagsArgs, None, acl="domain:write"
)
