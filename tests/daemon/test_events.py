"""Events: who is told what, in which order, and every kind in every form."""

from __future__ import annotations

from typing import Any

import pytest

from virtory.daemon.handlers.domain_events import message
from virtory.errors import InternalError
from virtory.model import events
from virtory.model.flags import DomainEventLifecycle
from virtory.model.refs import ULLONG, DomainRef, Param
from virtory.wire import qemu
from virtory.wire.remote import (
    domain,
    domain_event,
    domain_event_legacy,
    domain_state,
    network,
    node_device,
    secret,
    storage_pool,
)

DOM = DomainRef("vm", bytes(range(16)), 7)
PARAMS = (Param("cputune.vcpupin0", 7, "0-3"), Param("x", ULLONG, 5))
EVERY_KIND: list[events.DomainEvent] = [
    events.Lifecycle(DOM, 2, 0),
    events.Reboot(DOM),
    events.RtcChange(DOM, -3600),
    events.Watchdog(DOM, 3),
    events.IoError(DOM, "/a.img", "virtio-disk0", 1),
    events.Graphics(DOM, 1, (2, "local", "5900"), (2, "::1", "1"), "vnc", (("x509", "CN=me"),)),
    events.IoErrorReason(DOM, "/a.img", "virtio-disk0", 1, "enospc"),
    events.ControlError(DOM),
    events.BlockJob(DOM, "/a.img", 1, 0),
    events.DiskChange(DOM, None, "/b.iso", "ide0-0-0", 0),
    events.TrayChange(DOM, "ide0-0-0", 1),
    events.PmWakeup(DOM, 1),
    events.PmSuspend(DOM, 2),
    events.BalloonChange(DOM, 524288),
    events.PmSuspendDisk(DOM, 3),
    events.DeviceRemoved(DOM, "net0"),
    events.BlockJob2(DOM, "vda", 1, 3),
    events.Tunable(DOM, PARAMS),
    events.AgentLifecycle(DOM, 1, 2),
    events.DeviceAdded(DOM, "net0"),
    events.MigrationIteration(DOM, 4),
    events.JobCompleted(DOM, PARAMS),
    events.DeviceRemovalFailed(DOM, "net0"),
    events.MetadataChange(DOM, 2, "urn:x"),
    events.BlockThreshold(DOM, "vda", None, 4096, 512),
    events.MemoryFailure(DOM, 1, 2, 1),
    events.MemoryDeviceSizeChange(DOM, "dimm0", 1024),
]


def test_the_list_above_holds_every_kind() -> None:
    assert sorted(type(event).number for event in EVERY_KIND) == list(range(27))
    assert sorted(events.DOMAIN_EVENTS) == list(range(27))


def fields(record: Any) -> list[Any]:
    """The values of a message, those of a message within it after its own, the domain left out."""
    found: list[Any] = []
    for name in type(record).__annotations__:
        value = getattr(record, name)
        if name == "msg":
            found += fields(value)
        elif name not in ("dom", "callback_id"):
            found.append(value)
    return found


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda event: type(event).__name__)
def test_every_kind_of_event_survives_the_wire(event: events.DomainEvent) -> None:
    procedure, sent = message(event, 42)
    received = procedure.message.decode(sent.encode())
    assert received == procedure.message.decode(received.encode())
    assert received.callback_id == 42
    dom = received.dom if hasattr(received, "dom") else received.msg.dom
    assert tuple(dom) == DOM
    expected = [getattr(event, name) for name in event.fields[1:]]
    assert len(fields(received)) == len(expected)
    for value in expected:
        assert plain(value) in [plain(found) for found in fields(received)]


def plain(value: Any) -> Any:
    """Tuples and lists of whatever class as lists."""
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


@pytest.mark.parametrize(
    "event",
    [event for event in EVERY_KIND if event.number < 16 and event.number != 16],
    ids=lambda event: type(event).__name__,
)
def test_the_older_kinds_have_a_form_without_an_id(event: events.DomainEvent) -> None:
    procedure, sent = message(event, None)
    assert procedure.name == f"DOMAIN_EVENT_{_name(event)}"
    assert tuple(procedure.message.decode(sent.encode()).dom) == DOM


def _name(event: events.DomainEvent) -> str:
    from virtory.model.flags import DomainEventId

    return next(name for name, number in vars(DomainEventId).items() if number == event.number)


async def register(client: Any, number: int, dom: Any = None) -> int:
    ret = await client.call(
        domain_event.CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY,
        domain_event.ConnectDomainEventCallbackRegisterAnyArgs(number, dom),
    )
    return int(ret.callback_id)


async def define(client: Any, text: str) -> Any:
    return (await client.call(domain.DOMAIN_DEFINE_XML, domain.DomainDefineXmlArgs(text))).dom


async def test_events_precede_the_reply_of_the_call_that_caused_them(daemon: Any, xml: Any) -> None:
    client = await daemon.open()
    await register(client, 0)
    dom = await define(client, xml("a"))
    assert client.order[-2:] == ["DOMAIN_EVENT_CALLBACK_LIFECYCLE", "DOMAIN_DEFINE_XML"]
    await client.call(domain_state.DOMAIN_CREATE, domain_state.DomainCreateArgs(dom))
    assert client.order[-1] == "DOMAIN_CREATE"
    seen = [event.message.msg.event for event in client.events]
    assert seen == [
        DomainEventLifecycle.DEFINED,
        DomainEventLifecycle.RESUMED,
        DomainEventLifecycle.STARTED,
    ] or seen == [DomainEventLifecycle.DEFINED, DomainEventLifecycle.STARTED]


