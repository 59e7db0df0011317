"""Domain events: registering for them, and putting each kind into its message.

The rule kept here: an event's fields follow its message's in order, so one loop encodes them all;
only the messages that libvirt shaped differently have a line of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.daemon.dispatch import serves
from virtory.errors import FROM_RPC, InternalError
from virtory.model import events
from virtory.wire.remote import domain_event, domain_event_legacy

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.daemon.peer import Peer
    from virtory.model.events import DomainEvent, Event
    from virtory.wire.procedure import AnyProcedure

# Events that were there before callbacks had ids: the message itself, then the one around it.
_WRAPPED: dict[type[DomainEvent], tuple[AnyProcedure, AnyProcedure]] = {
    events.Lifecycle: (
        domain_event_legacy.DOMAIN_EVENT_LIFECYCLE,
        domain_event.DOMAIN_EVENT_CALLBACK_LIFECYCLE,
    ),
    events.Reboot: (
        domain_event_legacy.DOMAIN_EVENT_REBOOT,
        domain_event.DOMAIN_EVENT_CALLBACK_REBOOT,
    ),
    events.RtcChange: (
        domain_event_legacy.DOMAIN_EVENT_RTC_CHANGE,
        domain_event.DOMAIN_EVENT_CALLBACK_RTC_CHANGE,
    ),
    events.Watchdog: (
        domain_event_legacy.DOMAIN_EVENT_WATCHDOG,
        domain_event.DOMAIN_EVENT_CALLBACK_WATCHDOG,
    ),
    events.IoError: (
        domain_event_legacy.DOMAIN_EVENT_IO_ERROR,
        domain_event.DOMAIN_EVENT_CALLBACK_IO_ERROR,
    ),
    events.IoErrorReason: (
        domain_event_legacy.DOMAIN_EVENT_IO_ERROR_REASON,
        domain_event.DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON,
    ),
    events.Graphics: (
        domain_event_legacy.DOMAIN_EVENT_GRAPHICS,
        domain_event.DOMAIN_EVENT_CALLBACK_GRAPHICS,
    ),
    events.ControlError: (
        domain_event_legacy.DOMAIN_EVENT_CONTROL_ERROR,
        domain_event.DOMAIN_EVENT_CALLBACK_CONTROL_ERROR,
    ),
    events.BlockJob: (
        domain_event_legacy.DOMAIN_EVENT_BLOCK_JOB,
        domain_event.DOMAIN_EVENT_CALLBACK_BLOCK_JOB,
    ),
    events.DiskChange: (
        domain_event_legacy.DOMAIN_EVENT_DISK_CHANGE,
        domain_event.DOMAIN_EVENT_CALLBACK_DISK_CHANGE,
    ),
    events.TrayChange: (
        domain_event_legacy.DOMAIN_EVENT_TRAY_CHANGE,
        domain_event.DOMAIN_EVENT_CALLBACK_TRAY_CHANGE,
    ),
    events.PmWakeup: (
        domain_event_legacy.DOMAIN_EVENT_PMWAKEUP,
        domain_event.DOMAIN_EVENT_CALLBACK_PMWAKEUP,
    ),
    events.PmSuspend: (
        domain_event_legacy.DOMAIN_EVENT_PMSUSPEND,
        domain_event.DOMAIN_EVENT_CALLBACK_PMSUSPEND,
    ),
    events.BalloonChange: (
        domain_event_legacy.DOMAIN_EVENT_BALLOON_CHANGE,
        domain_event.DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE,
    ),
    events.PmSuspendDisk: (
        domain_event_legacy.DOMAIN_EVENT_PMSUSPEND_DISK,
        domain_event.DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK,
    ),
    events.DeviceRemoved: (
        domain_event_legacy.DOMAIN_EVENT_DEVICE_REMOVED,
        domain_event.DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED,
    ),
}
# Later events: the callback's id is the first field of the message itself.
_FLAT: dict[type[DomainEvent], AnyProcedure] = {
    events.BlockJob2: domain_event.DOMAIN_EVENT_BLOCK_JOB_2,
    events.Tunable: domain_event.DOMAIN_EVENT_CALLBACK_TUNABLE,
    events.AgentLifecycle: domain_event.DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE,
    events.DeviceAdded: domain_event.DOMAIN_EVENT_CALLBACK_DEVICE_ADDED,
    events.MigrationIteration: domain_event.DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION,
    events.JobCompleted: domain_event.DOMAIN_EVENT_CALLBACK_JOB_COMPLETED,
    events.DeviceRemovalFailed: domain_event.DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED,
    events.MetadataChange: domain_event.DOMAIN_EVENT_CALLBACK_METADATA_CHANGE,
    events.BlockThreshold: domain_event.DOMAIN_EVENT_BLOCK_THRESHOLD,
    events.MemoryFailure: domain_event.DOMAIN_EVENT_MEMORY_FAILURE,
    events.MemoryDeviceSizeChange: domain_event.DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE,
}
# A reason that only the message around knows.
_REASON_OUTSIDE = (events.PmWakeup, events.PmSuspend, events.PmSuspendDisk)


def message(event: DomainEvent, callback: int | None) -> tuple[AnyProcedure, Any]:
    """The procedure and message that tell of an event; without a callback's id in plain form."""
    values = [getattr(event, name) for name in event.fields]
    if type(event) in _FLAT:
        procedure = _FLAT[type(event)]
        return procedure, _record(procedure, callback, *values)
    plain, wrapped = _WRAPPED[type(event)]
    outside = [values.pop()] if isinstance(event, _REASON_OUTSIDE) else []
    inside = _record(plain, *values)
    if callback is None:
        return plain, inside
    return wrapped, _record(wrapped, callback, *outside, inside)


