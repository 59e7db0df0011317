"""The QEMU program: commands to the monitor and to the guest agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.errors import InvalidArgument, UnsupportedFlags
from virtory.model.events import MonitorEvent
from virtory.wire import qemu

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.daemon.peer import Peer
    from virtory.model.events import Event

_REGEX = 1
_NOCASE = 2


@serves(qemu.DOMAIN_MONITOR_COMMAND)
async def monitor_command(
    peer: Peer, args: qemu.DomainMonitorCommandArgs
) -> qemu.DomainMonitorCommandRet:
    return qemu.DomainMonitorCommandRet(
        await peer.driver.domain.monitor_command(args.dom.uuid, args.cmd, args.flags)
    )


@serves(qemu.DOMAIN_AGENT_COMMAND)
async def agent_command(
    peer: Peer, args: qemu.DomainAgentCommandArgs
) -> qemu.DomainAgentCommandRet:
    return qemu.DomainAgentCommandRet(
        await peer.driver.domain.agent_command(args.dom.uuid, args.cmd, args.timeout, args.flags)
    )


@serves(qemu.CONNECT_DOMAIN_MONITOR_EVENT_REGISTER)
def monitor_event_register(
    peer: Peer, args: qemu.ConnectDomainMonitorEventRegisterArgs
) -> qemu.ConnectDomainMonitorEventRegisterRet:
    wanted = _matcher(args.event, args.flags)

    def tell(callback: int, event: Event) -> None:
        if isinstance(event, MonitorEvent) and wanted(event.event):
            peer.emit(
                qemu.DOMAIN_MONITOR_EVENT,
                qemu.DomainMonitorEventMsg(
                    callback, *(getattr(event, name) for name in event.fields)
                ),
            )

    uuid = args.dom.uuid if args.dom else None
    return qemu.ConnectDomainMonitorEventRegisterRet(peer.subscribed.add(MonitorEvent, uuid, tell))


@serves(qemu.CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER)
def monitor_event_deregister(
    peer: Peer, args: qemu.ConnectDomainMonitorEventDeregisterArgs
) -> None:
    peer.subscribed.remove(args.callback_id)


def _matcher(name: str | None, flags: int) -> Callable[[str], bool]:
    """Whether an event's name is the wanted one: all without any, exact, or by expression."""
    if flags & ~(_REGEX | _NOCASE):
        raise UnsupportedFlags(
            flags & ~(_REGEX | _NOCASE), "virConnectDomainQemuMonitorEventRegister"
        )
    if name is None:
        return lambda _event: True
    import re

    try:
        pattern = re.compile(
            name if flags & _REGEX else re.escape(name), re.IGNORECASE if flags & _NOCASE else 0
        )
    except re.error as error:
        raise InvalidArgument(f"'{name}' is no regular expression: {error}") from None
    if flags & _REGEX:
        return lambda event: pattern.search(event) is not None
    return lambda event: pattern.fullmatch(event) is not None
