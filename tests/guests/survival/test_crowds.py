"""Many clients, rude clients, dying clients, a thousand domains: everybody else is served."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemon_process import SOURCE
from stopwatch import Stopwatch

import virtory
from virtory.errors import DomainNotFound, OperationAborted, OperationInvalid
from virtory.model.flags import DomainState

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon_process import DaemonProcess

CROWD = Path(__file__).parent / "crowd.py"
PATIENCE_S = 1.0
"""What anybody may have to wait for a plain answer; 20 ms are usual."""


def crowd(daemon: DaemonProcess, kind: str, clients: int, calls: int) -> subprocess.Popen[str]:
    """Clients in a process; returns when all are connected, and wait for `go`."""
    process = subprocess.Popen(
        [sys.executable, str(CROWD), daemon.uri, kind, str(clients), str(calls)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    """Let its clients make their calls."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def longest_wait_s(daemon: DaemonProcess, process: subprocess.Popen[str]) -> float:
    """Ask for the host's name until the crowd is done; the longest wait for an answer."""
    longest, watch = 0.0, Stopwatch(daemon.pid)
    with virtory.open_sync(daemon.uri) as host:
        while process.poll() is None:
            watch.restart()
            host.hostname()
            longest = max(longest, watch.took_s())
    said, _ = process.communicate()
    assert (process.returncode, said) == (0, "done\n")
    return longest


def test_two_hundred_clients_at_once_are_served_and_nobody_waits_long(daemon: DaemonProcess):
    before = len(daemon.descriptors())
    process = crowd(daemon, "ask", 200, 15)
    assert daemon.descriptors().count("socket") >= 200
    go(process)
    longest = longest_wait_s(daemon, process)
    assert longest < PATIENCE_S, f"a client waited {longest * 1000:.0f} ms"
    with virtory.open_sync(daemon.uri) as host:
        host.hostname()
        assert len(daemon.descriptors()) <= before + 3
    assert daemon.status("VmRSS") < 64 << 10
    assert daemon.said() == ""


