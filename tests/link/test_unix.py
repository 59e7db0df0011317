"""The UNIX link and its listener: what only a socket can do."""

from __future__ import annotations

import array
import asyncio
import os
import socket
import stat
import struct
from typing import TYPE_CHECKING, Any

import pytest

from virtory.errors import ConnectionLost, PeerMisbehaved, SystemCallFailed
from virtory.link import link as limits
from virtory.link.unix import Listener, UnixLink
from virtory.wire.remote import connect
from virtory.wire.session import SERVER, Call, Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTNAME = struct.pack(">7I", 28, 0x20008086, 1, 59, 0, 0, 0)


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    yield left, right
    left.close()
    right.close()


async def test_the_peer_is_known_by_its_credentials(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    link = UnixLink(sockets[0], Session(SERVER))
    assert link.credentials == (os.getpid(), os.getuid(), os.getgid())
    link.close()


async def test_a_frame_may_come_byte_by_byte(
    sockets: tuple[socket.socket, socket.socket], end: Any
) -> None:
    server = end(UnixLink(sockets[0], Session(SERVER)))
    for byte in HOSTNAME:
        sockets[1].send(bytes([byte]))
        await asyncio.sleep(0)
    await server.until(lambda: server.values)
    assert isinstance(server.values[0], Call)
    server.link.close()


async def test_a_link_that_has_ended_leaves_the_next_of_its_number_alone(
    sockets: tuple[socket.socket, socket.socket], end: Any
) -> None:
    """Who still reads what a stream had brought asks it to read on."""
    number = sockets[0].fileno()
    ended = end(UnixLink(sockets[0], Session(SERVER)))
    near, right = socket.socketpair()
    ended.link.close()
    left = socket.socket(fileno=os.dup2(near.fileno(), number))
    near.close()
    server = end(UnixLink(left, Session(SERVER)))
    ended.link.pause_reading()
    ended.link.resume_reading()
    right.send(HOSTNAME)
    await server.until(lambda: server.values)
    server.link.close()
    right.close()


async def test_more_descriptors_than_the_protocol_allows_end_the_link_and_leak_nothing(
    sockets: tuple[socket.socket, socket.socket], end: Any, descriptors: Any
) -> None:
    server = end(UnixLink(sockets[0], Session(SERVER)))
    before = len(descriptors())
    fds = array.array("i", [0] * (limits.MOST_DESCRIPTORS + 8))
    sockets[1].sendmsg([HOSTNAME], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    await server.until(lambda: server.losses)
    assert type(server.losses[0]) is PeerMisbehaved
    assert len(descriptors()) == before - 1


async def test_descriptors_that_nobody_announced_are_closed_at_once(
    sockets: tuple[socket.socket, socket.socket], end: Any
) -> None:
    server = end(UnixLink(sockets[0], Session(SERVER)))
    read, write = os.pipe()
    socket.send_fds(sockets[1], [HOSTNAME], [read])
    os.close(read)
    await server.until(lambda: server.values)
    with pytest.raises(BrokenPipeError):
        os.write(write, b"x")
    os.close(write)
    server.link.close()


async def test_a_peer_that_reads_nothing_is_not_read_from_either(
    sockets: tuple[socket.socket, socket.socket], end: Any
) -> None:
    def answer(session: Any, call: Any) -> None:
        session.reply(call, connect.ConnectGetHostnameRet("h" * 100_000))

    server = end(UnixLink(sockets[0], Session(SERVER)), answer)
    sockets[1].setblocking(False)
    asked = 0
    while True:
        try:
            sockets[1].send(HOSTNAME)
        except BlockingIOError:
            break
        asked += 1
        await asyncio.sleep(0)
    answered = len(server.values)
    assert limits.HIGH_WATER <= server.link.queued < 3 * limits.HIGH_WATER
    assert answered < asked
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60):
        while len(server.values) < asked or server.link.queued:
            await loop.sock_recv(sockets[1], 1 << 20)
    server.link.close()


async def test_a_peer_for_whom_too_much_waits_is_given_up(
    sockets: tuple[socket.socket, socket.socket], end: Any
) -> None:
    server = end(UnixLink(sockets[0], Session(SERVER)))
    message = connect.ConnectGetCapabilitiesRet("x" * 4_000_000)
    call = struct.pack(">7I", 28, 0x20008086, 1, 7, 0, 0, 0)
    for _ in range(limits.MOST_QUEUED // 4_000_000 + 2):
        (asked,) = server.session.receive(call)
        server.session.reply(asked, message)
        server.link.flush()
    await server.until(lambda: server.losses)
    assert type(server.losses[0]) is ConnectionLost
    assert "unread" in str(server.losses[0])


async def test_a_listener_hands_out_connected_sockets_and_removes_its_file(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
    listener = Listener(accepted.put_nowait)
    listener.listen(path, mode=0o660)
    assert stat.S_IMODE((tmp_path / "sock").stat().st_mode) == 0o660
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        (await asyncio.wait_for(accepted.get(), 60)).close()
    listener.close()
    assert not (tmp_path / "sock").exists()


async def test_two_hundred_clients_at_once_are_all_accepted(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
    listener = Listener(accepted.put_nowait)
    listener.listen(path)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(200)]
    for client in clients:
        client.setblocking(False)
        client.connect(path)
    for client in clients:
        (await asyncio.wait_for(accepted.get(), 60)).close()
        client.close()
    listener.close()


async def test_a_stale_socket_is_taken_over_and_a_live_one_is_not(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    first = Listener(lambda sock: sock.close())
    first.listen(path)
    second = Listener(lambda sock: sock.close())
    with pytest.raises(SystemCallFailed, match="another process listens there"):
        second.listen(path)
    second.close()
    assert (tmp_path / "sock").exists()
    first.close()


async def test_a_listener_leaves_a_file_that_somebody_else_has_put_there(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    listener = Listener(lambda sock: sock.close())
    listener.listen(str(path))
    path.unlink()
    path.write_text("another's")
    listener.close()
    assert path.read_text() == "another's"


async def test_a_socket_that_was_bound_for_us_is_listened_on(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(path)
    bound.listen()
    accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
    listener = Listener(accepted.put_nowait)
    listener.adopt(bound.detach())
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        (await asyncio.wait_for(accepted.get(), 60)).close()
    listener.close()
    assert (tmp_path / "sock").exists()


async def test_a_path_that_no_socket_can_have_says_why(tmp_path: Path) -> None:
    listener = Listener(lambda sock: sock.close())
    with pytest.raises(SystemCallFailed, match="more than 107 bytes"):
        listener.listen(str(tmp_path / ("long" * 40)))
    with pytest.raises(SystemCallFailed, match="No such file or directory"):
        listener.listen(str(tmp_path / "nowhere" / "sock"))
