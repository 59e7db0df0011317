"""The life of a domain as one table: from a state, what happened, to what becomes true.

The rule kept here: whatever is not in the table is refused. States, reasons and event details are
libvirt's numbers (`virtory.model.flags`).

`python -m virtory.model.lifecycle` prints the table as Markdown, for ARCHITECTURE.md.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from virtory.errors import OperationInvalid
from virtory.model.flags import (
    DomainCrashedReason,
    DomainEventCrashed,
    DomainEventLifecycle,
    DomainEventPmsuspended,
    DomainEventResumed,
    DomainEventShutdown,
    DomainEventStarted,
    DomainEventStopped,
    DomainEventSuspended,
    DomainPausedReason,
    DomainPmsuspendedReason,
    DomainRunningReason,
    DomainShutdownReason,
    DomainShutoffReason,
    DomainState,
)

RUNNING = DomainState.RUNNING
PAUSED = DomainState.PAUSED
SHUTDOWN = DomainState.SHUTDOWN
SHUTOFF = DomainState.SHUTOFF
CRASHED = DomainState.CRASHED
PMSUSPENDED = DomainState.PMSUSPENDED

STATES: dict[int, str] = {
    SHUTOFF: "shut off",
    RUNNING: "running",
    PAUSED: "paused",
    PMSUSPENDED: "pmsuspended",
    CRASHED: "crashed",
    SHUTDOWN: "in shutdown",
}
"""Every state that a domain of ours can be in, with virsh's word for it."""


class Trigger(Enum):
    """What happens to a domain: a request that succeeded, or a fact that QEMU reported."""

    STARTING = "its process is being made"
    BOOTED = "it was started"
    BOOTED_PAUSED = "it was started, to stay paused"
    START_FAILED = "starting it failed"
    SUSPENDED = "a user suspended it"
    RESUMED = "a user resumed it"
    RESET = "a user pressed its reset button"
    IO_ERROR = "a disk error stopped it"
    WATCHDOG_PAUSED = "its watchdog stopped it"
    PANICKED = "the guest panicked and is kept"
    CRASH_LOADED = "the guest panicked and loaded its crash kernel"
    PM_SUSPENDED = "the guest went to sleep"
    PM_SUSPENDED_DISK = "the guest hibernated"
    WOKEN = "it was woken up"
    REBOOTED = "it was reset where it could not run on, and runs"
    GUEST_SHUTDOWN = "the guest powered itself off"
    HOST_SHUTDOWN = "the host asked its process to end"
    STOPPED = "it ended after a shutdown"
    DESTROYED = "a user destroyed it"
    PROCESS_DIED = "its process ended without a shutdown"
    CRASH_DESTROYED = "the guest panicked and was destroyed"
    UNREACHABLE = "the daemon lost its monitor and destroyed it"
    SAVE_PAUSED = "it was stopped so that its memory could be saved"
    SAVE_CANCELED = "saving it failed or was aborted, and it runs again"
    SAVED = "its memory was saved, and its process ended"
    DUMP_PAUSED = "it was stopped so that its memory could be dumped"
    RESTORED = "its saved memory was read back"
    RESTORED_RUNNING = "it runs on after its memory was read back"
    RESTORED_PAUSED = "it was saved while paused, and still is"
    RESTORED_TO_PAUSE = "it was restored, to stay paused"
    SNAPSHOT_PAUSED = "it was stopped so that a snapshot could be taken"
    HALTED_BY_SNAPSHOT = "it ended once its snapshot was taken"
    FROM_SNAPSHOT = "it was started as a snapshot has it"
    REVERT_PAUSED = "it was stopped so that it could go back to a snapshot"
    REVERTED_RUNNING = "it runs as a snapshot has it"
    REVERT_BOOTED = "it was started from disks that are as a snapshot has them"
    REVERTED_PAUSED = "it is paused as a snapshot has it"
    REVERTED_OFF = "it ended because it went back to a snapshot"


class Announcement(NamedTuple):
    """One lifecycle event: DomainEventLifecycle and its detail."""

    event: int
    detail: int


class To(NamedTuple):
    """What becomes true: a state, its reason (None: as it was), and what is announced."""

    state: int
    reason: int | None
    announce: tuple[Announcement, ...] = ()


def _started(detail: int) -> Announcement:
    return Announcement(DomainEventLifecycle.STARTED, detail)


def _suspended(detail: int) -> Announcement:
    return Announcement(DomainEventLifecycle.SUSPENDED, detail)


def _stopped(reason: int, detail: int) -> To:
    return To(SHUTOFF, reason, (Announcement(DomainEventLifecycle.STOPPED, detail),))


def _shutting_down(detail: int) -> To:
    announcement = Announcement(DomainEventLifecycle.SHUTDOWN, detail)
    return To(SHUTDOWN, DomainShutdownReason.UNKNOWN, (announcement,))