async def test_libvirts_clients_are_told_of_a_kill_and_find_everything_again(
    daemon: DaemonProcess, bare: Callable[..., str]
):
    python = shutil.which("python3", path="/usr/bin:/bin")
    tried = [str(python), "-c", "import libvirt"]
    if python is None or subprocess.run(tried, capture_output=True, check=False).returncode:
        pytest.skip("the system's Python has no libvirt module")
    async with virtory.connect(daemon.uri) as host:
        await host.define_domain(bare("defined"))
        await host.create_domain(bare("running"))
    with subprocess.Popen(
        [python, str(CROWD.with_name("libvirt_crowd.py")), daemon.uri, "20"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        daemon.kill()
        assert process.stdout.readline() == "told 20\n"
        daemon.start()
        said, _ = process.communicate("\n", timeout=60)
        assert said == "[('defined', -1), ('running', 1)]\n"


def test_clients_that_start_and_end_machines_delay_nobody(daemon: DaemonProcess):
    process = crowd(daemon, "work", 8, 2)
    go(process)
    longest = longest_wait_s(daemon, process)
    assert longest < PATIENCE_S, f"a client waited {longest * 1000:.0f} ms"
    assert daemon.guests() == {}
    assert daemon.run_directories() == set()
    assert daemon.rows() == (set(), set(), [])
    assert daemon.corpses() == []
    assert daemon.said() == ""


def test_clients_killed_in_the_middle_of_their_calls_leave_nothing_half_done(
    daemon: DaemonProcess, bare: Callable[..., str]
):
    chance = random.Random(5)
    with virtory.open_sync(daemon.uri) as host:
        before = len(daemon.descriptors())
        for _ in range(5):
            process = crowd(daemon, "work", 4, 1000)
            go(process)
            with pytest.raises(subprocess.TimeoutExpired):
                process.communicate(timeout=chance.uniform(0.05, 0.6))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            host.define_domain(bare("last")).undefine()  # behind what they had asked for
            end_all(host)
        assert len(daemon.descriptors()) <= before + 1
    assert daemon.guests() == {}
    assert daemon.run_directories() == set()
    assert daemon.rows() == (set(), set(), [])
    assert daemon.corpses() == []
    assert daemon.said() == ""


def end_all(host) -> None:
    """What killed clients began is done, or never was; in either case it can be ended."""
    while left := host.list_domains():
        for domain in left:
            try:
                if domain.is_active():
                    domain.destroy()
                if domain.is_persistent():
                    domain.undefine()
            except (DomainNotFound, OperationInvalid, OperationAborted):
                pass  # it changed meanwhile: what was begun goes on for a moment


# -- clients that do not read ----------------------------------------------------------------------

LIMITS = "[limits]\nqueued_event_bytes_per_client = 65536\nqueued_bytes_per_client = 1048576\n"


def raw(daemon: DaemonProcess) -> socket.socket:
    """A connection that has been opened by bytes alone."""
    from virtory.wire.remote.connect import CONNECT_OPEN, ConnectOpenArgs

    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(str(daemon.socket))
    path = "qemu:///system" if os.geteuid() == 0 else "qemu:///session"
    sock.sendall(message(CONNECT_OPEN, ConnectOpenArgs(path, 0).encode()))
    assert len(sock.recv(4096)) == 28
    return sock


def message(procedure, body: bytes = b"", serial: int = 1) -> bytes:
    head = (procedure.program, procedure.version, procedure.number, 0, serial, 0)
    return struct.pack(">7I", 28 + len(body), *head) + body


def dropped(sock: socket.socket) -> bool:
    """Read what is left: whether the daemon has ended the connection."""
    try:
        while sock.recv(1 << 20):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


async def test_a_subscriber_that_never_reads_is_dropped_and_the_others_hear_everything(
    make: Callable[..., DaemonProcess], bare: Callable[..., str]
):
    from virtory.wire.remote.domain_event import (
        CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY,
        ConnectDomainEventCallbackRegisterAnyArgs,
    )

    daemon = make(config=LIMITS).start()
    deaf = raw(daemon)
    args = ConnectDomainEventCallbackRegisterAnyArgs(0, None)
    for serial in range(40):  # forty times the same, for a flood
        body = message(CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, args.encode(), serial)
        deaf.sendall(body)
    async with virtory.connect(daemon.uri) as host:
        machine = await host.create_domain(bare("m"))
        async with host.events("lifecycle", domain=machine) as events:
            rounds = 0
            while "left" not in daemon.said():
                rounds += 1
                assert rounds < 500, "the client that never reads is still there"
                await machine.suspend()
                await machine.resume()
            heard = [await events.next(60) for _ in range(2 * rounds)]
        assert [event.event for event in heard] == [3, 4] * rounds
        await machine.destroy()
    assert "bytes unread" in daemon.said()
    assert dropped(deaf)
    deaf.close()
    assert daemon.status("VmHWM") < 64 << 10


async def test_clients_that_ask_and_ask_and_never_read_cost_little_and_delay_nobody(
    daemon: DaemonProcess, bare: Callable[..., str]
):
    from virtory.wire.remote.domain import CONNECT_LIST_ALL_DOMAINS, ConnectListAllDomainsArgs

    question = message(CONNECT_LIST_ALL_DOMAINS, ConnectListAllDomainsArgs(1, 0).encode())
    async with virtory.connect(daemon.uri) as host:
        await asyncio.gather(*(host.define_domain(bare(f"m{n}")) for n in range(500)))
        before = daemon.status("VmHWM")
        deaf = [raw(daemon) for _ in range(4)]
        for sock in deaf:
            sock.setblocking(False)
            try:
                while sock.send(question * 1000):
                    pass
            except OSError:
                pass  # it takes no more, or has had enough of us
            watch = Stopwatch(daemon.pid)
            await host.hostname()
            assert watch.took_s() < PATIENCE_S
        grown = daemon.status("VmHWM") - before
        assert grown < 32 << 10, f"clients that do not read cost {grown} KiB"
        for sock in deaf:
            sock.close()
    daemon.end()  # at once, although nobody read
    assert daemon.said() == ""


# -- a thousand domains ----------------------------------------------------------------------------

MANY = 1000


async def test_a_thousand_domains_are_defined_found_and_kept_in_little_memory(
    daemon: DaemonProcess, bare: Callable[..., str]
):
    names = [f"machine-{number}" for number in range(MANY)]
    async with virtory.connect(daemon.uri) as host:
        for begin in range(0, MANY, 50):
            await asyncio.gather(
                *(host.define_domain(bare(name)) for name in names[begin : begin + 50])
            )
    defining = daemon.status("VmHWM")
    daemon.kill()
    ready = daemon.spawn()
    watch = Stopwatch(daemon.pid)
    assert os.read(ready, 100) == b"READY=1\n"
    assert watch.took_s() < 5
    os.close(ready)
    async with virtory.connect(daemon.uri) as host:
        found = await host.list_domains()
        assert {domain.name for domain in found} == set(names)
        watch.restart()
        for domain in found[::10]:
            assert (await host.domain(domain.name)).uuid == domain.uuid
            assert (await domain.state()).state == DomainState.SHUTOFF
        assert watch.took_s() < 2 * PATIENCE_S
        watch.restart()
        assert len(await host.domain_stats()) == MANY
        assert watch.took_s() < 3 * PATIENCE_S
        await asyncio.gather(*(domain.undefine() for domain in found))
        assert await host.list_domains() == []
    assert daemon.rows() == (set(), set(), [])
    assert defining < 80 << 10, f"defining them took {defining} KiB"
    assert daemon.status("VmHWM") < 64 << 10
