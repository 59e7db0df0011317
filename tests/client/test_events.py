"""Events: every kind, registration, filters, limits, and the end of the connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from virtory import errors
from virtory.client.domain import Domain
from virtory.client.events import KINDS, Lifecycle, field_names
from virtory.client.network import Network
from virtory.model import events
from virtory.wire import qemu
from virtory.wire.procedure import find
from virtory.wire.remote import (
    domain_event,
    network,
    node_device,
    secret,
    storage_pool,
)
from virtory.wire.remote.domain_event_legacy import DomainEventLifecycleMsg
from virtory.wire.remote.types import (
    NonnullDomain,
    NonnullNetwork,
    NonnullNodeDevice,
    NonnullSecret,
    NonnullStoragePool,
    TypedParam,
)

if TYPE_CHECKING:
    import virtory

REF = NonnullDomain("web", bytes(16), 3)
REGISTER = "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY"
DEREGISTER = "CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY"


@pytest.fixture
def registering(daemon: Any) -> Any:
    """A daemon that gives each domain event registration the id 100 + event number."""
    ret = domain_event.ConnectDomainEventCallbackRegisterAnyRet
    daemon.script[REGISTER] = lambda call: ret(100 + call.args.event_id)
    daemon.script[DEREGISTER] = None
    return daemon


def emit_lifecycle(daemon: Any, *details: int, callback: int = 100) -> None:
    for detail in details:
        message = domain_event.DomainEventCallbackLifecycleMsg(
            callback, DomainEventLifecycleMsg(REF, 2, detail)
        )
        daemon.session.emit(domain_event.DOMAIN_EVENT_CALLBACK_LIFECYCLE, message)
    daemon.link.flush()


async def test_events_are_told_in_order_from_the_moment_of_entering(
    host: virtory.Host, registering: Any
) -> None:
    async with host.events() as events:
        emit_lifecycle(registering, 1, 2, 3)
        found = [await events.next() for _ in range(3)]
    assert [event.detail for event in found if isinstance(event, Lifecycle)] == [1, 2, 3]
    assert found[0].domain == Domain(host, REF)
    assert registering.last(DEREGISTER).args.callback_id == 100


async def test_iterating_goes_on_until_it_is_left(host: virtory.Host, registering: Any) -> None:
    seen = []
    async with host.events() as events:
        emit_lifecycle(registering, 1, 2)
        async for event in events:
            seen.append(event.detail)
            if len(seen) == 2:
                break
    assert seen == [1, 2]


async def test_an_event_that_overtakes_its_registrations_reply_is_told(
    host: virtory.Host, registering: Any, silence: Any
) -> None:
    def answer(call: Any) -> Any:
        emit_lifecycle(registering, 9)
        return domain_event.ConnectDomainEventCallbackRegisterAnyRet(100)

    registering.script[REGISTER] = answer
    async with host.events() as events:
        event = await events.next(10)
    assert event is not None
    assert event.detail == 9


async def test_events_of_somebody_elses_subscription_are_not_told(
    host: virtory.Host, registering: Any
) -> None:
    async with host.events() as events:
        emit_lifecycle(registering, 1, callback=555)
        emit_lifecycle(registering, 2)
        event = await events.next(10)
    assert event is not None
    assert event.detail == 2


async def test_no_event_in_time_is_none(host: virtory.Host, registering: Any) -> None:
    async with host.events() as events:
        assert await events.next(0.01) is None


async def test_a_subscription_to_one_domain_says_so_to_the_daemon(
    host: virtory.Host, registering: Any
) -> None:
    async with host.events("lifecycle", "reboot", domain=Domain(host, REF)):
        asked = [call.args for call in registering.calls if call.procedure.name == REGISTER]
    assert [(args.event_id, args.dom) for args in asked] == [(0, REF), (1, REF)]
    assert registering.names.count(DEREGISTER) == 2


async def test_what_is_registered_is_undone_when_a_later_registration_fails(
    host: virtory.Host, registering: Any
) -> None:
    ret = domain_event.ConnectDomainEventCallbackRegisterAnyRet(100)
    refusal = errors.NotSupported("no such event")
    registering.script[REGISTER] = lambda call: ret if call.args.event_id == 0 else refusal
    with pytest.raises(errors.NotSupported):
        async with host.events("lifecycle", "reboot"):
            pass
    assert registering.last(DEREGISTER).args.callback_id == 100


async def test_too_many_unread_events_end_the_subscription_with_an_error(
    host: virtory.Host, registering: Any
) -> None:
    async with host.events(limit=3) as events:
        emit_lifecycle(registering, *range(10))
        assert [(await events.next()).detail for _ in range(3)] == [0, 1, 2]  # type: ignore[union-attr]
        with pytest.raises(errors.OperationFailed, match="more than 3 events"):
            await events.next()


async def test_a_lost_connection_is_told_after_what_had_arrived(
    host: virtory.Host, registering: Any
) -> None:
    async with host.events() as events:
        emit_lifecycle(registering, 5)
        registering.link.close()
        event = await events.next()
        assert event is not None
        with pytest.raises(errors.ConnectionLost):
            await events.next()


async def test_a_waiting_reader_is_told_of_the_lost_connection(
    host: virtory.Host, registering: Any
) -> None:
    async with host.events() as events:
        waiting = asyncio.create_task(events.next())
        await asyncio.sleep(0)
        registering.link.close()
        with pytest.raises(errors.ConnectionLost):
            await waiting


async def test_wrong_kinds_and_subjects_are_refused_at_once(host: virtory.Host) -> None:
    with pytest.raises(errors.InvalidArgument, match="no kind of event"):
        host.events("lifecycle", "explosion")
    other = Network(host, NonnullNetwork("n", bytes(16)))
    with pytest.raises(errors.InvalidArgument, match="do not happen to"):
        host.events("lifecycle", subject=other)
    host.events("network.lifecycle", subject=other)


SAMPLES = {
    "Int": 5,
    "UInt": 5,
    "Hyper": 5,
    "UHyper": 5,
    "NonnullString": "s",
    "NullableString": "s",
}
SUBJECTS: dict[str, Any] = {
    "dom": REF,
    "net": NonnullNetwork("n", bytes(16)),
    "pool": NonnullStoragePool("p", bytes(16)),
    "dev": NonnullNodeDevice("d"),
    "secret": NonnullSecret(bytes(16), 0, "u"),
    "local": (0, "n", "s"),
    "remote": (0, "n", "s"),
    "subject": [("t", "n")],
    "params": [TypedParam("cpu_shares", 4, 7)],
}


def sample(record: type, callback: int) -> Any:
    """A message with something in every field."""
    values: dict[str, Any] = {}
    for name, note in record.__annotations__.items():
        if name == "callback_id":
            values[name] = callback
        elif name == "msg":
            from virtory.wire.remote import domain_event_legacy

            inner = note if isinstance(note, type) else getattr(domain_event_legacy, note)
            values[name] = sample(inner, callback)
        elif name in SUBJECTS and not (name == "dev" and "Threshold" in record.__name__):
            values[name] = SUBJECTS[name]
        elif "string" in str(note).lower() or "str" in str(note):
            values[name] = "text"
        else:
            values[name] = 5
    return record(**values)


def test_kinds_have_the_numbers_of_the_drivers_events() -> None:
    for kind in KINDS.values():
        if kind.family != "qemu":  # QEMU's own have names, not numbers
            assert getattr(events, kind.__name__).number == kind.number


@pytest.mark.parametrize("name", sorted(KINDS))
async def test_every_kind_is_registered_told_and_deregistered(
    host: virtory.Host, daemon: Any, name: str
) -> None:
    kind = KINDS[name]
    answers = {
        "domain": domain_event.ConnectDomainEventCallbackRegisterAnyRet,
        "qemu": qemu.ConnectDomainMonitorEventRegisterRet,
        "network": network.ConnectNetworkEventRegisterAnyRet,
        "storage_pool": storage_pool.ConnectStoragePoolEventRegisterAnyRet,
        "node_device": node_device.ConnectNodeDeviceEventRegisterAnyRet,
        "secret": secret.ConnectSecretEventRegisterAnyRet,
    }
    middle = {"domain": "DOMAIN_EVENT_CALLBACK", "qemu": "DOMAIN_MONITOR_EVENT"}.get(
        kind.family, f"{kind.family.upper()}_EVENT"
    )
    end = "" if kind.family == "qemu" else "_ANY"
    daemon.script[f"CONNECT_{middle}_REGISTER{end}"] = answers[kind.family](42)
    daemon.script[f"CONNECT_{middle}_DEREGISTER{end}"] = None
    assert kind.__doc__ is not None
    procedure_name = kind.__doc__.split("`")[1].removeprefix("QEMU_PROC_")
    numbers = [(0x20008086, number) for number in range(1, 444)] + [(0x20008087, 6)]
    found = [procedure for numbers_ in numbers if (procedure := find(*numbers_))]
    (procedure,) = [item for item in found if item.name == procedure_name]
    assert procedure.message is not None
    async with host.events(name) as events:
        daemon.session.emit(procedure, sample(procedure.message, 42))
        daemon.link.flush()
        event = await events.next(10)
    assert type(event) is kind
    assert set(event.details) == set(field_names(kind))
    if "params" in event.details:
        assert event.details["params"] == {"cpu_shares": 7}
    assert repr(event.subject) in repr(event)
    assert daemon.names[-1] == f"CONNECT_{middle}_DEREGISTER{end}"
