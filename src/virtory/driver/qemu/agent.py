"""The guest agent: commands to qemu-guest-agent through its virtio-serial channel.

The rule kept here: the guest is a stranger. Every command is preceded by `guest-sync-delimited`
with a fresh number, so that no stale or forged answer is taken for ours; every wait has a limit;
an answer over 10 MiB ends the conversation.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu import unix_socket
from virtory.driver.qemu.qmp import JsonStream, QmpBroken
from virtory.errors import AgentUnresponsive, InternalError, OperationUnsupported

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ANSWER_LIMIT = 10 << 20
SYNC_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 60.0
LEAST_WAIT_S = 0.1
_SENTINEL = b"\xff"
_READ = 65536

NO_WAIT, DEFAULT, BLOCK = 0, -1, -2
"""libvirt's special values of an agent time limit."""


class Agent:
    """The agent's channel of one guest; `connected` follows QEMU's VSERPORT_CHANGE events.

    The connection is made for a conversation and kept until it fails, so that idle guests cost no
    socket. One command at a time; the guest answers in order.
    """

    def __init__(self, path: str, name: str) -> None:
        self._path = path
        self._name = name
        self._socket: socket.socket | None = None
        self._lock = asyncio.Lock()
        self._limit_s: float | None = COMMAND_TIMEOUT_S
        self.connected = False

    def limit_answers(self, timeout_s: int) -> None:
        """How long commands wait from now on: seconds, or one of libvirt's special values."""
        if timeout_s == BLOCK:
            self._limit_s = None
        elif timeout_s == DEFAULT:
            self._limit_s = COMMAND_TIMEOUT_S
        else:
            self._limit_s = max(float(timeout_s), LEAST_WAIT_S)

    def set_connected(self, connected: bool) -> None:
        self.connected = connected
        if not connected:
            self.close()

    def close(self) -> None:
        if self._socket is not None:
            peer, self._socket = self._socket, None
            if self._lock.locked():
                _wake(peer)  # a conversation waits on it and closes it then
            else:
                peer.close()

    async def call(
        self,
        command: str,
        arguments: dict[str, Any] | None = None,
    ) -> Any:
        """The command's `return`."""
        message: dict[str, Any] = {"execute": command}
        if arguments:
            message["arguments"] = arguments
        reply = await self.converse(json.dumps(message), timeout_s=self._limit_s)
        if "error" in reply:
            raise _refused(command, reply["error"])
        return reply.get("return")

    async def converse(self, text: str, *, timeout_s: float | None) -> dict[str, Any]:
        """Send any JSON text, return the agent's whole answer, `return` or `error`."""
        async with self._lock, self._conversation() as peer:
            try:
                await self._synchronise(peer)
                stream = JsonStream(ANSWER_LIMIT)
                async with asyncio.timeout(timeout_s):
                    return await self._exchange(peer, text.encode() + b"\n", stream)
            except TimeoutError:
                self._drop(peer)
                raise AgentUnresponsive(
                    f"the agent of domain '{self._name}' did not answer in {timeout_s:g} s"
                ) from None
            except (OSError, QmpBroken) as error:
                self._drop(peer)
                raise self._broken(error) from None
            except asyncio.CancelledError:
                self._drop(peer)
                raise

    async def shut_down(self, mode: str) -> None:
        """Power off, or reboot."""
        await self.tell("guest-shutdown", {"mode": mode})

    async def tell(self, command: str, arguments: dict[str, Any] | None = None) -> None:
        """A command after which the guest sleeps or ends: only a refusal is answered."""
        async with self._lock, self._conversation() as peer:
            try:
                await self._synchronise(peer)
                text = json.dumps({"execute": command, "arguments": arguments or {}})
                async with asyncio.timeout(2):
                    stream = JsonStream(ANSWER_LIMIT)
                    reply = await self._exchange(peer, text.encode() + b"\n", stream)
            except (TimeoutError, OSError):
                self._drop(peer)
                return  # silence, or a guest already on its way down
            except QmpBroken as error:
                self._drop(peer)
                raise self._broken(error) from None
            if "error" in reply:
                raise _refused(command, reply["error"])

    # -- one conversation ----------------------------------------------------------------------
    @contextlib.asynccontextmanager
    async def _conversation(self) -> AsyncIterator[socket.socket]:
        """A connection to talk on; one that `close` gave up just as the answer came goes, too."""
        peer = self._open()
        try:
            yield peer
        finally:
            if self._socket is not peer:
                peer.close()

    def _open(self) -> socket.socket:
        if not self.connected:
            raise AgentUnresponsive("QEMU guest agent is not connected")
        if self._socket is not None and self._socket.fileno() >= 0:
            return self._socket
        try:
            peer = unix_socket.connected(self._path)
        except OSError as error:
            raise AgentUnresponsive(
                f"cannot reach the agent channel of domain '{self._name}': {error.strerror}"
            ) from None
        self._socket = peer
        return peer

    def _drop(self, peer: socket.socket) -> None:
        peer.close()
        if self._socket is peer:
            self._socket = None

    def _broken(self, why: Exception) -> AgentUnresponsive:
        return AgentUnresponsive(f"the channel of domain '{self._name}' broke: {why}")

    async def _synchronise(self, peer: socket.socket) -> None:
        """Agree on where the next answer begins; drops whatever was left of earlier ones."""
        number = int.from_bytes(os.urandom(4), "big") >> 1
        request = json.dumps({"execute": "guest-sync-delimited", "arguments": {"id": number}})
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(SYNC_TIMEOUT_S):
                await loop.sock_sendall(peer, _SENTINEL + request.encode() + b"\n")
                stream: JsonStream | None = None
                while True:
                    data = await self._receive(peer)
                    _, mark, tail = data.rpartition(_SENTINEL)
                    if mark:
                        stream, data = JsonStream(ANSWER_LIMIT), tail
                    if stream is None:
                        continue  # leftovers before the first sentinel
                    for message in stream.feed(data):
                        if message.get("return") == number:
                            return
        except TimeoutError:
            self._drop(peer)
            raise AgentUnresponsive("Guest agent not available for now") from None
        except (OSError, QmpBroken) as error:
            self._drop(peer)
            raise self._broken(error) from None

    async def _exchange(
        self, peer: socket.socket, request: bytes, stream: JsonStream
    ) -> dict[str, Any]:
        await asyncio.get_running_loop().sock_sendall(peer, request)
        while True:
            for message in stream.feed(await self._receive(peer)):
                if "return" in message or "error" in message:
                    _require_text(message)
                    return message

    async def _receive(self, peer: socket.socket) -> bytes:
        # What is there already is told without a pause; a guest that never stops would let nobody
        # else run, not even the time that limits it.
        await asyncio.sleep(0)
        data = await asyncio.get_running_loop().sock_recv(peer, _READ)
        if not data:
            raise ConnectionResetError("the guest closed it")
        return data