def _asleep(detail: int) -> To:
    announcement = Announcement(DomainEventLifecycle.PMSUSPENDED, detail)
    return To(PMSUSPENDED, DomainPmsuspendedReason.UNKNOWN, (announcement,))


_BOOTED = To(RUNNING, DomainRunningReason.BOOTED, (_started(DomainEventStarted.BOOTED),))
_BOOTED_PAUSED = To(
    PAUSED,
    DomainPausedReason.USER,
    (_started(DomainEventStarted.BOOTED), _suspended(DomainEventSuspended.PAUSED)),
)
_RESUMED = To(
    RUNNING,
    DomainRunningReason.UNPAUSED,
    (Announcement(DomainEventLifecycle.RESUMED, DomainEventResumed.UNPAUSED),),
)
_ENDINGS = {
    Trigger.STOPPED: _stopped(DomainShutoffReason.SHUTDOWN, DomainEventStopped.SHUTDOWN),
    Trigger.DESTROYED: _stopped(DomainShutoffReason.DESTROYED, DomainEventStopped.DESTROYED),
    Trigger.PROCESS_DIED: _stopped(DomainShutoffReason.CRASHED, DomainEventStopped.FAILED),
    Trigger.CRASH_DESTROYED: _stopped(DomainShutoffReason.CRASHED, DomainEventStopped.CRASHED),
    Trigger.UNREACHABLE: _stopped(DomainShutoffReason.DAEMON, DomainEventStopped.FAILED),
    Trigger.SAVED: _stopped(DomainShutoffReason.SAVED, DomainEventStopped.SAVED),
    Trigger.HALTED_BY_SNAPSHOT: _stopped(
        DomainShutoffReason.FROM_SNAPSHOT, DomainEventStopped.FROM_SNAPSHOT
    ),
    Trigger.REVERTED_OFF: _stopped(
        DomainShutoffReason.FROM_SNAPSHOT, DomainEventStopped.FROM_SNAPSHOT
    ),
}


def _paused(reason: int, detail: int) -> To:
    return To(PAUSED, reason, (_suspended(detail),))


def _resumed(reason: int, detail: int = DomainEventResumed.UNPAUSED) -> To:
    return To(RUNNING, reason, (Announcement(DomainEventLifecycle.RESUMED, detail),))


_PUT_ASIDE: dict[tuple[int, Trigger], To] = {
    (RUNNING, Trigger.SAVE_PAUSED): _paused(DomainPausedReason.SAVE, DomainEventSuspended.PAUSED),
    (PAUSED, Trigger.SAVE_CANCELED): _resumed(DomainRunningReason.SAVE_CANCELED),
    (RUNNING, Trigger.DUMP_PAUSED): _paused(DomainPausedReason.DUMP, DomainEventSuspended.PAUSED),
    (PAUSED, Trigger.RESTORED): To(
        PAUSED, DomainPausedReason.MIGRATION, (_started(DomainEventStarted.RESTORED),)
    ),
    (PAUSED, Trigger.RESTORED_RUNNING): _resumed(
        DomainRunningReason.RESTORED, DomainEventResumed.FROM_SNAPSHOT
    ),
    (PAUSED, Trigger.RESTORED_PAUSED): _paused(
        DomainPausedReason.MIGRATION, DomainEventSuspended.RESTORED
    ),
    (PAUSED, Trigger.RESTORED_TO_PAUSE): _paused(
        DomainPausedReason.MIGRATION, DomainEventSuspended.PAUSED
    ),
    (RUNNING, Trigger.SNAPSHOT_PAUSED): _paused(
        DomainPausedReason.SNAPSHOT, DomainEventSuspended.PAUSED
    ),
    (PAUSED, Trigger.FROM_SNAPSHOT): To(
        PAUSED, DomainPausedReason.FROM_SNAPSHOT, (_started(DomainEventStarted.FROM_SNAPSHOT),)
    ),
    (RUNNING, Trigger.REVERT_PAUSED): To(PAUSED, DomainPausedReason.FROM_SNAPSHOT),
    (PAUSED, Trigger.REVERTED_RUNNING): _resumed(
        DomainRunningReason.FROM_SNAPSHOT, DomainEventResumed.FROM_SNAPSHOT
    ),
    (PAUSED, Trigger.REVERT_BOOTED): _resumed(DomainRunningReason.BOOTED),
    (PAUSED, Trigger.REVERTED_PAUSED): _paused(
        DomainPausedReason.FROM_SNAPSHOT, DomainEventSuspended.FROM_SNAPSHOT
    ),
}
_SHUTDOWNS = {
    Trigger.GUEST_SHUTDOWN: _shutting_down(DomainEventShutdown.GUEST),
    Trigger.HOST_SHUTDOWN: _shutting_down(DomainEventShutdown.HOST),
}

