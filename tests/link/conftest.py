"""Connected links of every make, with what came out of them, and a watch over descriptors."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from virtory.link import memory
from virtory.link.unix import UnixLink
from virtory.wire.session import CLIENT, SERVER, Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class End:
    """One started link: the values it brought and how it ended."""

    def __init__(self, link: Any, answer: Callable[[Any, Any], None] | None = None) -> None:
        self.link = link
        self.session: Session = link.session
        self.values: list[Any] = []
        self.losses: list[Any] = []
        self.changed = asyncio.Event()
        self._answer = answer
        link.start(self._on_incoming, self._on_lost)

    def _on_incoming(self, values: list[Any]) -> None:
        self.values += values
        for value in values:
            if self._answer is not None:
                self._answer(self.session, value)
        self.changed.set()

    def _on_lost(self, error: Any) -> None:
        self.losses.append(error)
        self.changed.set()

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture(params=["unix", "memory"])
async def join(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Any]]:
    """Connect two sessions by a pair of links, which are not started."""
    before = open_descriptors()
    made: list[Any] = []

    def joined(left: Session, right: Session) -> tuple[Any, Any]:
        if request.param == "memory":
            pair: tuple[Any, Any] = memory.pair(left, right)
        else:
            a, b = socket.socketpair()
            pair = UnixLink(a, left), UnixLink(b, right)
        made.extend(pair)
        return pair

    yield joined
    for link in made:
        link.close()
    assert open_descriptors() == before


@pytest.fixture
async def links(join: Callable[..., Any]) -> Any:
    """A client's link and a server's, connected and not started."""
    return join(Session(CLIENT), Session(SERVER))


def open_descriptors() -> list[str]:
    """Every descriptor of this process but those that asyncio keeps."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except FileNotFoundError:
            continue
    return sorted(found)


@pytest.fixture
def frame() -> Callable[..., bytes]:
    """One message as bytes, made by hand."""

    def made(
        number: int, kind: int, serial: int, body: bytes = b"", program: int = 0x20008086
    ) -> bytes:
        head = struct.pack(">7I", 28 + len(body), program, 1, number, kind, serial, 0)
        return head + body

    return made


@pytest.fixture
def end() -> type[End]:
    return End


@pytest.fixture
def descriptors() -> Callable[[], list[str]]:
    return open_descriptors
