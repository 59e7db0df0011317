"""Clients that are many, rude, slow or suddenly gone; the daemon serves the others."""

from __future__ import annotations

import asyncio
import os
import random
import select
import socket
from typing import Any

import pytest

from virtory.daemon.config import Config, Keepalive, Limits
from virtory.daemon.subscriptions import MOST
from virtory.errors import (
    ConnectionLost,
    InternalError,
    OperationFailed,
    PeerMisbehaved,
    VirtoryError,
)
from virtory.wire.frame import CALL, HEADER, OK
from virtory.wire.procedure import REMOTE
from virtory.wire.remote import connect, domain, domain_event
from virtory.wire.remote import domain_processor as p


def frame(
    program: int, number: int, kind: int, serial: int, status: int, body: bytes = b""
) -> bytes:
    """A message as bytes, right or wrong."""
    return HEADER.pack(28 + len(body), program, 1, number, kind, serial, status) + body


async def still_serves(daemon: Any) -> None:
    client = await (await daemon.connect_unix()).open()
    assert (await client.call(connect.CONNECT_GET_HOSTNAME)).hostname
    client.close()


async def test_two_hundred_clients_are_served_at_once(daemon: Any) -> None:
    clients = [await daemon.connect_unix() for _ in range(200)]
    await asyncio.gather(*(client.open() for client in clients))
    replies = await asyncio.gather(
        *(client.call(connect.CONNECT_GET_HOSTNAME) for client in clients)
    )
    assert len({reply.hostname for reply in replies}) == 1
    assert len(daemon.server.peers) == 200


async def test_a_client_that_vanishes_leaves_nothing(daemon: Any) -> None:
    client = await (await daemon.connect_unix()).open()
    register = domain_event.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY
    await client.call(register, domain_event.ConnectDomainEventCallbackRegisterAnyArgs(0, None))
    assert len(daemon.driver.bus) == 1
    client.close()
    await daemon.until(lambda: not daemon.server.peers)
    assert len(daemon.driver.bus) == 0
    await still_serves(daemon)


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\x10" + bytes(24),
        b"\xff\xff\xff\xff" + bytes(24),
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        frame(REMOTE.number, 59, 1, 0, OK),
        frame(REMOTE.number, 59, CALL, 0, 1),
        frame(REMOTE.number, 59, 4, 0, OK, b"\0\0\0\x21"),
        frame(REMOTE.number, 59, 4, 0, OK, b"\0\0\0\x02") + b"\0\0",
        frame(REMOTE.number, 59, 99, 0, OK),
    ],
)
async def test_bytes_that_break_the_protocol_end_that_connection_alone(
    daemon: Any, data: bytes
) -> None:
    good = await (await daemon.connect_unix()).open()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as bad:
        bad.setblocking(False)
        await loop.sock_connect(bad, daemon.socket)
        await loop.sock_sendall(bad, data)
        async with asyncio.timeout(60):
            while await loop.sock_recv(bad, 4096):
                pass
    assert (await good.call(connect.CONNECT_GET_HOSTNAME)).hostname
    await daemon.until(lambda: len(daemon.server.peers) == 1)


async def test_random_bytes_harm_nobody(daemon: Any) -> None:
    rng = random.Random(20)
    loop = asyncio.get_running_loop()
    for _ in range(50):
        with socket.socket(socket.AF_UNIX) as bad:
            bad.setblocking(False)
            await loop.sock_connect(bad, daemon.socket)
            await loop.sock_sendall(bad, rng.randbytes(rng.randrange(1, 4096)))
    await daemon.until(lambda: not daemon.server.peers)
    await still_serves(daemon)


async def test_a_message_cut_off_in_the_middle_is_forgotten_with_its_client(daemon: Any) -> None:
    whole = frame(REMOTE.number, 1, CALL, 0, OK, bytes(8))
    loop = asyncio.get_running_loop()
    for cut in range(1, len(whole)):
        with socket.socket(socket.AF_UNIX) as bad:
            bad.setblocking(False)
            await loop.sock_connect(bad, daemon.socket)
            await loop.sock_sendall(bad, whole[:cut])
    await daemon.until(lambda: not daemon.server.peers)
    await still_serves(daemon)