@contextlib.contextmanager
def understood(command: str) -> Iterator[None]:
    """Inside, an answer that has not the form it should have is the agent's fault."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise AgentUnresponsive(
            f"its answer to '{command}' has an unknown form ({error!r})"
        ) from None


def whole_number(told: Any, bits: int = 63, least: int = 0) -> int:
    """A number that fits where it goes; raises ValueError or TypeError."""
    value = int(told)
    if not least <= value < 1 << bits:
        raise ValueError(f"{value} is out of range")
    return value


def _require_text(message: dict[str, Any]) -> None:
    """JSON can name halves of characters, which no client can be told."""
    try:
        json.dumps(message, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise QmpBroken(f"a message is not UTF-8: {error.reason}") from None


def _wake(peer: socket.socket) -> None:
    """Make a pending read return; closing the descriptor under it would not."""
    try:
        peer.shutdown(socket.SHUT_RDWR)
    except OSError:
        peer.close()


def _refused(command: str, error: Any) -> Exception:
    error = error if isinstance(error, dict) else {}
    described = str(error.get("desc", error))
    if error.get("class") in ("CommandNotFound", "CommandDisabled"):
        return OperationUnsupported(
            f"the guest agent has no command '{command}'",
            cure="update qemu-guest-agent inside the guest, or enable the command there",
        )
    return InternalError(f"unable to execute QEMU agent command '{command}': {described}")
