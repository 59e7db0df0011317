"""When a machine answers at its port: watched at a server that takes its time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from virtory.provision.machine import Machine
from virtory.provision.manifest import Manifest
from virtory.provision.phases import Phase, State, Tracker
from virtory.provision.ready import (
    FEW_HANGING,
    MOST_PROBES,
    PROBE_EARLY_EVERY_S,
    PROBE_EVERY_S,
    _Watcher,
)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def watched(
    serve: Serve, tracker: Tracker | None = None
) -> AsyncIterator[tuple[asyncio.Task[None], asyncio.Queue[Any], _Watcher]]:
    """A watch over the port of a machine whose SSH server this is, its signals and who watches."""
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, asyncio.timeout(60):
        port = server.sockets[0].getsockname()[1]
        words = ("root", "127.0.0.1", port, None, "", "i")
        machine: Any = Machine("m", None, Manifest("tiny", Path("/m"), (), *words))  # type: ignore[arg-type]
        signals: asyncio.Queue[Any] = asyncio.Queue()
        watcher = _Watcher(machine, tracker or Tracker(), signals)
        yield asyncio.create_task(watcher._port()), signals, watcher


def evidence(signals: asyncio.Queue[Any]) -> str:
    """The only signal: that SSH is there."""
    last = signals.get_nowait()(Tracker(until=Phase.SSH), 1.0)[-1]
    assert (last.phase, last.state) == (Phase.SSH, State.DONE) and signals.empty()
    return str(last.evidence)


async def test_a_machine_lets_in_once_it_has_let_go_of_who_only_asked() -> None:
    left, let_go = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"a word before\r\nSSH-2.0-slow\r\nand more")
        await reader.read()
        left.set()
        await let_go.wait()
        writer.close()

    async with watched(serve) as (asking, signals, _):
        await left.wait()
        await asyncio.wait({asking}, timeout=0.1)
        assert not asking.done() and signals.empty()
        let_go.set()
        await asking
        assert evidence(signals) == "SSH-2.0-slow"


async def test_a_machine_lets_in_once_it_greets_one_that_came_after_all_others() -> None:
    """A slow one has those that hung and were given up, and turns away who is one too many."""
    came: list[asyncio.StreamReader] = []
    tracker, hanging = Tracker(), FEW_HANGING + 1

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(reader)
        number = len(came)
        if number == hanging:
            tracker.over(0.0, Phase.ADDRESS, "DHCP gave it one")
        if number > hanging and number != hanging + 2:  # which is one too many
            writer.write(b"SSH-2.0-number %d\r\n" % number)
        if number != hanging + 2:
            await reader.read()
        writer.close()

    async with watched(serve, tracker) as (asking, signals, _):
        await asking
        assert evidence(signals) == f"SSH-2.0-number {len(came)}"
        assert len(came) >= hanging + 3


async def test_who_asked_before_the_guest_had_an_address_is_given_up_once_it_has_one() -> None:
    """A connection of that time hangs, and would keep others from being tried."""
    tracker, given_up, came = Tracker(), asyncio.Event(), 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        came += 1
        number = came
        if number == 1:
            tracker.over(0.0, Phase.ADDRESS, "DHCP gave it one")
        else:
            await given_up.wait()
            writer.write(b"SSH-2.0-number %d\r\n" % number)
        await reader.read()
        given_up.set()
        writer.close()

    async with watched(serve, tracker) as (asking, signals, _):
        await asking
        assert evidence(signals) == f"SSH-2.0-number {came}"
        assert came <= MOST_PROBES, "those that hang had all places"


@pytest.mark.parametrize("said", [b"ACPI: bus type PCI registered\n", b""], ids=["boots", "mute"])
async def test_a_machine_is_hardly_asked_while_its_console_tells_of_no_kernel_that_is_up(
    said: bytes,
) -> None:
    """QEMU lets such a connection hang and brings it to the server later, though it is given up."""
    tracker, came, second = Tracker(), [], asyncio.Event()
    tracker.over(0.0, Phase.FIRMWARE, "the kernel began")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(reader)
        if len(came) > 1:
            second.set()
            writer.write(b"SSH-2.0-up\r\n")
        await reader.read()
        writer.close()

    async with watched(serve, tracker) as (asking, signals, watcher):
        watcher.probe_for_s = PROBE_EVERY_S / 2  # one that hung is not followed sooner either
        watcher._heard(said)
        if said:
            (await signals.get())(tracker, 1.0)
        await asyncio.wait({asking}, timeout=2 * PROBE_EVERY_S)
        assert len(came) == 1
        watcher._heard(b"tiny: kernel is up\n")
        (await signals.get())(tracker, 2.0)
        async with asyncio.timeout(PROBE_EARLY_EVERY_S / 2):
            await second.wait()
        await asking
        assert evidence(signals) == "SSH-2.0-up"
