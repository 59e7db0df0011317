"""`event` and `qemu-monitor-event`: what happens, as it happens.

The rule kept here: one line an event, in virsh's words; JSON is one object a line.
"""

from __future__ import annotations

import re

from virtory.cli import event_words
from virtory.cli.following import followed, now, printed
from virtory.cli.output import Lines, Output
from virtory.cli.verb import argument, flag, option, verb
from virtory.lean import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.events import Event


class Style(NamedTuple):
    """How an event is printed."""

    timestamp: bool
    pretty: bool = False


@verb(
    "event",
    "monitor",
    "tell what happens to domains",
    argument("domain", "only to this one", required=False, complete="domain"),
    argument("event", "kinds, with commas (default: lifecycle; --list shows them)", required=False),
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
    return await _told(terminal, chosen, domain, loop, timeout, Style(timestamp))


@verb(
    "qemu-monitor-event",
    "monitor",
    "tell QEMU's own events",
    argument("domain", "only this one's", required=False, complete="domain"),
    argument("event", "only events of this name", required=False),
    flag("loop", "go on until interrupted"),
    option("timeout", "give up after these seconds", kind="number"),
    flag("timestamp", "with the time"),
    flag("pretty", "indent the details"),
    flag("regex", "--event is a regular expression"),
    flag("no-case", "capitals do not matter"),
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
    regex: bool,
    no_case: bool,
) -> Output | None:
    """`virsh qemu-monitor-event`."""
    only = None
    if event is not None:
        only = _pattern(event if regex else f"^{re.escape(event)}$", re.I if no_case else 0)
    style = Style(timestamp, pretty)
    return await _told(terminal, ["qemu"], domain, loop, timeout, style, only=only)


def _pattern(text: str, flags: int) -> re.Pattern[str]:
    try:
        return re.compile(text, flags)
    except re.error as error:
        from virtory.cli.parse import Usage

        raise Usage(f"'{text}' is not a regular expression: {error}") from None


async def _told(
    terminal: Terminal,
    kinds: list[str],
    domain: str | None,
    loop: bool,
    timeout_s: int | None,
    style: Style,
    only: re.Pattern[str] | None = None,
) -> Output | None:
    machine = await terminal.domain(domain) if domain else None

    def wanted(happened: Event) -> bool:
        return only is None or bool(only.search(str(happened.details.get("event"))))

    def show(happened: Event) -> None:
        _show(terminal, happened, style)

    events = terminal.host.events(*kinds, domain=machine)
    return await followed(terminal, events, show, loop=loop, timeout_s=timeout_s, wanted=wanted)


def _show(terminal: Terminal, happened: Event, style: Style) -> None:
    details = dict(happened.details)
    if terminal.settings.json:
        if happened.kind == "lifecycle":
            words = event_words.lifecycle_words(details["event"], details["detail"])
            details |= dict(zip(("event", "detail"), words, strict=True))
        printed({"kind": happened.kind, "domain": happened.subject.name, **details})
    elif happened.kind == "qemu":
        printed(_monitor_line(happened.subject.name, details, style))
    else:
        when = f"{now()}: " if style.timestamp else ""
        printed(when + event_words.line(happened.kind, happened.subject.name, details))


def _monitor_line(name: str, details: dict[str, Any], style: Style) -> str:
    at = f"{details['seconds']}.{details['micros']:06}"
    said = details["details_json"] or "<null>"
    if style.pretty and details["details_json"]:
        import json

        said = json.dumps(json.loads(said), indent=2)
    if style.timestamp:
        return f"{now()}: event {details['event']} for domain '{name}': {said}"
    return f"event {details['event']} at {at} for domain '{name}': {said}"
