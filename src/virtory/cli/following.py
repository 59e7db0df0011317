"""What every `…-event` verb does: wait for events, print each, say how many there were.

The rule kept here: an event is printed when it happens; JSON is one object a line, and no summary.
"""

from __future__ import annotations

import asyncio
import sys

from virtory.cli.output import Data
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.cli.output import Output
    from virtory.cli.terminal import Terminal
    from virtory.client.events import Event
    from virtory.client.subscription import Subscription


async def followed(
    terminal: Terminal,
    events: Subscription,
    show: Callable[[Event], None],
    *,
    loop: bool,
    timeout_s: int | None,
    wanted: Callable[[Event], bool] = lambda _: True,
) -> Output | None:
    """Show the first event that is wanted, with `loop` each until the time is up."""
    count, why = 0, ""
    try:
        async with events as stream, asyncio.timeout(timeout_s):
            async for happened in stream:
                if not wanted(happened):
                    continue
                show(happened)
                count += 1
                if not loop:
                    break
    except TimeoutError:
        why = "event loop timed out\n"
    except asyncio.CancelledError:  # Ctrl-C is how most of them end
        if not terminal.settings.json:
            printed(f"event loop interrupted\nevents received: {count}\n")
        raise
    if terminal.settings.json:
        return None  # the events are all there is to read
    return Data(f"{why}events received: {count}\n\n", {"count": count})


def lifecycle_shown(
    terminal: Terminal,
    happened: Event,
    thing: tuple[str, str],
    words: tuple[str, ...],
    *,
    timestamp: bool,
) -> None:
    """Print an event of a network or pool.

    Args:
        thing: what it is of, in words and as JSON's key.
        words: what a lifecycle event is called, by its number; an event without one is a refresh.
    """
    name, number = happened.subject.name, happened.details.get("event")
    kind = "refresh" if number is None else "lifecycle"
    word = "" if number is None else words[number] if number < len(words) else f"unknown ({number})"
    noun, key = thing
    if terminal.settings.json:
        printed({"kind": kind, key: name, "event": word.lower() or kind})
        return
    line = f"event '{kind}' for {noun} {name}" + (f": {word}" if word else "")
    printed(f"{now()}: {line}" if timestamp else line)


def printed(what: str | dict[str, Any]) -> None:
    """Print one line, or one object as JSON, at once."""
    if not isinstance(what, str):
        import json

        what = json.dumps(what, default=str)
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def now() -> str:
    """The time in UTC, as virsh prints it."""
    import datetime

    moment = datetime.datetime.now(datetime.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}+0000"