async def test_a_registration_for_one_domain_hears_of_no_other(daemon: Any, xml: Any) -> None:
    client = await daemon.open()
    one, other = await define(client, xml("one")), await define(client, xml("other"))
    callback = await register(client, 0, one)
    for dom in (other, one):
        await client.call(domain_state.DOMAIN_CREATE, domain_state.DomainCreateArgs(dom))
    assert {event.message.msg.dom.name for event in client.events} == {"one"}
    assert {event.message.callback_id for event in client.events} == {callback}


async def test_every_client_is_told_with_its_own_callbacks_id(daemon: Any, xml: Any) -> None:
    first, second = await daemon.open(), await daemon.open()
    await register(second, 1)
    ids = [await register(first, 0), await register(second, 0)]
    await define(first, xml("a"))
    for client, callback in zip((first, second), ids, strict=True):
        await client.until(lambda client=client: client.events)
        assert [event.message.callback_id for event in client.events] == [callback]


async def test_after_deregistering_nothing_is_told(daemon: Any, xml: Any) -> None:
    client = await daemon.open()
    callback = await register(client, 0)
    deregister = domain_event.CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY
    args = domain_event.ConnectDomainEventCallbackDeregisterAnyArgs(callback)
    await client.call(deregister, args)
    await define(client, xml("a"))
    assert not client.events
    with pytest.raises(InternalError, match=f"callback {callback} not registered"):
        await client.call(deregister, args)


async def test_an_event_that_does_not_exist_is_refused(daemon: Any) -> None:
    client = await daemon.open()
    for number in (27, -1, 1000):
        with pytest.raises(InternalError, match=f"unsupported event ID {number}"):
            await register(client, number)


async def test_the_oldest_registrations_still_work(daemon: Any, xml: Any) -> None:
    client = await daemon.open()
    legacy = domain_event_legacy
    assert (await client.call(legacy.CONNECT_DOMAIN_EVENT_REGISTER)).cb_registered == 1
    await define(client, xml("a"))
    assert [event.procedure.name for event in client.events] == ["DOMAIN_EVENT_LIFECYCLE"]
    with pytest.raises(InternalError, match="already registered"):
        await client.call(
            legacy.CONNECT_DOMAIN_EVENT_REGISTER_ANY,
            legacy.ConnectDomainEventRegisterAnyArgs(0),
        )
    assert (await client.call(legacy.CONNECT_DOMAIN_EVENT_DEREGISTER)).cb_registered == 0
    await client.call(
        legacy.CONNECT_DOMAIN_EVENT_REGISTER_ANY, legacy.ConnectDomainEventRegisterAnyArgs(0)
    )
    await define(client, xml("b"))
    assert len(client.events) == 2
    await client.call(
        legacy.CONNECT_DOMAIN_EVENT_DEREGISTER_ANY, legacy.ConnectDomainEventDeregisterAnyArgs(0)
    )
    await define(client, xml("c"))
    assert len(client.events) == 2


@pytest.mark.parametrize(
    ("wanted", "flags", "expected"),
    [
        (None, 0, ["STOP", "RESUME", "RTC_CHANGE"]),
        ("STOP", 0, ["STOP"]),
        ("stop", 2, ["STOP"]),
        ("stop", 0, []),
        ("^R", 1, ["RESUME", "RTC_CHANGE"]),
        ("^r", 3, ["RESUME", "RTC_CHANGE"]),
        ("R.*", 0, []),
    ],
)
async def test_monitor_events_are_chosen_by_name_or_expression(
    daemon: Any, wanted: str | None, flags: int, expected: list[str]
) -> None:
    client = await daemon.open()
    ret = await client.call(
        qemu.CONNECT_DOMAIN_MONITOR_EVENT_REGISTER,
        qemu.ConnectDomainMonitorEventRegisterArgs(None, wanted, flags),
    )
    for name in ("STOP", "RESUME", "RTC_CHANGE"):
        daemon.driver.bus.publish(events.MonitorEvent(DOM, name, 1, 2, None))
    await client.call(
        qemu.CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER,
        qemu.ConnectDomainMonitorEventDeregisterArgs(ret.callback_id),
    )
    assert [event.message.event for event in client.events] == expected


async def test_kinds_of_object_that_are_not_served_accept_registrations(daemon: Any) -> None:
    client = await daemon.open()
    callbacks = [
        await client.call(procedure, args(0, None))
        for procedure, args in (
            (
                network.CONNECT_NETWORK_EVENT_REGISTER_ANY,
                network.ConnectNetworkEventRegisterAnyArgs,
            ),
            (
                storage_pool.CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY,
                storage_pool.ConnectStoragePoolEventRegisterAnyArgs,
            ),
            (
                node_device.CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY,
                node_device.ConnectNodeDeviceEventRegisterAnyArgs,
            ),
            (secret.CONNECT_SECRET_EVENT_REGISTER_ANY, secret.ConnectSecretEventRegisterAnyArgs),
        )
    ]
    assert len({ret.callback_id for ret in callbacks}) == 4
    await client.call(
        network.CONNECT_NETWORK_EVENT_DEREGISTER_ANY,
        network.ConnectNetworkEventDeregisterAnyArgs(callbacks[0].callback_id),
    )
