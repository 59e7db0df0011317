"""libvirt's QEMU program (0x20008087, version 1): QEMU's monitor and agent, passed through.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Hyper, Int, Record, UInt
from virtory.wire.procedure import QEMU
from virtory.wire.remote.types import NonnullDomain, NonnullString, NullableString

# Monitor and agent


class DomainMonitorCommandArgs(Record):
    dom: NonnullDomain
    cmd: NonnullString
    flags: UInt = 0


class DomainMonitorCommandRet(Record):
    result: NonnullString


DOMAIN_MONITOR_COMMAND = QEMU.call(
    "DOMAIN_MONITOR_COMMAND",
    1,
    DomainMonitorCommandArgs,
    DomainMonitorCommandRet,
    acl="domain:write",
)


class DomainMonitorCommandWithFilesArgs(Record):
    dom: NonnullDomain
    cmd: NonnullString
    flags: UInt = 0


class DomainMonitorCommandWithFilesRet(Record):
    result: NonnullString


DOMAIN_MONITOR_COMMAND_WITH_FILES = QEMU.call(
    "DOMAIN_MONITOR_COMMAND_WITH_FILES",
    7,
    DomainMonitorCommandWithFilesArgs,
    DomainMonitorCommandWithFilesRet,
    acl="domain:write",
)


class DomainAgentCommandArgs(Record):
    dom: NonnullDomain
    cmd: NonnullString
    timeout: Int
    flags: UInt = 0


class DomainAgentCommandRet(Record):
    result: NullableString


DOMAIN_AGENT_COMMAND = QEMU.call(
    "DOMAIN_AGENT_COMMAND", 3, DomainAgentCommandArgs, DomainAgentCommandRet, acl="domain:write"
)


# Adopting a running process


class DomainAttachArgs(Record):
    pid_value: UInt
    flags: UInt = 0


class DomainAttachRet(Record):
    dom: NonnullDomain


DOMAIN_ATTACH = QEMU.call(
    "DOMAIN_ATTACH", 2, DomainAttachArgs, DomainAttachRet, acl=("domain:start", "domain:write")
)


# Monitor events


class ConnectDomainMonitorEventRegisterArgs(Record):
    dom: NonnullDomain | None
    event: NullableString
    flags: UInt = 0


class ConnectDomainMonitorEventRegisterRet(Record):
    callback_id: Int


CONNECT_DOMAIN_MONITOR_EVENT_REGISTER = QEMU.call(
    "CONNECT_DOMAIN_MONITOR_EVENT_REGISTER",
    4,
    ConnectDomainMonitorEventRegisterArgs,
    ConnectDomainMonitorEventRegisterRet,
    acl=("connect:search_domains", "connect:write"),
    acl_filter="domain:getattr",
    high=True,
)


class ConnectDomainMonitorEventDeregisterArgs(Record):
    callback_id: Int


CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER = QEMU.call(
    "CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER",
    5,
    ConnectDomainMonitorEventDeregisterArgs,
    None,
    acl="connect:write",
    high=True,
)


class DomainMonitorEventMsg(Record):
    """One event; `details` is its data as JSON."""

    callback_id: Int
    dom: NonnullDomain
    event: NonnullString
    seconds: Hyper
    micros: UInt
    details: NullableString


DOMAIN_MONITOR_EVENT = QEMU.event("DOMAIN_MONITOR_EVENT", 6, DomainMonitorEventMsg)
