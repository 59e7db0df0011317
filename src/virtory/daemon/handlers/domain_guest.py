"""Domains: the guest inside, by its agent, its keyboard and its descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from virtory.daemon.dispatch import serves
from virtory.errors import InvalidArgument, NotSupported
from virtory.wire.remote import domain, domain_agent, domain_device

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(domain_device.DOMAIN_SEND_KEY)
async def send_key(peer: Peer, args: domain_device.DomainSendKeyArgs) -> None:
    await peer.driver.domain.send_key(
        args.dom.uuid, args.codeset, args.holdtime, args.keycodes, args.flags
    )


@serves(domain.DOMAIN_GET_HOSTNAME)
async def get_hostname(
    peer: Peer, args: domain.DomainGetHostnameArgs
) -> domain.DomainGetHostnameRet:
    return domain.DomainGetHostnameRet(
        await peer.driver.domain.guest_hostname(args.dom.uuid, args.flags)
    )


@serves(domain_agent.DOMAIN_GET_TIME)
async def get_time(
    peer: Peer, args: domain_agent.DomainGetTimeArgs
) -> domain_agent.DomainGetTimeRet:
    return domain_agent.DomainGetTimeRet(
        *await peer.driver.domain.guest_time(args.dom.uuid, args.flags)
    )


@serves(domain_agent.DOMAIN_SET_TIME)
async def set_time(peer: Peer, args: domain_agent.DomainSetTimeArgs) -> None:
    await peer.driver.domain.set_guest_time(args.dom.uuid, args.seconds, args.nseconds, args.flags)


@serves(domain_agent.DOMAIN_GET_GUEST_INFO)
async def get_guest_info(
    peer: Peer, args: domain_agent.DomainGetGuestInfoArgs
) -> domain_agent.DomainGetGuestInfoRet:
    return domain_agent.DomainGetGuestInfoRet(
        await peer.driver.domain.guest_info(args.dom.uuid, args.types, args.flags)
    )


@serves(domain_agent.DOMAIN_FSFREEZE)
async def fsfreeze(
    peer: Peer, args: domain_agent.DomainFsfreezeArgs
) -> domain_agent.DomainFsfreezeRet:
    return domain_agent.DomainFsfreezeRet(
        await peer.driver.domain.fs_freeze(args.dom.uuid, args.mountpoints, args.flags)
    )


@serves(domain_agent.DOMAIN_FSTHAW)
async def fsthaw(peer: Peer, args: domain_agent.DomainFsthawArgs) -> domain_agent.DomainFsthawRet:
    return domain_agent.DomainFsthawRet(
        await peer.driver.domain.fs_thaw(args.dom.uuid, args.mountpoints, args.flags)
    )


@serves(domain_agent.DOMAIN_FSTRIM)
async def fstrim(peer: Peer, args: domain_agent.DomainFstrimArgs) -> None:
    await peer.driver.domain.fs_trim(args.dom.uuid, args.mount_point, args.minimum, args.flags)


@serves(domain_agent.DOMAIN_SET_USER_PASSWORD)
async def set_user_password(peer: Peer, args: domain_agent.DomainSetUserPasswordArgs) -> None:
    if args.user is None or args.password is None:
        raise InvalidArgument("virDomainSetUserPassword needs a user and a password")
    await peer.driver.domain.set_user_password(args.dom.uuid, args.user, args.password, args.flags)


@serves(domain_agent.DOMAIN_GET_FSINFO)
async def get_fsinfo(
    peer: Peer, args: domain_agent.DomainGetFsinfoArgs
) -> domain_agent.DomainGetFsinfoRet:
    found = await peer.driver.domain.filesystems(args.dom.uuid, args.flags)
    info = [domain_agent.DomainFsinfo(*one) for one in found]
    return domain_agent.DomainGetFsinfoRet(info, len(info))


@serves(domain_agent.DOMAIN_AUTHORIZED_SSH_KEYS_GET)
async def authorized_ssh_keys_get(
    peer: Peer, args: domain_agent.DomainAuthorizedSshKeysGetArgs
) -> domain_agent.DomainAuthorizedSshKeysGetRet:
    return domain_agent.DomainAuthorizedSshKeysGetRet(
        await peer.driver.domain.ssh_keys(args.dom.uuid, args.user, args.flags)
    )


@serves(domain_agent.DOMAIN_AUTHORIZED_SSH_KEYS_SET)
async def authorized_ssh_keys_set(
    peer: Peer, args: domain_agent.DomainAuthorizedSshKeysSetArgs
) -> None:
    await peer.driver.domain.set_ssh_keys(args.dom.uuid, args.user, args.keys, args.flags)


@serves(domain_agent.DOMAIN_AGENT_SET_RESPONSE_TIMEOUT)
def agent_set_response_timeout(
    peer: Peer, args: domain_agent.DomainAgentSetResponseTimeoutArgs
) -> domain_agent.DomainAgentSetResponseTimeoutRet:
    peer.driver.domain.set_agent_timeout(args.dom.uuid, args.timeout, args.flags)
    return domain_agent.DomainAgentSetResponseTimeoutRet(0)


@serves(domain_device.DOMAIN_SEND_PROCESS_SIGNAL)
def send_process_signal(_peer: Peer, _args: domain_device.DomainSendProcessSignalArgs) -> NoReturn:
    raise NotSupported(
        "virDomainSendProcessSignal",
        cure="run kill inside the guest, by its agent (guest-exec) or over ssh",
    )
