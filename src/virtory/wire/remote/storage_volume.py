"""Storage volumes and what is in them.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Char, Record, UHyper, UInt
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.types import NonnullStoragePool, NonnullStorageVol, NonnullString

# Lookup


class StorageVolLookupByNameArgs(Record):
    pool: NonnullStoragePool
    name: NonnullString


class StorageVolLookupByNameRet(Record):
    vol: NonnullStorageVol


STORAGE_VOL_LOOKUP_BY_NAME = REMOTE.call(
    "STORAGE_VOL_LOOKUP_BY_NAME",
    95,
    StorageVolLookupByNameArgs,
    StorageVolLookupByNameRet,
    acl="storage_vol:getattr",
    high=True,
)


class StorageVolLookupByKeyArgs(Record):
    key: NonnullString


class StorageVolLookupByKeyRet(Record):
    vol: NonnullStorageVol


STORAGE_VOL_LOOKUP_BY_KEY = REMOTE.call(
    "STORAGE_VOL_LOOKUP_BY_KEY",
    96,
    StorageVolLookupByKeyArgs,
    StorageVolLookupByKeyRet,
    acl="storage_vol:getattr",
    high=True,
)


class StorageVolLookupByPathArgs(Record):
    path: NonnullString


class StorageVolLookupByPathRet(Record):
    vol: NonnullStorageVol


STORAGE_VOL_LOOKUP_BY_PATH = REMOTE.call(
    "STORAGE_VOL_LOOKUP_BY_PATH",
    97,
    StorageVolLookupByPathArgs,
    StorageVolLookupByPathRet,
    acl="storage_vol:getattr",
    high=True,
)


# Creation and deletion


class StorageVolCreateXmlArgs(Record):
    pool: NonnullStoragePool
    xml: NonnullString
    flags: UInt = 0


class StorageVolCreateXmlRet(Record):
    vol: NonnullStorageVol


STORAGE_VOL_CREATE_XML = REMOTE.call(
    "STORAGE_VOL_CREATE_XML",
    93,
    StorageVolCreateXmlArgs,
    StorageVolCreateXmlRet,
    acl="storage_vol:create",
)


class StorageVolCreateXmlFromArgs(Record):
    pool: NonnullStoragePool
    xml: NonnullString
    clonevol: NonnullStorageVol
    flags: UInt = 0


class StorageVolCreateXmlFromRet(Record):
    vol: NonnullStorageVol


STORAGE_VOL_CREATE_XML_FROM = REMOTE.call(
    "STORAGE_VOL_CREATE_XML_FROM",
    125,
    StorageVolCreateXmlFromArgs,
    StorageVolCreateXmlFromRet,
    acl="storage_vol:create",
)


class StorageVolDeleteArgs(Record):
    vol: NonnullStorageVol
    flags: UInt = 0


STORAGE_VOL_DELETE = REMOTE.call(
    "STORAGE_VOL_DELETE", 94, StorageVolDeleteArgs, None, acl="storage_vol:delete"
)


# Description


class StorageVolGetInfoArgs(Record):
    vol: NonnullStorageVol


class StorageVolGetInfoRet(Record):
    type: Char
    capacity: UHyper
    allocation: UHyper


STORAGE_VOL_GET_INFO = REMOTE.call(
    "STORAGE_VOL_GET_INFO",
    98,
    StorageVolGetInfoArgs,
    StorageVolGetInfoRet,
    acl="storage_vol:read",
    high=True,
)


class StorageVolGetInfoFlagsArgs(Record):
    vol: NonnullStorageVol
    flags: UInt = 0


class StorageVolGetInfoFlagsRet(Record):
    type: Char
    capacity: UHyper
    allocation: UHyper


STORAGE_VOL_GET_INFO_FLAGS = REMOTE.call(
    "STORAGE_VOL_GET_INFO_FLAGS",
    378,
    StorageVolGetInfoFlagsArgs,
    StorageVolGetInfoFlagsRet,
    acl="storage_vol:read",
    high=True,
)


class StorageVolGetXmlDescArgs(Record):
    vol: NonnullStorageVol
    flags: UInt = 0


class StorageVolGetXmlDescRet(Record):
    xml: NonnullString


STORAGE_VOL_GET_XML_DESC = REMOTE.call(
    "STORAGE_VOL_GET_XML_DESC",
    99,
    StorageVolGetXmlDescArgs,
    StorageVolGetXmlDescRet,
    acl="storage_vol:read",
    high=True,
)


class StorageVolGetPathArgs(Record):
    vol: NonnullStorageVol


class StorageVolGetPathRet(Record):
    name: NonnullString


STORAGE_VOL_GET_PATH = REMOTE.call(
    "STORAGE_VOL_GET_PATH",
    100,
    StorageVolGetPathArgs,
    StorageVolGetPathRet,
    acl="storage_vol:read",
    high=True,
)


# Content


class StorageVolDownloadArgs(Record):
    vol: NonnullStorageVol
    offset: UHyper
    length: UHyper
    flags: UInt = 0


STORAGE_VOL_DOWNLOAD = REMOTE.call(
    "STORAGE_VOL_DOWNLOAD",
    209,
    StorageVolDownloadArgs,
    None,
    acl="storage_vol:data_read",
    stream="read",
    sparse=True,
)


class StorageVolUploadArgs(Record):
    vol: NonnullStorageVol
    offset: UHyper
    length: UHyper
    flags: UInt = 0


STORAGE_VOL_UPLOAD = REMOTE.call(
    "STORAGE_VOL_UPLOAD",
    208,
    StorageVolUploadArgs,
    None,
    acl="storage_vol:data_write",
    stream="write",
    sparse=True,
)


class StorageVolWipeArgs(Record):
    vol: NonnullStorageVol
    flags: UInt = 0


STORAGE_VOL_WIPE = REMOTE.call(
    "STORAGE_VOL_WIPE", 165, StorageVolWipeArgs, None, acl="storage_vol:format"
)


class StorageVolWipePatternArgs(Record):
    vol: NonnullStorageVol
    algorithm: UInt
    flags: UInt = 0


STORAGE_VOL_WIPE_PATTERN = REMOTE.call(
    "STORAGE_VOL_WIPE_PATTERN", 259, StorageVolWipePatternArgs, None, acl="storage_vol:format"
)


class StorageVolResizeArgs(Record):
    vol: NonnullStorageVol
    capacity: UHyper
    flags: UInt = 0


STORAGE_VOL_RESIZE = REMOTE.call(
    "STORAGE_VOL_RESIZE", 260, StorageVolResizeArgs, None, acl="storage_vol:resize"
)
