"""XDR under hypothesis: whatever goes in comes back, and random bytes never do harm."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from virtory.codec.xdr import (
    Array,
    CharArray,
    Double,
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

Name = Annotated[str, String(40)]


class Pair(NamedTuple):
    name: Annotated[str, String(40), Interned()]
    kind: Int
    value: Annotated[
        int | float | str, Union("kind", {1: Int, 2: UInt, 3: Hyper, 4: UHyper, 5: Double, 7: Name})
    ]


class Point(NamedTuple):
    x: Hyper
    id: Annotated[bytes, FixedOpaque(16)]
    label: Name | None


class Shape(Record):
    name: Name
    points: Annotated[list[Point], Array(5)]
    parent: Point | None
    pairs: Annotated[list[Pair], Array(5)]
    numbers: Annotated[list[Int], Array(9)]
    names: Annotated[list[Name], Array(4)]
    raw: Annotated[bytes, Opaque(30)]
    chars: Annotated[bytes, CharArray(30)]
    flags: UInt = 0


texts = st.binary(max_size=40).map(
    lambda data: data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
)
ints = st.integers(-(2**31), 2**31 - 1)
points = st.builds(
    Point, st.integers(-(2**63), 2**63 - 1), st.binary(min_size=16, max_size=16), texts | st.none()
)
values = st.one_of(
    st.tuples(st.just(1), ints),
    st.tuples(st.just(2), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(4), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(5), st.floats(allow_nan=False)),
    st.tuples(st.just(7), texts),
)
pairs = st.builds(lambda name, value: Pair(name, *value), texts, values)
shapes = st.builds(
    Shape,
    texts,
    st.lists(points, max_size=5),
    points | st.none(),
    st.lists(pairs, max_size=5),
    st.lists(ints, max_size=9),
    st.lists(texts, max_size=4),
    st.binary(max_size=30),
    st.binary(max_size=30),
    st.integers(0, 2**32 - 1),
)


@given(shapes)
def test_what_is_encoded_is_decoded_again(shape: Shape) -> None:
    data = shape.encode()
    assert len(data) % 4 == 0
    assert Shape.decode(data) == shape


@given(shapes, st.data())
def test_a_truncated_record_is_a_clean_error(shape: Shape, data: st.DataObject) -> None:
    encoded = shape.encode()
    cut = data.draw(st.integers(0, len(encoded) - 1))
    try:
        Shape.decode(encoded[:cut])
    except XdrError:
        return
    raise AssertionError("a truncated record was decoded")


@given(st.binary(max_size=400))
def test_random_bytes_are_a_record_or_a_clean_error(data: bytes) -> None:
    try:
        shape = Shape.decode(data)
    except XdrError:
        return
    again = shape.encode()
    assert Shape.decode(again).encode() == again


@given(shapes, st.data())
def test_a_damaged_record_is_a_record_or_a_clean_error(shape: Shape, data: st.DataObject) -> None:
    encoded = bytearray(shape.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(encoded) - 1))
        encoded[position] = data.draw(st.sampled_from([0, 1, 2, 3, 0x7F, 0x80, 0xFF]))
    try:
        decoded = Shape.decode(bytes(encoded))
    except XdrError:
        return
    assert len(decoded.points) <= 5
    assert len(decoded.raw) <= 30
