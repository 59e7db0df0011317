"""A domain's memory in a file: saving, restoring, managed save and dumps.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Record, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import DOMAIN_SAVE_PARAMS_MAX
from virtory.wire.remote.types import NonnullDomain, NonnullString, NullableString, TypedParam

# Save and restore


class DomainSaveArgs(Record):
    dom: NonnullDomain
    to: NonnullString


DOMAIN_SAVE = REMOTE.call("DOMAIN_SAVE", 55, DomainSaveArgs, None, acl="domain:hibernate")


class DomainSaveFlagsArgs(Record):
    dom: NonnullDomain
    to: NonnullString
    dxml: NullableString
    flags: UInt = 0


DOMAIN_SAVE_FLAGS = REMOTE.call(
    "DOMAIN_SAVE_FLAGS", 232, DomainSaveFlagsArgs, None, acl="domain:hibernate"
)


class DomainSaveParamsArgs(Record):
    dom: NonnullDomain
    params: Annotated[list[TypedParam], Array(DOMAIN_SAVE_PARAMS_MAX)]
    flags: UInt = 0


DOMAIN_SAVE_PARAMS = REMOTE.call(
    "DOMAIN_SAVE_PARAMS", 440, DomainSaveParamsArgs, None, acl="domain:hibernate"
)


class DomainRestoreArgs(Record):
    from_: NonnullString


DOMAIN_RESTORE = REMOTE.call(
    "DOMAIN_RESTORE", 54, DomainRestoreArgs, None, acl=("domain:start", "domain:write")
)


class DomainRestoreFlagsArgs(Record):
    from_: NonnullString
    dxml: NullableString
    flags: UInt = 0


DOMAIN_RESTORE_FLAGS = REMOTE.call(
    "DOMAIN_RESTORE_FLAGS", 233, DomainRestoreFlagsArgs, None, acl=("domain:start", "domain:write")
)


class DomainRestoreParamsArgs(Record):
    params: Annotated[list[TypedParam], Array(DOMAIN_SAVE_PARAMS_MAX)]
    flags: UInt = 0


DOMAIN_RESTORE_PARAMS = REMOTE.call(
    "DOMAIN_RESTORE_PARAMS",
    441,
    DomainRestoreParamsArgs,
    None,
    acl=("domain:start", "domain:write"),
)


class DomainSaveImageGetXmlDescArgs(Record):
    file: NonnullString
    flags: UInt = 0


class DomainSaveImageGetXmlDescRet(Record):
    xml: NonnullString


DOMAIN_SAVE_IMAGE_GET_XML_DESC = REMOTE.call(
    "DOMAIN_SAVE_IMAGE_GET_XML_DESC",
    235,
    DomainSaveImageGetXmlDescArgs,
    DomainSaveImageGetXmlDescRet,
    acl="domain:write",
    high=True,
)


class DomainSaveImageDefineXmlArgs(Record):
    file: NonnullString
    dxml: NonnullString
    flags: UInt = 0


DOMAIN_SAVE_IMAGE_DEFINE_XML = REMOTE.call(
    "DOMAIN_SAVE_IMAGE_DEFINE_XML",
    236,
    DomainSaveImageDefineXmlArgs,
    None,
    acl=("domain:write", "domain:hibernate"),
    high=True,
)


# Managed save


class DomainManagedSaveArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


DOMAIN_MANAGED_SAVE = REMOTE.call(
    "DOMAIN_MANAGED_SAVE", 182, DomainManagedSaveArgs, None, acl="domain:hibernate"
)


class DomainHasManagedSaveImageArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainHasManagedSaveImageRet(Record):
    result: Int


DOMAIN_HAS_MANAGED_SAVE_IMAGE = REMOTE.call(
    "DOMAIN_HAS_MANAGED_SAVE_IMAGE",
    183,
    DomainHasManagedSaveImageArgs,
    DomainHasManagedSaveImageRet,
    acl="domain:read",
)


class DomainManagedSaveRemoveArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


DOMAIN_MANAGED_SAVE_REMOVE = REMOTE.call(
    "DOMAIN_MANAGED_SAVE_REMOVE", 184, DomainManagedSaveRemoveArgs, None, acl="domain:hibernate"
)


class DomainManagedSaveGetXmlDescArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainManagedSaveGetXmlDescRet(Record):
    xml: NonnullString


DOMAIN_MANAGED_SAVE_GET_XML_DESC = REMOTE.call(
    "DOMAIN_MANAGED_SAVE_GET_XML_DESC",
    388,
    DomainManagedSaveGetXmlDescArgs,
    DomainManagedSaveGetXmlDescRet,
    acl=("domain:read", "domain:read_secure:VIR_DOMAIN_SAVE_IMAGE_XML_SECURE"),
)


class DomainManagedSaveDefineXmlArgs(Record):
    dom: NonnullDomain
    dxml: NullableString
    flags: UInt = 0


DOMAIN_MANAGED_SAVE_DEFINE_XML = REMOTE.call(
    "DOMAIN_MANAGED_SAVE_DEFINE_XML",
    389,
    DomainManagedSaveDefineXmlArgs,
    None,
    acl=("domain:write", "domain:hibernate"),
)


# Dumps


class DomainCoreDumpArgs(Record):
    dom: NonnullDomain
    to: NonnullString
    flags: UInt = 0


DOMAIN_CORE_DUMP = REMOTE.call(
    "DOMAIN_CORE_DUMP", 53, DomainCoreDumpArgs, None, acl="domain:core_dump"
)


class DomainCoreDumpWithFormatArgs(Record):
    dom: NonnullDomain
    to: NonnullString
    dumpformat: UInt
    flags: UInt = 0


DOMAIN_CORE_DUMP_WITH_FORMAT = REMOTE.call(
    "DOMAIN_CORE_DUMP_WITH_FORMAT", 334, DomainCoreDumpWithFormatArgs, None, acl="domain:core_dump"
)
