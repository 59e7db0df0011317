"""QMP as a stream of JSON objects, however it is cut and whoever speaks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtory.driver.qemu.qmp import (
    Event,
    Failure,
    Greeting,
    JsonStream,
    QmpBroken,
    QmpSession,
    Reply,
    encode,
)

GREETING = (
    b'{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"},'
    b' "capabilities": ["oob"]}}\r\n'
)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.text(), values, max_size=5)


@given(st.lists(objects, max_size=5), st.data())
def test_objects_come_out_whole_wherever_the_stream_is_cut(
    sent: list[dict[str, object]], data: st.DataObject
) -> None:
    separator = data.draw(st.sampled_from([b"", b"\n", b" \r\n\t"]))
    raw = separator.join(json.dumps(one, ensure_ascii=False).encode() for one in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    stream, got = JsonStream(), []
    for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        got += stream.feed(raw[begin:end])
    assert got == sent


def test_every_single_byte_may_come_alone() -> None:
    raw = b'{"a": "}\\"{", "b": [1, {"c": "\\\\"}]}\n{"event": "\xc3\xa4"}'
    stream, got = JsonStream(), []
    for byte in raw:
        got += stream.feed(bytes([byte]))
    assert got == [{"a": '}"{', "b": [1, {"c": "\\"}]}, {"event": "ä"}]


@pytest.mark.parametrize(
    "rubbish",
    [
        b"hello\n",
        b"[1]\n",
        b'"text"\n',
        b"{]}",
        b'{"a": nonsense}',
        b'{"a": "\xff"}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_json_object_ends_the_session(rubbish: bytes) -> None:
    with pytest.raises(QmpBroken):
        JsonStream().feed(rubbish)


def test_a_message_over_the_limit_ends_the_session_before_it_is_whole() -> None:
    stream = JsonStream(limit=1000)
    with pytest.raises(QmpBroken, match="longer than 1000 bytes"):
        for _ in range(20):
            stream.feed(b'{"a": "' if not stream._buffer else b"x" * 100)


def test_many_bytes_in_small_pieces_are_looked_at_once_each() -> None:
    import time

    def took(size: int) -> float:
        stream = JsonStream()
        begin = time.process_time()
        stream.feed(b'{"a": "')
        for _ in range(size):
            stream.feed(b"x" * 100)
        stream.feed(b'"}')
        return time.process_time() - begin

    took(100)
    assert took(16_000) < 40 * max(took(1_600), 1e-4)


def test_a_session_recognises_all_kinds_of_messages() -> None:
    session = QmpSession()
    serial, data = session.command("query-status")
    assert json.loads(data) == {"execute": "query-status", "id": serial}
    assert session.receive(GREETING) == [Greeting((7, 2, 22), ("oob",))]
    assert session.receive(b'{"return": {}, "id": 1}\r\n') == [Reply(1, {})]
    failure = b'{"error": {"class": "GenericError", "desc": "no"}, "id": 7}\r\n'
    assert session.receive(failure) == [Failure(7, "GenericError", "no")]
    event = (
        b'{"timestamp": {"seconds": 5, "microseconds": 6}, "event": "STOP"}\r\n'
        b'{"timestamp": {"seconds": 7, "microseconds": 8}, "event": "SHUTDOWN",'
        b' "data": {"guest": true}}\r\n'
    )
    assert session.receive(event) == [
        Event("STOP", {}, 5, 6),
        Event("SHUTDOWN", {"guest": True}, 7, 8),
    ]


@pytest.mark.parametrize(
    "message",
    [b'{"hello": 1}\n', b'{"error": 5}\n', b'{"event": "X", "data": 5}\n', b'{"QMP": {}}\n'],
)
def test_an_object_that_is_no_qmp_message_ends_the_session(message: bytes) -> None:
    with pytest.raises(QmpBroken):
        QmpSession().receive(message)


def test_a_command_is_written_without_one_blank() -> None:
    assert encode("stop", None, 3) == b'{"execute":"stop","id":3}\n'
    assert (
        encode("balloon", {"value": 1}, None) == b'{"execute":"balloon","arguments":{"value":1}}\n'
    )
