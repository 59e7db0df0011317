"""The monitor against a scripted peer: replies out of order, descriptors, and every way to end."""

from __future__ import annotations

import array
import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from scripted import GREETING, ScriptedPeer

from virtory.driver.qemu.monitor import Monitor, MonitorGone
from virtory.driver.qemu.qmp import Event, QmpError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Seen:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.gone: list[MonitorGone] = []


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest_asyncio.fixture
async def ends(seen: Seen) -> AsyncIterator[tuple[Monitor, ScriptedPeer]]:
    ours, theirs = socket.socketpair()
    monitor = Monitor(ours, seen.events.append, seen.gone.append)
    peer = ScriptedPeer(theirs)
    yield monitor, peer
    monitor.close()
    peer.close()


Ends = tuple[Monitor, ScriptedPeer]


async def test_it_opens_with_the_greeting_and_one_command(ends: Ends) -> None:
    monitor, peer = ends
    greeting, _ = await asyncio.gather(monitor.open(), peer.greet())
    assert greeting.version == (7, 2, 0)
    assert [command["execute"] for command in peer.commands] == ["qmp_capabilities"]


async def test_replies_may_come_in_any_order(ends: Ends) -> None:
    monitor, peer = ends
    first, second = monitor.execute("first"), monitor.execute("second", {"a": 1})
    one, two = await peer.command(), await peer.command()
    assert two["arguments"] == {"a": 1}
    await peer.send({"return": 2, "id": two["id"]}, {"return": 1, "id": one["id"]})
    assert (await first, await second) == (1, 2)


async def test_a_refusal_carries_class_description_and_command(ends: Ends) -> None:
    monitor, peer = ends
    future = monitor.execute("eject")
    await peer.answer(error="it is locked")
    with pytest.raises(QmpError) as caught:
        await future
    error = caught.value
    assert (error.error_class, error.description) == ("GenericError", "it is locked")
    assert error.command == "eject"


async def test_events_arrive_in_order_between_replies(ends: Ends, seen: Seen) -> None:
    monitor, peer = ends
    future = monitor.execute("stop")
    taken = await peer.command()
    await peer.event("STOP")
    await peer.event("BALLOON_CHANGE", actual=5)
    await peer.send({"return": {}, "id": taken["id"]})
    await future
    assert [event.name for event in seen.events] == ["STOP", "BALLOON_CHANGE"]


async def test_pending_calls_end_when_the_peer_goes(ends: Ends, seen: Seen) -> None:
    monitor, peer = ends
    futures = [monitor.execute("query-status") for _ in range(3)]
    await peer.command()
    peer.close()
    for future in futures:
        with pytest.raises(MonitorGone):
            await future
    assert len(seen.gone) == 1
    with pytest.raises(MonitorGone):
        await monitor.execute("query-status")


async def test_what_the_peer_said_last_is_heard_by_who_finds_it_gone(
    ends: Ends, seen: Seen
) -> None:
    monitor, peer = ends
    await peer.event("SHUTDOWN", guest=True, reason="guest-shutdown")
    peer.close()
    with pytest.raises(MonitorGone):
        await monitor.execute("query-status")
    assert [event.name for event in seen.events] == ["SHUTDOWN"]
    assert len(seen.gone) == 1


async def test_opening_ends_when_the_peer_goes_before_it_greets(ends: Ends) -> None:
    monitor, peer = ends
    peer.close()
    with pytest.raises(MonitorGone):
        await monitor.open()


async def test_rubbish_ends_the_monitor_with_its_reason(ends: Ends, seen: Seen) -> None:
    monitor, peer = ends
    future = monitor.execute("query-status")
    await asyncio.get_running_loop().sock_sendall(peer.socket, b"SSH-2.0-OpenSSH\r\n")
    with pytest.raises(MonitorGone, match="expected a JSON object"):
        await future
    assert len(seen.gone) == 1


async def test_closing_tells_nobody_but_ends_pending_calls(ends: Ends, seen: Seen) -> None:
    monitor, _ = ends
    future = monitor.execute("query-status")
    monitor.close()
    with pytest.raises(MonitorGone, match="closed"):
        await future
    assert seen.gone == []


async def test_a_reply_to_a_call_that_was_given_up_is_dropped(ends: Ends, seen: Seen) -> None:
    monitor, peer = ends
    given_up = monitor.execute("slow")
    given_up.cancel()
    kept = monitor.execute("quick")
    slow, quick = await peer.command(), await peer.command()
    await peer.send({"return": 1, "id": slow["id"]}, {"return": 2, "id": quick["id"]})
    assert await kept == 2
    await peer.send({"return": 3, "id": 999})
    assert seen.gone == []


async def test_a_descriptor_travels_with_its_command(ends: Ends) -> None:
    monitor, peer = ends
    reader, writer = os.pipe()
    future = monitor.execute("getfd", {"fdname": "x"}, fds=(writer,))
    peer.socket.setblocking(True)
    data, ancillary, _, _ = peer.socket.recvmsg(4096, socket.CMSG_SPACE(4))
    peer.socket.setblocking(False)
    passed = array.array("i", ancillary[0][2])[0]
    os.write(passed, b"hello")
    assert os.read(reader, 10) == b"hello"
    assert b'"getfd"' in data
    await peer.send({"return": {}, "id": 1})
    await future
    for descriptor in (reader, writer, passed):
        os.close(descriptor)


async def test_commands_beyond_the_socket_buffer_wait_and_keep_their_order(ends: Ends) -> None:
    monitor, peer = ends
    big = "x" * 300_000
    futures = [monitor.execute("command", {"n": n, "big": big}) for n in range(4)]
    got = [await peer.answer(n) for n in range(4)]
    assert [one["arguments"]["n"] for one in got] == [0, 1, 2, 3]
    assert [await future for future in futures] == [0, 1, 2, 3]


async def test_a_second_greeting_is_harmless(ends: Ends) -> None:
    monitor, peer = ends
    await asyncio.gather(monitor.open(), peer.greet())
    await peer.send(GREETING)
    future = monitor.execute("query-status")
    await peer.answer({"status": "running"})
    assert await future == {"status": "running"}


async def test_an_event_nobody_expected_loses_nothing_after_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def surprised(event: Event) -> None:
        raise KeyError(event.name)

    ours, theirs = socket.socketpair()
    monitor, peer = Monitor(ours, surprised, lambda _: None), ScriptedPeer(theirs)
    future = monitor.execute("stop")
    taken = await peer.command()
    event = {"event": "ODD", "timestamp": {"seconds": 1, "microseconds": 2}}
    await peer.send(event, {"return": {}, "id": taken["id"]})
    assert await future == {}
    assert "QEMU's event ODD" in caplog.text
    monitor.close()
    peer.close()
