"""Domains: starting, stopping and everything between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.wire.remote import domain_device, domain_state

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer
    from virtory.wire.incoming import Call


@serves(domain_state.DOMAIN_CREATE)
async def create(peer: Peer, args: domain_state.DomainCreateArgs) -> None:
    await peer.driver.domain.create(args.dom.uuid, 0, peer)


@serves(domain_state.DOMAIN_CREATE_WITH_FLAGS)
async def create_with_flags(
    peer: Peer, args: domain_state.DomainCreateWithFlagsArgs
) -> domain_state.DomainCreateWithFlagsRet:
    return domain_state.DomainCreateWithFlagsRet(
        await peer.driver.domain.create(args.dom.uuid, args.flags, peer)
    )


@serves(domain_state.DOMAIN_CREATE_WITH_FILES, whole=True)
async def create_with_files(
    peer: Peer, args: domain_state.DomainCreateWithFilesArgs, call: Call
) -> domain_state.DomainCreateWithFilesRet:
    return domain_state.DomainCreateWithFilesRet(
        await peer.driver.domain.create(args.dom.uuid, args.flags, peer, call.fds)
    )


@serves(domain_state.DOMAIN_CREATE_XML)
async def create_xml(
    peer: Peer, args: domain_state.DomainCreateXmlArgs
) -> domain_state.DomainCreateXmlRet:
    return domain_state.DomainCreateXmlRet(
        await peer.driver.domain.create_xml(args.xml_desc, args.flags, peer)
    )


@serves(domain_state.DOMAIN_CREATE_XML_WITH_FILES, whole=True)
async def create_xml_with_files(
    peer: Peer, args: domain_state.DomainCreateXmlWithFilesArgs, call: Call
) -> domain_state.DomainCreateXmlWithFilesRet:
    return domain_state.DomainCreateXmlWithFilesRet(
        await peer.driver.domain.create_xml(args.xml_desc, args.flags, peer, call.fds)
    )


@serves(domain_state.DOMAIN_SHUTDOWN)
async def shutdown(peer: Peer, args: domain_state.DomainShutdownArgs) -> None:
    await peer.driver.domain.shutdown(args.dom.uuid, 0)


@serves(domain_state.DOMAIN_SHUTDOWN_FLAGS)
async def shutdown_flags(peer: Peer, args: domain_state.DomainShutdownFlagsArgs) -> None:
    await peer.driver.domain.shutdown(args.dom.uuid, args.flags)


@serves(domain_state.DOMAIN_REBOOT)
async def reboot(peer: Peer, args: domain_state.DomainRebootArgs) -> None:
    await peer.driver.domain.reboot(args.dom.uuid, args.flags)


@serves(domain_state.DOMAIN_RESET)
async def reset(peer: Peer, args: domain_state.DomainResetArgs) -> None:
    await peer.driver.domain.reset(args.dom.uuid, args.flags)


@serves(domain_state.DOMAIN_SUSPEND)
async def suspend(peer: Peer, args: domain_state.DomainSuspendArgs) -> None:
    await peer.driver.domain.suspend(args.dom.uuid)


@serves(domain_state.DOMAIN_RESUME)
async def resume(peer: Peer, args: domain_state.DomainResumeArgs) -> None:
    await peer.driver.domain.resume(args.dom.uuid)


@serves(domain_state.DOMAIN_DESTROY)
async def destroy(peer: Peer, args: domain_state.DomainDestroyArgs) -> None:
    await peer.driver.domain.destroy(args.dom.uuid, 0)


@serves(domain_state.DOMAIN_DESTROY_FLAGS)
async def destroy_flags(peer: Peer, args: domain_state.DomainDestroyFlagsArgs) -> None:
    await peer.driver.domain.destroy(args.dom.uuid, args.flags)


@serves(domain_device.DOMAIN_INJECT_NMI)
async def inject_nmi(peer: Peer, args: domain_device.DomainInjectNmiArgs) -> None:
    await peer.driver.domain.inject_nmi(args.dom.uuid, args.flags)


@serves(domain_state.DOMAIN_PM_WAKEUP)
async def pm_wakeup(peer: Peer, args: domain_state.DomainPmWakeupArgs) -> None:
    await peer.driver.domain.pm_wakeup(args.dom.uuid, args.flags)


@serves(domain_state.DOMAIN_PM_SUSPEND_FOR_DURATION)
async def pm_suspend_for_duration(
    peer: Peer, args: domain_state.DomainPmSuspendForDurationArgs
) -> None:
    await peer.driver.domain.pm_suspend(args.dom.uuid, args.target, args.duration, args.flags)
