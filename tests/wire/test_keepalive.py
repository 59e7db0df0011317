"""Keepalive: pings after silence, five of them, and any byte proves life."""

from __future__ import annotations

import pytest

from virtory.errors import ConnectionLost, LocalMisuse
from virtory.wire.incoming import Call, PeerDead
from virtory.wire.keepalive import PING_FRAME, PONG_FRAME
from virtory.wire.remote.connect import (
    CONNECT_SUPPORTS_FEATURE,
    ConnectSupportsFeatureArgs,
    ConnectSupportsFeatureRet,
)
from virtory.wire.session import CLIENT, SERVER, Role, Session


def sent(session: Session) -> bytes:
    return b"".join(chunk.data for chunk in session.outgoing())


def asked(feature: int) -> Session:
    """A server whose client has asked for a feature."""
    client, server = Session(CLIENT), Session(SERVER)
    client.call(CONNECT_SUPPORTS_FEATURE, ConnectSupportsFeatureArgs(feature))
    (call,) = server.receive(sent(client))
    assert isinstance(call, Call)
    server.reply(call, ConnectSupportsFeatureRet(1))
    sent(server)
    return server


@pytest.mark.parametrize("role", [CLIENT, SERVER])
def test_a_ping_is_answered_at_once_by_either_side(role: Role) -> None:
    session = Session(role)
    assert session.receive(PING_FRAME) == []
    assert sent(session) == PONG_FRAME
    assert session.receive(PONG_FRAME) == []
    assert sent(session) == b""


def test_a_session_without_keepalive_wants_no_ticks() -> None:
    session = Session(SERVER)
    assert not session.wants_tick
    assert session.tick(0.0) is None


def test_only_the_keepalive_feature_starts_a_servers_timer() -> None:
    assert not asked(14).wants_tick
    server = asked(10)
    assert server.wants_tick
    assert server.tick(100.0) == 105.0
    assert not server.wants_tick


def test_the_first_ping_comes_after_five_seconds_of_silence() -> None:
    server = asked(10)
    server.tick(100.0)
    assert server.tick(104.9) == 105.0
    assert sent(server) == b""
    assert server.tick(105.0) == 110.0
    assert sent(server) == PING_FRAME


def test_a_peer_that_never_answers_is_dead_after_five_pings() -> None:
    server = asked(10)
    deadline = server.tick(0.0)
    pings = 0
    with pytest.raises(ConnectionLost, match="keepalive timeout"):
        for _ in range(10):
            assert deadline is not None
            deadline = server.tick(deadline)
            pings += sent(server).count(PING_FRAME)
    assert pings == 5
    assert server.closed
    with pytest.raises(LocalMisuse):
        server.receive(b"")
    (dead,) = server.end(ConnectionLost("gone"))
    assert isinstance(dead, PeerDead)
    assert server.tick(1000.0) is None


def test_anything_received_starts_the_count_again() -> None:
    server = asked(10)
    now = 0.0
    for _ in range(50):
        deadline = server.tick(now)
        assert deadline is not None
        now = deadline
        server.receive(PONG_FRAME)
    sent(server)
    assert not server.closed
    server.receive(PONG_FRAME[:7])
    server.tick(now)
    assert server.tick(now + 4) == now + 5


def test_a_client_pings_once_it_has_started() -> None:
    client = Session(CLIENT, keepalive_interval=2.0, keepalive_count=1)
    client.start_keepalive()
    assert client.wants_tick
    assert client.tick(0.0) == 2.0
    assert client.tick(2.0) == 4.0
    assert sent(client) == PING_FRAME
    with pytest.raises(ConnectionLost):
        client.tick(4.0)


def test_an_interval_of_zero_turns_our_pings_off() -> None:
    client = Session(CLIENT, keepalive_interval=0)
    client.start_keepalive()
    assert not client.wants_tick
    assert client.tick(0.0) is None
