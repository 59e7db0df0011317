"""What machines used between two looks at their statistics.

The rule kept here: pure but for `look`; a rate is a difference divided by the time that passed, and
a machine that was started between the two looks has none yet.
"""

from __future__ import annotations

import time

from virtory.cli import words
from virtory.cli.output import Table
from virtory.lean import TYPE_CHECKING, Any, NamedTuple
from virtory.model.flags import ConnectGetAllDomainsStats, DomainStats

if TYPE_CHECKING:
    from virtory.client.connect import Host

_GROUPS = (
    DomainStats.STATE
    | DomainStats.CPU_TOTAL
    | DomainStats.BALLOON
    | DomainStats.VCPU
    | DomainStats.INTERFACE
    | DomainStats.BLOCK
)
COLUMNS = [
    "Name", "State", "CPU %", "vCPUs", "Memory", "In RAM", "Read/s", "Write/s", "In/s", "Out/s",
]  # fmt: skip


class Look(NamedTuple):
    """Every running machine's counters, by name, at one time."""

    at: float
    machines: dict[str, dict[str, Any]]


class Use(NamedTuple):
    """One machine; rates are per second, sizes in bytes; None where there is no earlier look."""

    name: str
    state: str
    cpu_percent: float | None
    vcpus: int
    memory: int
    resident: int | None
    read: int | None
    written: int | None
    received: int | None
    sent: int | None


async def look(host: Host) -> Look:
    """One call, whatever the number of machines."""
    found = await host.domain_stats(_GROUPS, flags=ConnectGetAllDomainsStats.ACTIVE)
    return Look(time.monotonic(), {one.domain.name: dict(one.params) for one in found})


def uses(before: Look, now: Look) -> list[Use]:
    """The busiest first."""
    passed = max(now.at - before.at, 1e-6)
    found = [
        _use(name, before.machines.get(name), params, passed)
        for name, params in now.machines.items()
    ]
    return sorted(found, key=lambda use: (-(use.cpu_percent or 0), use.name))


def _use(name: str, before: dict[str, Any] | None, now: dict[str, Any], passed: float) -> Use:
    def rate(*ends: str) -> int | None:
        if before is None:
            return None
        change = _total(now, *ends) - _total(before, *ends)
        return int(max(0, change) / passed)

    spent = rate("cpu.time")
    resident = now.get("balloon.rss")
    return Use(
        name=name,
        state=words.word(words.STATES, int(now.get("state.state", 0))),
        cpu_percent=None if spent is None else round(spent / 1e7, 1),
        vcpus=int(now.get("vcpu.current", 0)),
        memory=int(now.get("balloon.current", 0)) * 1024,
        resident=None if resident is None else int(resident) * 1024,
        read=rate(".rd.bytes"),
        written=rate(".wr.bytes"),
        received=rate(".rx.bytes"),
        sent=rate(".tx.bytes"),
    )


def _total(params: dict[str, Any], *ends: str) -> int:
    return sum(int(value) for name, value in params.items() if name.endswith(ends))


def table(before: Look, now: Look) -> Table:
    """One table; JSON has bytes and bytes per second."""
    found = uses(before, now)
    rows = [
        [
            use.name,
            use.state,
            None if use.cpu_percent is None else f"{use.cpu_percent:.1f}",
            use.vcpus,
            *(_short(size) for size in use[4:]),
        ]
        for use in found
    ]
    return Table(COLUMNS, rows, raw=[use._asdict() for use in found])


def screen(before: Look, now: Look) -> str:
    """What stands on the terminal."""
    found = uses(before, now)
    spent = sum(use.cpu_percent or 0 for use in found)
    memory, resident = sum(use.memory for use in found), sum(use.resident or 0 for use in found)
    head = (
        f"{len(found)} running, {sum(use.vcpus for use in found)} virtual processors, "
        f"{spent:.0f} % of one processor, {_short(memory)} of memory, {_short(resident)} in RAM"
        "   (q quits)"
    )
    return f"{head}\n\n{table(before, now).text()}"


def _short(size: int | None) -> str | None:
    """Three digits and a unit; None stays None."""
    if size is None:
        return None
    if size < 1024:
        return str(size)
    amount = float(size)
    for unit in ("K", "M", "G", "T"):
        amount /= 1024
        if amount < 1000 or unit == "T":
            break
    return f"{amount:.1f}{unit}" if amount < 10 else f"{amount:.0f}{unit}"
