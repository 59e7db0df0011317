"""Domains: devices that come, go and change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.model.flags import DomainAffect
from virtory.wire.remote import domain_device

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(domain_device.DOMAIN_ATTACH_DEVICE)
async def attach_device(peer: Peer, args: domain_device.DomainAttachDeviceArgs) -> None:
    await peer.driver.domain.attach_device(args.dom.uuid, args.xml, DomainAffect.LIVE)


@serves(domain_device.DOMAIN_ATTACH_DEVICE_FLAGS)
async def attach_device_flags(peer: Peer, args: domain_device.DomainAttachDeviceFlagsArgs) -> None:
    await peer.driver.domain.attach_device(args.dom.uuid, args.xml, args.flags)


@serves(domain_device.DOMAIN_DETACH_DEVICE)
async def detach_device(peer: Peer, args: domain_device.DomainDetachDeviceArgs) -> None:
    await peer.driver.domain.detach_device(args.dom.uuid, args.xml, DomainAffect.LIVE)


@serves(domain_device.DOMAIN_DETACH_DEVICE_FLAGS)
async def detach_device_flags(peer: Peer, args: domain_device.DomainDetachDeviceFlagsArgs) -> None:
    await peer.driver.domain.detach_device(args.dom.uuid, args.xml, args.flags)


@serves(domain_device.DOMAIN_DETACH_DEVICE_ALIAS)
async def detach_device_alias(peer: Peer, args: domain_device.DomainDetachDeviceAliasArgs) -> None:
    await peer.driver.domain.detach_device_alias(args.dom.uuid, args.alias, args.flags)


@serves(domain_device.DOMAIN_UPDATE_DEVICE_FLAGS)
async def update_device_flags(peer: Peer, args: domain_device.DomainUpdateDeviceFlagsArgs) -> None:
    await peer.driver.domain.update_device(args.dom.uuid, args.xml, args.flags)
