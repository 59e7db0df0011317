"""The bus: who is told what, and what happens to those who do not listen."""

import asyncio

import pytest

from virtory.driver.bus import Bus
from virtory.errors import OperationFailed
from virtory.model.events import (
    ControlError,
    DomainEvent,
    Lifecycle,
    NetworkLifecycle,
    Reboot,
    StoragePoolLifecycle,
)
from virtory.model.refs import DomainRef, NamedRef

A = DomainRef("a", b"a" * 16, 1)
B = DomainRef("b", b"b" * 16, 2)


async def test_a_subscriber_reads_what_was_published_in_order():
    bus = Bus()
    with bus.subscribe() as events:
        bus.publish(Reboot(A), Lifecycle(A, 2, 0))
        bus.publish(Reboot(B))
        assert [await anext(events) for _ in range(3)] == [
            Reboot(A),
            Lifecycle(A, 2, 0),
            Reboot(B),
        ]


async def test_a_waiting_reader_is_woken():
    bus = Bus()
    with bus.subscribe(Reboot) as events:
        reader = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        assert not reader.done()
        bus.publish(Reboot(A))
        assert await reader == Reboot(A)


async def test_only_the_classes_and_the_domain_asked_for_arrive():
    bus = Bus()
    with (
        bus.subscribe(Reboot) as reboots,
        bus.subscribe(DomainEvent, uuid=A.uuid) as of_a,
        bus.subscribe() as everything,
    ):
        network = NetworkLifecycle(NamedRef("n", bytes(16)), 0, 0)
        bus.publish(Reboot(A), Reboot(B), ControlError(A), network)
        assert reboots.take() == [Reboot(A), Reboot(B)]
        assert of_a.take() == [Reboot(A), ControlError(A)]
        assert everything.take() == [Reboot(A), Reboot(B), ControlError(A), network]


async def test_a_subscription_that_begins_later_still_gets_a_class_published_before():
    bus = Bus()
    bus.publish(Reboot(A))
    with bus.subscribe(Reboot) as events:
        bus.publish(Reboot(B))
        assert events.take() == [Reboot(B)]


async def test_who_falls_behind_is_closed_with_an_error_and_the_others_are_not():
    bus = Bus()
    with bus.subscribe(limit=2) as slow, bus.subscribe() as quick:
        bus.publish(Reboot(A), Reboot(A), Reboot(B), Reboot(B))
        assert len(quick) == 4
        assert [await anext(slow), await anext(slow)] == [Reboot(A), Reboot(A)]
        with pytest.raises(OperationFailed, match="fell behind: 2 events"):
            await anext(slow)
        with pytest.raises(OperationFailed):
            slow.take()
        assert len(bus) == 1


async def test_a_closed_subscription_ends_after_what_it_holds():
    bus = Bus()
    with bus.subscribe() as events:
        bus.publish(Reboot(A))
    bus.publish(Reboot(B))
    assert [event async for event in events] == [Reboot(A)]
    assert len(bus) == 0


async def test_closing_the_bus_ends_a_waiting_reader():
    bus = Bus()
    with bus.subscribe() as events:
        reader = asyncio.ensure_future(anext(events, None))
        await asyncio.sleep(0)
        bus.close()
        assert await reader is None


async def test_two_readers_of_one_subscription_are_refused():
    bus = Bus()
    with bus.subscribe() as events:
        first = asyncio.ensure_future(anext(events, None))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two tasks"):
            await anext(events)
        events.close()
        assert await first is None


def test_a_listener_is_called_inside_publish_until_it_is_closed():
    bus = Bus()
    heard = []
    listener = bus.listen(heard.append, Reboot, uuid=A.uuid)
    bus.publish(Reboot(A), Reboot(B), ControlError(A))
    listener.close()
    listener.close()
    bus.publish(Reboot(A))
    assert heard == [Reboot(A)]


def test_a_listener_that_fails_is_closed_and_the_others_still_hear(caplog):
    bus = Bus()
    heard = []

    def fail(event):
        raise ValueError("broken")

    bus.listen(fail)
    bus.listen(heard.append)
    bus.publish(Reboot(A), Reboot(B))
    assert heard == [Reboot(A), Reboot(B)]
    assert len(bus) == 1
    assert caplog.text.count("ValueError: broken") == 1


def test_a_listener_closed_by_an_earlier_one_is_not_called():
    bus = Bus()
    heard = []
    listeners = []
    bus.listen(lambda event: listeners[0].close())
    listeners.append(bus.listen(heard.append))
    bus.publish(Reboot(A))
    assert heard == []


def test_events_of_one_network_or_pool_are_told_apart_too() -> None:
    bus, heard = Bus(), []
    first, second = NamedRef("a", bytes(16)), NamedRef("b", bytes(15) + b"\1")
    bus.listen(heard.append, NetworkLifecycle, uuid=second.uuid)
    bus.listen(heard.append, StoragePoolLifecycle, uuid=first.uuid)
    for ref in (first, second):
        bus.publish(NetworkLifecycle(ref, 2, 0), StoragePoolLifecycle(ref, 2, 0))
    assert heard == [StoragePoolLifecycle(first, 2, 0), NetworkLifecycle(second, 2, 0)]
