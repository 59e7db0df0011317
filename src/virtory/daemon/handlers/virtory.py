"""Our own program: what libvirt's protocol has no words for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from virtory import __version__
from virtory.daemon.dispatch import serves
from virtory.wire import virtory

if TYPE_CHECKING:
    from virtory.daemon.peer import Peer


@serves(virtory.DAEMON_INFO, early=True)
def daemon_info(peer: Peer, _args: None) -> virtory.DaemonInfoRet:
    server = peer.server
    return virtory.DaemonInfoRet(
        version=__version__,
        pid=os.getpid(),
        uptime=int(server.uptime()),
        instance="user" if server.private else "system",
        state_dir=server.state,
    )


@serves(virtory.HOST_REPORT)
async def host_report(peer: Peer, _args: None) -> virtory.HostReportRet:
    return virtory.HostReportRet(await peer.driver.connect.host_report())


@serves(virtory.DOMAIN_CONSOLE_HISTORY)
async def console_history(
    peer: Peer, args: virtory.DomainConsoleHistoryArgs
) -> virtory.DomainConsoleHistoryRet:
    limit = min(args.limit, virtory.CONSOLE_HISTORY_MAX)
    return virtory.DomainConsoleHistoryRet(
        await peer.driver.domain.console_history(args.dom.uuid, args.device, limit)
    )


@serves(virtory.DOMAIN_INSPECT)
async def inspect(peer: Peer, args: virtory.DomainInspectArgs) -> virtory.DomainInspectRet:
    return virtory.DomainInspectRet(await peer.driver.domain.inspect(args.dom.uuid, args.flags))


@serves(virtory.DOMAIN_PUBLISH)
async def publish(peer: Peer, args: virtory.DomainPublishArgs) -> None:
    from virtory.driver.publishing import Forward

    driver, uuid = peer.driver.domain, args.dom.uuid
    protocol: Any = args.protocol  # the driver checks it
    forward = Forward(protocol, args.address, args.host_port, args.guest_port)
    await (driver.unpublish if args.remove else driver.publish)(uuid, forward, args.flags)


@serves(virtory.DOMAIN_CLONE)
async def clone(peer: Peer, args: virtory.DomainCloneArgs) -> virtory.DomainCloneRet:
    return virtory.DomainCloneRet(
        await peer.driver.domain.clone(args.dom.uuid, args.xml, args.flags)
    )


@serves(virtory.DOMAIN_CLONE_PROGRESS)
async def clone_progress(
    peer: Peer, args: virtory.DomainCloneProgressArgs
) -> virtory.DomainCloneProgressRet:
    done, total = await peer.driver.domain.clone_progress(args.name)
    return virtory.DomainCloneProgressRet(done, total)


@serves(virtory.DOMAIN_CLONE_GIVE_UP)
async def clone_give_up(peer: Peer, args: virtory.DomainCloneGiveUpArgs) -> None:
    await peer.driver.domain.clone_give_up(args.name)
