"""Connecting to a QEMU that lets nobody in for a while."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from virtory.driver.qemu import unix_socket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LIMIT_S = 10


@pytest_asyncio.fixture
async def full(tmp_path: Path) -> AsyncIterator[tuple[str, socket.socket]]:
    """A listener with whom no more may wait."""
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        left = [unix_socket.connected(path) for _ in range(2)]
        with pytest.raises(BlockingIOError):
            unix_socket.connected(path)
        yield path, listener
        for one in left:
            one.close()


async def test_who_finds_no_room_is_let_in_after_the_others(
    full: tuple[str, socket.socket],
) -> None:
    path, listener = full
    waiting = asyncio.ensure_future(unix_socket.let_in(path))
    await asyncio.wait([waiting], timeout=0.05)
    assert not waiting.done()
    for _ in range(2):
        listener.accept()[0].close()
    with await asyncio.wait_for(waiting, LIMIT_S) as ours, listener.accept()[0] as theirs:
        theirs.send(b"greeting")
        assert await asyncio.get_running_loop().sock_recv(ours, 100) == b"greeting"


async def test_who_waits_is_told_that_nobody_listens_any_more(
    full: tuple[str, socket.socket],
) -> None:
    path, listener = full
    waiting = asyncio.ensure_future(unix_socket.let_in(path))
    await asyncio.wait([waiting], timeout=0.05)
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.wait_for(waiting, LIMIT_S)
