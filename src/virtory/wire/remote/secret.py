"""Secrets: passphrases that disks and others need.

The rule kept here: a procedure stands right after its records, in libvirt's names.
"""

from virtory.codec.xdr import Array, Int, Opaque, Record, UInt
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import SECRET_LIST_MAX, SECRET_VALUE_MAX
from virtory.wire.remote.types import NonnullSecret, NonnullString, Uuid

# Lookup and lists


class SecretLookupByUuidArgs(Record):
    uuid: Uuid


class SecretLookupByUuidRet(Record):
    secret: NonnullSecret


SECRET_LOOKUP_BY_UUID = REMOTE.call(
    "SECRET_LOOKUP_BY_UUID",
    141,
    SecretLookupByUuidArgs,
    SecretLookupByUuidRet,
    acl="secret:getattr",
    high=True,
)


class SecretLookupByUsageArgs(Record):
    usage_type: Int
    usage_id: NonnullString


class SecretLookupByUsageRet(Record):
    secret: NonnullSecret


SECRET_LOOKUP_BY_USAGE = REMOTE.call(
    "SECRET_LOOKUP_BY_USAGE",
    147,
    SecretLookupByUsageArgs,
    SecretLookupByUsageRet,
    acl="secret:getattr",
    high=True,
)


class ConnectListAllSecretsArgs(Record):
    need_results: Int = 1
    flags: UInt = 0


class ConnectListAllSecretsRet(Record):
    secrets: Annotated[list[NonnullSecret], Array(SECRET_LIST_MAX)]
    ret: UInt


CONNECT_LIST_ALL_SECRETS = REMOTE.call(
    "CONNECT_LIST_ALL_SECRETS",
    287,
    ConnectListAllSecretsArgs,
    ConnectListAllSecretsRet,
    acl="connect:search_secrets",
    acl_filter="secret:getattr",
    high=True,
)


class ConnectNumOfSecretsRet(Record):
    num: Int


CONNECT_NUM_OF_SECRETS = REMOTE.call(
    "CONNECT_NUM_OF_SECRETS",
    139,
    None,
    ConnectNumOfSecretsRet,
    acl="connect:search_secrets",
    acl_filter="secret:getattr",
    high=True,
)


class ConnectListSecretsArgs(Record):
    maxuuids: Int


class ConnectListSecretsRet(Record):
    uuids: Annotated[list[NonnullString], Array(SECRET_LIST_MAX)]


CONNECT_LIST_SECRETS = REMOTE.call(
    "CONNECT_LIST_SECRETS",
    140,
    ConnectListSecretsArgs,
    ConnectListSecretsRet,
    acl="connect:search_secrets",
    acl_filter="secret:getattr",
    high=True,
)


# Definition and description


class SecretDefineXmlArgs(Record):
    xml: NonnullString
    flags: UInt = 0


class SecretDefineXmlRet(Record):
    secret: NonnullSecret


SECRET_DEFINE_XML = REMOTE.call(
    "SECRET_DEFINE_XML",
    142,
    SecretDefineXmlArgs,
    SecretDefineXmlRet,
    acl=("secret:write", "secret:save"),
    high=True,
)


class SecretUndefineArgs(Record):
    secret: NonnullSecret


SECRET_UNDEFINE = REMOTE.call(
    "SECRET_UNDEFINE", 146, SecretUndefineArgs, None, acl="secret:delete", high=True
)


class SecretGetXmlDescArgs(Record):
    secret: NonnullSecret
    flags: UInt = 0


class SecretGetXmlDescRet(Record):
    xml: NonnullString


SECRET_GET_XML_DESC = REMOTE.call(
    "SECRET_GET_XML_DESC",
    143,
    SecretGetXmlDescArgs,
    SecretGetXmlDescRet,
    acl="secret:read",
    high=True,
)


# Value


class SecretSetValueArgs(Record):
    secret: NonnullSecret
    value: Annotated[bytes, Opaque(SECRET_VALUE_MAX)]
    flags: UInt = 0


SECRET_SET_VALUE = REMOTE.call(
    "SECRET_SET_VALUE", 144, SecretSetValueArgs, None, acl="secret:write", high=True
)


class SecretGetValueArgs(Record):
    secret: NonnullSecret
    flags: UInt = 0


class SecretGetValueRet(Record):
    value: Annotated[bytes, Opaque(SECRET_VALUE_MAX)]


SECRET_GET_VALUE = REMOTE.call(
    "SECRET_GET_VALUE",
    145,
    SecretGetValueArgs,
    SecretGetValueRet,
    acl="secret:read_secure",
    high=True,
)


# Events


class ConnectSecretEventRegisterAnyArgs(Record):
    event_id: Int
    secret: NonnullSecret | None


class ConnectSecretEventRegisterAnyRet(Record):
    callback_id: Int


CONNECT_SECRET_EVENT_REGISTER_ANY = REMOTE.call(
    "CONNECT_SECRET_EVENT_REGISTER_ANY",
    380,
    ConnectSecretEventRegisterAnyArgs,
    ConnectSecretEventRegisterAnyRet,
    acl="connect:search_secrets",
    acl_filter="secret:getattr",
    high=True,
)


class ConnectSecretEventDeregisterAnyArgs(Record):
    callback_id: Int


CONNECT_SECRET_EVENT_DEREGISTER_ANY = REMOTE.call(
    "CONNECT_SECRET_EVENT_DEREGISTER_ANY",
    381,
    ConnectSecretEventDeregisterAnyArgs,
    None,
    acl="connect:read",
    high=True,
)


class SecretEventLifecycleMsg(Record):
    callback_id: Int
    secret: NonnullSecret
    event: Int
    detail: Int


SECRET_EVENT_LIFECYCLE = REMOTE.event("SECRET_EVENT_LIFECYCLE", 382, SecretEventLifecycleMsg)


class SecretEventValueChangedMsg(Record):
    callback_id: Int
    secret: NonnullSecret


SECRET_EVENT_VALUE_CHANGED = REMOTE.event(
    "SECRET_EVENT_VALUE_CHANGED", 383, SecretEventValueChangedMsg
)
