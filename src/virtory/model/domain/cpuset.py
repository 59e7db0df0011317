"""Sets of processors and of NUMA nodes as libvirt writes them: `0-3,^2,8`.

The rule kept here: text is read as generously as libvirt reads it and written in one way only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST = 1 << 14
LONGEST = 1 << 17


def members(text: str) -> frozenset[int]:
    """The numbers that a text names.

    Raises:
        ValueError: it is no such text, or names nothing.
    """
    found = mask(text)
    return frozenset(number for first, last in _spans(found) for number in range(first, last + 1))


def mask(text: str) -> int:
    """As `members`, with a bit for each number: a text of many wide ranges takes no long time."""
    if len(text) > LONGEST:
        raise ValueError(f"a set of numbers has at most {LONGEST} characters")
    found = 0
    for part in text.replace(" ", "").split(","):
        excluded = part.startswith("^")
        first, dash, last = part.lstrip("^").partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise ValueError(f"{text!r} is no set of numbers such as 0-3,^2")
        low, high = int(first), int(last) if dash else int(first)
        if high < low or high >= MOST:
            raise ValueError(f"{part!r} in {text!r} is no range from 0 to {MOST - 1}")
        span = (1 << high + 1) - (1 << low)
        found = found & ~span if excluded else found | span
    if not found:
        raise ValueError(f"{text!r} names nothing")
    return found


def _spans(found: int) -> Iterator[tuple[int, int]]:
    """The first and last bit of each row of ones."""
    below = 0
    while found:
        zeroes = (found & -found).bit_length() - 1
        found >>= zeroes
        ones = (~found & found + 1).bit_length() - 1
        yield below + zeroes, below + zeroes + ones - 1
        found >>= ones
        below += zeroes + ones


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def spelled(numbers: Iterable[int]) -> str:
    """The text for some numbers, ranges joined: `0-3,8`."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return _joined(spans)


def _joined(spans: Iterable[Iterable[int]]) -> str:
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def canonical(text: str | None) -> str | None:
    """The same set in its one spelling; a text that is none stays, for `problems` to name it."""
    if text is None:
        return None
    try:
        return _joined(_spans(mask(text)))
    except ValueError:
        return text
