"""Events as asynchronous iterators: registered on entering, deregistered on leaving.

The rule kept here: nothing is lost and nothing grows without bound. What happens after `__aenter__`
has returned is told; what waits unread is limited, and beyond the limit the subscription ends with
an error that says so, instead of leaving events out.
"""

from __future__ import annotations

from collections import deque

from virtory.client.events import KINDS, Event, event_of
from virtory.client.later import Later
from virtory.errors import InvalidArgument, OperationFailed, VirtoryError
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from virtory.client.connect import Host
    from virtory.client.handle import Handle
    from virtory.link.link import Waiter
    from virtory.wire import qemu
    from virtory.wire.incoming import Event as Received
    from virtory.wire.remote import domain_event as w_domain
    from virtory.wire.remote import network as w_network
    from virtory.wire.remote import node_device as w_node_device
    from virtory.wire.remote import secret as w_secret
    from virtory.wire.remote import storage_pool as w_storage_pool
else:
    qemu = Later("virtory.wire.qemu")
    w_domain = Later("virtory.wire.remote.domain_event")
    w_network = Later("virtory.wire.remote.network")
    w_node_device = Later("virtory.wire.remote.node_device")
    w_secret = Later("virtory.wire.remote.secret")
    w_storage_pool = Later("virtory.wire.remote.storage_pool")


class Subscription:
    """Some kinds of event of a host; made by `Host.events`, entered once, read by one task."""

    def __init__(
        self, host: Host, kinds: Sequence[str], subject: Handle | None, limit: int
    ) -> None:
        self.host = host
        self._kinds = [_kind(name) for name in dict.fromkeys(kinds)]
        self._subject = subject
        self._limit = limit
        self._queue: deque[Event] = deque()
        self._keys: list[tuple[str, int]] = []
        self._error: VirtoryError | None = None
        self._waiter: Waiter | None = None
        for kind in self._kinds:
            _check_subject(kind, subject)

    async def __aenter__(self) -> Self:
        self.host.caller.on_closing.append(self._on_lost)
        try:
            for kind in self._kinds:
                await self._register(kind)
        except BaseException:
            await self._deregister()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._deregister()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self.next()
        if event is None:
            raise StopAsyncIteration
        return event

    async def next(self, timeout_s: float | None = None) -> Event | None:
        """The next event; None when none came in time.

        Raises `ConnectionLost` when the connection has ended, `OperationFailed` when events were
        read too slowly; what had arrived before is told first.
        """
        link = self.host.caller.link
        while not self._queue:
            if self._error is not None:
                raise self._error
            self._waiter = link.waiter()
            try:
                if not await link.wait(self._waiter, timeout_s):
                    return None
            finally:
                self._waiter = None
        return self._queue.popleft()

    # -- registering -----------------------------------------------------------------------------
    async def _register(self, kind: type[Event]) -> None:
        caller = self.host.caller
        ref = None if self._subject is None else self._subject.ref
        procedure, args = _registration(kind, ref)
        caller.registering()
        try:
            callback = (await caller.call(procedure, args)).callback_id
        except BaseException:
            caller.route(None)
            raise

        def arrived(received: Received) -> None:
            self._put(event_of(kind, self.host, received.message))

        self._keys.append((kind.family, callback))
        caller.route(self._keys[-1], arrived)

    async def _deregister(self) -> None:
        caller = self.host.caller
        if self._on_lost in caller.on_closing:
            caller.on_closing.remove(self._on_lost)
        keys, self._keys = self._keys, []
        for key in keys:
            caller.unroute(key)
        for family, callback in keys:
            if caller.lost is None:
                try:
                    await caller.call(*_deregistration(family, callback))
                except VirtoryError:
                    if caller.lost is None:
                        raise

    # -- what arrives ------------------------------------------------------------------------------
    def _put(self, event: Event) -> None:
        if self._error is not None:
            return
        if len(self._queue) >= self._limit:
            self._error = OperationFailed(
                f"more than {self._limit} events wait to be read, so later ones were dropped",
                cure="read them faster, subscribe to fewer kinds, or raise `limit`",
            )
            return
        self._queue.append(event)
        self._wake()

    def _on_lost(self, error: VirtoryError) -> None:
        self._error = self._error or error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _kind(name: str) -> type[Event]:
    kind = KINDS.get(name)
    if kind is None:
        raise InvalidArgument(
            f"'{name}' is no kind of event", cure=f"use one of {', '.join(sorted(KINDS))}"
        )
    return kind


def _check_subject(kind: type[Event], subject: Handle | None) -> None:
    if subject is None:
        return
    family = {"Domain": "domain", "StoragePool": "storage_pool", "NodeDevice": "node_device"}
    wanted = type(subject).__name__
    wanted = family.get(wanted, wanted.lower())
    if wanted != ("domain" if kind.family == "qemu" else kind.family):
        raise InvalidArgument(f"events '{kind.kind}' do not happen to {subject!r}")


def _registration(kind: type[Event], ref: Any) -> tuple[Any, Any]:
    """`CONNECT_…_EVENT_…REGISTER_ANY` and its arguments."""
    number = kind.number
    match kind.family:
        case "domain":
            domain = w_domain.ConnectDomainEventCallbackRegisterAnyArgs(number, ref)
            return w_domain.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, domain
        case "network":
            network = w_network.ConnectNetworkEventRegisterAnyArgs(number, ref)
            return w_network.CONNECT_NETWORK_EVENT_REGISTER_ANY, network
        case "storage_pool":
            pool = w_storage_pool.ConnectStoragePoolEventRegisterAnyArgs(number, ref)
            return w_storage_pool.CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY, pool
        case "node_device":
            device = w_node_device.ConnectNodeDeviceEventRegisterAnyArgs(number, ref)
            return w_node_device.CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY, device
        case "secret":
            secret = w_secret.ConnectSecretEventRegisterAnyArgs(number, ref)
            return w_secret.CONNECT_SECRET_EVENT_REGISTER_ANY, secret
        case _:
            monitor = qemu.ConnectDomainMonitorEventRegisterArgs(ref, None, 0)
            return qemu.CONNECT_DOMAIN_MONITOR_EVENT_REGISTER, monitor


def _deregistration(family: str, callback: int) -> tuple[Any, Any]:
    """`CONNECT_…_EVENT_…DEREGISTER_ANY` and its arguments."""
    match family:
        case "domain":
            domain = w_domain.ConnectDomainEventCallbackDeregisterAnyArgs(callback)
            return w_domain.CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, domain
        case "network":
            network = w_network.ConnectNetworkEventDeregisterAnyArgs(callback)
            return w_network.CONNECT_NETWORK_EVENT_DEREGISTER_ANY, network
        case "storage_pool":
            pool = w_storage_pool.ConnectStoragePoolEventDeregisterAnyArgs(callback)
            return w_storage_pool.CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY, pool
        case "node_device":
            device = w_node_device.ConnectNodeDeviceEventDeregisterAnyArgs(callback)
            return w_node_device.CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY, device
        case "secret":
            secret = w_secret.ConnectSecretEventDeregisterAnyArgs(callback)
            return w_secret.CONNECT_SECRET_EVENT_DEREGISTER_ANY, secret
        case _:
            monitor = qemu.ConnectDomainMonitorEventDeregisterArgs(callback)
            return qemu.CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER, monitor
