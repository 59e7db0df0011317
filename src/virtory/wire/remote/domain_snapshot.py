"""Snapshots of domains.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Record, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import DOMAIN_SNAPSHOT_LIST_MAX
from virtory.wire.remote.types import NonnullDomain, NonnullDomainSnapshot, NonnullString

# Creation, reversion, deletion


class DomainSnapshotCreateXmlArgs(Record):
    dom: NonnullDomain
    xml_desc: NonnullString
    flags: UInt = 0


class DomainSnapshotCreateXmlRet(Record):
    snap: NonnullDomainSnapshot


DOMAIN_SNAPSHOT_CREATE_XML = REMOTE.call(
    "DOMAIN_SNAPSHOT_CREATE_XML",
    185,
    DomainSnapshotCreateXmlArgs,
    DomainSnapshotCreateXmlRet,
    acl=("domain:snapshot", "domain:fs_freeze:VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE"),
)


class DomainRevertToSnapshotArgs(Record):
    snap: NonnullDomainSnapshot
    flags: UInt = 0


DOMAIN_REVERT_TO_SNAPSHOT = REMOTE.call(
    "DOMAIN_REVERT_TO_SNAPSHOT", 192, DomainRevertToSnapshotArgs, None, acl="domain:snapshot"
)


class DomainSnapshotDeleteArgs(Record):
    snap: NonnullDomainSnapshot
    flags: UInt = 0


DOMAIN_SNAPSHOT_DELETE = REMOTE.call(
    "DOMAIN_SNAPSHOT_DELETE", 193, DomainSnapshotDeleteArgs, None, acl="domain:snapshot"
)


# Lookup and description


class DomainSnapshotLookupByNameArgs(Record):
    dom: NonnullDomain
    name: NonnullString
    flags: UInt = 0


class DomainSnapshotLookupByNameRet(Record):
    snap: NonnullDomainSnapshot


DOMAIN_SNAPSHOT_LOOKUP_BY_NAME = REMOTE.call(
    "DOMAIN_SNAPSHOT_LOOKUP_BY_NAME",
    189,
    DomainSnapshotLookupByNameArgs,
    DomainSnapshotLookupByNameRet,
    acl="domain:read",
    high=True,
)


class DomainSnapshotGetXmlDescArgs(Record):
    snap: NonnullDomainSnapshot
    flags: UInt = 0


class DomainSnapshotGetXmlDescRet(Record):
    xml: NonnullString


DOMAIN_SNAPSHOT_GET_XML_DESC = REMOTE.call(
    "DOMAIN_SNAPSHOT_GET_XML_DESC",
    186,
    DomainSnapshotGetXmlDescArgs,
    DomainSnapshotGetXmlDescRet,
    acl=("domain:read", "domain:read_secure:VIR_DOMAIN_SNAPSHOT_XML_SECURE"),
    high=True,
)


class DomainHasCurrentSnapshotArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainHasCurrentSnapshotRet(Record):
    result: Int


DOMAIN_HAS_CURRENT_SNAPSHOT = REMOTE.call(
    "DOMAIN_HAS_CURRENT_SNAPSHOT",
    190,
    DomainHasCurrentSnapshotArgs,
    DomainHasCurrentSnapshotRet,
    acl="domain:read",
)


class DomainSnapshotCurrentArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainSnapshotCurrentRet(Record):
    snap: NonnullDomainSnapshot


DOMAIN_SNAPSHOT_CURRENT = REMOTE.call(
    "DOMAIN_SNAPSHOT_CURRENT",
    191,
    DomainSnapshotCurrentArgs,
    DomainSnapshotCurrentRet,
    acl="domain:read",
)


class DomainSnapshotIsCurrentArgs(Record):
    snap: NonnullDomainSnapshot
    flags: UInt = 0


class DomainSnapshotIsCurrentRet(Record):
    current: Int


DOMAIN_SNAPSHOT_IS_CURRENT = REMOTE.call(
    "DOMAIN_SNAPSHOT_IS_CURRENT",
    271,
    DomainSnapshotIsCurrentArgs,
    DomainSnapshotIsCurrentRet,
    acl="domain:read",
)


class DomainSnapshotHasMetadataArgs(Record):
    snap: NonnullDomainSnapshot
    flags: UInt = 0


class DomainSnapshotHasMetadataRet(Record):
    metadata: Int


DOMAIN_SNAPSHOT_HAS_METADATA = REMOTE.call(
    "DOMAIN_SNAPSHOT_HAS_METADATA",
    272,
    DomainSnapshotHasMetadataArgs,
    DomainSnapshotHasMetadataRet,
    acl="domain:read",
)


class DomainSnapshotGetParentArgs(Record):
    snap: NonnullDomainSnapshot
    flags: UInt = 0


class DomainSnapshotGetParentRet(Record):
    snap: NonnullDomainSnapshot


DOMAIN_SNAPSHOT_GET_PARENT = REMOTE.call(
    "DOMAIN_SNAPSHOT_GET_PARENT",
    244,
    DomainSnapshotGetParentArgs,
    DomainSnapshotGetParentRet,
    acl="domain:read",
    high=True,
)


# Lists


class DomainListAllSnapshotsArgs(Record):
    dom: NonnullDomain
    need_results: Int = 1
    flags: UInt = 0


class DomainListAllSnapshotsRet(Record):
    snapshots: Annotated[list[NonnullDomainSnapshot], Array(DOMAIN_SNAPSHOT_LIST_MAX)]
    ret: Int


DOMAIN_LIST_ALL_SNAPSHOTS = REMOTE.call(
    "DOMAIN_LIST_ALL_SNAPSHOTS",
    274,
    DomainListAllSnapshotsArgs,
    DomainListAllSnapshotsRet,
    acl="domain:read",
    high=True,
)


class DomainSnapshotListAllChildrenArgs(Record):
    snapshot: NonnullDomainSnapshot
    need_results: Int = 1
    flags: UInt = 0


class DomainSnapshotListAllChildrenRet(Record):
    snapshots: Annotated[list[NonnullDomainSnapshot], Array(DOMAIN_SNAPSHOT_LIST_MAX)]
    ret: Int


DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN = REMOTE.call(
    "DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN",
    275,
    DomainSnapshotListAllChildrenArgs,
    DomainSnapshotListAllChildrenRet,
    acl="domain:read",
    high=True,
)


class DomainSnapshotNumArgs(Record):
    dom: NonnullDomain
    flags: UInt = 0


class DomainSnapshotNumRet(Record):
    num: Int


DOMAIN_SNAPSHOT_NUM = REMOTE.call(
    "DOMAIN_SNAPSHOT_NUM",
    187,
    DomainSnapshotNumArgs,
    DomainSnapshotNumRet,
    acl="domain:read",
    high=True,
)


class DomainSnapshotListNamesArgs(Record):
    dom: NonnullDomain
    maxnames: Int
    flags: UInt = 0


class DomainSnapshotListNamesRet(Record):
    names: Annotated[list[NonnullString], Array(DOMAIN_SNAPSHOT_LIST_MAX)]


DOMAIN_SNAPSHOT_LIST_NAMES = REMOTE.call(
    "DOMAIN_SNAPSHOT_LIST_NAMES",
    188,
    DomainSnapshotListNamesArgs,
    DomainSnapshotListNamesRet,
    acl="domain:read",
    high=True,
)


class DomainSnapshotNumChildrenArgs(Record):
    snap: NonnullDomainSnapshot
    flags: UInt = 0


class DomainSnapshotNumChildrenRet(Record):
    num: Int


DOMAIN_SNAPSHOT_NUM_CHILDREN = REMOTE.call(
    "DOMAIN_SNAPSHOT_NUM_CHILDREN",
    246,
    DomainSnapshotNumChildrenArgs,
    DomainSnapshotNumChildrenRet,
    acl="domain:read",
    high=True,
)


class DomainSnapshotListChildrenNamesArgs(Record):
    snap: NonnullDomainSnapshot
    maxnames: Int
    flags: UInt = 0


class DomainSnapshotListChildrenNamesRet(Record):
    names: Annotated[list[NonnullString], Array(DOMAIN_SNAPSHOT_LIST_MAX)]


DOMAIN_SNAPSHOT_LIST_CHILDREN_NAMES = REMOTE.call(
    "DOMAIN_SNAPSHOT_LIST_CHILDREN_NAMES",
    247,
    DomainSnapshotListChildrenNamesArgs,
    DomainSnapshotListChildrenNamesRet,
    acl="domain:read",
    high=True,
)
