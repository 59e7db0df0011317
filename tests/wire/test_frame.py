"""Frames: cut anywhere, of any length, with descriptors that come late, early or not at all."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtory.codec.xdr import XdrError
from virtory.errors import LocalMisuse, PeerMisbehaved
from virtory.wire.frame import (
    CALL,
    CALL_WITH_FDS,
    CONTINUE,
    ERROR,
    FRAME_MAX,
    HEADER,
    OK,
    REPLY_WITH_FDS,
    STREAM,
    Frame,
    FrameReader,
    FrameWriter,
)
from virtory.wire.remote.connect import CONNECT_GET_HOSTNAME


def message(
    body: bytes = b"", kind: int = CALL, length: int | None = None, status: int = OK
) -> bytes:
    size = 28 + len(body) if length is None else length
    return HEADER.pack(size, 1, 2, 3, kind, 5, status) + body


def content(items: list[Frame]) -> list[bytes]:
    return [item.data[item.start : item.stop] for item in items]


def test_a_frame_has_its_fields_and_its_payload() -> None:
    (item,) = FrameReader().feed(message(b"abcd"))
    assert item[:6] == (1, 2, 3, CALL, 5, OK)
    assert content([item]) == [b"abcd"]
    assert item.fds == ()


def test_frames_split_at_every_byte_are_the_same_frames() -> None:
    data = message(b"abcd") + message() + message(b"x" * 90)
    for split in range(len(data) + 1):
        reader = FrameReader()
        got = content(reader.feed(data[:split])) + content(reader.feed(data[split:]))
        assert got == [b"abcd", b"", b"x" * 90]


def test_frames_that_come_byte_by_byte_are_the_same_frames() -> None:
    reader = FrameReader()
    data = message(b"abcd") + message(b"efgh")
    got = [reader.feed(data[index : index + 1]) for index in range(len(data))]
    assert content(list(itertools.chain(*got))) == [b"abcd", b"efgh"]
    assert sum(bool(items) for items in got) == 2


@given(st.lists(st.binary(max_size=60), max_size=6), st.lists(st.integers(1, 50), min_size=1))
def test_any_splitting_gives_the_same_frames(bodies: list[bytes], sizes: list[int]) -> None:
    data = b"".join(map(message, bodies))
    reader = FrameReader()
    got: list[bytes] = []
    position = 0
    for size in itertools.cycle(sizes):
        if position >= len(data):
            break
        got += content(reader.feed(data[position : position + size]))
        position += size
    assert got == bodies


@given(st.lists(st.integers(0, 40000), max_size=6))
def test_the_data_of_a_large_stream_packet_is_handed_on_as_it_comes(sizes: list[int]) -> None:
    body = bytes(range(256)) * 300
    data = message(body, STREAM, status=CONTINUE) + message(b"next")
    reader = FrameReader()
    got: list[Frame] = []
    position = 0
    for size in [*sizes, len(data)]:
        got += reader.feed(data[position : position + size])
        position += size
        if position >= 28:
            brought = sum(map(len, content(got)))
            assert brought >= min(position - 28, len(body))
    assert all(item[:6] == (1, 2, 3, STREAM, 5, CONTINUE) for item in got[:-1])
    assert b"".join(content(got[:-1])) == body
    assert content(got[-1:]) == [b"next"]


def test_a_large_stream_packet_that_tells_an_error_is_one_frame() -> None:
    reader = FrameReader()
    data = message(b"x" * 100000, STREAM, status=ERROR)
    assert reader.feed(data[:90000]) == []
    assert content(reader.feed(data[90000:])) == [b"x" * 100000]


@pytest.mark.parametrize("length", [0, 4, 27, FRAME_MAX + 1, 2**31, 2**32 - 1])
def test_a_length_out_of_range_is_refused_with_its_fourth_byte(length: int) -> None:
    reader = FrameReader()
    data = length.to_bytes(4, "big")
    assert reader.feed(data[:3]) == []
    with pytest.raises(PeerMisbehaved, match=f"a message of {length} bytes"):
        reader.feed(data[3:])


def test_the_longest_frame_is_read_in_linear_time() -> None:
    body = bytes(FRAME_MAX - 28)
    data = message(body)
    reader = FrameReader()
    start = time.process_time()
    got: list[Frame] = []
    for position in range(0, len(data), 65536):
        got += reader.feed(data[position : position + 65536])
    assert time.process_time() - start < 5
    assert [item.stop - item.start for item in got] == [FRAME_MAX - 28]


def test_a_long_length_takes_no_memory_until_its_bytes_come() -> None:
    readers = [FrameReader() for _ in range(2000)]
    for reader in readers:
        assert reader.feed(message(length=FRAME_MAX)) == []
    assert sum(len(piece) for reader in readers for piece in reader._pieces) == 2000 * 28


def test_a_message_in_tiny_pieces_takes_little_more_memory_than_its_bytes() -> None:
    reader = FrameReader()
    data = message(bytes(100_000))
    for position in range(0, len(data) - 2, 2):
        assert reader.feed(data[position : position + 2]) == []
    assert len(reader._pieces) <= 2
    assert len(reader.feed(data[-2:])) == 1


def with_fds(count: int, body: bytes = b"body", kind: int = CALL_WITH_FDS) -> bytes:
    return message(count.to_bytes(4, "big") + body, kind)


@pytest.mark.parametrize("kind", [CALL_WITH_FDS, REPLY_WITH_FDS])
def test_descriptors_come_one_by_one_after_their_frame(kind: int) -> None:
    reader = FrameReader()
    assert reader.feed(with_fds(2, kind=kind)) == []
    assert reader.feed(b"\0", (7,)) == []
    (item,) = reader.feed(b"\0", (8,))
    assert item.fds == (7, 8)
    assert content([item]) == [b"body"]
    assert reader.strays == []


def test_the_first_descriptors_byte_may_come_together_with_the_frame() -> None:
    reader = FrameReader()
    assert reader.feed(with_fds(2) + b"\0", (7,)) == []
    items = reader.feed(b"\0" + message(b"next"), (8,))
    assert content(items) == [b"body", b"next"]
    assert items[0].fds == (7, 8)


def test_a_frame_may_announce_no_descriptors() -> None:
    (item,) = FrameReader().feed(with_fds(0))
    assert (item.fds, content([item])) == ((), [b"body"])


def test_descriptors_that_nobody_announced_are_strays() -> None:
    reader = FrameReader()
    assert len(reader.feed(message(), (5, 6))) == 1
    assert reader.strays == [5, 6]
    assert reader.feed(message()[:10], (7,)) == []
    assert reader.strays == [5, 6, 7]


def test_more_descriptors_than_announced_are_strays() -> None:
    reader = FrameReader()
    assert reader.feed(with_fds(1), (5, 6, 7)) == []
    assert reader.strays == [6, 7]
    (item,) = reader.feed(b"\0")
    assert item.fds == (5,)


def test_fewer_descriptors_than_announced_are_misbehaviour() -> None:
    reader = FrameReader()
    with pytest.raises(PeerMisbehaved, match="announced 2 file descriptors but 1 came"):
        reader.feed(with_fds(2) + b"\0\0", (5,))
    assert reader.close() == [5]


def test_more_descriptors_than_the_protocol_allows_are_misbehaviour() -> None:
    with pytest.raises(PeerMisbehaved, match="33 file descriptors"):
        FrameReader().feed(with_fds(33))


def test_a_frame_with_descriptors_has_room_for_their_number() -> None:
    with pytest.raises(PeerMisbehaved, match="only 28 bytes"):
        FrameReader().feed(message(kind=CALL_WITH_FDS))


def test_descriptors_of_frames_before_a_bad_one_are_strays() -> None:
    reader = FrameReader()
    with pytest.raises(PeerMisbehaved):
        reader.feed(with_fds(1) + b"\0" + message(length=3), (9,))
    assert reader.strays == [9]


def test_small_messages_are_written_together() -> None:
    writer = FrameWriter()
    writer.send(CONNECT_GET_HOSTNAME, CALL, 1, OK, b"")
    writer.send(CONNECT_GET_HOSTNAME, CALL, 2, OK, b"")
    assert writer.queued == 56
    (chunk,) = writer.take()
    assert (len(chunk.data), chunk.fds) == (56, ())
    assert writer.queued == 0
    assert writer.take() == []


def test_large_messages_are_not_copied_together() -> None:
    writer = FrameWriter()
    body = bytes(100_000)
    writer.send(CONNECT_GET_HOSTNAME, CALL, 1, OK, body)
    header, payload = writer.take()
    assert len(header.data) == 28
    assert payload.data is body


def test_many_small_messages_around_a_large_one_are_three_chunks() -> None:
    writer = FrameWriter()
    body = bytes(100_000)
    for _ in range(5000):
        writer.send(CONNECT_GET_HOSTNAME, CALL, 1, OK, b"")
    writer.send(CONNECT_GET_HOSTNAME, CALL, 2, OK, body)
    for _ in range(5000):
        writer.queue(message())
    writer.send(CONNECT_GET_HOSTNAME, CALL_WITH_FDS, 3, OK, b"", (4,))
    chunks = writer.take()
    assert [len(chunk.data) for chunk in chunks] == [5001 * 28, 100_000, 5001 * 28 + 4]
    assert [chunk.fds for chunk in chunks] == [(), (), (4,)]


def test_descriptors_end_a_chunk() -> None:
    writer = FrameWriter()
    writer.send(CONNECT_GET_HOSTNAME, CALL, 1, OK, b"")
    writer.send(CONNECT_GET_HOSTNAME, CALL_WITH_FDS, 2, OK, b"body", (4, 5))
    writer.send(CONNECT_GET_HOSTNAME, CALL, 3, OK, b"")
    first, second = writer.take()
    assert first.fds == (4, 5)
    assert second.fds == ()
    reader = FrameReader()
    assert len(reader.feed(first.data)) == 1
    assert reader.feed(b"\0", (4,)) == []
    items = reader.feed(b"\0" + second.data, (5,))
    assert [item.fds for item in items] == [(4, 5), ()]
    assert content(items) == [b"body", b""]


def test_too_many_descriptors_and_too_long_messages_are_not_sent() -> None:
    writer = FrameWriter()
    with pytest.raises(LocalMisuse, match="33 file descriptors"):
        writer.send(CONNECT_GET_HOSTNAME, CALL_WITH_FDS, 1, OK, b"", tuple(range(33)))
    with pytest.raises(XdrError, match="CONNECT_GET_HOSTNAME"):
        writer.send(CONNECT_GET_HOSTNAME, CALL, 1, OK, bytes(FRAME_MAX))
    assert writer.take() == []
