"""A domain's disks: size, content, jobs and throttling.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Opaque, Record, UHyper, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import (
    DOMAIN_BLOCK_COPY_PARAMETERS_MAX,
    DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX,
    DOMAIN_BLOCK_PEEK_BUFFER_MAX,
    DOMAIN_DISK_ERRORS_MAX,
)
from virtory.wire.remote.types import (
    DomainDiskError,
    NonnullDomain,
    NonnullString,
    NullableString,
    TypedParam,
)

# Size and content


class DomainGetBlockInfoArgs(Record):
    dom: NonnullDomain
    path: NonnullString
    flags: UInt = 0


class DomainGetBlockInfoRet(Record):
    allocation: UHyper
    capacity: UHyper
    physical: UHyper


DOMAIN_GET_BLOCK_INFO = REMOTE.call(
    "DOMAIN_GET_BLOCK_INFO", 194, DomainGetBlockInfoArgs, DomainGetBlockInfoRet, acl="domain:read"
)


class DomainBlockResizeArgs(Record):
    dom: NonnullDomain
    disk: NonnullString
    size: UHyper
    flags: UInt = 0


DOMAIN_BLOCK_RESIZE = REMOTE.call(
    "DOMAIN_BLOCK_RESIZE", 251, DomainBlockResizeArgs, None, acl="domain:block_write"
)


class DomainBlockPeekArgs(Record):
    dom: NonnullDomain
    path: NonnullString
    offset: UHyper
    size: UInt
    flags: UInt = 0


class DomainBlockPeekRet(Record):
    buffer: Annotated[bytes, Opaque(DOMAIN_BLOCK_PEEK_BUFFER_MAX)]


DOMAIN_BLOCK_PEEK = REMOTE.call(
    "DOMAIN_BLOCK_PEEK", 103, DomainBlockPeekArgs, DomainBlockPeekRet, acl="domain:block_read"
)


class DomainGetDiskErrorsArgs(Record):
    dom: NonnullDomain
    maxerrors: UInt
    flags: UInt = 0


class DomainGetDiskErrorsRet(Record):
    errors: Annotated[list[DomainDiskError], Array(DOMAIN_DISK_ERRORS_MAX)]
    nerrors: Int


DOMAIN_GET_DISK_ERRORS = REMOTE.call(
    "DOMAIN_GET_DISK_ERRORS",
    263,
    DomainGetDiskErrorsArgs,
    DomainGetDiskErrorsRet,
    acl="domain:read",
)


# Block jobs


class DomainGetBlockJobInfoArgs(Record):
    dom: NonnullDomain
    path: NonnullString
    flags: UInt = 0


class DomainGetBlockJobInfoRet(Record):
    found: Int
    type: Int
    bandwidth: UHyper
    cur: UHyper
    end: UHyper


DOMAIN_GET_BLOCK_JOB_INFO = REMOTE.call(
    "DOMAIN_GET_BLOCK_JOB_INFO",
    238,
    DomainGetBlockJobInfoArgs,
    DomainGetBlockJobInfoRet,
    acl="domain:read",
)


class DomainBlockJobAbortArgs(Record):
    dom: NonnullDomain
    path: NonnullString
    flags: UInt = 0


DOMAIN_BLOCK_JOB_ABORT = REMOTE.call(
    "DOMAIN_BLOCK_JOB_ABORT", 237, DomainBlockJobAbortArgs, None, acl="domain:write"
)


class DomainBlockJobSetSpeedArgs(Record):
    dom: NonnullDomain
    path: NonnullString
    bandwidth: UHyper
    flags: UInt = 0


DOMAIN_BLOCK_JOB_SET_SPEED = REMOTE.call(
    "DOMAIN_BLOCK_JOB_SET_SPEED", 239, DomainBlockJobSetSpeedArgs, None, acl="domain:write"
)


class DomainBlockPullArgs(Record):
    dom: NonnullDomain
    path: NonnullString
    bandwidth: UHyper
    flags: UInt = 0


DOMAIN_BLOCK_PULL = REMOTE.call(
    "DOMAIN_BLOCK_PULL", 240, DomainBlockPullArgs, None, acl="domain:block_write"
)


class DomainBlockRebaseArgs(Record):
    dom: NonnullDomain
    path: NonnullString
    base: NullableString
    bandwidth: UHyper
    flags: UInt = 0


DOMAIN_BLOCK_REBASE = REMOTE.call(
    "DOMAIN_BLOCK_REBASE", 266, DomainBlockRebaseArgs, None, acl="domain:block_write"
)


class DomainBlockCopyArgs(Record):
    dom: NonnullDomain
    path: NonnullString
    destxml: NonnullString
    params: Annotated[list[TypedParam], Array(DOMAIN_BLOCK_COPY_PARAMETERS_MAX)]
    flags: UInt = 0


DOMAIN_BLOCK_COPY = REMOTE.call(
    "DOMAIN_BLOCK_COPY", 345, DomainBlockCopyArgs, None, acl="domain:block_write"
)


class DomainBlockCommitArgs(Record):
    dom: NonnullDomain
    disk: NonnullString
    base: NullableString
    top: NullableString
    bandwidth: UHyper
    flags: UInt = 0


DOMAIN_BLOCK_COMMIT = REMOTE.call(
    "DOMAIN_BLOCK_COMMIT", 290, DomainBlockCommitArgs, None, acl="domain:block_write"
)


# Throttling and thresholds


class DomainSetBlockIoTuneArgs(Record):
    dom: NonnullDomain
    disk: NonnullString
    params: Annotated[list[TypedParam], Array(DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX)]
    flags: UInt = 0


DOMAIN_SET_BLOCK_IO_TUNE = REMOTE.call(
    "DOMAIN_SET_BLOCK_IO_TUNE",
    252,
    DomainSetBlockIoTuneArgs,
    None,
    acl=(
        "domain:write",
        "domain:save:!VIR_DOMAIN_AFFECT_CONFIG|VIR_DOMAIN_AFFECT_LIVE",
        "domain:save:VIR_DOMAIN_AFFECT_CONFIG",
    ),
)


class DomainGetBlockIoTuneArgs(Record):
    dom: NonnullDomain
    disk: NullableString
    nparams: Int
    flags: UInt = 0


class DomainGetBlockIoTuneRet(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX)]
    nparams: Int


DOMAIN_GET_BLOCK_IO_TUNE = REMOTE.call(
    "DOMAIN_GET_BLOCK_IO_TUNE",
    253,
    DomainGetBlockIoTuneArgs,
    DomainGetBlockIoTuneRet,
    acl="domain:read",
)


class DomainSetBlockThresholdArgs(Record):
    dom: NonnullDomain
    dev: NonnullString
    threshold: UHyper
    flags: UInt = 0


DOMAIN_SET_BLOCK_THRESHOLD = REMOTE.call(
    "DOMAIN_SET_BLOCK_THRESHOLD", 386, DomainSetBlockThresholdArgs, None, acl="domain:write"
)


# Backup


class DomainBackupBeginArgs(Record):
    dom: NonnullDomain
    backup_xml: NonnullString
    checkpoint_xml: NullableString
    flags: UInt = 0


DOMAIN_BACKUP_BEGIN = REMOTE.call(
    "DOMAIN_BACKUP_BEGIN",
    421,
    DomainBackupBeginArgs,
    None,
    acl=("domain:checkpoint", "domain:block_write"),
)


class DomainBackupGetXmlDescArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainBackupGetXmlDescRet(Record):
    xml: NonnullString


DOMAIN_BACKUP_GET_XML_DESC = REMOTE.call(
    "DOMAIN_BACKUP_GET_XML_DESC",
    422,
    DomainBackupGetXmlDescArgs,
    DomainBackupGetXmlDescRet,
    acl="domain:read",
    high=True,
)