TRANSITIONS: dict[tuple[int, Trigger], To] = {
    (SHUTOFF, Trigger.STARTING): To(PAUSED, DomainPausedReason.STARTING_UP),
    (SHUTOFF, Trigger.BOOTED): _BOOTED,
    (SHUTOFF, Trigger.BOOTED_PAUSED): _BOOTED_PAUSED,
    (PAUSED, Trigger.BOOTED): _BOOTED,
    (PAUSED, Trigger.BOOTED_PAUSED): _BOOTED_PAUSED,
    (PAUSED, Trigger.START_FAILED): To(SHUTOFF, DomainShutoffReason.FAILED),
    (RUNNING, Trigger.SUSPENDED): To(
        PAUSED, DomainPausedReason.USER, (_suspended(DomainEventSuspended.PAUSED),)
    ),
    (PAUSED, Trigger.SUSPENDED): To(PAUSED, None),
    (PAUSED, Trigger.RESUMED): _RESUMED,
    (CRASHED, Trigger.RESUMED): _RESUMED,
    (CRASHED, Trigger.REBOOTED): _RESUMED._replace(reason=DomainRunningReason.CRASHED),
    (PMSUSPENDED, Trigger.REBOOTED): _RESUMED,
    (RUNNING, Trigger.RESET): To(RUNNING, None),
    (PAUSED, Trigger.RESET): To(PAUSED, None),
    (PMSUSPENDED, Trigger.RESET): To(PMSUSPENDED, None),
    (CRASHED, Trigger.RESET): To(PAUSED, DomainPausedReason.CRASHED),
    (RUNNING, Trigger.IO_ERROR): To(
        PAUSED, DomainPausedReason.IOERROR, (_suspended(DomainEventSuspended.IOERROR),)
    ),
    (RUNNING, Trigger.WATCHDOG_PAUSED): To(
        PAUSED, DomainPausedReason.WATCHDOG, (_suspended(DomainEventSuspended.WATCHDOG),)
    ),
    (RUNNING, Trigger.PANICKED): To(
        CRASHED,
        DomainCrashedReason.PANICKED,
        (Announcement(DomainEventLifecycle.CRASHED, DomainEventCrashed.PANICKED),),
    ),
    (RUNNING, Trigger.CRASH_LOADED): To(
        RUNNING,
        None,
        (Announcement(DomainEventLifecycle.CRASHED, DomainEventCrashed.CRASHLOADED),),
    ),
    (RUNNING, Trigger.PM_SUSPENDED): _asleep(DomainEventPmsuspended.MEMORY),
    (RUNNING, Trigger.PM_SUSPENDED_DISK): _asleep(DomainEventPmsuspended.DISK),
    (PMSUSPENDED, Trigger.WOKEN): To(
        RUNNING, DomainRunningReason.WAKEUP, (_started(DomainEventStarted.WAKEUP),)
    ),
    **_PUT_ASIDE,
    **{
        (state, trigger): to
        for state in (RUNNING, PAUSED, PMSUSPENDED, CRASHED)
        for trigger, to in _SHUTDOWNS.items()
    },
    **{
        (state, trigger): to
        for state in (RUNNING, PAUSED, PMSUSPENDED, CRASHED, SHUTDOWN)
        for trigger, to in _ENDINGS.items()
    },
}

_STARTS = (Trigger.STARTING, Trigger.BOOTED, Trigger.BOOTED_PAUSED)


def step(state: int, trigger: Trigger) -> To:
    """What becomes true when `trigger` happens to a domain in `state`.

    Raises:
        OperationInvalid: this can not happen in that state; in libvirt's words.
    """
    to = TRANSITIONS.get((state, trigger))
    if to is None:
        raise OperationInvalid(refusal(state, trigger))
    return to


def is_active(state: int) -> bool:
    """Whether a domain in `state` has a process."""
    return state not in (SHUTOFF, DomainState.NOSTATE)


def require_active(state: int) -> None:
    """Refuse what needs a running guest, in libvirt's words."""
    if not is_active(state):
        raise OperationInvalid("domain is not running")


def refusal(state: int, trigger: Trigger) -> str:
    """Why `trigger` can not happen in `state`."""
    if not is_active(state):
        return "domain is not running"
    if trigger in _STARTS or (trigger is Trigger.RESUMED and state == RUNNING):
        return "domain is already running"
    if trigger is Trigger.WOKEN:
        return "domain is not pmsuspended"
    return f"domain is {STATES.get(state, f'in state {state}')}"


def markdown() -> str:
    """The table as Markdown, one row per trigger, one column per state."""
    names = {number: name.lower() for name, number in vars(DomainState).items() if name[0] != "_"}
    lines = [
        "| trigger | " + " | ".join(STATES.values()) + " |",
        "|---|" + "---|" * len(STATES),
    ]
    for trigger in Trigger:
        cells = [TRANSITIONS.get((state, trigger)) for state in STATES]
        shown = [names[to.state] if to else "" for to in cells]
        lines.append(f"| {trigger.name}: {trigger.value} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())  # noqa: T201 (for ARCHITECTURE.md)
