"""Numbers of domains: everything at once, memory, virtual CPUs.

The rule kept here: names are libvirt's statistics' names.
"""

from __future__ import annotations

from virtory.cli import words
from virtory.cli.output import Data, Field, Fields, Output
from virtory.cli.verb import ACTIVE, CONFIG, CURRENT, DOMAIN, LIVE, argument, flag, option, verb
from virtory.lean import TYPE_CHECKING, Any
from virtory.model.flags import ConnectGetAllDomainsStats as F
from virtory.model.flags import DomainAffect
from virtory.model.flags import DomainStats as S

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain

_GROUPS = {
    "state": S.STATE,
    "cpu-total": S.CPU_TOTAL,
    "balloon": S.BALLOON,
    "vcpu": S.VCPU,
    "interface": S.INTERFACE,
    "block": S.BLOCK,
    "perf": S.PERF,
    "iothread": S.IOTHREAD,
    "memory": S.MEMORY,
    "dirtyrate": S.DIRTYRATE,
    "vm": S.VM,
}
_LISTS = {
    "list-active": F.ACTIVE,
    "list-inactive": F.INACTIVE,
    "list-persistent": F.PERSISTENT,
    "list-transient": F.TRANSIENT,
    "list-running": F.RUNNING,
    "list-paused": F.PAUSED,
    "list-shutoff": F.SHUTOFF,
    "list-other": F.OTHER,
    "enforce": F.ENFORCE_STATS,
    "backing": F.BACKING,
    "nowait": F.NOWAIT,
}


@verb(
    "domstats",
    "monitor",
    "all numbers of some domains, or of every one",
    *(flag(name, f"the {name} group") for name in _GROUPS),
    *(flag(name, name.replace("-", " ")) for name in _LISTS),
    flag("raw", "numbers without words"),
    argument("domain", "these only", required=False, kind="words", complete="domain"),
)
async def domstats(terminal: Terminal, domain: list[str], raw: bool, **given: bool) -> Output:
    """`virsh domstats`."""
    groups = sum(bit for name, bit in _GROUPS.items() if given[name.replace("-", "_")])
    flags = sum(bit for name, bit in _LISTS.items() if given[name.replace("-", "_")])
    machines = [await terminal.domain(word) for word in domain]
    found = await terminal.host.domain_stats(groups, domains=machines, flags=flags)
    text = "".join(
        f"Domain: '{item.domain.name}'\n"
        + "".join(f"  {name}={_plain(value)}\n" for name, value in item.params.items())
        + "\n"
        for item in found
    )
    return Data(text, [{"domain": item.domain.name, **item.params} for item in found])


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6f}" if isinstance(value, float) else str(value)


@verb(
    "dommemstat",
    "monitor",
    "what the guest does with its memory, in KiB",
    ACTIVE,
    option("period", "seconds between the guest's reports", kind="number"),
    CONFIG,
    LIVE,
    CURRENT,
)
async def dommemstat(
    terminal: Terminal, domain: str, period: int | None, config: bool, live: bool, current: bool
) -> Output:
    """`virsh dommemstat`."""
    from virtory.cli.terminal import modification

    machine = await terminal.domain(domain)
    if period is not None:
        await machine.set_memory_stats_period(period, flags=modification(live, config, current))
        return Data("", {"period": period})
    stats = await machine.memory_stats()
    return Data("".join(f"{name} {value}\n" for name, value in stats.items()) + "\n", stats)


@verb("vcpuinfo", "monitor", "its virtual CPUs", DOMAIN, flag("pretty", "affinity as a list"))
async def vcpuinfo(terminal: Terminal, domain: str, pretty: bool) -> Output:
    """`virsh vcpuinfo`."""
    machine = await terminal.domain(domain)
    total = (await terminal.host.node_info()).cpus
    if not await machine.is_active():
        return await _vcpus_at_next_start(machine, total, pretty)
    groups = []
    for cpu in await machine.vcpus():
        groups.append(
            [
                Field("VCPU", str(cpu.number), "vcpu", cpu.number),
                Field("CPU", "N/A" if cpu.cpu < 0 else str(cpu.cpu), "cpu", cpu.cpu),
                Field("State", words.word(words.VCPU_STATES, cpu.state)),
                *_time(cpu.cpu_time_ns),
                _affinity(cpu.affinity, total, pretty),
            ]
        )
    return Fields(*groups)


