"""The lifecycle table: every pair of state and trigger."""

import itertools

import pytest

from virtory.errors import OperationInvalid
from virtory.model import lifecycle
from virtory.model.flags import (
    DomainEventLifecycle,
    DomainEventShutdown,
    DomainEventStarted,
    DomainEventStopped,
    DomainEventSuspended,
    DomainPausedReason,
    DomainRunningReason,
    DomainShutoffReason,
    DomainState,
)
from virtory.model.lifecycle import STATES, TRANSITIONS, Announcement, Trigger, step

PAIRS = list(itertools.product(STATES, Trigger))


@pytest.mark.parametrize(("state", "trigger"), PAIRS)
def test_every_pair_either_leads_somewhere_or_is_refused_in_libvirts_words(state, trigger):
    if (state, trigger) in TRANSITIONS:
        to = step(state, trigger)
        assert to.state in STATES
        assert to.reason is None or to.reason >= 0
        assert (to.reason is None) == (to.state == state and to.reason is None)
    else:
        with pytest.raises(OperationInvalid, match=": domain is ") as caught:
            step(state, trigger)
        assert caught.value.code == 55
        assert str(caught.value).startswith("Requested operation is not valid: domain is ")


@pytest.mark.parametrize("state", [state for state in STATES if state != DomainState.SHUTOFF])
def test_starting_what_is_active_is_refused_as_already_running(state):
    # A paused domain that is being started becomes running, but no second process is made.
    with pytest.raises(OperationInvalid, match=r": domain is already running$"):
        step(state, Trigger.STARTING)


@pytest.mark.parametrize(
    "trigger", [Trigger.SUSPENDED, Trigger.RESUMED, Trigger.RESET, Trigger.DESTROYED]
)
def test_what_needs_a_guest_is_refused_when_it_is_off(trigger):
    with pytest.raises(OperationInvalid, match=r": domain is not running$"):
        step(DomainState.SHUTOFF, trigger)


def test_resuming_a_running_domain_says_that_it_runs():
    with pytest.raises(OperationInvalid, match=r": domain is already running$"):
        step(DomainState.RUNNING, Trigger.RESUMED)


def test_a_sleeping_domain_can_not_be_suspended():
    with pytest.raises(OperationInvalid, match=r": domain is pmsuspended$"):
        step(DomainState.PMSUSPENDED, Trigger.SUSPENDED)


def test_a_start_ends_running_and_is_announced_once():
    starting = step(DomainState.SHUTOFF, Trigger.STARTING)
    assert starting == (DomainState.PAUSED, DomainPausedReason.STARTING_UP, ())
    booted = step(starting.state, Trigger.BOOTED)
    assert booted.state == DomainState.RUNNING
    assert booted.reason == DomainRunningReason.BOOTED
    assert booted.announce == (
        Announcement(DomainEventLifecycle.STARTED, DomainEventStarted.BOOTED),
    )


def test_a_start_to_paused_is_announced_as_started_and_suspended():
    to = step(DomainState.PAUSED, Trigger.BOOTED_PAUSED)
    assert (to.state, to.reason) == (DomainState.PAUSED, DomainPausedReason.USER)
    assert to.announce == (
        (DomainEventLifecycle.STARTED, DomainEventStarted.BOOTED),
        (DomainEventLifecycle.SUSPENDED, DomainEventSuspended.PAUSED),
    )


def test_a_failed_start_leaves_it_off_and_announces_nothing():
    assert step(DomainState.PAUSED, Trigger.START_FAILED) == (
        DomainState.SHUTOFF,
        DomainShutoffReason.FAILED,
        (),
    )


def test_suspending_twice_changes_and_announces_nothing():
    assert step(DomainState.PAUSED, Trigger.SUSPENDED) == (DomainState.PAUSED, None, ())


@pytest.mark.parametrize(
    ("trigger", "reason", "detail"),
    [
        (Trigger.STOPPED, DomainShutoffReason.SHUTDOWN, DomainEventStopped.SHUTDOWN),
        (Trigger.DESTROYED, DomainShutoffReason.DESTROYED, DomainEventStopped.DESTROYED),
        (Trigger.PROCESS_DIED, DomainShutoffReason.CRASHED, DomainEventStopped.FAILED),
        (Trigger.CRASH_DESTROYED, DomainShutoffReason.CRASHED, DomainEventStopped.CRASHED),
        (Trigger.UNREACHABLE, DomainShutoffReason.DAEMON, DomainEventStopped.FAILED),
    ],
)
@pytest.mark.parametrize("state", [state for state in STATES if state != DomainState.SHUTOFF])
def test_every_active_state_can_end_in_every_way(state, trigger, reason, detail):
    assert step(state, trigger) == (
        DomainState.SHUTOFF,
        reason,
        ((DomainEventLifecycle.STOPPED, detail),),
    )


def test_who_shut_the_guest_down_is_told_apart():
    guest = step(DomainState.RUNNING, Trigger.GUEST_SHUTDOWN)
    host = step(DomainState.RUNNING, Trigger.HOST_SHUTDOWN)
    assert guest.announce == ((DomainEventLifecycle.SHUTDOWN, DomainEventShutdown.GUEST),)
    assert host.announce == ((DomainEventLifecycle.SHUTDOWN, DomainEventShutdown.HOST),)


def test_every_state_but_off_can_be_reached_and_left():
    reached = {to.state for to in TRANSITIONS.values()}
    left = {state for (state, _), to in TRANSITIONS.items() if to.state != state}
    assert reached == set(STATES)
    assert left == set(STATES)


def test_every_trigger_is_of_use_somewhere():
    assert {trigger for _, trigger in TRANSITIONS} == set(Trigger)


def test_the_printed_table_has_a_row_for_each_trigger_and_a_column_for_each_state():
    lines = lifecycle.markdown().splitlines()
    assert len(lines) == 2 + len(Trigger)
    assert all(line.count("|") == len(STATES) + 2 for line in lines)
    assert "| BOOTED: it was started | running |  | running |" in lifecycle.markdown()


def test_only_a_domain_that_is_off_is_inactive():
    assert [state for state in STATES if not lifecycle.is_active(state)] == [DomainState.SHUTOFF]
    lifecycle.require_active(DomainState.CRASHED)
    with pytest.raises(OperationInvalid, match="domain is not running"):
        lifecycle.require_active(DomainState.SHUTOFF)
