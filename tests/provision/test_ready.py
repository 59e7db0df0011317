"""When a machine answers at its port: watched at a server that takes its time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from virtory.provision.machine import Machine
from virtory.provision.manifest import Manifest
from virtory.provision.phases import Phase, State, Tracker
from virtory.provision.ready import _Watcher


async def test_a_machine_lets_in_once_it_has_let_go_of_those_who_only_asked() -> None:
    """A server counts who has not logged in, and turns away who is one too many."""
    left, let_go = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"a word before\r\nSSH-2.0-slow\r\nand more")
        await reader.read()
        left.set()
        await let_go.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, asyncio.timeout(60):
        port = server.sockets[0].getsockname()[1]
        words = ("root", "127.0.0.1", port, None, "", "i")
        machine: Any = Machine("m", None, Manifest("tiny", Path("/m"), (), *words))  # type: ignore[arg-type]
        signals: asyncio.Queue[Any] = asyncio.Queue()
        asking = asyncio.create_task(_Watcher(machine, Tracker(), signals)._port())
        await left.wait()
        await asyncio.wait({asking}, timeout=0.1)
        assert not asking.done() and signals.empty()
        let_go.set()
        await asking
        tracker = Tracker(until=Phase.SSH)
        last = signals.get_nowait()(tracker, 1.0)[-1]
        assert (last.phase, last.state, last.evidence) == (Phase.SSH, State.DONE, "SSH-2.0-slow")
