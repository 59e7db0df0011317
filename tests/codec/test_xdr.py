"""XDR by hand: bytes written out against RFC 4506, limits, and what must be refused."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Annotated, NamedTuple

import pytest

from virtory.codec.xdr import (
    Array,
    CharArray,
    Double,
    FixedCharArray,
    FixedOpaque,
    Hyper,
    Int,
    Interned,
    Opaque,
    Record,
    String,
    UHyper,
    UInt,
    Union,
    XdrError,
)
from virtory.errors import LocalMisuse

Text = Annotated[str, String(8)]


class Numbers(Record):
    a: Int
    b: UInt
    c: Hyper
    d: UHyper
    e: Double


class Person(NamedTuple):
    name: Text
    uuid: Annotated[bytes, FixedOpaque(3)]
    id: Int


class Everything(Record):
    person: Person
    nickname: Text | None
    friends: Annotated[list[Person], Array(3)]
    lucky: Annotated[list[UHyper], Array(3)]
    blob: Annotated[bytes, Opaque(5)]
    model: Annotated[bytes, FixedCharArray(4)]
    label: Annotated[bytes, CharArray(4)]
    boss: Person | None = None
    flags: UInt = 0


class Setting(NamedTuple):
    field: Annotated[str, String(1000), Interned()]
    kind: Int
    value: Annotated[int | float | str, Union("kind", {1: Int, 4: UHyper, 5: Double, 7: Text})]


class Settings(Record):
    settings: Annotated[list[Setting], Array(100)]


class Empty(Record):
    pass


class Outer(Record):
    before: Text
    inner: Numbers
    empty: Empty
    after: Text


def everything() -> Everything:
    return Everything(
        person=Person("é", b"abc", -1),
        nickname="x",
        friends=[Person("abcd", b"123", 7)],
        lucky=[1, 2**64 - 1],
        blob=b"12345",
        model=b"ab",
        label=b"\xff\0",
        boss=None,
        flags=9,
    )


EVERYTHING = (
    "00000002 c3a90000 61626300 ffffffff"  # person: the name, its padding, the uuid, the id
    "00000001 00000001 78000000"  # nickname: there is one
    "00000001 00000004 61626364 31323300 00000007"  # one friend
    "00000002 0000000000000001 ffffffffffffffff"  # two numbers of 8 bytes
    "00000005 31323334 35000000"  # five bytes and their padding
    "00000061 00000062 00000000 00000000"  # char[4]: 4-byte numbers, no length
    "00000002 ffffffff 00000000"  # char<4>: a length and 4-byte numbers, signed
    "00000000"  # no boss
    "00000009"
).replace(" ", "")


def test_numbers_are_big_endian_and_as_wide_as_their_type() -> None:
    record = Numbers(-2, 2**32 - 1, -(2**63), 2**64 - 1, 1.5)
    expected = "fffffffe ffffffff 8000000000000000 ffffffffffffffff 3ff8000000000000"
    assert record.encode().hex() == expected.replace(" ", "")
    assert Numbers.decode(record.encode()) == record


def test_every_kind_of_field_has_the_bytes_of_the_rfc() -> None:
    assert everything().encode().hex() == EVERYTHING
    assert Everything.decode(bytes.fromhex(EVERYTHING)) == everything()


def test_an_optional_that_is_there_is_announced_by_one() -> None:
    record = everything()
    record.boss = Person("b", b"xyz", 1)
    data = record.encode()
    assert data.hex().endswith(
        "00000001 00000001 62000000 78797a00 00000001 00000009".replace(" ", "")
    )
    assert Everything.decode(data) == record


def test_a_union_is_its_discriminant_and_then_the_arm() -> None:
    record = Settings([Setting("n", 1, -1), Setting("n", 4, 5), Setting("t", 7, "text")])
    expected = (
        "00000003"
        "00000001 6e000000 00000001 ffffffff"
        "00000001 6e000000 00000004 0000000000000005"
        "00000001 74000000 00000007 00000004 74657874"
    ).replace(" ", "")
    assert record.encode().hex() == expected
    assert Settings.decode(record.encode()) == record


def test_a_record_within_a_record_is_inlined_and_an_empty_one_takes_no_bytes() -> None:
    record = Outer("a", Numbers(1, 2, 3, 4, 5.0), Empty(), "b")
    data = record.encode()
    assert len(data) == 8 + 32 + 0 + 8
    assert Outer.decode(data) == record


def test_a_tuple_of_the_right_shape_stands_for_a_named_tuple() -> None:
    plain = Settings([("n", 1, 3)])  # type: ignore[list-item]
    assert plain.encode() == Settings([Setting("n", 1, 3)]).encode()


def test_decoding_starts_at_the_offset_and_ignores_what_follows() -> None:
    data = bytes.fromhex(EVERYTHING)
    assert Everything.decode(b"1234567" + data + b"tail", 7) == everything()


def test_decoding_stops_at_the_end_even_when_more_bytes_follow() -> None:
    data = bytes.fromhex(EVERYTHING)
    with pytest.raises(XdrError, match="ends before"):
        Everything.decode(data + b"\0" * 100, 0, len(data) - 1)


@pytest.mark.parametrize("record", [everything(), Settings([Setting("f", 7, "t")])])
def test_every_truncation_is_a_clean_error(record: Record) -> None:
    data = record.encode()
    for length in range(len(data)):
        with pytest.raises(XdrError):
            type(record).decode(data[:length])
        with pytest.raises(XdrError):
            type(record).decode(data, 0, length)


def test_text_that_is_not_utf_8_survives_the_way_there_and_back() -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    person = Everything.decode(everything().encode())
    person.nickname = name
    data = person.encode()
    assert b"caf\xe9" in data
    assert Everything.decode(data).nickname == name


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"nickname": "123456789"}, "a length of 9; at most 8"),
        ({"person": Person("ééééé", b"abc", 1)}, "a length of 10; at most 8"),
        ({"friends": [Person("a", b"abc", 1)] * 4}, "a length of 4; at most 3"),
        ({"lucky": [0] * 4}, "a length of 4; at most 3"),
        ({"blob": b"123456"}, "a length of 6; at most 5"),
        ({"model": b"12345"}, "a length of 5; at most 4"),
        ({"label": b"12345"}, "a length of 5; at most 4"),
    ],
)
def test_what_is_over_a_limit_is_not_encoded(change: dict[str, object], what: str) -> None:
    record = everything()
    vars(record).update(change)
    with pytest.raises(XdrError, match=what):
        record.encode()


@pytest.mark.parametrize(
    "change",
    [
        {"nickname": 3},
        {"person": Person("a", b"abcd", 1)},
        {"person": Person("a", b"abc", 2**31)},
        {"person": ("a", b"abc")},
        {"friends": None},
        {"lucky": [-1]},
        {"lucky": ["1"]},
        {"blob": 5},
        {"flags": -1},
        {"flags": None},
        {"boss": 5},
    ],
)
def test_a_value_of_the_wrong_type_is_our_mistake_and_names_the_record(
    change: dict[str, object],
) -> None:
    record = everything()
    vars(record).update(change)
    with pytest.raises(LocalMisuse, match=r"Everything\("):
        record.encode()


def test_a_union_without_that_arm_is_refused_both_ways() -> None:
    with pytest.raises(LocalMisuse, match="no arm 9"):
        Settings([Setting("n", 9, 3)]).encode()
    data = bytearray(Settings([Setting("n", 1, 3)]).encode())
    data[15] = 9
    with pytest.raises(XdrError, match="no arm 9"):
        Settings.decode(bytes(data))


@pytest.mark.parametrize(
    ("position", "word", "what"),
    [
        (0, 9, "a length of 9; at most 8"),
        (0, 2**32 - 1, "a length of 4294967295; at most 8"),
        (4, 2, "2 says neither"),
        (4, 2**32 - 1, "4294967295 says neither"),
        (7, 4, "a length of 4; at most 3"),
        (12, 2**31, "a length of 2147483648; at most 3"),
        (17, 6, "a length of 6; at most 5"),
        (24, 5, "a length of 5; at most 4"),
    ],
)
def test_a_length_or_a_flag_out_of_range_is_refused(position: int, word: int, what: str) -> None:
    data = bytearray.fromhex(EVERYTHING)
    data[4 * position : 4 * position + 4] = word.to_bytes(4, "big")
    with pytest.raises(XdrError, match=what):
        Everything.decode(bytes(data))


def test_a_text_with_a_zero_byte_is_refused_as_c_would_cut_it_short() -> None:
    with pytest.raises(XdrError, match="zero byte"):
        Everything.decode(bytes.fromhex(EVERYTHING.replace("c3a9", "6100")))
    hidden = Settings([Setting("a\0b", 7, "t")]).encode()
    with pytest.raises(XdrError, match="zero byte"):
        Settings.decode(hidden)
    hidden = Settings([Setting("a", 7, "t\0t")]).encode()
    with pytest.raises(XdrError, match="zero byte"):
        Settings.decode(hidden)


def test_a_huge_count_is_refused_before_anything_is_made_of_it() -> None:
    class Many(Record):
        numbers: Annotated[list[Int], Array(2**31)]
        texts: Annotated[list[Text], Array(2**31)]

    start = time.process_time()
    with pytest.raises(XdrError, match="ends before"):
        Many.decode((2**31 - 1).to_bytes(4, "big"))
    with pytest.raises(XdrError, match="ends before"):
        Many.decode(b"\0\0\0\0" + (2**31 - 1).to_bytes(4, "big") + b"\0" * 64)
    assert time.process_time() - start < 1


def test_remembered_names_stay_few_and_short_whatever_a_peer_sends() -> None:
    from virtory.codec import xdr_runtime

    for number in range(6000):
        name = f"name-{number}" if number % 2 else "x" * 900 + str(number)
        record = Settings([Setting(name, 1, number)])
        assert Settings.decode(record.encode()) == record
    encoded, _ = xdr_runtime.encoded_texts(1000)
    decoded, _ = xdr_runtime.decoded_texts()
    assert 0 < len(encoded) <= 4096
    assert 0 < len(decoded) <= 4096
    assert max(map(len, encoded)) <= 64
    assert max(map(len, decoded)) <= 64


def test_a_constructor_takes_positions_names_and_defaults() -> None:
    assert Numbers(1, 2, 3, d=4, e=5.0) == Numbers(a=1, b=2, c=3, d=4, e=5.0)
    assert everything().flags == 9
    with pytest.raises(TypeError, match="missing"):
        Numbers(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected"):
        Numbers(1, 2, 3, 4, 5.0, x=1)  # type: ignore[call-arg]


def test_records_compare_by_class_and_fields_and_say_what_they_hold() -> None:
    class Other(Record):
        a: Int
        b: UInt
        c: Hyper
        d: UHyper
        e: Double

    one = Numbers(1, 2, 3, 4, 5.0)
    assert one == Numbers(1, 2, 3, 4, 5.0)
    assert one != Numbers(1, 2, 3, 4, 6.0)
    assert one != Other(1, 2, 3, 4, 5.0)
    assert repr(one) == "Numbers(a=1, b=2, c=3, d=4, e=5.0)"


def test_a_record_has_no_subclasses() -> None:
    with pytest.raises(TypeError, match="no subclasses"):

        class More(Numbers):
            f: Int


def test_an_annotation_that_is_no_type_of_xdr_is_named() -> None:
    class Wrong(Record):
        a: dict[str, int]

    with pytest.raises(TypeError, match=r"Wrong\.a"):
        Wrong({}).encode()


def test_the_compiler_is_loaded_only_when_a_record_is_used() -> None:
    program = (
        "import sys, virtory.wire.remote.domain\n"
        "assert 'virtory.codec.xdr_compiler' not in sys.modules\n"
        "virtory.wire.remote.domain.DomainLookupByIdArgs(3).encode()\n"
        "assert 'virtory.codec.xdr_compiler' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
