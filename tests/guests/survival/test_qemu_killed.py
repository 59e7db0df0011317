"""QEMU is killed: told at once, released at once, in libvirt's words, and nobody else notices."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest
from daemon_process import processes_with
from stopwatch import Stopwatch
from storm import passt
from test_kills import loopback, passt_works

import virtory
from virtory.errors import ConnectionLost, OperationFailed, OperationInvalid, VirtoryError
from virtory.model.flags import (
    DomainEventLifecycle,
    DomainEventStopped,
    DomainShutoffReason,
    DomainState,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon_process import DaemonProcess, Seen

AT_ONCE_S = 1.0
"""Some 20 ms are usual."""


def only(guests: dict[str, Seen]) -> Seen:
    (process,) = guests.values()
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_its_end_is_told_at_once_as_a_crash(
    daemon: DaemonProcess, bare: Callable[..., str], number: int
):
    async with virtory.connect(daemon.uri) as host:
        machine = await host.define_domain(bare("m"))
        await machine.start()
        process = only(daemon.guests())
        async with host.events("lifecycle") as events:
            watch = Stopwatch(daemon.pid, process.pid)
            process.kill(number)
            event = await events.next(60)
            took_s = watch.took_s()
        assert event is not None
        stopped = (DomainEventLifecycle.STOPPED, DomainEventStopped.FAILED)
        assert (event.event, event.detail) == stopped
        crashed = (DomainState.SHUTOFF, DomainShutoffReason.CRASHED)
        assert tuple(await machine.state()) == crashed
        # All is released before it is told.
        assert daemon.guests() == {}
        assert daemon.run_directories() == set()
        assert daemon.rows() == ({"m"}, set(), [])
        assert daemon.corpses() == []
        assert took_s < AT_ONCE_S, f"told after {took_s * 1000:.0f} ms"
        await machine.start()
        assert len(daemon.guests()) == 1
        await machine.destroy()


async def test_a_transient_domain_is_gone_and_its_name_is_free(
    daemon: DaemonProcess, bare: Callable[..., str]
):
    async with virtory.connect(daemon.uri) as host:
        for _ in range(3):
            async with host.events("lifecycle") as events:
                await host.create_domain(bare("m"))
                only(daemon.guests()).kill()
                while (event := await events.next(60)).event != DomainEventLifecycle.STOPPED:
                    pass
                assert event.detail == DomainEventStopped.FAILED
            assert await host.list_domains() == []


async def test_who_waits_for_it_is_answered(daemon: DaemonProcess, bare: Callable[..., str]):
    async with virtory.connect(daemon.uri) as host:
        machine = await host.create_domain(bare("m", "<serial type='pty'/>"))
        process = only(daemon.guests())
        console = await machine.open_console()
        process.kill(signal.SIGSTOP)  # from here on it answers nothing
        async with virtory.connect(daemon.uri) as other:
            domain = await other.domain("m")
            asking = [asyncio.create_task(act()) for act in (domain.suspend, domain.reset)]
            assert (await host.domain("m")).id == machine.id  # answered meanwhile, from memory
            process.kill()
            for task in asking:
                with pytest.raises((OperationFailed, OperationInvalid), match="no longer running"):
                    await task
        assert await ended(console)
    assert daemon.guests() == {}


async def ended(stream) -> bool:
    """Whether the stream comes to its end, in whatever way."""
    try:
        while await stream.read():
            pass
    except ConnectionLost:
        return False
    except VirtoryError:
        return True
    return True


async def test_its_helpers_end_with_it(daemon: DaemonProcess, bare: Callable[..., str]):
    if not passt_works():
        pytest.skip("passt is not installed")
    address = loopback()
    mark = f"{address}/".encode()
    async with virtory.connect(daemon.uri) as host:
        async with host.events("lifecycle") as events:
            await host.create_domain(bare("m", passt(address, 1)))
            helper = only(processes_with("cmdline", mark))
            only(daemon.guests()).kill()
            while (await events.next(60)).event != DomainEventLifecycle.STOPPED:
                pass
        assert helper.ended()
        await host.create_domain(bare("n", passt(address, 1)))  # its port is free again
        only(processes_with("cmdline", mark)).kill()
        await (await host.domain("n")).destroy()
    assert processes_with("cmdline", mark) == {}
    assert daemon.corpses() == []


async def test_the_other_guests_do_not_notice(daemon: DaemonProcess, bare: Callable[..., str]):
    async with virtory.connect(daemon.uri) as host:
        machines = [await host.create_domain(bare(f"m{n}"), paused=n == 1) for n in range(3)]
        states = [await machine.state() for machine in machines]
        guests = daemon.guests()
        victim = guests.pop(next(name for name in guests if name.startswith("1-")))
        async with host.events("lifecycle", domain=machines[0]) as events:
            victim.kill()
            assert (await events.next(60)).event == DomainEventLifecycle.STOPPED
        assert daemon.guests() == guests
        assert [await machine.state() for machine in machines[1:]] == states[1:]
        await machines[1].resume()
        for machine in machines[1:]:
            await machine.destroy()
