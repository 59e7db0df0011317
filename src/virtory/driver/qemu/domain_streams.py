"""Consoles, channels, displays, screenshots, keys: what a person has of a machine.

The rule kept here: what QEMU writes for us it writes into descriptors that we opened: it needs no
right to any path of the host.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from virtory.driver.interface import Screenshot
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import unix_socket
from virtory.driver.qemu.console import DescriptorStream, open_terminal, tail
from virtory.driver.qemu.keycodes import key_number
from virtory.driver.qemu.part import Part
from virtory.errors import (
    InternalError,
    InvalidArgument,
    OperationInvalid,
    OperationUnsupported,
    SystemCallFailed,
)
from virtory.model.flags import DomainChannel, DomainConsole, DomainOpenGraphics, DomainState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.interface import ByteStream, Owner
    from virtory.driver.qemu.guest import Guest
    from virtory.model.domain.devices.character import CharacterDevice

_KEYS_AT_ONCE = 16
_HISTORY_LIMIT = 8 << 20


class DomainStreams(Part):
    """Bytes to and from."""

    # -- consoles and channels -----------------------------------------------------------------
    async def open_console(
        self, uuid: bytes, device: str | None, flags: int, owner: Owner
    ) -> ByteStream:
        refuse_unknown(flags, DomainConsole.ALL, "qemuDomainOpenConsole")
        guest = self._guest(uuid)
        found = find_console(guest, device)
        return _open(guest, found, owner, force=bool(flags & DomainConsole.FORCE))

    async def open_channel(
        self, uuid: bytes, name: str | None, flags: int, owner: Owner
    ) -> ByteStream:
        refuse_unknown(flags, DomainChannel.ALL, "qemuDomainOpenChannel")
        guest = self._guest(uuid)
        for channel in guest.domain.devices.channels:
            if name is None or name in (channel.alias, channel.target.name):
                if channel.type != "unix":
                    raise OperationUnsupported(
                        f"channel {name or channel.target.name} is not using a UNIX socket"
                    )
                return _open(guest, channel, owner, force=bool(flags & DomainChannel.FORCE))
        raise InternalError(f"cannot find channel {name or '<null>'}")

    async def console_history(self, uuid: bytes, device: str | None, limit: int) -> bytes:
        guest = self._guest(uuid)
        found = find_console(guest, device)
        path = log_of(guest, found)
        if path is None:
            raise OperationUnsupported(
                f"device {found.alias} keeps no history",
                cure="give it a <log file='…'/>, or restart the domain under this daemon",
            )
        return await asyncio.to_thread(tail, path, max(0, min(limit, _HISTORY_LIMIT)))

    # -- displays ------------------------------------------------------------------------------
    async def open_graphics(self, uuid: bytes, index: int, fd: int, flags: int) -> None:
        refuse_unknown(flags, DomainOpenGraphics.ALL, "qemuDomainOpenGraphics")
        guest = self._guest(uuid)
        protocol = _protocol(guest, index)
        async with guest.job("open graphics"):
            await guest.execute("getfd", {"fdname": "graphicsfd"}, fds=(fd,))
            skip = bool(flags & DomainOpenGraphics.SKIPAUTH)
            arguments = {"protocol": protocol, "fdname": "graphicsfd", "skipauth": skip}
            await guest.execute("add_client", arguments)

    async def open_graphics_fd(self, uuid: bytes, index: int, flags: int) -> int:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            await self.open_graphics(uuid, index, theirs.fileno(), flags)
            return ours.detach()
        finally:
            ours.close()
            theirs.close()

    async def screenshot(self, uuid: bytes, screen: int, flags: int) -> Screenshot:
        refuse_unknown(flags, 0, "qemuDomainScreenshot")
        guest = self._guest(uuid)
        videos = guest.domain.devices.videos
        if not videos:
            raise OperationInvalid("no screens to take screenshot from")
        heads = videos[0].model.heads or 1 if videos[0].model is not None else 1
        there = max(len(videos), heads)
        if not 0 <= screen < there:
            raise OperationInvalid(f"no such screen ID {screen}", cure=f"there are {there}, from 0")
        async with guest.job("screenshot"):
            arguments: dict[str, object] = {"format": "png"}
            if screen:
                number = min(screen, len(videos) - 1)
                arguments |= {"device": videos[number].alias or f"video{number}"}
                arguments |= {"head": screen - number}
            return Screenshot("image/png", await _dump(guest, arguments))

    async def send_key(
        self, uuid: bytes, codeset: int, hold_ms: int, keycodes: Sequence[int], flags: int
    ) -> None:
        refuse_unknown(flags, 0, "qemuDomainSendKey")
        guest = self._guest(uuid)
        if not 0 < len(keycodes) <= _KEYS_AT_ONCE:
            raise InvalidArgument(
                f"{len(keycodes)} keys at once; 1 to {_KEYS_AT_ONCE} are possible"
            )
        keys = [{"type": "number", "data": key_number(codeset, code)} for code in keycodes]
        arguments: dict[str, object] = {"keys": keys}
        if hold_ms:
            arguments["hold-time"] = hold_ms
        async with guest.job("send key"):
            if guest.entry.state == DomainState.PMSUSPENDED:
                raise OperationInvalid("domain is pmsuspended")
            await guest.soon("send-key", arguments)


# -- finding -----------------------------------------------------------------------------------


def find_console(guest: Guest, name: str | None) -> CharacterDevice:
    """The console, serial or parallel port of that alias; the first console (or port) without."""
    devices = guest.domain.devices
    if name is None:
        ports: list[CharacterDevice] = [*devices.consoles, *devices.serials]
        if ports:
            return ports[0]
    for port in (*devices.consoles, *devices.serials, *devices.parallels):
        if name is not None and port.alias == name:
            return port
    raise InternalError(f"cannot find character device {name or '<null>'}")


def log_of(guest: Guest, port: CharacterDevice) -> str | None:
    """The file with what the port printed."""
    return guest.plan.path(f"log:{port.alias}")


def _open(guest: Guest, port: CharacterDevice, owner: Owner, *, force: bool) -> ByteStream:
    alias = port.alias or ""

    def opener() -> int:
        path = guest.terminals.get(alias)
        try:
            if path is not None:
                return open_terminal(path)
            listening = guest.plan.path(f"char:{alias}") or (port.source and port.source.path)
            if port.type == "unix" and listening:
                return unix_socket.connected(listening).detach()
        except OSError as error:
            raise SystemCallFailed(
                f"cannot open device {alias}: {error.strerror}", errno=error.errno
            ) from None
        raise OperationUnsupported(f"character device {alias} is not using a PTY")

    return guest.consoles.open(alias, owner, opener, force=force)


def _protocol(guest: Guest, index: int) -> str:
    graphics = guest.domain.devices.graphics
    if not 0 <= index < len(graphics):
        raise InternalError(f"No graphics backend with index {index}")
    if graphics[index].type not in ("vnc", "spice"):
        raise InternalError("Can only open VNC or SPICE graphics backends")
    return graphics[index].type


async def _dump(guest: Guest, arguments: dict[str, object]) -> DescriptorStream:
    """The screen as a stream; QEMU draws into a file in memory, lent to it as a descriptor set."""
    memory = os.memfd_create("screenshot", os.MFD_CLOEXEC)
    try:
        path = f"/proc/self/fd/{memory}"
        for_writing = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            lent = await guest.execute("add-fd", {"opaque": "screenshot"}, fds=(for_writing,))
        finally:
            os.close(for_writing)
        try:
            where = {"filename": f"/dev/fdset/{lent['fdset-id']}"}
            await guest.execute("screendump", {**arguments, **where})
        finally:
            await guest.execute("remove-fd", {"fdset-id": lent["fdset-id"]})
        os.lseek(memory, 0, os.SEEK_SET)
    except BaseException:
        os.close(memory)
        raise
    return DescriptorStream(memory)
