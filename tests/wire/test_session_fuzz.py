"""Hostile bytes: whatever a peer sends, a session answers, drops, or closes with PeerMisbehaved."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virtory.errors import ConnectionLost, PeerMisbehaved, RpcError
from virtory.wire.frame import FRAME_MAX, HEADER
from virtory.wire.incoming import Call, PeerDead
from virtory.wire.procedure import KEEPALIVE, QEMU, REMOTE, VIRTORY
from virtory.wire.remote.connect import CONNECT_GET_HOSTNAME
from virtory.wire.remote.domain_device import DOMAIN_OPEN_CONSOLE, DomainOpenConsoleArgs
from virtory.wire.remote.storage_volume import STORAGE_VOL_DOWNLOAD, StorageVolDownloadArgs
from virtory.wire.remote.types import NonnullDomain, NonnullStorageVol
from virtory.wire.session import CLIENT, SERVER, Role, Session

DATA = Path(__file__).parents[1] / "data/wire"
RECORDED = [
    bytes.fromhex(entry["hex"])
    for name in ("connect", "domain", "domain_device", "domain_event", "storage_volume", "qemu")
    for entry in json.loads((DATA / f"{name}.json").read_text())
    if len(entry["hex"]) < 1200
]
FDS = (101, 102, 103)


def busy(role: Role) -> Session:
    """A session with calls under way and, at the client, streams to come."""
    session = Session(role)
    if role == CLIENT:
        domain = NonnullDomain("vm", bytes(16), 1)
        session.call(CONNECT_GET_HOSTNAME)
        session.call(DOMAIN_OPEN_CONSOLE, DomainOpenConsoleArgs(domain, None))
        volume = NonnullStorageVol("p", "v", "/p/v")
        session.call(STORAGE_VOL_DOWNLOAD, StorageVolDownloadArgs(volume, 0, 0, 1))
        session.outgoing()
    return session


def survives(session: Session, pieces: list[bytes], fds: tuple[int, ...] = ()) -> None:
    """Feed it all; afterwards the session is sound, and every descriptor has exactly one owner."""
    owned: list[int] = []
    given = False
    received = 0
    try:
        for piece in pieces:
            received += len(piece)
            passed = () if given else fds
            given = True
            for item in session.receive(piece, passed):
                owned += getattr(item, "fds", ())
                if isinstance(item, Call):
                    session.fail(item, RpcError("no"))
    except PeerMisbehaved:
        assert session.closed
    # An answer is never much longer than what asked for it.
    assert session.queued <= 300 + 12 * received
    session.outgoing()
    incoming = session.end(ConnectionLost("over"))
    assert isinstance(incoming[-1], PeerDead)
    strays = session.take_strays()
    assert len(set(strays)) == len(strays)
    assert set(owned).isdisjoint(strays)
    assert {*owned, *strays} == (set(fds) if given else set())


def split(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, position = [], 0
    for size in sizes:
        pieces.append(data[position : position + size])
        position += size
    return [*pieces, data[position:]]


roles = st.sampled_from([CLIENT, SERVER])
sizes = st.lists(st.integers(0, 60), max_size=8)
fd_sets = st.sampled_from([(), FDS[:1], FDS])
numbers = st.one_of(
    st.integers(-1, 450), st.sampled_from([2**31 - 1, -(2**31), 201, 209, 60, 249, 9])
)
programs = st.sampled_from([REMOTE.number, QEMU.number, KEEPALIVE.number, VIRTORY.number, 5])


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A frame whose header makes sense now and then."""
    body = draw(st.binary(max_size=80))
    honest = 28 + len(body)
    length = draw(st.sampled_from([honest] * 8 + [0, 27, honest + 4, FRAME_MAX, FRAME_MAX + 1]))
    return (
        HEADER.pack(
            length,
            draw(programs),
            draw(st.sampled_from([1, 1, 1, 2])),
            draw(numbers),
            draw(st.integers(-1, 8)),
            draw(st.sampled_from([0, 1, 2, 3, 2**32 - 1])),
            draw(st.integers(-1, 3)),
        )
        + body
    )


@given(roles, st.binary(max_size=300), sizes, fd_sets)
def test_random_bytes_do_no_harm(
    role: Role, data: bytes, cuts: list[int], fds: tuple[int, ...]
) -> None:
    survives(busy(role), split(data, cuts), fds)


@settings(max_examples=300)
@given(roles, st.lists(frames(), max_size=5), sizes, fd_sets)
def test_random_frames_do_no_harm(
    role: Role, items: list[bytes], cuts: list[int], fds: tuple[int, ...]
) -> None:
    survives(busy(role), split(b"".join(items), cuts), fds)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(roles, st.lists(st.sampled_from(RECORDED), min_size=1, max_size=3), st.data())
def test_damaged_recordings_do_no_harm(role: Role, items: list[bytes], draw: st.DataObject) -> None:
    data = bytearray(b"".join(items))
    for _ in range(draw.draw(st.integers(0, 6))):
        position = draw.draw(st.integers(0, len(data) - 1))
        data[position] = draw.draw(st.sampled_from([0, 1, 2, 4, 5, 6, 0x7F, 0x80, 0xFF]))
    if draw.draw(st.booleans()):
        del data[draw.draw(st.integers(0, len(data) - 1)) :]
    survives(busy(role), split(bytes(data), draw.draw(sizes)))


@settings(max_examples=100)
@given(st.lists(st.sampled_from(RECORDED), min_size=1, max_size=4), sizes)
def test_how_bytes_are_split_makes_no_difference(items: list[bytes], cuts: list[int]) -> None:
    data = b"".join(items)

    def outcome(pieces: list[bytes]) -> tuple[object, ...]:
        server = Session(SERVER)
        got = []
        try:
            for piece in pieces:
                got += server.receive(piece)
        except PeerMisbehaved:
            return ("misbehaved",)
        return got, [chunk.data for chunk in server.outgoing()]

    whole = outcome([data])
    if whole == ("misbehaved",):
        assert outcome(split(data, cuts)) == whole
    else:
        assert outcome(split(data, cuts))[0] == whole[0]
