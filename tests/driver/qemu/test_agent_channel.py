"""The agent's channel with a stranger at its other end: late, forged, endless, broken answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from virtory.driver.qemu.agent import ANSWER_LIMIT, Agent, understood, whole_number
from virtory.driver.qemu.qmp import JsonStream
from virtory.errors import AgentUnresponsive, InternalError, OperationUnsupported

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Stranger:
    """QEMU's end of the channel; what the guest would answer is the test's to say."""

    def __init__(self, path: str) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.setblocking(False)
        self._server.bind(path)
        self._server.listen(5)
        self._peer: socket.socket | None = None
        self._stream = JsonStream()
        self._read: list[dict[str, Any]] = []

    async def accept(self) -> None:
        if self._peer is not None:
            self._peer.close()
        self._peer, _ = await asyncio.get_running_loop().sock_accept(self._server)
        self._stream, self._read = JsonStream(), []

    async def command(self) -> dict[str, Any]:
        assert self._peer is not None
        while not self._read:
            data = await asyncio.get_running_loop().sock_recv(self._peer, 65536)
            self._read += self._stream.feed(data.replace(b"\xff", b""))
        return self._read.pop(0)

    async def send(self, raw: bytes) -> None:
        assert self._peer is not None
        await asyncio.get_running_loop().sock_sendall(self._peer, raw)

    async def synchronise(self, before: bytes = b"") -> None:
        number = (await self.command())["arguments"]["id"]
        await self.send(before + b"\xff" + json.dumps({"return": number}).encode() + b"\n")

    async def answer(self, value: Any) -> dict[str, Any]:
        taken = await self.command()
        await self.send(json.dumps(value).encode() + b"\n")
        return taken

    def borrowed(self) -> socket.socket:
        """The channel for a thread, which writes to it and waits."""
        assert self._peer is not None
        blocking = self._peer.dup()
        blocking.setblocking(True)
        self._peer.close()
        return blocking

    def hang_up(self) -> None:
        assert self._peer is not None
        self._peer.close()

    def close(self) -> None:
        if self._peer is not None:
            self._peer.close()
        self._server.close()


@pytest_asyncio.fixture
async def ends(tmp_path: Path) -> AsyncIterator[tuple[Agent, Stranger]]:
    path = str(tmp_path / "agent.sock")
    stranger, agent = Stranger(path), Agent(path, "m")
    agent.set_connected(True)
    yield agent, stranger
    agent.set_connected(False)
    stranger.close()


Ends = tuple[Agent, Stranger]


async def test_a_command_and_its_answer(ends: Ends) -> None:
    agent, stranger = ends
    asked = asyncio.create_task(agent.call("guest-info", {"a": 1}))
    await stranger.accept()
    await stranger.synchronise()
    taken = await stranger.answer({"return": {"version": "7"}})
    assert taken == {"execute": "guest-info", "arguments": {"a": 1}}
    assert await asked == {"version": "7"}


@pytest.mark.parametrize("later", range(6))
async def test_a_port_that_closes_just_as_the_answer_comes_leaves_no_socket(
    ends: Ends, later: int
) -> None:
    agent, stranger = ends
    asked = asyncio.create_task(agent.call("guest-info"))
    await stranger.accept()
    await stranger.synchronise()
    await stranger.answer({"return": 5})
    peer = agent._socket
    assert peer is not None
    for _ in range(later):
        await asyncio.sleep(0)
    agent.set_connected(False)
    (outcome,) = await asyncio.gather(asked, return_exceptions=True)
    assert outcome == 5 or isinstance(outcome, AgentUnresponsive)
    assert peer.fileno() < 0


async def test_answers_left_over_from_others_are_passed_over(ends: Ends) -> None:
    agent, stranger = ends
    asked = asyncio.create_task(agent.call("guest-info"))
    await stranger.accept()
    await stranger.synchronise(b'{"return": "stale"}\n{"return": 0}\n\xff{"return": 99}\n{"half')
    await stranger.answer({"return": "mine"})
    assert await asked == "mine"


async def test_a_refusal_and_a_command_that_there_is_not(ends: Ends) -> None:
    agent, stranger = ends
    asked = asyncio.create_task(agent.call("guest-exec"))
    await stranger.accept()
    await stranger.synchronise()
    await stranger.answer({"error": {"class": "GenericError", "desc": "not today"}})
    with pytest.raises(InternalError, match="QEMU agent command 'guest-exec': not today"):
        await asked
    asked = asyncio.create_task(agent.call("guest-exec"))
    await stranger.synchronise()
    await stranger.answer({"error": {"class": "CommandNotFound", "desc": "?"}})
    with pytest.raises(OperationUnsupported, match="no command 'guest-exec'"):
        await asked


async def test_silence_has_a_limit_and_the_next_call_begins_anew(ends: Ends) -> None:
    agent, stranger = ends
    agent.limit_answers(0)
    asked = asyncio.create_task(agent.call("guest-info"))
    await stranger.accept()
    await stranger.synchronise()
    await stranger.command()
    with pytest.raises(AgentUnresponsive, match=r"did not answer in 0\.1 s"):
        await asked
    agent.limit_answers(-1)
    asked = asyncio.create_task(agent.call("guest-info"))
    await stranger.accept()
    await stranger.synchronise()
    await stranger.answer({"return": 5})
    assert await asked == 5


async def test_an_answer_without_end_is_cut_off(ends: Ends) -> None:
    agent, stranger = ends
    asked = asyncio.create_task(agent.call("guest-info"))
    await stranger.accept()
    await stranger.synchronise()
    await stranger.command()

    async def flood() -> None:
        await stranger.send(b'{"return": "')
        for _ in range(ANSWER_LIMIT // 65536 + 2):
            await stranger.send(b"x" * 65536)

    flooding = asyncio.create_task(flood())
    with pytest.raises(AgentUnresponsive, match="longer than"):
        await asked
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)


async def test_a_guest_that_never_stops_talking_stops_nobody_else(ends: Ends) -> None:
    agent, stranger = ends
    agent.limit_answers(0)
    asked = asyncio.create_task(agent.call("guest-info"))
    await stranger.accept()
    await stranger.synchronise()
    await stranger.command()
    talking = stranger.borrowed()

    def talk() -> None:
        with talking, contextlib.suppress(OSError):
            while True:
                talking.sendall(b'{"a":1}' * 8192)

    thread = threading.Thread(target=talk)
    thread.start()
    begun = asyncio.get_running_loop().time()
    with pytest.raises(AgentUnresponsive, match=r"did not answer in 0\.1 s"):
        await asked
    assert asyncio.get_running_loop().time() - begun < 5
    await asyncio.to_thread(thread.join)


@pytest.mark.parametrize("rubbish", [b"hello\n", b'{"return": }\n', b"[1]\n"])
async def test_rubbish_is_the_agents_fault(ends: Ends, rubbish: bytes) -> None:
    agent, stranger = ends
    asked = asyncio.create_task(agent.call("guest-info"))
    await stranger.accept()
    await stranger.synchronise()
    await stranger.command()
    await stranger.send(rubbish)
    with pytest.raises(AgentUnresponsive, match="the channel of domain 'm' broke"):
        await asked


async def test_a_channel_that_closes_ends_the_call(ends: Ends) -> None:
    agent, stranger = ends
    asked = asyncio.create_task(agent.call("guest-info"))
    await stranger.accept()
    await stranger.synchronise()
    await stranger.command()
    stranger.hang_up()
    with pytest.raises(AgentUnresponsive):
        await asked


async def test_an_agent_that_goes_away_ends_the_call(ends: Ends) -> None:
    agent, stranger = ends
    asked = asyncio.create_task(agent.call("guest-info"))
    await stranger.accept()
    await stranger.synchronise()
    await stranger.command()
    agent.set_connected(False)
    with pytest.raises(AgentUnresponsive):
        await asked
    with pytest.raises(AgentUnresponsive, match="QEMU guest agent is not connected"):
        await agent.call("guest-info")


async def test_a_call_that_is_given_up_does_not_disturb_the_next(ends: Ends) -> None:
    agent, stranger = ends
    given_up = asyncio.create_task(agent.call("guest-slow"))
    await stranger.accept()
    await stranger.synchronise()
    await stranger.command()
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    asked = asyncio.create_task(agent.call("guest-info"))
    await stranger.accept()
    await stranger.synchronise()
    await stranger.answer({"return": "right"})
    assert await asked == "right"


async def test_silence_is_what_a_shutdown_is_answered_with(ends: Ends) -> None:
    agent, stranger = ends
    asked = asyncio.create_task(agent.shut_down("powerdown"))
    await stranger.accept()
    await stranger.synchronise()
    taken = await stranger.command()
    assert taken["arguments"] == {"mode": "powerdown"}
    stranger.hang_up()
    await asked


async def test_a_shutdown_that_was_never_said_is_no_success(ends: Ends) -> None:
    agent, stranger = ends
    asked = asyncio.create_task(agent.shut_down("powerdown"))
    await stranger.accept()
    stranger.hang_up()
    with pytest.raises(AgentUnresponsive, match="the channel of domain 'm' broke"):
        await asked


async def test_halves_of_characters_are_nobodys_text(ends: Ends) -> None:
    agent, stranger = ends
    for halved in ({"return": "\ud800"}, {"error": {"desc": "\udfff"}}):
        asked = asyncio.create_task(agent.call("guest-get-host-name"))
        await stranger.accept()
        await stranger.synchronise()
        await stranger.answer(halved)
        with pytest.raises(AgentUnresponsive, match="not UTF-8"):
            await asked


@pytest.mark.parametrize("told", [-1, 1 << 63, float("inf"), [], None, "x"])
def test_a_number_that_does_not_fit_is_the_agents_fault(told: Any) -> None:
    with pytest.raises(AgentUnresponsive, match="guest-get-time"), understood("guest-get-time"):
        whole_number(told)
