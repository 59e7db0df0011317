"""Our own program: what libvirt's protocol has no words for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

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
