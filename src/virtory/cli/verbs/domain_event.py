"""`event` and `qemu-monitor-event`: what happens, as it happens.

The rule kept here: one line an event, in virsh's words; JSON is one object a line.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from virtory.cli.output import Done, Lines, Output
from virtory.cli.verb import flag, option, verb

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.events import Event

_WORDS = {
    0: ("Defined", ("Added", "Updated", "Renamed", "Snapshot")),
    1: ("Undefined", ("Removed", "Renamed")),
    2: ("Started", ("Booted", "Migrated", "Restored", "Snapshot", "Event wakeup")),
    3: (
        "Suspended",
        (
            "Paused",
            "Migrated",
            "I/O Error",
            "Watchdog",
            "Restored",
            "Snapshot",
            "API error",
            "Post-copy",
            "Post-copy Error",
        ),
    ),
    4: ("Resumed", ("Unpaused", "Migrated", "Snapshot", "Post-copy", "Post-copy Error")),
    5: (
        "Stopped",
        ("Shutdown", "Destroyed", "Crashed", "Migrated", "Saved", "Failed", "Snapshot"),
    ),
    6: (
        "Shutdown",
        ("Finished", "Finished after guest request", "Finished after host request"),
    ),
    7: ("PMSuspended", ("Memory", "Disk")),
    8: ("Crashed", ("Panicked", "Crashloaded")),
}


def lifecycle_words(event: int, detail: int) -> tuple[str, str]:
    """A lifecycle event's and its detail's words."""
    name, details = _WORDS.get(event, (f"unknown ({event})", ()))
    return name, details[detail] if detail < len(details) else f"unknown ({detail})"


@verb(
    "event",
    "monitor",
    "tell what happens to domains",
    option("domain", "only to this one", positional=False, complete="domain"),
    option("event", "kinds, with commas (default: lifecycle; --list shows them)"),
    flag("all", "every kind"),
    flag("loop", "go on until interrupted"),
    option("timeout", "give up after these seconds", kind="number"),
    flag("list", "which kinds there are"),
    flag("timestamp", "with the time"),
    loop=True,
)
async def event(
    terminal: Terminal,
    domain: str | None,
    event: str | None,
    all_: bool,
    loop: bool,
    timeout: int | None,
    list_: bool,
    timestamp: bool,
) -> Output | None:
    """`virsh event`."""
    from virtory.client.events import KINDS

    names = [name for name, kind in KINDS.items() if kind.family == "domain"]
    if list_:
        return Lines(names)
    chosen = names if all_ else (event or "lifecycle").split(",")
    for name in chosen:
        if name not in names:
            from virtory.cli.manual import close_to
            from virtory.cli.parse import Usage

            near = close_to(name, names)
            cure = f"did you mean {' or '.join(near)}?" if near else "virtory event --list"
            raise Usage(f"unknown event type '{name}'", cure)
    return await _told(terminal, chosen, domain, loop, timeout, timestamp)


@verb(
    "qemu-monitor-event",
    "monitor",
    "tell QEMU's own events",
    option("domain", "only this one's", positional=False, complete="domain"),
    option("event", "only events of this name"),
    flag("loop", "go on until interrupted"),
    option("timeout", "give up after these seconds", kind="number"),
    flag("timestamp", "with the time"),
    flag("pretty", "indent the details"),
    loop=True,
)
async def qemu_monitor_event(
    terminal: Terminal,
    domain: str | None,
    event: str | None,
    loop: bool,
    timeout: int | None,
    timestamp: bool,
    pretty: bool,
) -> Output:
    """`virsh qemu-monitor-event`."""
    return await _told(terminal, ["qemu"], domain, loop, timeout, timestamp, only=event)


async def _told(
    terminal: Terminal,
    kinds: list[str],
    domain: str | None,
    loop: bool,
    timeout_s: int | None,
    timestamp: bool,
    only: str | None = None,
) -> Output:
    machine = await terminal.domain(domain) if domain else None
    count = 0
    try:
        async with (
            terminal.host.events(*kinds, domain=machine) as events,
            asyncio.timeout(timeout_s),
        ):
            async for happened in events:
                if only and happened.details.get("event") != only:
                    continue
                _print(terminal, happened, timestamp)
                count += 1
                if not loop:
                    break
    except TimeoutError:
        terminal.say("event loop timed out")
    return Done(f"events received: {count}", count=count)


def _print(terminal: Terminal, happened: Event, timestamp: bool) -> None:
    details = dict(happened.details)
    if happened.kind == "lifecycle":
        words = lifecycle_words(details["event"], details["detail"])
        details |= dict(zip(("event", "detail"), words, strict=True))
    if terminal.settings.json:
        import json

        data = {"kind": happened.kind, "domain": happened.subject.name, **details}
        sys.stdout.write(json.dumps(data, default=str) + "\n")
    else:
        sys.stdout.write(_line(happened, details, timestamp))
    sys.stdout.flush()


def _line(happened: Event, details: dict[str, Any], timestamp: bool) -> str:
    when = ""
    if timestamp:
        import datetime

        when = f"{datetime.datetime.now(datetime.UTC).isoformat(' ', 'milliseconds')[:23]}: "
    head = f"{when}event '{happened.kind}' for domain '{happened.subject.name}'"
    if happened.kind == "lifecycle":
        return f"{head}: {details['event']} {details['detail']}\n"
    rest = ", ".join(f"{key} {value}" for key, value in details.items())
    return f"{head}: {rest}\n" if rest else f"{head}\n"
