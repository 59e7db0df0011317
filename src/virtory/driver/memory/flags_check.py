"""Refusing unknown flags, in libvirt's words.

The rule kept here: every call that takes flags says which ones it knows.
"""

from __future__ import annotations

from virtory.errors import FROM_TEST, UnsupportedFlags


def only(flags: int, known: int, function: str) -> None:
    """Refuse the bits of `flags` that are not in `known`; `function` is named as libvirt would."""
    if flags & ~known:
        raise UnsupportedFlags(flags & ~known, function, domain=FROM_TEST)
