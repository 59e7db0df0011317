"""Errors as they travel: a `VirtoryError` ⇄ the protocol's error record.

The rule kept here: the message is complete as sent, for libvirt's clients print it as it stands;
our own find the detail in `str2` and the cure in `str3`.
"""

from __future__ import annotations

from virtory.codec.xdr import XdrError
from virtory.errors import LEVEL_ERROR, PeerMisbehaved, SystemCallFailed, VirtoryError
from virtory.errors import error_from_wire as _from_fields
from virtory.wire.remote.types import Error

# Enough for any message a human reads, and far below the protocol's limit.
_TEXT_MAX = 65536


def encode_error(error: VirtoryError) -> bytes:
    """The error record's bytes; overlong texts are cut rather than refused."""
    cure = error.cure
    return Error(
        code=error.code,
        domain=error.domain,
        message=str(error)[:_TEXT_MAX],
        level=LEVEL_ERROR,
        dom=None,
        str1=error.template,
        str2=error.detail[:_TEXT_MAX],
        str3=cure[:_TEXT_MAX] if cure else None,
        int1=error.int1,
        int2=error.int2,
        net=None,
    ).encode()


def decode_error(data: bytes, start: int, stop: int) -> VirtoryError:
    """The error that a peer sent, as the class that owns its code."""
    try:
        record = Error.decode(data, start, stop)
    except XdrError as problem:
        raise PeerMisbehaved(f"an error that cannot be decoded: {problem.detail}") from problem
    error = _from_fields(record.code, record.domain, record.message, record.str2, record.str3)
    error.int1 = record.int1
    error.int2 = record.int2
    if isinstance(error, SystemCallFailed) and record.int1 > 0:
        error.errno = record.int1
    return error
