"""A scripted daemon on the other end of a link in memory, and real daemons for both worlds."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import pytest

import virtory
from virtory.errors import RpcError, VirtoryError
from virtory.link import memory
from virtory.wire.incoming import Call, StreamAborted, StreamData, StreamFinished, StreamHole
from virtory.wire.remote import auth, connect
from virtory.wire.session import CLIENT, SERVER, Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

SILENCE = object()
"""As a script's answer: leave the call unanswered."""


class Daemon:
    """Answers by script: a record, None, an error, SILENCE, or a function of the call."""

    def __init__(self, keepalive_s: float = 0) -> None:
        client = Session(CLIENT, keepalive_interval=keepalive_s, keepalive_count=2)
        self.client_link, self.link = memory.pair(client, Session(SERVER, keepalive_interval=0))
        self.session = self.link.session
        self.calls: list[Call] = []
        self.streamed: list[Any] = []
        self.lost: list[Any] = []
        self.changed = asyncio.Event()
        self.script: dict[str, Any] = {
            "AUTH_LIST": auth.AuthListRet([0]),
            "CONNECT_SUPPORTS_FEATURE": connect.ConnectSupportsFeatureRet(1),
            "CONNECT_OPEN": None,
            "CONNECT_CLOSE": None,
        }
        self.link.start(self._on_incoming, self._on_lost)

    @property
    def names(self) -> list[str]:
        """The procedures called so far."""
        return [call.procedure.name for call in self.calls]

    def _on_incoming(self, values: list[Any]) -> None:
        for value in values:
            if isinstance(value, Call):
                self.calls.append(value)
                self._answer(value)
            elif isinstance(value, StreamData | StreamHole | StreamFinished | StreamAborted):
                self.streamed.append(value)
        self.changed.set()

    def _answer(self, call: Call) -> None:
        name = call.procedure.name
        answer = self.script.get(name, RpcError(f"unknown procedure: {call.procedure.number}"))
        if callable(answer) and not isinstance(answer, VirtoryError):
            answer = answer(call)
        if answer is SILENCE or call.answered:
            return
        if isinstance(answer, VirtoryError):
            self.session.fail(call, answer)
        else:
            self.session.reply(call, answer)

    def _on_lost(self, error: Any) -> None:
        self.lost.append(error)
        self.changed.set()

    def last(self, name: str) -> Call:
        """The last call of a procedure."""
        return [call for call in self.calls if call.procedure.name == name][-1]

    async def called(self, name: str) -> Call:
        """Wait until a procedure has been called."""
        await self.until(lambda: name in self.names)
        return self.last(name)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def open(self) -> virtory.Host:
        """A client's host, opened."""
        return await virtory.open_host(self.client_link)


@pytest.fixture
def silence() -> object:
    return SILENCE


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    scripted = Daemon()
    yield scripted
    scripted.client_link.close()
    scripted.link.close()


@pytest.fixture
async def nervous_daemon() -> AsyncIterator[Daemon]:
    """One whose client pings after a few milliseconds of silence."""
    scripted = Daemon(keepalive_s=0.02)
    yield scripted
    scripted.client_link.close()
    scripted.link.close()


@pytest.fixture
async def host(daemon: Daemon) -> virtory.Host:
    return await daemon.open()


# -- real daemons ----------------------------------------------------------------------------------

Scenario = "Callable[[virtory.Host], Coroutine[Any, Any, Any]]"


@pytest.fixture(params=["asyncio", "blocking"])
def drive(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run a scenario on a host of this URI: on asyncio, and without any event loop."""

    def driven(uri: str, scenario: Any, *, readonly: bool = False) -> Any:
        blocking = request.param == "blocking"

        async def work() -> Any:
            async with virtory.connect(uri, readonly=readonly, blocking=blocking) as host:
                return await scenario(host)

        return virtory.run_sync(work()) if blocking else asyncio.run(work())

    return driven


def wait_for_socket(path: str, process: subprocess.Popen[bytes]) -> None:
    """Until somebody accepts connections on a UNIX socket."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the daemon ended with {process.returncode}"
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(path)
            except OSError:
                time.sleep(0.01)
            else:
                return
    raise TimeoutError(path)


@pytest.fixture(scope="session")
def virtoryd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a virtoryd with pretended machines."""
    directory: Path = tmp_path_factory.mktemp("virtoryd")
    path = str(directory / "sock")
    words = [sys.executable, "-m", "virtory.daemon.main", "--driver", "memory"]
    process = subprocess.Popen([*words, "--socket", path, "--state", str(directory / "state")])
    try:
        wait_for_socket(path, process)
        yield f"test+unix:///default?socket={path}"
    finally:
        process.terminate()
        process.wait(60)


REAPER = """
import ctypes, os, signal, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
child = subprocess.Popen(sys.argv[1:])
signal.signal(signal.SIGTERM, lambda *_: os.kill(child.pid, signal.SIGTERM))  # Popen might reap it
while True:
    pid, status = os.wait()
    if pid == child.pid:
        sys.exit(os.waitstatus_to_exitcode(status) & 0xff)
"""
"""Adopts and reaps the QEMU processes that libvirtd leaves behind."""

PRIVATE = """
set -e
cd {root}
mkdir -p etc lib cache log run
printf 'unix_sock_dir = "{root}"\\nauth_unix_rw = "none"\\n' > libvirtd.conf
printf 'stdio_handler = "file"\\nuser = "root"\\ngroup = "root"\\n' > etc/qemu.conf
printf 'remember_owner = 0\\nsecurity_driver = "none"\\n' >> etc/qemu.conf
mount --bind etc /etc/libvirt
mount --bind lib /var/lib/libvirt
mount --bind cache /var/cache/libvirt
mount --bind log /var/log/libvirt
mount --bind run /run/libvirt
exec libvirtd --config {root}/libvirtd.conf --pid-file {root}/libvirtd.pid > daemon.out 2>&1
"""


@pytest.fixture(scope="session")
def libvirtd() -> Iterator[str]:
    """The socket of a real libvirtd of our own, in its own mount namespace."""
    if os.geteuid() != 0 or not shutil.which("libvirtd") or not shutil.which("unshare"):
        pytest.skip("needs root and an installed libvirtd")
    root = tempfile.mkdtemp(prefix="virtory-libvirtd-")
    os.chmod(root, 0o755)
    script = ["unshare", "-m", "--propagation", "private", "bash", "-c", PRIVATE.format(root=root)]
    process = subprocess.Popen([sys.executable, "-c", REAPER, *script])
    try:
        wait_for_socket(f"{root}/libvirt-sock", process)
        yield f"{root}/libvirt-sock"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        shutil.rmtree(root)