async def test_descriptors_that_no_call_wants_are_closed(daemon: Any) -> None:
    before = len(os.listdir("/proc/self/fd"))
    client = await (await daemon.connect_unix()).open()
    reader, writer = os.pipe()
    ignored = client.send(connect.CONNECT_GET_HOSTNAME, None, (reader,))
    assert (await client.reply(ignored)).ret.hostname
    os.close(writer)
    client.close()
    await daemon.until(lambda: not daemon.server.peers)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_client_that_never_reads_is_read_no_more(daemon: Any) -> None:
    await daemon.open()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as rude:
        rude.setblocking(False)
        await loop.sock_connect(rude, daemon.socket)
        await daemon.until(lambda: len(daemon.server.peers) == 2)
        name = connect.ConnectOpenArgs("test:///default", 0).encode()
        await loop.sock_sendall(rude, frame(REMOTE.number, 1, CALL, 0, OK, name))
        asking = frame(REMOTE.number, connect.CONNECT_GET_CAPABILITIES.number, CALL, 1, OK)

        async def ask_on() -> None:
            while True:
                await loop.sock_sendall(rude, asking * 256)

        def stuck() -> bool:
            """Nobody reads what it asks, and there is no room for more of it."""
            return not link._reading and not select.select([], [rude], [], 0)[1]

        begging = asyncio.create_task(ask_on())
        await daemon.until(lambda: any(peer.link.queued for peer in daemon.server.peers))
        link = max((peer.link for peer in daemon.server.peers), key=lambda link: link.queued)
        await daemon.until(stuck)
        assert 0 < link.queued <= daemon.server.limits.queued_bytes_per_client
        await still_serves(daemon)
        begging.cancel()
        await asyncio.wait([begging])
    await daemon.until(lambda: len(daemon.server.peers) == 1)


