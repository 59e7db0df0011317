"""kill -9 of virtoryd under load: guests run on, nothing acknowledged is lost, nothing leaks."""

from __future__ import annotations

import asyncio
import os
import random
import select
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import initramfs
import pytest
from daemon_process import answering, processes_with
from storm import Storm, campaign

import virtory
from virtory.driver.qemu import unix_socket
from virtory.errors import OperationFailed
from virtory.model.flags import DomainControl, DomainEventLifecycle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon_process import DaemonProcess

MEAN_S = 0.35


def loopback() -> str:
    """An address of this host's loopback network that nobody else uses."""
    return f"127.{random.randint(64, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"


def passt_works() -> bool:
    program = shutil.which("passt")
    if program is None:
        return False
    command = [program, "--version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


async def weather(daemon: DaemonProcess, seed: int, kills: int) -> None:
    address = loopback() if passt_works() else ""
    storm = Storm(daemon, seed, address=address)
    report = await campaign(storm, kills, MEAN_S)
    daemon.end()
    assert report.adopted > 0, "no guest was ever running at a kill: the storm was none"
    assert report.descriptors[1] <= report.descriptors[0] + 2
    assert daemon.guests() == {}
    assert daemon.run_directories() == set()
    assert daemon.rows() == (set(), set(), [])
    assert not address or processes_with("cmdline", f"{address}/".encode()) == {}
    assert daemon.said() == ""


async def test_whatever_was_acknowledged_outlives_every_kill(make: Callable[..., DaemonProcess]):
    await weather(make(), seed=20, kills=12)


async def test_so_it_does_for_an_ordinary_users_daemon(
    make: Callable[..., DaemonProcess], ordinary_user: int
):
    await weather(make(user=ordinary_user), seed=21, kills=6)


async def test_a_guest_computes_on_while_daemons_die_and_its_console_misses_nothing(
    daemon: DaemonProcess, linux
):
    async with virtory.connect(daemon.uri) as host:
        machine = await host.create_domain(linux.xml("m"), paused=True)
        async with await machine.open_console() as console:
            await machine.resume()
            await heard(console, b"# ", after=initramfs.READY)
            await console.write(b"export STAMP=$RANDOM$RANDOM; echo stamp=$STAMP.\n")
            stamp = (await heard(console, b".\r\n", after=b"\nstamp=")).strip()
    guests = daemon.guests()
    for _ in range(3):
        daemon.kill()
        daemon.start()
        async with virtory.connect(daemon.uri) as host:
            machine = await host.domain("m")
            async with await machine.open_console() as console:
                await console.write(b"echo still=$STAMP.\n")
                assert (await heard(console, b".\r\n", after=b"\nstill=")).strip() == stamp
    assert daemon.guests() == guests
    async with virtory.connect(daemon.uri) as host:
        machine = await host.domain("m")
        history = await machine.console_history(limit=1 << 20)
        assert initramfs.READY in history
        assert history.count(b"\nstill=" + stamp) == 3
        await machine.destroy()


async def heard(console, wanted: bytes, after: bytes = b"") -> bytes:
    """What the console says between `after` and `wanted`, both included in the wait."""
    said = b""
    try:
        async with asyncio.timeout(initramfs.BOOT_S):
            while wanted not in said.partition(after)[2] if after else wanted not in said:
                data = await console.read()
                assert data, f"the console ended after {said!r}"
                said += data
    except TimeoutError:
        raise AssertionError(f"no {wanted!r} after {after!r} in {said!r}") from None
    return said.partition(after)[2].partition(wanted)[0] if after else said


async def test_daemons_that_die_while_they_find_their_guests_harm_none(
    make: Callable[..., DaemonProcess], bare
):
    daemon = make().start()
    async with virtory.connect(daemon.uri) as host:
        for number in range(3):
            await host.create_domain(bare(f"m{number}"))
        known = {domain.name: domain.id for domain in await host.list_domains()}
    guests = daemon.guests()
    daemon.kill()
    for milliseconds in (0, 20, 50, 80, 100, 120, 140, 160, 180, 220):
        ready = daemon.spawn()
        select.select([ready], [], [], milliseconds / 1000)
        daemon.kill()
        os.close(ready)
    daemon.start()
    async with virtory.connect(daemon.uri) as host:
        found = await host.list_domains()
        assert {domain.name: domain.id for domain in found} == known
        assert daemon.guests() == guests
        for domain in found:
            await domain.destroy()
    assert daemon.guests() == {}
    daemon.end()
    assert daemon.said() == ""


async def test_a_guest_that_is_silent_at_the_restart_is_waited_for(
    make: Callable[..., DaemonProcess], bare: Callable[..., str]
):
    daemon = make(config='[log]\nlevel = "info"\n').start()
    async with virtory.connect(daemon.uri) as host:
        await host.create_domain(bare("silent"))
        await host.create_domain(bare("other"))
    silent = next(process for name, process in daemon.guests().items() if name.startswith("1-"))
    silent.kill(signal.SIGSTOP)
    daemon.kill()
    (path,) = daemon.state.glob("run/1-*/monitor.sock")
    left_behind(path)  # by daemons that have died since
    daemon.start()
    async with virtory.connect(daemon.uri) as host:
        machine, other = await host.domain("silent"), await host.domain("other")
        assert (machine.id, other.id) == (1, 2)
        await answering(other)
        await other.suspend()
        assert (await machine.control_info()).state == DomainControl.ERROR
        with pytest.raises(OperationFailed, match=f"process {silent.pid}, has not answered"):
            await machine.suspend()
        async with host.events("lifecycle", domain=machine) as events:
            silent.kill(signal.SIGCONT)
            await answering(machine)
            await machine.suspend()
            assert (await events.next(60)).event == DomainEventLifecycle.SUSPENDED
        assert silent.alive
        await machine.destroy()
        await other.destroy()
    assert f"process {silent.pid}, does not answer" in daemon.said()


def left_behind(path: Path) -> None:
    """Connections of nobody, until no more may wait."""
    try:
        while True:
            unix_socket.connected(str(path)).close()
    except BlockingIOError:
        pass


async def test_a_silent_guest_keeps_no_daemon_from_ending_and_its_end_is_noticed(
    daemon: DaemonProcess, bare: Callable[..., str]
):
    async with virtory.connect(daemon.uri) as host:
        machine = await host.define_domain(bare("silent"))
        await machine.start()
    (silent,) = daemon.guests().values()
    silent.kill(signal.SIGSTOP)
    daemon.kill()
    (path,) = daemon.state.glob("run/1-*/monitor.sock")
    left_behind(path)
    daemon.start()
    daemon.end()
    daemon.start()
    async with virtory.connect(daemon.uri) as host:
        async with host.events("lifecycle") as events:
            silent.kill()
            assert (await events.next(60)).event == DomainEventLifecycle.STOPPED
        assert daemon.run_directories() == set()
        machine = await host.domain("silent")
        await machine.start()
        await machine.destroy()
    assert daemon.guests() == {}