def _record(procedure: AnyProcedure, *values: Any) -> Any:
    made: Any = procedure.message
    return made(*values)


def _class(number: int) -> type[DomainEvent]:
    try:
        return events.DOMAIN_EVENTS[number]
    except KeyError:
        raise InternalError(f"unsupported event ID {number}", domain=FROM_RPC) from None


def _teller(peer: Peer) -> Callable[[int | None, Event], None]:
    def tell(callback: int | None, event: Event) -> None:
        peer.emit(*message(event, callback))

    return tell


@serves(domain_event.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY)
def callback_register_any(
    peer: Peer, args: domain_event.ConnectDomainEventCallbackRegisterAnyArgs
) -> domain_event.ConnectDomainEventCallbackRegisterAnyRet:
    uuid = args.dom.uuid if args.dom else None
    callback = peer.subscribed.add(_class(args.event_id), uuid, _teller(peer))
    return domain_event.ConnectDomainEventCallbackRegisterAnyRet(callback)


@serves(domain_event.CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY)
def callback_deregister_any(
    peer: Peer, args: domain_event.ConnectDomainEventCallbackDeregisterAnyArgs
) -> None:
    peer.subscribed.remove(args.callback_id)


@serves(domain_event_legacy.CONNECT_DOMAIN_EVENT_REGISTER_ANY)
def register_any(peer: Peer, args: domain_event_legacy.ConnectDomainEventRegisterAnyArgs) -> None:
    cls = _class(args.event_id)
    if cls not in _WRAPPED:
        raise InternalError(f"event ID {args.event_id} needs a callback id", domain=FROM_RPC)
    peer.subscribed.add_plain(cls, lambda event: _teller(peer)(None, event))


@serves(domain_event_legacy.CONNECT_DOMAIN_EVENT_DEREGISTER_ANY)
def deregister_any(
    peer: Peer, args: domain_event_legacy.ConnectDomainEventDeregisterAnyArgs
) -> None:
    peer.subscribed.remove_plain(args.event_id)


@serves(domain_event_legacy.CONNECT_DOMAIN_EVENT_REGISTER)
def register(peer: Peer, _args: None) -> domain_event_legacy.ConnectDomainEventRegisterRet:
    peer.subscribed.add_plain(events.Lifecycle, lambda event: _teller(peer)(None, event))
    return domain_event_legacy.ConnectDomainEventRegisterRet(1)


@serves(domain_event_legacy.CONNECT_DOMAIN_EVENT_DEREGISTER)
def deregister(peer: Peer, _args: None) -> domain_event_legacy.ConnectDomainEventDeregisterRet:
    peer.subscribed.remove_plain(events.Lifecycle.number)
    return domain_event_legacy.ConnectDomainEventDeregisterRet(0)