async def test_events_that_nobody_reads_end_the_connection(
    start_daemon: Any, xml: Any, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = await start_daemon(config=Config(limits=Limits(queued_event_bytes_per_client=5000)))
    deaf, busy = await daemon.open(), await daemon.open()
    await deaf.call(
        domain_event.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY,
        domain_event.ConnectDomainEventCallbackRegisterAnyArgs(0, None),
    )
    deaf.link.pause_reading()
    defined = domain.DomainDefineXmlArgs(xml("noisy"))
    for _ in range(200):
        dom = (await busy.call(domain.DOMAIN_DEFINE_XML, defined)).dom
        await busy.call(domain.DOMAIN_UNDEFINE, domain.DomainUndefineArgs(dom))
    await daemon.until(lambda: len(daemon.server.peers) == 1)
    assert "bytes unread when DOMAIN_EVENT_CALLBACK_LIFECYCLE was to be sent" in caplog.text
    assert (await busy.call(connect.CONNECT_GET_HOSTNAME)).hostname
    busy.close()
    await daemon.server.stop()


async def test_more_clients_than_allowed_are_turned_away(start_daemon: Any) -> None:
    daemon = await start_daemon(config=Config(limits=Limits(clients=2)))
    first, second = [await (await daemon.connect_unix()).open() for _ in range(2)]
    third = await daemon.connect_unix()
    await third.gone.wait()
    assert isinstance(third.lost, ConnectionLost)
    first.close()
    await daemon.until(lambda: len(daemon.server.peers) == 1)
    await (await daemon.connect_unix()).open()
    assert (await second.call(connect.CONNECT_GET_HOSTNAME)).hostname
    await daemon.server.stop()


async def unfinished(daemon: Any, size: int, *, opened: bool = True, uid: int | None = None) -> Any:
    """A client that has sent the greater part of a message, and nothing since."""
    before = set(daemon.server.peers)
    client = await daemon.connect_unix()
    if opened:
        await client.open()
    if uid is not None:
        (peer,) = daemon.server.peers - before
        peer.link.credentials = peer.link.credentials._replace(uid=uid)
    begun = (size + 28 + 4).to_bytes(4) + frame(REMOTE.number, 11, CALL, 9, OK)[4:]
    client.session._writer.queue(begun + bytes(size))
    client.link.flush()
    await daemon.until(lambda: len(begun) + size in daemon.server.unfinished.of.values())
    return client


async def test_all_clients_together_have_a_bound_of_unfinished_messages(
    start_daemon: Any, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = await start_daemon(config=Config(limits=Limits(unfinished_bytes=2_000_000)))
    good = await (await daemon.connect_unix()).open()
    oldest = await unfinished(daemon, 600_000)
    unopened = await unfinished(daemon, 600_001, opened=False)
    newest = await unfinished(daemon, 700_000)
    assert len(daemon.server.peers) == 4
    big = connect.ConnectDomainXmlFromNativeArgs("qemu-argv", "x" * 300_000, 0)
    with pytest.raises(VirtoryError):
        await good.call(connect.CONNECT_DOMAIN_XML_FROM_NATIVE, big)
    await unopened.gone.wait()
    assert "more than limits.unfinished_bytes (2000000)" in caplog.text
    latest = await unfinished(daemon, 800_000)
    await oldest.gone.wait()
    assert not newest.gone.is_set() and not latest.gone.is_set()
    assert (await good.call(connect.CONNECT_GET_HOSTNAME)).hostname
    await daemon.server.stop()
    assert daemon.server.unfinished.total == 0


async def test_a_user_whose_clients_send_most_disconnects_nobody_elses(start_daemon: Any) -> None:
    daemon = await start_daemon(config=Config(limits=Limits(unfinished_bytes=2_000_000)))
    good = await unfinished(daemon, 900_000)
    for number in range(12):
        await unfinished(daemon, 100_000 + number, uid=12345)
    first, *others = daemon.server.unfinished.of.values()
    assert first > 900_000 and len(others) == 10
    assert not good.gone.is_set()
    await daemon.server.stop()


async def test_read_only_clients_leave_places_to_who_may_write(start_daemon: Any) -> None:
    daemon = await start_daemon(config=Config(limits=Limits(clients=10)))
    readers = [await (await daemon.connect_unix(read_only=True)).open() for _ in range(9)]
    turned_away = await daemon.connect_unix(read_only=True)
    await turned_away.gone.wait()
    await (await daemon.connect_unix()).open()
    readers[0].close()
    await daemon.server.stop()


async def test_a_silent_client_that_asked_for_keepalive_is_given_up(start_daemon: Any) -> None:
    daemon = await start_daemon(config=Config(keepalive=Keepalive(interval_s=1, tries=1)))
    client = daemon.connect()
    supports = connect.CONNECT_SUPPORTS_FEATURE
    await client.call(supports, connect.ConnectSupportsFeatureArgs(10))
    client.link.pause_reading()
    await daemon.until(lambda: not daemon.server.peers)
    await daemon.server.stop()


async def test_a_client_that_is_not_read_is_not_given_up_for_its_silence(
    start_daemon: Any,
) -> None:
    daemon = await start_daemon(config=Config(keepalive=Keepalive(interval_s=1, tries=1)))
    client = daemon.connect()
    supports = connect.CONNECT_SUPPORTS_FEATURE
    await client.call(supports, connect.ConnectSupportsFeatureArgs(10))
    (peer,) = daemon.server.peers
    peer.hold()
    client.link.pause_reading()  # its answers to pings could not be read anyway
    now = asyncio.get_running_loop().time()
    for beyond in range(1, 20):
        assert daemon.server.peers and peer.session.tick(now + 10 * beyond, deaf=True)
    with pytest.raises(ConnectionLost, match="keepalive"):
        for beyond in range(20, 30):
            peer.session.tick(now + 10 * beyond)
    await daemon.server.stop()


async def test_a_client_has_no_callbacks_without_end(daemon: Any) -> None:
    client = await daemon.open()
    register = domain_event.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY
    args = domain_event.ConnectDomainEventCallbackRegisterAnyArgs(0, None)
    first = (await client.call(register, args)).callback_id
    (peer,) = daemon.server.peers
    for _ in range(MOST - 1):
        peer.subscribed.add()
    with pytest.raises(OperationFailed, match="the most that it may have"):
        await client.call(register, args)
    remove = domain_event.CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY
    await client.call(
        remove, domain_event.ConnectDomainEventCallbackDeregisterAnyArgs(callback_id=first)
    )
    await client.call(register, args)


async def test_bitmaps_longer_than_an_answer_are_refused_unmade(daemon: Any) -> None:
    client = await daemon.open(read_only=True)
    lookup = domain.DomainLookupByNameArgs("test")
    dom = (await client.call(domain.DOMAIN_LOOKUP_BY_NAME, lookup)).dom
    longest = 2**31 - 1
    for procedure, args in (
        (p.DOMAIN_GET_VCPUS, p.DomainGetVcpusArgs(dom, 1, longest)),
        (p.DOMAIN_GET_VCPUS, p.DomainGetVcpusArgs(dom, 16384, 1024)),
        (p.DOMAIN_GET_VCPU_PIN_INFO, p.DomainGetVcpuPinInfoArgs(dom, longest, 1)),
        (p.DOMAIN_GET_EMULATOR_PIN_INFO, p.DomainGetEmulatorPinInfoArgs(dom, longest)),
    ):
        with pytest.raises(InternalError, match="> REMOTE_"):
            await client.call(procedure, args)


async def test_a_goodbye_reaches_every_client(start_daemon: Any) -> None:
    daemon = await start_daemon()
    clients = [await daemon.open() for _ in range(3)]
    await daemon.server.stop()
    for client in clients:
        await client.gone.wait()
        assert not isinstance(client.lost, PeerMisbehaved)
