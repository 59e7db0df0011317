"""A text on the terminal that is drawn anew at an interval until a key ends it.

The rule kept here: however it ends, the terminal is as it was; what was last shown stays.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import termios
import tty

from virtory.cli.output import harmless
from virtory.lean import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_HOME_AND_CLEAR = "\033[H\033[J"
_HIDE, _SHOW = "\033[?25l", "\033[?25h"
_ENDS = frozenset(b"qQ\x03\x1b")


async def pause(seconds: float) -> None:
    """Let that much time pass, which is what is being measured over."""
    await asyncio.sleep(seconds)


async def watch(
    look: Callable[[], Awaitable[T]], draw: Callable[[T, T], str], interval_s: float
) -> None:
    """Draw the change between the last two looks until `q`, Escape or Ctrl-C is pressed."""
    ended = asyncio.Event()
    loop, keyboard = asyncio.get_running_loop(), sys.stdin.fileno()
    former = termios.tcgetattr(keyboard)

    def pressed() -> None:
        if not _ENDS.isdisjoint(os.read(keyboard, 64) or b"q"):
            ended.set()

    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, pressed)
    sys.stdout.write(_HIDE)
    try:
        before = await look()
        _show(draw(before, before))
        while not await _passed(ended, interval_s):
            now = await look()
            _show(draw(before, now))
            before = now
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, former)
        sys.stdout.write(_SHOW)
        sys.stdout.flush()


async def _passed(ended: asyncio.Event, seconds: float) -> bool:
    """Whether it ended within that time."""
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    except TimeoutError:
        return False
    return True


def _show(text: str) -> None:
    """As much of it as the terminal has room for."""
    columns, lines = shutil.get_terminal_size()
    shown = [line[:columns] for line in harmless(text).splitlines()[: lines - 1]]
    sys.stdout.write(_HOME_AND_CLEAR + "\n".join(shown) + "\n")
    sys.stdout.flush()
