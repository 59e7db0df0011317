"""A machine's console, screen and keyboard.

The rule kept here: nothing of the machine changes by being looked at.
"""

from __future__ import annotations

from virtory.cli.output import Data, Done, Output
from virtory.cli.verb import ACTIVE, argument, flag, option, verb
from virtory.lean import TYPE_CHECKING
from virtory.model.flags import KeycodeSet

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal


@verb(
    "console",
    "guest",
    "join this terminal to the machine's console",
    ACTIVE,
    option("devname", "which one: an alias such as serial0"),
    flag("force", "disconnect whoever uses it"),
    flag("safe", "only if it can not be in use elsewhere"),
    flag("history", "print what it has printed since power-on, and leave"),
    option("escape", "the key to leave by", short="e"),
    loop=True,
)
async def console(
    terminal: Terminal,
    domain: str,
    devname: str | None,
    force: bool,
    safe: bool,
    history: bool,
    escape: str | None,
) -> Output | None:
    """`virsh console`; `--history` needs virtoryd."""
    machine = await terminal.domain(domain)
    if history:
        text = (await machine.console_history(devname, limit=1 << 20)).decode(errors="replace")
        return Data(text, {"console": text}, raw=True)
    from virtory.cli.console import ESCAPE, attach

    key = ESCAPE
    if escape:
        letter = escape.removeprefix("^").upper()
        if len(letter) != 1 or not 64 <= ord(letter) < 96:
            from virtory.cli.parse import Usage

            raise Usage(f"'{escape}' is not a control key", "for example --escape ^A")
        key = bytes([ord(letter) - 64])
    await attach(machine, devname, force=force, escape=key)
    return None


@verb(
    "screenshot",
    "guest",
    "what the screen shows, as an image file",
    ACTIVE,
    argument("file", "where to", required=False, complete="file"),
    option("screen", "which one", kind="number"),
)
async def screenshot(
    terminal: Terminal, domain: str, file_: str | None, screen: int | None
) -> Output:
    """`virsh screenshot`."""
    import time

    machine = await terminal.domain(domain)
    image = await machine.screenshot(screen or 0)
    suffix = {"image/png": ".png", "image/x-portable-pixmap": ".ppm"}.get(image.mime, "")
    name = file_ or f"{machine.name}-{time.strftime('%Y-%m-%d-%H:%M:%S')}{suffix}"
    with open(name, "wb") as stream:
        stream.write(image.data)
    return Done(
        f"Screenshot saved to {name}, with type of {image.mime}", file=name, mime=image.mime
    )


@verb(
    "send-key",
    "guest",
    "press keys together",
    ACTIVE,
    option("codeset", "whose numbers: linux, xt, atset1, qnum, usb …"),
    option("holdtime", "milliseconds", kind="number"),
    argument("keycode", "names such as KEY_LEFTCTRL, or numbers", kind="words"),
)
async def send_key(
    terminal: Terminal, domain: str, codeset: str | None, holdtime: int | None, keycode: list[str]
) -> Output:
    """`virsh send-key`."""
    from virtory.cli.keys import code
    from virtory.cli.parse import Usage

    name = codeset or "linux"
    number = getattr(KeycodeSet, name.upper(), None)
    if number is None:
        raise Usage(f"unknown codeset: '{name}'", "linux, xt, atset1, atset2, atset3, usb or qnum")
    machine = await terminal.domain(domain)
    codes = [code(word, name) for word in keycode]
    await machine.send_key(codes, codeset=number, hold_ms=holdtime or 0)
    return Done("", name=machine.name, keycodes=codes)
