"""Domains in memory: consoles, screen, keyboard, monitor, guest agent.

The rule kept here: a guest that is paused does not answer; one without a channel has no agent.
"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

from virtory.driver.interface import Screenshot
from virtory.driver.memory.console import Bytes, Console, Session
from virtory.driver.memory.flags_check import only
from virtory.driver.memory.lifecycle import require_agent
from virtory.errors import FROM_TEST, InternalError, InvalidArgument, OperationFailed, VirtoryError
from virtory.model import flags as f
from virtory.model.refs import INT, STRING, UINT, Param

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.memory.host import Host
    from virtory.driver.memory.machine import Machine

WIDTH, HEIGHT = 64, 48
_MOUNTPOINTS = ("/", "/boot")
_STATUS = {f.DomainState.RUNNING: "running", f.DomainState.PAUSED: "paused"}


class Guests:
    """The part of the driver that speaks with what runs inside."""

    _host: Host

    async def open_console(
        self, uuid: bytes, device: str | None, flags: int, owner: object
    ) -> Session:
        only(flags, f.DomainConsole.ALL, "testDomainOpenConsole")
        console = _console(self._host.running(uuid), device)
        if console.session is not None and not flags & f.DomainConsole.FORCE:
            raise OperationFailed(
                "Active console session exists for this domain",
                cure="Close it, or take it over with --force",
            )
        session = console.open()
        session.owner = owner
        return session

    async def open_channel(
        self, uuid: bytes, name: str | None, flags: int, owner: object
    ) -> Session:
        only(flags, f.DomainChannel.ALL, "testDomainOpenChannel")
        machine = self._host.running(uuid)
        for channel in machine.current.devices.channels:
            if name in (None, channel.target.name, channel.alias):
                console = machine.consoles.setdefault(f"channel {channel.target.name}", Console())
                if console.session is not None and not flags & f.DomainChannel.FORCE:
                    raise OperationFailed("Active channel stream exists for this domain")
                session = console.open()
                session.owner = owner
                return session
        raise InternalError(f"cannot find channel {name or 'default'}", domain=FROM_TEST)

    async def console_history(self, uuid: bytes, device: str | None, limit: int) -> bytes:
        """The last `limit` bytes that the console printed since power-on."""
        history = bytes(_console(self._host.running(uuid), device).history)
        return history[-limit:] if limit else b""

    async def open_graphics(self, uuid: bytes, index: int, fd: int, flags: int) -> None:
        """Greet the client on `fd` as a VNC server would, and hang up."""
        only(flags, f.DomainOpenGraphics.ALL, "testDomainOpenGraphics")
        _graphics(self._host.running(uuid), index)
        with socket.socket(fileno=os.dup(fd)) as end:
            end.send(b"RFB 003.008\n")

    async def open_graphics_fd(self, uuid: bytes, index: int, flags: int) -> int:
        """A connected descriptor; the caller owns it."""
        only(flags, f.DomainOpenGraphics.ALL, "testDomainOpenGraphicsFD")
        _graphics(self._host.running(uuid), index)
        ours, theirs = socket.socketpair()
        ours.send(b"RFB 003.008\n")
        ours.close()
        return theirs.detach()

    async def screenshot(self, uuid: bytes, screen: int, flags: int) -> Screenshot:
        only(flags, 0, "testDomainScreenshot")
        self._host.running(uuid)
        if screen:
            raise InvalidArgument(f"cannot take a screenshot of screen {screen}: there is one, 0")
        pixels = bytes(
            value for y in range(HEIGHT) for x in range(WIDTH) for value in (x * 4, y * 5, 128)
        )
        picture = b"P6\n%d %d\n255\n%s" % (WIDTH, HEIGHT, pixels)
        return Screenshot("image/x-portable-pixmap", Bytes(picture))

    async def send_key(
        self, uuid: bytes, codeset: int, hold_ms: int, keycodes: Sequence[int], flags: int
    ) -> None:
        only(flags, 0, "testDomainSendKey")
        self._host.running(uuid)
        if codeset not in range(f.KeycodeSet.QNUM + 1):
            raise InvalidArgument(f"unsupported codeset: {codeset}")
        wrong = [code for code in keycodes if not 0 <= code <= 0xFFFF]
        if wrong:
            raise InvalidArgument(f"invalid keycode: {wrong[0]}")

    async def monitor_command(self, uuid: bytes, command: str, flags: int) -> str:
        """A monitor that knows `query-status`, `query-name`, `query-version`, `info status`."""
        only(flags, 1, "testDomainMonitorCommand")
        machine = self._host.running(uuid)
        status = _STATUS.get(machine.state, "shutdown")
        if flags & 1:
            if command.split() == ["info", "status"]:
                return f"VM status: {status}\r\n"
            return f"unknown command: '{command}'\r\n"
        asked = _json_object(command, "QEMU monitor")
        answers: dict[str, Any] = {
            "query-status": {"status": status, "running": status == "running"},
            "query-name": {"name": machine.name},
            "query-version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": "test"},
        }
        name = asked.get("execute")
        if name in answers:
            return json.dumps({"return": answers[name], "id": "virtory-1"})
        error = {
            "class": "CommandNotFound",
            "desc": f"The command {name} has not been found",
        }
        return json.dumps({"id": "virtory-1", "error": error})

    async def agent_command(
        self, uuid: bytes, command: str, timeout_s: int, flags: int
    ) -> str | None:
        """An agent that knows `guest-ping` and `guest-get-host-name`."""
        only(flags, 0, "testDomainQemuAgentCommand")
        machine = self._agent(uuid)
        asked = _json_object(command, "guest agent")
        answers = {"guest-ping": {}, "guest-get-host-name": {"host-name": machine.name}}
        name = asked.get("execute")
        if name not in answers:
            raise InternalError(
                f"unable to execute QEMU agent command '{name}': "
                f"The command {name} has not been found"
            )
        return json.dumps({"return": answers[name]})

    async def guest_hostname(self, uuid: bytes, flags: int) -> str:
        only(flags, 3, "testDomainGetHostname")
        return self._agent(uuid).name

    async def guest_time(self, uuid: bytes, flags: int) -> tuple[int, int]:
        """Seconds since the epoch, nanoseconds."""
        only(flags, 0, "testDomainGetTime")
        machine = self._agent(uuid)
        return divmod(self._host.time_ns() + machine.clock_offset_ns, 1_000_000_000)

    async def set_guest_time(self, uuid: bytes, seconds: int, nanoseconds: int, flags: int) -> None:
        only(flags, f.DomainTime.ALL, "testDomainSetTime")
        machine = self._agent(uuid)
        now = self._host.time_ns()
        wanted = now if flags & f.DomainTime.SYNC else seconds * 1_000_000_000 + nanoseconds
        machine.clock_offset_ns = wanted - now

    async def guest_info(self, uuid: bytes, types: int, flags: int) -> list[Param]:
        only(flags, 0, "testDomainGetGuestInfo")
        machine = self._agent(uuid)
        kind = f.DomainGuestInfo
        wanted = types or kind.ALL
        params: list[Param] = []
        if wanted & kind.USERS:
            params += [Param("user.count", UINT, 1), Param("user.0.name", STRING, "root")]
        if wanted & kind.OS:
            params += [Param("os.id", STRING, "test"), Param("os.name", STRING, "Test OS")]
        if wanted & kind.TIMEZONE:
            params += [Param("timezone.name", STRING, "UTC"), Param("timezone.offset", INT, 0)]
        if wanted & kind.HOSTNAME:
            params += [Param("hostname", STRING, machine.name)]
        if wanted & kind.FILESYSTEM:
            params += [Param("fs.count", UINT, len(_MOUNTPOINTS))]
            for i, mountpoint in enumerate(_MOUNTPOINTS):
                params += [Param(f"fs.{i}.mountpoint", STRING, mountpoint)]
        return params

    async def fs_freeze(self, uuid: bytes, mountpoints: Sequence[str], flags: int) -> int:
        only(flags, 0, "testDomainFSFreeze")
        machine = self._agent(uuid)
        frozen = len(_mounted(mountpoints)) if not machine.frozen else 0
        machine.frozen += frozen
        return frozen

    async def fs_thaw(self, uuid: bytes, mountpoints: Sequence[str], flags: int) -> int:
        only(flags, 0, "testDomainFSThaw")
        machine = self._agent(uuid)
        thawed, machine.frozen = machine.frozen, 0
        return thawed

    async def fs_trim(self, uuid: bytes, mountpoint: str | None, minimum: int, flags: int) -> None:
        only(flags, 0, "testDomainFSTrim")
        self._agent(uuid)
        if mountpoint is not None:
            raise OperationFailed("Specifying mount point is not supported for now")

    async def set_user_password(self, uuid: bytes, user: str, password: str, flags: int) -> None:
        only(flags, f.DomainSetUserPassword.ENCRYPTED, "testDomainSetUserPassword")
        self._agent(uuid)
        if user != "root":
            raise VirtoryError(f"internal error: unknown user '{user}'", domain=FROM_TEST)

    def _agent(self, uuid: bytes) -> Machine:
        machine = self._host.machine(uuid)
        require_agent(machine)
        return machine


def _console(machine: Machine, device: str | None) -> Console:
    for alias, console in machine.consoles.items():
        if device in (None, alias) and not alias.startswith("channel "):
            return console
    raise InternalError(f"cannot find console device '{device or 'default'}'", domain=FROM_TEST)


def _graphics(machine: Machine, index: int) -> None:
    if not 0 <= index < len(machine.current.devices.graphics):
        raise InternalError(f"No graphics backend with index {index}", domain=FROM_TEST)


def _json_object(text: str, whose: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InternalError(f"cannot parse json {text}: {error}", domain=FROM_TEST) from None
    if not isinstance(value, dict):
        raise InvalidArgument(f"a {whose} command is a JSON object, not {text}")
    return value


def _mounted(mountpoints: Sequence[str]) -> Sequence[str]:
    for mountpoint in mountpoints:
        if mountpoint not in _MOUNTPOINTS:
            raise InternalError(f"no file system is mounted at '{mountpoint}'", domain=FROM_TEST)
    return mountpoints or _MOUNTPOINTS
