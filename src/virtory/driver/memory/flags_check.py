"""Refusing unknown flags, as libvirt's test driver does.

The rule kept here: the check is `known_flags`' own; only the error's domain is of this driver.
"""

from __future__ import annotations

from virtory.driver.known_flags import refuse_unknown
from virtory.errors import FROM_TEST


def only(flags: int, known: int, function: str) -> None:
    """As `refuse_unknown`, in the name of libvirt's test driver."""
    refuse_unknown(flags, known, function, FROM_TEST)