async def _vcpus_at_next_start(machine: Domain, total: int, pretty: bool) -> Output:
    """What is known of them while it is off: which host CPUs they may use."""
    return Fields(
        *(
            [
                Field("VCPU", str(number), "vcpu", number),
                Field("CPU", "N/A"),
                Field("State", "N/A"),
                Field("CPU time", "N/A"),
                _affinity(cpus, total, pretty),
            ]
            for number, cpus in enumerate(await machine.vcpu_pins(flags=DomainAffect.CONFIG))
        )
    )


def _time(spent_ns: int) -> list[Field]:
    if not spent_ns:
        return []
    return [Field("CPU time", f"{spent_ns / 1e9:.1f}s", "cpu_time_ns", spent_ns)]


def _affinity(cpus: list[int], total: int, pretty: bool) -> Field:
    text = f"{words.ranges(cpus)} (out of {total})" if pretty else _flags(cpus, total)
    return Field("CPU Affinity", text, "affinity", cpus)


def _flags(cpus: list[int], total: int) -> str:
    return "".join("y" if number in cpus else "-" for number in range(total))


@verb(
    "vcpucount",
    "monitor",
    "how many virtual CPUs it has",
    DOMAIN,
    flag("maximum", "the most it can have"),
    flag("active", "those it has"),
    LIVE,
    CONFIG,
    CURRENT,
    flag("guest", "as the guest's agent sees it"),
)
async def vcpucount(
    terminal: Terminal,
    domain: str,
    maximum: bool,
    active: bool,
    live: bool,
    config: bool,
    current: bool,
    guest: bool,
) -> Output:
    """`virsh vcpucount`."""
    from virtory.cli.terminal import modification

    machine = await terminal.domain(domain)
    if current and (live or config):  # virsh's way to ask for those it has, not the most
        active, current = True, False
    if maximum or active or live or config or current or guest:
        flags = modification(live, config, current) | maximum << 2 | guest << 3
        count = await machine.vcpus_count(flags=flags)
        return Data(f"{count}\n\n", {"vcpus": count})
    running, kept = await machine.is_active(), await machine.is_persistent()
    lines, raw = [], {}
    for what, bit in (("maximum", 4), ("current", 0)):
        for when, affect, known in (("config", 2, kept), ("live", 1, running)):
            if known:
                count = await machine.vcpus_count(flags=bit | affect)
                lines.append(f"{what:<12} {when:<12} {count:>3}\n")
                raw[f"{what}_{when}"] = count
    return Data("".join(lines) + "\n", raw)


@verb(
    "cpu-stats",
    "monitor",
    "CPU time it used, in seconds",
    ACTIVE,
    flag("total", "in sum only"),
    option("start", "from this host CPU on", kind="number"),
    option("count", "so many host CPUs", kind="number"),
)
async def cpu_stats(
    terminal: Terminal, domain: str, total: bool, start: int | None, count: int | None
) -> Output:
    """`virsh cpu-stats`."""
    machine = await terminal.domain(domain)
    some = start is not None or count is not None
    first = start or 0
    each = [] if total and not some else await machine.cpu_stats_by_cpu()
    each = each[first : None if count is None else first + count]
    text = "".join(f"CPU{i}:\n{_seconds(stats)}" for i, stats in enumerate(each, first))
    if some and not total:
        return Data(f"{text}\n", {"cpus": each})
    summed = await machine.cpu_stats()
    return Data(f"{text}Total:\n{_seconds(summed)}\n", {"total": summed, "cpus": each})


def _seconds(stats: dict[str, Any]) -> str:
    return "".join(
        f"\t{name:<12} {value // 10**9:>9}.{value % 10**9:09} seconds\n"
        for name, value in stats.items()
    )
