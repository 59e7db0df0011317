"""The blocking link and the trampoline."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from virtory.errors import ConnectionLost, LocalMisuse, PeerMisbehaved
from virtory.link.blocking import BlockingLink, run
from virtory.wire.remote import connect, storage_volume
from virtory.wire.remote.types import NonnullStorageVol
from virtory.wire.session import CLIENT, SERVER, Call, Reply, Session


def serve(sock: socket.socket, session: Session) -> threading.Thread:
    """A server on a thread that answers host names, until the client leaves."""

    def work() -> None:
        while data := sock.recv(65536):
            for value in session.receive(data):
                if isinstance(value, Call):
                    session.reply(value, connect.ConnectGetHostnameRet("h" * 3_000_000))
            for chunk in session.outgoing():
                sock.sendall(chunk.data)
        sock.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


class Asking:
    """A client with one pending call, which is all that a blocking link needs."""

    def __init__(self, link: BlockingLink) -> None:
        self.link = link
        self.waiter: Any = None
        self.losses: list[Any] = []
        link.start(self._on_incoming, self._on_lost)

    def _on_incoming(self, values: list[Any]) -> None:
        for value in values:
            if isinstance(value, Reply):
                self.waiter.set_result(value.ret)

    def _on_lost(self, error: Any) -> None:
        self.losses.append(error)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(error)

    async def hostname(self) -> str:
        self.waiter = self.link.waiter()
        self.link.session.call(connect.CONNECT_GET_HOSTNAME)
        self.link.flush()
        name: str = (await self.waiter).hostname
        return name


def test_a_coroutine_runs_to_its_end_without_an_event_loop() -> None:
    left, right = socket.socketpair()
    thread = serve(right, Session(SERVER))
    client = Asking(BlockingLink(left, Session(CLIENT)))
    assert len(run(client.hostname())) == 3_000_000
    client.link.close()
    thread.join()
    assert client.losses == [None]


def test_the_blocking_path_imports_neither_asyncio_nor_lxml() -> None:
    code = (
        "import sys, virtory; virtory.connect; virtory.run_sync; import virtory.client.dial, "
        "virtory.link.blocking; bad = {'asyncio', 'lxml', 'dataclasses', 'subprocess', 'inspect', "
        "'urllib', 'json', 'logging', 'click'} & set(sys.modules); print(*bad)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_waiting_for_an_event_loop_without_one_is_refused() -> None:
    async def sleepy() -> None:
        await asyncio.sleep(1)

    with pytest.raises((LocalMisuse, RuntimeError)):
        run(sleepy())


def test_a_peer_that_leaves_ends_the_call() -> None:
    left, right = socket.socketpair()
    client = Asking(BlockingLink(left, Session(CLIENT)))
    right.close()
    with pytest.raises(ConnectionLost, match="connection ended"):
        run(client.hostname())
    assert client.link.closed
    assert len(client.losses) == 1


def test_a_peer_that_misbehaves_ends_the_call(frame: Any) -> None:
    left, right = socket.socketpair()
    client = Asking(BlockingLink(left, Session(CLIENT)))
    right.sendall(frame(59, 1, 77))
    with pytest.raises(PeerMisbehaved):
        run(client.hostname())
    right.close()


def test_a_link_says_what_its_helper_said() -> None:
    left, right = socket.socketpair()
    client = Asking(BlockingLink(left, Session(CLIENT), lambda: "ssh said: no route"))
    right.close()
    with pytest.raises(ConnectionLost, match="ssh said: no route"):
        run(client.hostname())


def test_writing_much_while_the_peer_writes_much_does_not_lock_up(frame: Any) -> None:
    left, right = socket.socketpair()
    total = 30_000_000
    sent: list[int] = []
    received: list[int] = []

    def peer() -> None:
        """Sends more unknown events than a socket holds before it reads again."""
        event = frame(9999, 2, 1)
        reply = frame(208, 1, 0)
        right.sendall(reply)
        with contextlib.suppress(OSError):
            while True:
                right.sendall(event * 20_000)
                sent.append(20_000)
                for _ in range(100):
                    received.append(len(right.recv(1 << 20)))

    thread = threading.Thread(target=peer)
    thread.start()
    session = Session(CLIENT)
    client = Asking(BlockingLink(left, session))
    args = storage_volume.StorageVolUploadArgs(NonnullStorageVol("p", "v", "k"), 0, 0, 0)

    async def upload() -> None:
        client.waiter = client.link.waiter()
        serial = session.call(storage_volume.STORAGE_VOL_UPLOAD, args)
        client.link.flush()
        await client.waiter
        for _ in range(total // 250_000 + 1):
            session.send_data(serial, bytes(250_000))
            client.link.flush()
            await client.link.drained()

    run(upload())
    client.link.close()
    thread.join()
    right.close()
    assert sum(received) > total - 1_000_000
    assert len(sent) > 1


def test_waiting_with_a_limit_returns_in_time() -> None:
    left, right = socket.socketpair()
    client = Asking(BlockingLink(left, Session(CLIENT)))
    waiter = client.link.waiter()
    assert run(client.link.wait(waiter, 0.01)) is False
    client.link.close()
    right.close()


def test_descriptors_are_received(frame: Any) -> None:
    left, right = socket.socketpair()
    got: list[Any] = []
    link = BlockingLink(left, Session(CLIENT))
    link.start(got.extend, lambda error: None)
    from virtory.wire.remote import domain_device
    from virtory.wire.remote.types import NonnullDomain

    args = domain_device.DomainOpenGraphicsFdArgs(NonnullDomain("d", bytes(16), 1), 0, 0)
    link.session.call(domain_device.DOMAIN_OPEN_GRAPHICS_FD, args)
    link.flush()
    read, write = os.pipe()
    right.sendall(frame(343, 5, 0, (1).to_bytes(4, "big")))
    socket.send_fds(right, [b"\0"], [write])
    while not got:
        link.pump()
    (fd,) = got[0].fds
    os.write(fd, b"through")
    assert os.read(read, 10) == b"through"
    for number in (fd, read, write):
        os.close(number)
    link.close()
    right.close()
