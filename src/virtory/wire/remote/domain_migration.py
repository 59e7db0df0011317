"""Migration: the versions of its handshake, and its knobs.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Opaque, Record, UHyper, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import DOMAIN_MIGRATE_PARAM_LIST_MAX, MIGRATE_COOKIE_MAX
from virtory.wire.remote.types import NonnullDomain, NonnullString, NullableString, TypedParam

# Version 1


class DomainMigratePrepareArgs(Record):
    uri_in: NullableString
    flags: UHyper
    dname: NullableString
    resource: UHyper


class DomainMigratePrepareRet(Record):
    cookie: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    uri_out: NullableString


DOMAIN_MIGRATE_PREPARE = REMOTE.call(
    "DOMAIN_MIGRATE_PREPARE",
    61,
    DomainMigratePrepareArgs,
    DomainMigratePrepareRet,
    acl=("domain:migrate", "domain:start", "domain:write"),
)


class DomainMigratePerformArgs(Record):
    dom: NonnullDomain
    cookie: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    uri: NonnullString
    flags: UHyper
    dname: NullableString
    resource: UHyper


DOMAIN_MIGRATE_PERFORM = REMOTE.call(
    "DOMAIN_MIGRATE_PERFORM", 62, DomainMigratePerformArgs, None, acl="domain:migrate"
)


class DomainMigrateFinishArgs(Record):
    dname: NonnullString
    cookie: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    uri: NonnullString
    flags: UHyper = 0


class DomainMigrateFinishRet(Record):
    ddom: NonnullDomain


DOMAIN_MIGRATE_FINISH = REMOTE.call(
    "DOMAIN_MIGRATE_FINISH",
    63,
    DomainMigrateFinishArgs,
    DomainMigrateFinishRet,
    acl="domain:migrate",
)


# Version 2


class DomainMigratePrepare2Args(Record):
    uri_in: NullableString
    flags: UHyper
    dname: NullableString
    resource: UHyper
    dom_xml: NonnullString


class DomainMigratePrepare2Ret(Record):
    cookie: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    uri_out: NullableString


DOMAIN_MIGRATE_PREPARE2 = REMOTE.call(
    "DOMAIN_MIGRATE_PREPARE2",
    108,
    DomainMigratePrepare2Args,
    DomainMigratePrepare2Ret,
    acl=("domain:migrate", "domain:start", "domain:write"),
)


class DomainMigrateFinish2Args(Record):
    dname: NonnullString
    cookie: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    uri: NonnullString
    flags: UHyper
    retcode: Int


class DomainMigrateFinish2Ret(Record):
    ddom: NonnullDomain


DOMAIN_MIGRATE_FINISH2 = REMOTE.call(
    "DOMAIN_MIGRATE_FINISH2",
    109,
    DomainMigrateFinish2Args,
    DomainMigrateFinish2Ret,
    acl="domain:migrate",
)


# Tunnelled


class DomainMigratePrepareTunnelArgs(Record):
    flags: UHyper
    dname: NullableString
    resource: UHyper
    dom_xml: NonnullString


DOMAIN_MIGRATE_PREPARE_TUNNEL = REMOTE.call(
    "DOMAIN_MIGRATE_PREPARE_TUNNEL",
    148,
    DomainMigratePrepareTunnelArgs,
    None,
    acl=("domain:migrate", "domain:start", "domain:write"),
    stream="write",
)


class DomainMigratePrepareTunnel3Args(Record):
    cookie_in: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    flags: UHyper
    dname: NullableString
    resource: UHyper
    dom_xml: NonnullString


class DomainMigratePrepareTunnel3Ret(Record):
    cookie_out: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]


DOMAIN_MIGRATE_PREPARE_TUNNEL3 = REMOTE.call(
    "DOMAIN_MIGRATE_PREPARE_TUNNEL3",
    215,
    DomainMigratePrepareTunnel3Args,
    DomainMigratePrepareTunnel3Ret,
    acl=("domain:migrate", "domain:start", "domain:write"),
    stream="write",
)


class DomainMigratePrepareTunnel3ParamsArgs(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_MIGRATE_PARAM_LIST_MAX)]
    cookie_in: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    flags: UInt = 0


class DomainMigratePrepareTunnel3ParamsRet(Record):
    cookie_out: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]


# libvirt writes this one by hand, so its protocol file does not mark the stream.
DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS = REMOTE.call(
    "DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS",
    304,
    DomainMigratePrepareTunnel3ParamsArgs,
    DomainMigratePrepareTunnel3ParamsRet,
    acl=("domain:migrate", "domain:start", "domain:write"),
    stream="write",
)


# Version 3


class DomainMigrateBegin3Args(Record):
    dom: NonnullDomain
    xmlin: NullableString
    flags: UHyper
    dname: NullableString
    resource: UHyper


class DomainMigrateBegin3Ret(Record):
    cookie_out: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    xml: NonnullString


DOMAIN_MIGRATE_BEGIN3 = REMOTE.call(
    "DOMAIN_MIGRATE_BEGIN3",
    213,
    DomainMigrateBegin3Args,
    DomainMigrateBegin3Ret,
    acl="domain:migrate",
)


class DomainMigratePrepare3Args(Record):
    cookie_in: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    uri_in: NullableString
    flags: UHyper
    dname: NullableString
    resource: UHyper
    dom_xml: NonnullString


class DomainMigratePrepare3Ret(Record):
    cookie_out: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    uri_out: NullableString


DOMAIN_MIGRATE_PREPARE3 = REMOTE.call(
    "DOMAIN_MIGRATE_PREPARE3",
    214,
    DomainMigratePrepare3Args,
    DomainMigratePrepare3Ret,
    acl=("domain:migrate", "domain:start", "domain:write"),
)


class DomainMigratePerform3Args(Record):
    dom: NonnullDomain
    xmlin: NullableString
    cookie_in: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    dconnuri: NullableString
    uri: NullableString
    flags: UHyper
    dname: NullableString
    resource: UHyper


class DomainMigratePerform3Ret(Record):
    cookie_out: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]


DOMAIN_MIGRATE_PERFORM3 = REMOTE.call(
    "DOMAIN_MIGRATE_PERFORM3",
    216,
    DomainMigratePerform3Args,
    DomainMigratePerform3Ret,
    acl="domain:migrate",
)


class DomainMigrateFinish3Args(Record):
    dname: NonnullString
    cookie_in: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    dconnuri: NullableString
    uri: NullableString
    flags: UHyper
    cancelled: Int


class DomainMigrateFinish3Ret(Record):
    dom: NonnullDomain
    cookie_out: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]


DOMAIN_MIGRATE_FINISH3 = REMOTE.call(
    "DOMAIN_MIGRATE_FINISH3",
    217,
    DomainMigrateFinish3Args,
    DomainMigrateFinish3Ret,
    acl="domain:migrate",
)


class DomainMigrateConfirm3Args(Record):
    dom: NonnullDomain
    cookie_in: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    flags: UHyper
    cancelled: Int


DOMAIN_MIGRATE_CONFIRM3 = REMOTE.call(
    "DOMAIN_MIGRATE_CONFIRM3", 218, DomainMigrateConfirm3Args, None, acl="domain:migrate"
)


# Version 3 with parameters


class DomainMigrateBegin3ParamsArgs(Record):
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(DOMAIN_MIGRATE_PARAM_LIST_MAX)]
    flags: UInt = 0


class DomainMigrateBegin3ParamsRet(Record):
    cookie_out: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    xml: NonnullString


DOMAIN_MIGRATE_BEGIN3_PARAMS = REMOTE.call(
    "DOMAIN_MIGRATE_BEGIN3_PARAMS",
    302,
    DomainMigrateBegin3ParamsArgs,
    DomainMigrateBegin3ParamsRet,
    acl="domain:migrate",
)


class DomainMigratePrepare3ParamsArgs(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_MIGRATE_PARAM_LIST_MAX)]
    cookie_in: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    flags: UInt = 0


class DomainMigratePrepare3ParamsRet(Record):
    cookie_out: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    uri_out: NullableString


DOMAIN_MIGRATE_PREPARE3_PARAMS = REMOTE.call(
    "DOMAIN_MIGRATE_PREPARE3_PARAMS",
    303,
    DomainMigratePrepare3ParamsArgs,
    DomainMigratePrepare3ParamsRet,
    acl=("domain:migrate", "domain:start", "domain:write"),
)


class DomainMigratePerform3ParamsArgs(Record):
    dom: NonnullDomain
    dconnuri: NullableString
    params: Annotated[list[TypedParam], Array(DOMAIN_MIGRATE_PARAM_LIST_MAX)]
    cookie_in: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    flags: UInt = 0


class DomainMigratePerform3ParamsRet(Record):
    cookie_out: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]


DOMAIN_MIGRATE_PERFORM3_PARAMS = REMOTE.call(
    "DOMAIN_MIGRATE_PERFORM3_PARAMS",
    305,
    DomainMigratePerform3ParamsArgs,
    DomainMigratePerform3ParamsRet,
    acl="domain:migrate",
)


class DomainMigrateFinish3ParamsArgs(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_MIGRATE_PARAM_LIST_MAX)]
    cookie_in: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    flags: UInt
    cancelled: Int


class DomainMigrateFinish3ParamsRet(Record):
    dom: NonnullDomain
    cookie_out: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]


DOMAIN_MIGRATE_FINISH3_PARAMS = REMOTE.call(
    "DOMAIN_MIGRATE_FINISH3_PARAMS",
    306,
    DomainMigrateFinish3ParamsArgs,
    DomainMigrateFinish3ParamsRet,
    acl="domain:migrate",
)


class DomainMigrateConfirm3ParamsArgs(Record):
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(DOMAIN_MIGRATE_PARAM_LIST_MAX)]
    cookie_in: Annotated[bytes, Opaque(MIGRATE_COOKIE_MAX)]
    flags: UInt
    cancelled: Int


DOMAIN_MIGRATE_CONFIRM3_PARAMS = REMOTE.call(
    "DOMAIN_MIGRATE_CONFIRM3_PARAMS",
    307,
    DomainMigrateConfirm3ParamsArgs,
    None,
    acl="domain:migrate",
)


# Knobs


class DomainMigrateSetMaxDowntimeArgs(Record):
    dom: NonnullDomain
    downtime: UHyper
    flags: UInt = 0


DOMAIN_MIGRATE_SET_MAX_DOWNTIME = REMOTE.call(
    "DOMAIN_MIGRATE_SET_MAX_DOWNTIME",
    166,
    DomainMigrateSetMaxDowntimeArgs,
    None,
    acl="domain:migrate",
)


class DomainMigrateGetMaxDowntimeArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainMigrateGetMaxDowntimeRet(Record):
    downtime: UHyper


DOMAIN_MIGRATE_GET_MAX_DOWNTIME = REMOTE.call(
    "DOMAIN_MIGRATE_GET_MAX_DOWNTIME",
    387,
    DomainMigrateGetMaxDowntimeArgs,
    DomainMigrateGetMaxDowntimeRet,
    acl="domain:migrate",
)


class DomainMigrateSetMaxSpeedArgs(Record):
    dom: NonnullDomain
    bandwidth: UHyper
    flags: UInt = 0


DOMAIN_MIGRATE_SET_MAX_SPEED = REMOTE.call(
    "DOMAIN_MIGRATE_SET_MAX_SPEED", 207, DomainMigrateSetMaxSpeedArgs, None, acl="domain:migrate"
)


class DomainMigrateGetMaxSpeedArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainMigrateGetMaxSpeedRet(Record):
    bandwidth: UHyper


DOMAIN_MIGRATE_GET_MAX_SPEED = REMOTE.call(
    "DOMAIN_MIGRATE_GET_MAX_SPEED",
    242,
    DomainMigrateGetMaxSpeedArgs,
    DomainMigrateGetMaxSpeedRet,
    acl="domain:migrate",
)


class DomainMigrateGetCompressionCacheArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainMigrateGetCompressionCacheRet(Record):
    cache_size: UHyper


DOMAIN_MIGRATE_GET_COMPRESSION_CACHE = REMOTE.call(
    "DOMAIN_MIGRATE_GET_COMPRESSION_CACHE",
    299,
    DomainMigrateGetCompressionCacheArgs,
    DomainMigrateGetCompressionCacheRet,
    acl="domain:migrate",
)


class DomainMigrateSetCompressionCacheArgs(Record):
    dom: NonnullDomain
    cache_size: UHyper
    flags: UInt = 0


DOMAIN_MIGRATE_SET_COMPRESSION_CACHE = REMOTE.call(
    "DOMAIN_MIGRATE_SET_COMPRESSION_CACHE",
    300,
    DomainMigrateSetCompressionCacheArgs,
    None,
    acl="domain:migrate",
)


class DomainMigrateStartPostCopyArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


DOMAIN_MIGRATE_START_POST_COPY = REMOTE.call(
    "DOMAIN_MIGRATE_START_POST_COPY",
    364,
    DomainMigrateStartPostCopyArgs,
    None,
    acl="domain:migrate",
)
