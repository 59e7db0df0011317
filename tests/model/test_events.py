"""Events as values."""

import pytest

from virtory.model import events
from virtory.model.events import DOMAIN_EVENTS, DomainEvent, Event, Lifecycle, Reboot
from virtory.model.flags import DomainEventId
from virtory.model.refs import DomainRef

REF = DomainRef("a", bytes(16), 3)


def all_classes(cls=Event):
    for child in cls.__subclasses__():
        if child.__module__ == events.__name__:
            yield child
            yield from all_classes(child)


def test_every_domain_event_number_of_libvirt_has_its_class():
    numbers = {value for name, value in vars(DomainEventId).items() if name[0] != "_"}
    assert set(DOMAIN_EVENTS) == numbers == set(range(27))
    assert all(issubclass(cls, DomainEvent) for cls in DOMAIN_EVENTS.values())


@pytest.mark.parametrize("cls", list(all_classes()), ids=lambda cls: cls.__name__)
def test_every_event_is_made_from_its_fields_in_order_or_by_name(cls):
    values = list(range(len(cls.fields)))
    by_order = cls(*values)
    assert by_order == cls(**dict(zip(cls.fields, values, strict=True)))
    assert hash(by_order) == hash(cls(*values))
    assert [getattr(by_order, name) for name in cls.fields] == values
    assert repr(by_order).startswith(f"{cls.__name__}(")
    assert cls.kind


def test_fields_come_after_those_of_the_kind():
    assert Lifecycle.fields == ("domain", "event", "detail")
    assert repr(Reboot(REF)) == f"Reboot(domain={REF!r})"


def test_events_of_different_classes_or_content_are_different():
    assert Lifecycle(REF, 2, 0) != Lifecycle(REF, 2, 1)
    assert Reboot(REF) != events.ControlError(REF)


def test_an_event_never_changes():
    with pytest.raises(AttributeError, match="can not be set"):
        Reboot(REF).domain = None


@pytest.mark.parametrize(
    ("values", "named"),
    [((REF,), {}), ((REF, 1, 2, 3), {}), ((REF, 1), {"event": 2}), ((), {"domain": REF})],
)
def test_missing_and_surplus_fields_are_refused(values, named):
    with pytest.raises(TypeError):
        Lifecycle(*values, **named)


def test_two_classes_can_not_claim_one_number():
    with pytest.raises(TypeError, match="claims the number of Reboot"):
        type("Other", (DomainEvent,), {"number": DomainEventId.REBOOT})
