"""Records and types that the remote program's files share.

The rule kept here: what is only a value (a domain's name, uuid and id; a typed parameter) is a
named tuple. Encoders accept any tuple of that shape, so that a driver's values travel without being
converted one by one.
"""

from virtory.codec.xdr import (
    Double,
    FixedOpaque,
    Hyper,
    Int,
    Interned,
    Record,
    String,
    UHyper,
    UInt,
    Union,
)
from virtory.lean import Annotated, Final, NamedTuple

STRING_MAX: Final = 4194304

NonnullString = Annotated[str, String(STRING_MAX)]
NullableString = NonnullString | None
Uuid = Annotated[bytes, FixedOpaque(16)]


class NonnullDomain(NamedTuple):
    """A domain; daemons look at `uuid` only. `id` is -1 while it is not running."""

    name: NonnullString
    uuid: Uuid
    id: Int


class NonnullNetwork(NamedTuple):
    name: NonnullString
    uuid: Uuid


class NonnullNetworkPort(NamedTuple):
    net: NonnullNetwork
    uuid: Uuid


class NonnullNwfilter(NamedTuple):
    name: NonnullString
    uuid: Uuid


class NonnullNwfilterBinding(NamedTuple):
    portdev: NonnullString
    filtername: NonnullString


class NonnullInterface(NamedTuple):
    name: NonnullString
    mac: NonnullString


class NonnullStoragePool(NamedTuple):
    name: NonnullString
    uuid: Uuid


class NonnullStorageVol(NamedTuple):
    pool: NonnullString
    name: NonnullString
    key: NonnullString


class NonnullNodeDevice(NamedTuple):
    name: NonnullString


class NonnullSecret(NamedTuple):
    uuid: Uuid
    usage_type: Int
    usage_id: NonnullString


class NonnullDomainCheckpoint(NamedTuple):
    name: NonnullString
    dom: NonnullDomain


class NonnullDomainSnapshot(NamedTuple):
    name: NonnullString
    dom: NonnullDomain


# The kinds of a typed parameter's value.
INT, UINT, LLONG, ULLONG, DOUBLE, BOOLEAN, STRING = range(1, 8)


class TypedParam(NamedTuple):
    """One named value; `kind` says which of libvirt's seven types it has, INT to STRING."""

    field: Annotated[str, String(STRING_MAX), Interned()]
    kind: Int
    value: Annotated[
        int | float | str,
        Union(
            "kind",
            {
                INT: Int,
                UINT: UInt,
                LLONG: Hyper,
                ULLONG: UHyper,
                DOUBLE: Double,
                BOOLEAN: Int,
                STRING: NonnullString,
            },
        ),
    ]


class VcpuInfo(NamedTuple):
    """One virtual CPU; `cpu_time` in nanoseconds, `cpu` -1 when unknown."""

    number: UInt
    state: Int
    cpu_time: UHyper
    cpu: Int


class DomainDiskError(NamedTuple):
    disk: NonnullString
    error: Int


class Error(Record):
    """An error as it travels; `str1` is the message's template, `str2` the detail in it."""

    code: Int
    domain: Int
    message: NullableString
    level: Int
    dom: NonnullDomain | None
    str1: NullableString
    str2: NullableString
    str3: NullableString
    int1: Int
    int2: Int
    net: NonnullNetwork | None
