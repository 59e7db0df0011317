"""A domain's screen, keyboard and serial lines.

The rule kept here: what is opened is a context manager, and leaving it closes the daemon's end too.
"""

from __future__ import annotations

from virtory.client.domain_handle import DomainHandle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.client import results
    from virtory.client.streams import Stream
    from virtory.wire.remote import domain_device as w
else:
    results = Later("virtory.client.results")
    w = Later("virtory.wire.remote.domain_device")


class DomainScreen(DomainHandle):
    """What a domain shows, and what is typed."""

    __slots__ = ()

    async def open_console(
        self, device: str | None = None, *, force: bool = False, safe: bool = False, flags: int = 0
    ) -> Stream:
        """`DOMAIN_OPEN_CONSOLE`: a two-way stream to a serial line, by alias, else the first.

        `force` disconnects whoever uses it. Raises `OperationFailed` when it is in use.
        """
        from virtory.client.streams import Stream

        stream = Stream(self.caller)
        args = w.DomainOpenConsoleArgs(self.ref, device, flags | force | safe << 1)
        await self.caller.open_stream(w.DOMAIN_OPEN_CONSOLE, stream, args)
        return stream

    async def open_channel(
        self, name: str | None = None, *, force: bool = False, flags: int = 0
    ) -> Stream:
        """`DOMAIN_OPEN_CHANNEL`: a two-way stream to a virtio channel, by name, else the first."""
        from virtory.client.streams import Stream

        stream = Stream(self.caller)
        args = w.DomainOpenChannelArgs(self.ref, name, flags | force)
        await self.caller.open_stream(w.DOMAIN_OPEN_CHANNEL, stream, args)
        return stream

    async def screenshot(self, screen: int = 0, *, flags: int = 0) -> results.Screenshot:
        """`DOMAIN_SCREENSHOT`: what the screen shows now, as an image."""
        from virtory.client.streams import Stream

        stream = Stream(self.caller)
        args = w.DomainScreenshotArgs(self.ref, screen, flags)
        ret = await self.caller.open_stream(w.DOMAIN_SCREENSHOT, stream, args)
        async with stream:
            return results.Screenshot(ret.mime or "", await stream.read_all())

    async def console_history(self, device: str | None = None, *, limit: int = 65536) -> bytes:
        """`DOMAIN_CONSOLE_HISTORY` of virtory's own program: the last `limit` bytes printed.

        Kept by virtoryd since power-on. Against libvirtd this raises `NotSupported`.
        """
        return await self.host.console_history(self, device, limit)

    async def open_graphics(self, fd: int, *, index: int = 0, flags: int = 0) -> None:
        """`DOMAIN_OPEN_GRAPHICS`: hand our end `fd` of a socket pair to the display.

        `flags`: `DomainOpenGraphics`. Only over UNIX sockets. `fd` stays the caller's.
        """
        args = w.DomainOpenGraphicsArgs(self.ref, index, flags)
        await self._call(w.DOMAIN_OPEN_GRAPHICS, args, [fd])

    async def open_graphics_fd(self, *, index: int = 0, flags: int = 0) -> int:
        """`DOMAIN_OPEN_GRAPHICS_FD`: a descriptor joined to the display; the caller closes it."""
        import os

        from virtory.errors import PeerMisbehaved

        args = w.DomainOpenGraphicsFdArgs(self.ref, index, flags)
        reply = await self.caller.ask(w.DOMAIN_OPEN_GRAPHICS_FD, args)
        for extra in reply.fds[1:]:
            os.close(extra)
        if not reply.fds:
            raise PeerMisbehaved("DOMAIN_OPEN_GRAPHICS_FD was answered without a descriptor")
        return reply.fds[0]

    async def send_key(
        self, keycodes: Sequence[int], *, codeset: int = 0, hold_ms: int = 50, flags: int = 0
    ) -> None:
        """`DOMAIN_SEND_KEY`: press these keys together. `codeset`: `flags.KeycodeSet`."""
        args = w.DomainSendKeyArgs(self.ref, codeset, hold_ms, list(keycodes), flags)
        await self._call(w.DOMAIN_SEND_KEY, args)
