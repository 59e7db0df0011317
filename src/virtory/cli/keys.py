"""Names of keys and the numbers of Linux's input subsystem (input-event-codes.h).

The rule kept here: a key may be named with or without `KEY_`, in any case, or by its number.
"""

from __future__ import annotations

from virtory.cli.parse import Usage

_ROWS = {
    1: "ESC 1 2 3 4 5 6 7 8 9 0 MINUS EQUAL BACKSPACE",
    15: "TAB Q W E R T Y U I O P LEFTBRACE RIGHTBRACE ENTER",
    29: "LEFTCTRL A S D F G H J K L SEMICOLON APOSTROPHE GRAVE",
    42: "LEFTSHIFT BACKSLASH Z X C V B N M COMMA DOT SLASH RIGHTSHIFT KPASTERISK",
    56: "LEFTALT SPACE CAPSLOCK F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NUMLOCK SCROLLLOCK",
    71: "KP7 KP8 KP9 KPMINUS KP4 KP5 KP6 KPPLUS KP1 KP2 KP3 KP0 KPDOT",
    86: "102ND F11 F12",
    96: "KPENTER RIGHTCTRL KPSLASH SYSRQ RIGHTALT",
    102: "HOME UP PAGEUP LEFT RIGHT END DOWN PAGEDOWN INSERT DELETE",
    113: "MUTE VOLUMEDOWN VOLUMEUP POWER KPEQUAL",
    119: "PAUSE",
    125: "LEFTMETA RIGHTMETA COMPOSE",
}
LINUX = {name: row + i for row, names in _ROWS.items() for i, name in enumerate(names.split())}


def code(word: str, codeset: str) -> int:
    """The number of the key that `word` names; raises `Usage`."""
    if word.isdigit() and (codeset != "linux" or len(word) > 1):
        return int(word)
    name = word.upper().removeprefix("KEY_")
    if codeset == "linux" and name in LINUX:
        return LINUX[name]
    if word.isdigit():
        return int(word)
    raise Usage(
        f"invalid keycode: '{word}'",
        "name a key as in KEY_LEFTCTRL, KEY_A or KEY_ENTER, or give its number",
    )
