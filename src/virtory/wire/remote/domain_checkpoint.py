"""Checkpoints of domains: points in time that incremental backups start from.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Record, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import DOMAIN_CHECKPOINT_LIST_MAX
from virtory.wire.remote.types import NonnullDomain, NonnullDomainCheckpoint, NonnullString

# Creation and deletion


class DomainCheckpointCreateXmlArgs(Record):
    dom: NonnullDomain
    xml_desc: NonnullString
    flags: UInt = 0


class DomainCheckpointCreateXmlRet(Record):
    checkpoint: NonnullDomainCheckpoint


DOMAIN_CHECKPOINT_CREATE_XML = REMOTE.call(
    "DOMAIN_CHECKPOINT_CREATE_XML",
    411,
    DomainCheckpointCreateXmlArgs,
    DomainCheckpointCreateXmlRet,
    acl=("domain:checkpoint", "domain:fs_freeze:VIR_DOMAIN_CHECKPOINT_CREATE_QUIESCE"),
)


class DomainCheckpointDeleteArgs(Record):
    checkpoint: NonnullDomainCheckpoint
    flags: UInt = 0


DOMAIN_CHECKPOINT_DELETE = REMOTE.call(
    "DOMAIN_CHECKPOINT_DELETE", 417, DomainCheckpointDeleteArgs, None, acl="domain:checkpoint"
)


# Lookup and description


class DomainCheckpointLookupByNameArgs(Record):
    dom: NonnullDomain
    name: NonnullString
    flags: UInt = 0


class DomainCheckpointLookupByNameRet(Record):
    checkpoint: NonnullDomainCheckpoint


DOMAIN_CHECKPOINT_LOOKUP_BY_NAME = REMOTE.call(
    "DOMAIN_CHECKPOINT_LOOKUP_BY_NAME",
    415,
    DomainCheckpointLookupByNameArgs,
    DomainCheckpointLookupByNameRet,
    acl="domain:read",
    high=True,
)


class DomainCheckpointGetXmlDescArgs(Record):
    checkpoint: NonnullDomainCheckpoint
    flags: UInt = 0


class DomainCheckpointGetXmlDescRet(Record):
    xml: NonnullString


DOMAIN_CHECKPOINT_GET_XML_DESC = REMOTE.call(
    "DOMAIN_CHECKPOINT_GET_XML_DESC",
    412,
    DomainCheckpointGetXmlDescArgs,
    DomainCheckpointGetXmlDescRet,
    acl=("domain:read", "domain:read_secure:VIR_DOMAIN_CHECKPOINT_XML_SECURE"),
)


class DomainCheckpointGetParentArgs(Record):
    checkpoint: NonnullDomainCheckpoint
    flags: UInt = 0


class DomainCheckpointGetParentRet(Record):
    parent: NonnullDomainCheckpoint


DOMAIN_CHECKPOINT_GET_PARENT = REMOTE.call(
    "DOMAIN_CHECKPOINT_GET_PARENT",
    416,
    DomainCheckpointGetParentArgs,
    DomainCheckpointGetParentRet,
    acl="domain:read",
    high=True,
)


# Lists


class DomainListAllCheckpointsArgs(Record):
    dom: NonnullDomain
    need_results: Int = 1
    flags: UInt = 0


class DomainListAllCheckpointsRet(Record):
    checkpoints: Annotated[list[NonnullDomainCheckpoint], Array(DOMAIN_CHECKPOINT_LIST_MAX)]
    ret: Int


DOMAIN_LIST_ALL_CHECKPOINTS = REMOTE.call(
    "DOMAIN_LIST_ALL_CHECKPOINTS",
    413,
    DomainListAllCheckpointsArgs,
    DomainListAllCheckpointsRet,
    acl="domain:read",
    high=True,
)


class DomainCheckpointListAllChildrenArgs(Record):
    checkpoint: NonnullDomainCheckpoint
    need_results: Int = 1
    flags: UInt = 0


class DomainCheckpointListAllChildrenRet(Record):
    checkpoints: Annotated[list[NonnullDomainCheckpoint], Array(DOMAIN_CHECKPOINT_LIST_MAX)]
    ret: Int


DOMAIN_CHECKPOINT_LIST_ALL_CHILDREN = REMOTE.call(
    "DOMAIN_CHECKPOINT_LIST_ALL_CHILDREN",
    414,
    DomainCheckpointListAllChildrenArgs,
    DomainCheckpointListAllChildrenRet,
    acl="domain:read",
    high=True,
)
