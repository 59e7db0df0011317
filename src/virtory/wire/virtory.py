"""Our own program (0x20565254, version 1): what libvirt's protocol has no words for.

The rule kept here: a number, once released, keeps its meaning and its records; what changes gets a
new number. A daemon without this program answers "Cannot find program", which clients expect.
"""

from virtory.codec.xdr import Int, Opaque, Record, UHyper, UInt
from virtory.lean import Annotated, Final
from virtory.wire.procedure import VIRTORY
from virtory.wire.remote.types import NonnullDomain, NonnullString, NullableString

CONSOLE_HISTORY_MAX: Final = 4194304

# The daemon


class DaemonInfoRet(Record):
    """Who answers: `uptime` in seconds, `instance` "system" or "user"."""

    version: NonnullString
    pid: UInt
    uptime: UHyper
    instance: NonnullString
    state_dir: NonnullString


DAEMON_INFO = VIRTORY.call("DAEMON_INFO", 1, None, DaemonInfoRet, acl="connect:getattr", high=True)


# The host


class HostReportRet(Record):
    """What the host can do and what it lacks, as a JSON object."""

    json: NonnullString


HOST_REPORT = VIRTORY.call("HOST_REPORT", 2, None, HostReportRet, acl="connect:read")


# Consoles


class DomainConsoleHistoryArgs(Record):
    """`device` is a console's alias, None the first one; `limit` is in bytes, from the end."""

    dom: NonnullDomain
    device: NullableString
    limit: UInt


class DomainConsoleHistoryRet(Record):
    """What the console has printed, the end of it."""

    data: Annotated[bytes, Opaque(CONSOLE_HISTORY_MAX)]


DOMAIN_CONSOLE_HISTORY = VIRTORY.call(
    "DOMAIN_CONSOLE_HISTORY",
    3,
    DomainConsoleHistoryArgs,
    DomainConsoleHistoryRet,
    acl="domain:open_device",
)


# Seeing inside


class DomainInspectArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainInspectRet(Record):
    """How the machine is virtualised, as a JSON object."""

    json: NonnullString


DOMAIN_INSPECT = VIRTORY.call(
    "DOMAIN_INSPECT", 4, DomainInspectArgs, DomainInspectRet, acl="domain:read"
)


# Ports


class DomainPublishArgs(Record):
    """A port of the host that leads into the guest; no `address` means every one of the host."""

    dom: NonnullDomain
    protocol: NonnullString
    address: NullableString
    host_port: UInt
    guest_port: UInt
    remove: Int = 0
    flags: UInt = 0


DOMAIN_PUBLISH = VIRTORY.call("DOMAIN_PUBLISH", 5, DomainPublishArgs, None, acl="domain:write")
# Clones


class DomainCloneArgs(Record):
    """`xml` describes the clone whole; where a disk's source differs from the original's, it is
    made there. `flags`: 1 linked, 2 reflink or nothing, 4 no reflink, 8 no holes."""

    dom: NonnullDomain
    xml: NonnullString
    flags: UInt = 0


class DomainCloneRet(Record):
    dom: NonnullDomain


DOMAIN_CLONE = VIRTORY.call(
    "DOMAIN_CLONE", 6, DomainCloneArgs, DomainCloneRet, acl=("domain:block_read", "domain:write")
)


class DomainCloneProgressArgs(Record):
    """`name` is the clone's."""

    name: NonnullString


class DomainCloneProgressRet(Record):
    """Bytes; both 0 when no such clone is being made."""

    done: UHyper
    total: UHyper


DOMAIN_CLONE_PROGRESS = VIRTORY.call(
    "DOMAIN_CLONE_PROGRESS", 7, DomainCloneProgressArgs, DomainCloneProgressRet, acl="connect:read"
)


class DomainCloneGiveUpArgs(Record):
    """`name` is the clone's; its `DOMAIN_CLONE` fails soon, unless it is done first."""

    name: NonnullString


DOMAIN_CLONE_GIVE_UP = VIRTORY.call(
    "DOMAIN_CLONE_GIVE_UP", 8, DomainCloneGiveUpArgs, None, acl="connect:write"
)
