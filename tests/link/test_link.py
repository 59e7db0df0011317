"""What every asyncio link promises, over a socket and within one process."""

from __future__ import annotations

import asyncio
import fcntl
import os
from typing import Any

import pytest

from virtory.errors import ConnectionLost, PeerMisbehaved
from virtory.link.link import HIGH_WATER
from virtory.wire.remote import connect, domain, domain_device
from virtory.wire.remote.types import NonnullDomain
from virtory.wire.session import CLIENT, Call, Reply, Session

DOMAIN = NonnullDomain("d", bytes(16), -1)


def answer_hostname(session: Any, value: Any) -> None:
    if isinstance(value, Call) and value.procedure is connect.CONNECT_GET_HOSTNAME:
        session.reply(value, connect.ConnectGetHostnameRet("here"))


async def test_an_inline_answer_goes_out_without_a_flush_of_its_own(links: Any, end: Any) -> None:
    client, _ = end(links[0]), end(links[1], answer_hostname)
    client.session.call(connect.CONNECT_GET_HOSTNAME)
    client.link.flush()
    await client.until(lambda: client.values)
    assert client.values[0].ret.hostname == "here"


async def test_calls_arrive_in_the_order_in_which_they_were_made(links: Any, end: Any) -> None:
    client, server = end(links[0]), end(links[1])
    names = [f"domain-{number}" for number in range(500)]
    for name in names:
        client.session.call(domain.DOMAIN_LOOKUP_BY_NAME, domain.DomainLookupByNameArgs(name))
        client.link.flush()
    await server.until(lambda: len(server.values) == len(names))
    assert [value.args.name for value in server.values] == names


async def test_what_was_queued_before_the_start_is_sent(links: Any, end: Any) -> None:
    links[0].session.call(connect.CONNECT_GET_HOSTNAME)
    client, _ = end(links[0]), end(links[1], answer_hostname)
    await client.until(lambda: client.values)


async def test_descriptors_pass_in_both_directions_and_are_close_on_exec(
    links: Any, end: Any
) -> None:
    def answer(session: Any, value: Any) -> None:
        session.reply(value, None, value.fds)

    client, _server = end(links[0]), end(links[1], answer)
    read, write = os.pipe()
    args = domain_device.DomainOpenGraphicsArgs(DOMAIN, 0, 0)
    client.session.call(domain_device.DOMAIN_OPEN_GRAPHICS, args, [os.dup(read), os.dup(write)])
    client.link.flush()
    await client.until(lambda: client.values)
    (reply,) = client.values
    assert isinstance(reply, Reply)
    assert [os.fstat(fd).st_ino for fd in reply.fds] == [
        os.fstat(read).st_ino,
        os.fstat(write).st_ino,
    ]
    assert all(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC for fd in reply.fds)
    for fd in (read, write, *reply.fds):
        os.close(fd)


async def test_descriptors_that_were_not_passed_are_closed_with_the_link(
    links: Any, end: Any
) -> None:
    client = end(links[0])
    read, write = os.pipe()
    args = domain_device.DomainOpenGraphicsArgs(DOMAIN, 0, 0)
    client.session.call(domain_device.DOMAIN_OPEN_GRAPHICS, args, [read])
    client.link.close()
    links[1].close()
    with pytest.raises(BrokenPipeError):
        os.write(write, b"x")
    os.close(write)


async def test_the_end_is_told_once_to_each_side(links: Any, end: Any) -> None:
    client, server = end(links[0]), end(links[1])
    client.link.close()
    client.link.close()
    await server.until(lambda: server.losses)
    assert client.losses == [None]
    assert [type(error) for error in server.losses] == [ConnectionLost]
    assert client.link.closed
    assert server.link.closed


async def test_what_was_sent_before_the_close_still_arrives(links: Any, end: Any) -> None:
    client, server = end(links[0]), end(links[1])
    client.session.call(connect.CONNECT_CLOSE)
    client.link.close()
    await server.until(lambda: server.losses)
    assert [value.procedure.name for value in server.values] == ["CONNECT_CLOSE"]


async def test_bytes_that_break_the_protocol_end_the_link_with_the_reason(
    join: Any, end: Any
) -> None:
    links = join(Session(CLIENT), Session(CLIENT))
    client, server = end(links[0]), end(links[1])
    client.session.call(connect.CONNECT_GET_HOSTNAME)
    client.link.flush()
    await server.until(lambda: server.losses)
    assert type(server.losses[0]) is PeerMisbehaved
    await client.until(lambda: client.losses)
    assert type(client.losses[0]) is ConnectionLost


async def test_a_paused_link_delivers_nothing_until_it_is_resumed(links: Any, end: Any) -> None:
    client, server = end(links[0]), end(links[1])
    server.link.pause_reading()
    client.session.call(connect.CONNECT_GET_HOSTNAME)
    client.link.flush()
    for _ in range(20):
        await asyncio.sleep(0)
    assert server.values == []
    server.link.resume_reading()
    await server.until(lambda: server.values)


async def test_a_writer_waits_for_a_slow_reader(links: Any, end: Any) -> None:
    client, server = end(links[0]), end(links[1])
    server.link.pause_reading()
    big = domain.DomainLookupByNameArgs("x" * 1_000_000)
    for _ in range(4):
        client.session.call(domain.DOMAIN_LOOKUP_BY_NAME, big)
    client.link.flush()
    assert client.link.queued > HIGH_WATER
    waiting = asyncio.create_task(client.link.drained())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    server.link.resume_reading()
    await asyncio.wait_for(waiting, 60)
    await server.until(lambda: len(server.values) == 4)
    assert client.link.queued == 0


async def test_a_waiting_writer_is_told_when_the_link_ends(links: Any, end: Any) -> None:
    client, server = end(links[0]), end(links[1])
    server.link.pause_reading()
    big = domain.DomainLookupByNameArgs("x" * 2_000_000)
    client.session.call(domain.DOMAIN_LOOKUP_BY_NAME, big)
    client.link.flush()
    waiting = asyncio.create_task(client.link.drained())
    await asyncio.sleep(0)
    client.link.close()
    with pytest.raises(ConnectionLost):
        await waiting
    with pytest.raises(ConnectionLost):
        await client.link.drained()


async def test_waiting_has_a_limit(links: Any, end: Any) -> None:
    client = end(links[0])
    waiter = client.link.waiter()
    assert not await client.link.wait(waiter, 0.01)
    waiter.set_result(None)
    assert await client.link.wait(waiter, None)
