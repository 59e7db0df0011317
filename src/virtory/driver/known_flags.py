"""Refusing unknown flags, in libvirt's words.

The rule kept here: every call that takes flags says which ones it knows.
"""

from __future__ import annotations

from virtory.errors import UnsupportedFlags


def refuse_unknown(flags: int, known: int, function: str, domain: int | None = None) -> None:
    """UnsupportedFlags for bits that are not `known`; `function` is named as libvirt would.

    `domain` is that of the error (`errors.FROM_…`), if not the call's own.
    """
    if flags & ~known:
        raise UnsupportedFlags(flags & ~known, function, domain=domain)
