"""Errors on the wire: the fields libvirt's clients read, and the same class at the other end."""

from __future__ import annotations

import pytest

from virtory.errors import (
    DomainNotFound,
    InvalidArgument,
    OperationInvalid,
    PeerMisbehaved,
    SystemCallFailed,
    UnsupportedFlags,
    VirtoryError,
)
from virtory.wire.failure import decode_error, encode_error
from virtory.wire.remote.types import Error

WITHOUT_CURE = DomainNotFound("no domain with matching name 'x'")
WITH_CURE = OperationInvalid("domain is not running", cure="start it with virtory start x")


def there_and_back(error: VirtoryError) -> VirtoryError:
    data = encode_error(error)
    return decode_error(data, 0, len(data))


def test_the_fields_are_those_libvirtd_sends() -> None:
    record = Error.decode(encode_error(WITHOUT_CURE))
    assert record == Error(
        code=42,
        domain=10,
        message="Domain not found: no domain with matching name 'x'",
        level=2,
        dom=None,
        str1="Domain not found: %s",
        str2="no domain with matching name 'x'",
        str3=None,
        int1=-1,
        int2=-1,
        net=None,
    )


def test_a_cure_is_in_the_message_and_apart() -> None:
    record = Error.decode(encode_error(WITH_CURE))
    assert record.message == (
        "Requested operation is not valid: domain is not running; start it with virtory start x"
    )
    assert record.str3 == "start it with virtory start x"


@pytest.mark.parametrize(
    "error",
    [
        WITHOUT_CURE,
        WITH_CURE,
        InvalidArgument("cpu 7 does not exist"),
        SystemCallFailed("cannot open '/x': Permission denied", errno=13),
        VirtoryError("an odd one", code=9999, domain=3),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_the_same_at_the_other_end(error: VirtoryError) -> None:
    other = there_and_back(error)
    assert type(other) is type(error)
    assert str(other) == str(error)
    for name in ("code", "domain", "detail", "cure", "int1", "int2"):
        assert getattr(other, name) == getattr(error, name), name
    assert getattr(other, "errno", None) == getattr(error, "errno", None)


def test_unknown_flags_have_zero_numbers_as_libvirts_clients_expect() -> None:
    record = Error.decode(encode_error(UnsupportedFlags(0x10, "qemuDomainCreate")))
    assert (record.code, record.int1, record.int2) == (8, 0, 0)
    assert record.message == "unsupported flags (0x10) in function qemuDomainCreate"


def test_an_overlong_message_is_cut_not_refused() -> None:
    record = Error.decode(encode_error(VirtoryError("x" * 5_000_000)))
    assert record.str2 == "x" * 65536


def test_an_error_that_cannot_be_decoded_is_misbehaviour() -> None:
    data = encode_error(WITHOUT_CURE)
    for length in range(len(data)):
        with pytest.raises(PeerMisbehaved):
            decode_error(data, 0, length)


def test_an_error_without_any_text_still_says_something() -> None:
    record = Error(1, 7, None, 2, None, None, None, None, 0, 0, None)
    data = record.encode()
    assert "error 1" in str(decode_error(data, 0, len(data)))
