"""Authentication: what a peer must do before it may open a connection.

The rule kept here: nothing but these procedures is served to a peer that is not authenticated.
"""

from virtory.codec.xdr import Array, CharArray, Int, Record
from virtory.lean import Annotated
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.limits import AUTH_SASL_DATA_MAX, AUTH_TYPE_LIST_MAX
from virtory.wire.remote.types import NonnullString

# Which mechanisms there are


class AuthListRet(Record):
    types: Annotated[list[Int], Array(AUTH_TYPE_LIST_MAX)]


AUTH_LIST = REMOTE.call("AUTH_LIST", 66, None, AuthListRet, acl="none", high=True)


# SASL, step by step


class AuthSaslInitRet(Record):
    mechlist: NonnullString


AUTH_SASL_INIT = REMOTE.call("AUTH_SASL_INIT", 67, None, AuthSaslInitRet, acl="none", high=True)


class AuthSaslStartArgs(Record):
    mech: NonnullString
    nil: Int
    data: Annotated[bytes, CharArray(AUTH_SASL_DATA_MAX)]


class AuthSaslStartRet(Record):
    complete: Int
    nil: Int
    data: Annotated[bytes, CharArray(AUTH_SASL_DATA_MAX)]


AUTH_SASL_START = REMOTE.call(
    "AUTH_SASL_START", 68, AuthSaslStartArgs, AuthSaslStartRet, acl="none", high=True
)


class AuthSaslStepArgs(Record):
    nil: Int
    data: Annotated[bytes, CharArray(AUTH_SASL_DATA_MAX)]


class AuthSaslStepRet(Record):
    complete: Int
    nil: Int
    data: Annotated[bytes, CharArray(AUTH_SASL_DATA_MAX)]


AUTH_SASL_STEP = REMOTE.call(
    "AUTH_SASL_STEP", 69, AuthSaslStepArgs, AuthSaslStepRet, acl="none", high=True
)


# polkit


class AuthPolkitRet(Record):
    complete: Int


AUTH_POLKIT = REMOTE.call("AUTH_POLKIT", 70, None, AuthPolkitRet, acl="none", high=True)
