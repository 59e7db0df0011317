"""I/O threads: which there are, and how they poll.

The rule kept here: a thread is its number; QEMU knows it as `iothreadN`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.interface import UINT, ULLONG, Param

if TYPE_CHECKING:
    from collections.abc import Iterable

    from virtory.model.domain import Domain

_POLLING = (("poll-max-ns", ULLONG), ("poll-grow", UINT), ("poll-shrink", UINT))


def defined_numbers(domain: Domain) -> list[int]:
    """Those that the definition names, then as many more as it counts, from 1 on."""
    named = [] if domain.iothreadids is None else [one.id for one in domain.iothreadids.iothreads]
    free = (number for number in range(1, 65536) if number not in named)
    missing = max(0, (domain.iothreads or 0) - len(named))
    return named + [number for number, _ in zip(free, range(missing), strict=False)]


def any_in(domain: Domain) -> bool:
    """Whether the machine has one."""
    return bool(domain.iothreads) or domain.iothreadids is not None


def numbered(told: Iterable[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """QEMU's answer to query-iothreads, by number, in its order."""
    found = []
    for one in told:
        number = str(one["id"]).removeprefix("iothread")
        if number.isdigit():
            found.append((int(number), one))
    return found


def params(told: Any) -> list[Param]:
    """The `iothread.*` part of domstats."""
    threads = numbered(told)
    if not threads:
        return []
    shown = [Param("iothread.count", UINT, len(threads))]
    for number, one in threads:
        shown += [
            Param(f"iothread.{number}.{name}", kind, int(one.get(name, 0)))
            for name, kind in _POLLING
        ]
    return shown
