"""Between a driver and its QEMU: a test refuses or changes commands on their way.

The rule kept here: QEMU stays real, and so does the monitor; only what travels is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.monitor import Monitor, connect
from virtory.driver.qemu.qmp import JsonStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from virtory.driver.qemu.guest import Guest

_READ = 65536


class Refused(Exception):
    """Raised for a command that QEMU is not to hear of; says why."""


@contextlib.asynccontextmanager
async def relayed(guest: Guest, passing: Callable[[dict[str, Any]], None]) -> AsyncIterator[None]:
    """`passing` sees every command; it may change it, or raise Refused."""
    path = guest.plan.path("monitor")
    assert path is not None and guest.monitor is not None
    guest.monitor.close()  # QEMU serves one at a time
    near, far = socket.socketpair()
    qemu = socket.socket(socket.AF_UNIX)
    qemu.connect(path)
    relay = _Relay(far, qemu, passing)
    guest.monitor = Monitor(near, guest.on_event, guest.on_monitor_gone)
    await guest.monitor.open()
    try:
        yield
    finally:
        goes_on = not guest.is_ending
        guest.monitor.close()
        relay.close()
        if goes_on:
            guest.monitor = await connect(path, guest.on_event, guest.on_monitor_gone)
            await guest.monitor.open()


class _Relay:
    def __init__(
        self, driver: socket.socket, qemu: socket.socket, passing: Callable[[dict[str, Any]], None]
    ) -> None:
        self._driver = driver
        self._qemu = qemu
        self._passing = passing
        self._commands = JsonStream()
        self._begun = b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(driver, self._command)
        self._loop.add_reader(qemu, self._answer)

    def close(self) -> None:
        for each in (self._driver, self._qemu):
            if each.fileno() >= 0:  # either side may have ended before
                self._loop.remove_reader(each)
                each.close()

    def _command(self) -> None:
        data, fds, _, _ = socket.recv_fds(self._driver, _READ, 16)
        commands = self._commands.feed(data)
        for number, command in enumerate(commands, 1):
            try:
                self._passing(command)
            except Refused as why:
                error = {"class": "GenericError", "desc": str(why)}
                answer = {"error": error, "id": command["id"]}
                self._driver.sendall(json.dumps(answer).encode() + b"\r\n")
            else:
                # A read ends with the command that descriptors came with.
                carried = fds if number == len(commands) else []
                socket.send_fds(self._qemu, [json.dumps(command).encode()], carried)
        for fd in fds:
            os.close(fd)
        if not data:
            self.close()

    def _answer(self) -> None:
        if data := self._qemu.recv(_READ):
            whole, end, self._begun = (self._begun + data).rpartition(b"\n")
            self._driver.sendall(whole + end)  # a refusal of ours stands amid no answer of QEMU's
        else:
            self.close()
