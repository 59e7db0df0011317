"""Domains: consoles, channels, screenshots and displays, as streams or as descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.errors import InvalidArgument
from virtory.wire.remote import domain_device

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer
    from virtory.wire.incoming import Call


@serves(domain_device.DOMAIN_OPEN_CONSOLE, whole=True)
async def open_console(peer: Peer, args: domain_device.DomainOpenConsoleArgs, call: Call) -> None:
    peer.carry(
        call, await peer.driver.domain.open_console(args.dom.uuid, args.dev_name, args.flags, peer)
    )


@serves(domain_device.DOMAIN_OPEN_CHANNEL, whole=True)
async def open_channel(peer: Peer, args: domain_device.DomainOpenChannelArgs, call: Call) -> None:
    peer.carry(
        call, await peer.driver.domain.open_channel(args.dom.uuid, args.name, args.flags, peer)
    )


@serves(domain_device.DOMAIN_SCREENSHOT, whole=True)
async def screenshot(
    peer: Peer, args: domain_device.DomainScreenshotArgs, call: Call
) -> domain_device.DomainScreenshotRet:
    shot = await peer.driver.domain.screenshot(args.dom.uuid, args.screen, args.flags)
    peer.carry(call, shot.stream)
    return domain_device.DomainScreenshotRet(shot.mime)


@serves(domain_device.DOMAIN_OPEN_GRAPHICS, whole=True)
async def open_graphics(peer: Peer, args: domain_device.DomainOpenGraphicsArgs, call: Call) -> None:
    if len(call.fds) != 1:
        raise InvalidArgument("virDomainOpenGraphics needs exactly one file descriptor")
    await peer.driver.domain.open_graphics(args.dom.uuid, args.idx, call.fds[0], args.flags)


@serves(domain_device.DOMAIN_OPEN_GRAPHICS_FD, whole=True)
async def open_graphics_fd(
    peer: Peer, args: domain_device.DomainOpenGraphicsFdArgs, call: Call
) -> None:
    fd = await peer.driver.domain.open_graphics_fd(args.dom.uuid, args.idx, args.flags)
    peer.reply_with_descriptors(call, None, (fd,))
