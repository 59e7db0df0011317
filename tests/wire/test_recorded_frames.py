"""Frames recorded from libvirt 9.0.0's own client and daemon, decoded and encoded again.

Each entry of `data/wire/<kind>.json` is one whole message: its bytes, and what an independent
decoder read in them. Bytes stand as {"hex": …}, named tuples as objects.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from virtory.codec.xdr import Record
from virtory.wire.frame import CALL_WITH_FDS, REPLY_WITH_FDS, Frame, FrameReader
from virtory.wire.incoming import Call, Event
from virtory.wire.procedure import AnyProcedure, find
from virtory.wire.remote.types import Error
from virtory.wire.session import CLIENT, SERVER, Session
from virtory.wire.stream import NetStreamHole

DATA = Path(__file__).parents[1] / "data/wire"
KINDS = sorted(path.stem for path in DATA.glob("*.json") if path.stem != "protocol")
FRAMES = [
    (kind, entry) for kind in KINDS for entry in json.loads((DATA / f"{kind}.json").read_text())
]
TYPES = {
    "call": 0,
    "reply": 1,
    "message": 2,
    "stream": 3,
    "call with descriptors": 4,
    "reply with descriptors": 5,
    "hole": 6,
}
STATUS = {"ok": 0, "error": 1, "continue": 2}


def named(entry: dict[str, Any]) -> str:
    return "-".join((entry["procedure"], entry["type"], entry["status"]))


def plain(value: Any) -> Any:
    """A record as the recordings write it."""
    if isinstance(value, Record):
        return {name: plain(field) for name, field in vars(value).items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(field) for name, field in zip(value._fields, value, strict=True)}
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def read(entry: dict[str, Any]) -> Frame:
    """The recording as one frame, its descriptors made up."""
    data = bytes.fromhex(entry["hex"])
    fds: tuple[int, ...] = ()
    if TYPES[entry["type"]] in (CALL_WITH_FDS, REPLY_WITH_FDS):
        fds = tuple(range(1000, 1000 + int.from_bytes(data[28:32], "big")))
    (item,) = FrameReader().feed(data + b"\0" * len(fds), fds)
    assert item.fds == fds
    return item


def record_of(entry: dict[str, Any], procedure: AnyProcedure) -> type[Record] | None:
    if entry["status"] == "error":
        return Error
    return {
        "call": procedure.args,
        "call with descriptors": procedure.args,
        "reply": procedure.ret,
        "reply with descriptors": procedure.ret,
        "message": procedure.message,
        "stream": None,
        "hole": NetStreamHole,
    }[entry["type"]]


def test_the_recordings_cover_what_everyday_commands_send() -> None:
    assert len(FRAMES) > 400
    assert len({entry["procedure"] for _, entry in FRAMES}) > 200
    assert {entry["type"] for _, entry in FRAMES} >= set(TYPES) - {"reply with descriptors"}


@pytest.mark.parametrize(
    ("kind", "entry"), FRAMES, ids=[f"{kind}-{named(entry)}" for kind, entry in FRAMES]
)
def test_a_recorded_frame_is_understood_and_written_byte_for_byte(
    kind: str, entry: dict[str, Any]
) -> None:
    item = read(entry)
    assert (item.kind, item.status) == (TYPES[entry["type"]], STATUS[entry["status"]])
    procedure = find(item.program, item.number)
    assert procedure is not None
    assert procedure.name == entry["procedure"]
    body = item.data[item.start : item.stop]
    record = record_of(entry, procedure)
    if record is None:
        assert entry["value"] is None
        assert body == b"" or entry["type"] == "stream"
        return
    decoded = record.decode(item.data, item.start, item.stop)
    assert plain(decoded) == entry["value"]
    assert decoded.encode() == body
    again = record(**{name: getattr(decoded, name) for name in vars(decoded)})
    assert again == decoded


CALLS = [entry for _, entry in FRAMES if entry["type"] == "call"]
EVENTS = [entry for kind, entry in FRAMES if entry["type"] == "message" and kind != "keepalive"]


@pytest.mark.parametrize("entry", CALLS, ids=named)
def test_a_server_session_receives_what_a_client_session_would_send(entry: dict[str, Any]) -> None:
    data = bytes.fromhex(entry["hex"])
    (call,) = Session(SERVER).receive(data)
    assert isinstance(call, Call)
    client = Session(CLIENT)
    client.call(call.procedure, call.args)
    sent = client.outgoing()[0].data
    assert sent[:20] + sent[24:] == data[:20] + data[24:]  # all but the serial


@pytest.mark.parametrize("entry", EVENTS, ids=named)
def test_a_client_session_receives_what_a_server_session_would_send(entry: dict[str, Any]) -> None:
    data = bytes.fromhex(entry["hex"])
    (event,) = Session(CLIENT).receive(data)
    assert isinstance(event, Event)
    server = Session(SERVER)
    server.emit(event.procedure, event.message)
    assert server.outgoing()[0].data == data
