"""A terminal joined to a machine's serial line.

The rule kept here: however it ends, the user's terminal is as it was.
"""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty

from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.client.domain import Domain
    from virtory.client.streams import Stream

ESCAPE = b"\x1d"  # Ctrl-]


async def attach(
    machine: Domain, device: str | None, *, force: bool, escape: bytes = ESCAPE
) -> None:
    """Join this process's terminal to the console until the escape key, or the machine's end."""
    async with await machine.open_console(device, force=force) as stream:
        keyboard = sys.stdin.fileno()
        saved = termios.tcgetattr(keyboard) if os.isatty(keyboard) else None
        if saved is not None:
            tty.setraw(keyboard)  # before anything invites to type: it drops what was typed
        try:
            _notice(machine, escape, "\n" if saved is None else "\r\n")
            await _join(stream, keyboard, escape)
        finally:
            if saved is not None:
                termios.tcsetattr(keyboard, termios.TCSADRAIN, saved)
                sys.stdout.write("\r\n")


def _notice(machine: Domain, escape: bytes, end: str) -> None:
    key = chr(escape[0] + 64)
    sys.stdout.write(f"Connected to domain '{machine.name}'{end}")
    sys.stdout.write(f"Escape character is ^{key} (Ctrl + {key}); Enter wakes a silent login{end}")
    sys.stdout.flush()


async def _join(stream: Stream, keyboard: int, escape: bytes) -> None:
    typed: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    try:
        loop.add_reader(keyboard, lambda: typed.put_nowait(os.read(keyboard, 4096)))
    except PermissionError:
        # A plain file is not something to wait for: all of it is there.
        typed.put_nowait(os.read(keyboard, 1 << 20))
        typed.put_nowait(b"")
    ways = [loop.create_task(_show(stream)), loop.create_task(_type(stream, typed, escape))]
    try:
        ended, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ended:
            way.result()
    finally:
        loop.remove_reader(keyboard)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _show(stream: Stream) -> None:
    while data := await stream.read():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


async def _type(stream: Stream, typed: asyncio.Queue[bytes], escape: bytes) -> None:
    while data := await typed.get():
        before, found, _ = data.partition(escape)
        if before:
            await stream.write(before)
        if found:
            return
    # The end of a piped input is no wish to leave: the answer is still to come.
    await asyncio.Event().wait()
