"""What a domain may use of the host, and what is measured of it.

The rule kept here: labels and widths are virsh's; a parameter given is a change, none shows all.
"""

from __future__ import annotations

from virtory.cli.output import Data, Done, Output
from virtory.cli.verb import ACTIVE, CONFIG, CURRENT, DOMAIN, LIVE, Option, option, verb
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

UNLIMITED_KIB = 9007199254740991
_MODES = ("page-sampling", "dirty-bitmap", "dirty-ring")
_NUMA_MODES = ("strict", "preferred", "interleave", "restrictive")
_WHEN = (CONFIG, LIVE, CURRENT)


def _affected(given: dict[str, Any]) -> int:
    from virtory.cli.terminal import modification

    return modification(given.pop("live"), given.pop("config"), given.pop("current"))


def _rows(values: dict[str, Any]) -> str:
    return "".join(f"{name:<15}: {value}\n" for name, value in values.items()) + "\n"


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    """The parameters that were given, by libvirt's names."""
    return {name: value for name, value in given.items() if value is not None}


@verb(
    "schedinfo",
    "tune",
    "its share of the host's processors",
    DOMAIN,
    option("weight", "for Xen", kind="number"),
    option("cap", "for Xen", kind="number"),
    CURRENT,
    CONFIG,
    LIVE,
    option("set", "parameter=value", kind="words", positional=True),
)
async def schedinfo(terminal: Terminal, domain: str, set: list[str], **given: Any) -> Output:
    """`virsh schedinfo`."""
    flags = _affected(given)
    machine = await terminal.domain(domain)
    wanted = _changes(given) | dict(_assigned(word) for word in set)
    if wanted:
        await machine.set_scheduler_parameters(wanted, flags=flags)
    kind = (await machine.scheduler_type()).name
    values = dict(await machine.scheduler_parameters(flags=flags))
    return Data(_rows({"Scheduler": kind, **values}), {"scheduler": kind, **values})


def _assigned(word: str) -> tuple[str, int]:
    name, _, value = word.partition("=")
    if not name or not value.lstrip("-").isdigit():
        from virtory.cli.parse import Usage

        raise Usage(f"'{word}' sets nothing", "write it as cpu_shares=2048")
    return name, int(value)


def _limit(name: str, help: str) -> Option:
    return option(name, help)


@verb(
    "memtune",
    "tune",
    "the most memory that its process may have",
    DOMAIN,
    _limit("hard-limit", "never more; in KiB without a unit"),
    _limit("soft-limit", "while the host has little"),
    _limit("swap-hard-limit", "with swap"),
    _limit("min-guarantee", "at least"),
    *_WHEN,
)
async def memtune(terminal: Terminal, domain: str, **given: Any) -> Output:
    """`virsh memtune`."""
    from virtory.cli.verbs.domain_tune import kib

    flags = _affected(given)
    machine = await terminal.domain(domain)
    wanted = {
        name: UNLIMITED_KIB if text == "-1" else kib(text) for name, text in _changes(given).items()
    }
    if wanted:
        await machine.set_memory_parameters(wanted, flags=flags)
        return Done("", name=machine.name, **wanted)
    values = dict(await machine.memory_parameters(flags=flags))
    words = {n: "unlimited" if v == UNLIMITED_KIB else v for n, v in values.items()}
    return Data(_rows(words), values)


_BY_DEVICE = (
    "device-weights",
    "device-read-iops-sec",
    "device-write-iops-sec",
    "device-read-bytes-sec",
    "device-write-bytes-sec",
)


@verb(
    "blkiotune",
    "tune",
    "its share of the host's disks",
    DOMAIN,
    option("weight", "against other machines", kind="number"),
    *(option(name, "/path/to/device,value,…") for name in _BY_DEVICE),
    *_WHEN,
)
async def blkiotune(terminal: Terminal, domain: str, **given: Any) -> Output:
    """`virsh blkiotune`."""
    flags = _affected(given)
    machine = await terminal.domain(domain)
    if wanted := _changes(given):
        if "device_weights" in wanted:
            wanted["device_weight"] = wanted.pop("device_weights")
        await machine.set_blkio_parameters(wanted, flags=flags)
        return Done("", name=machine.name, **wanted)
    values = dict(await machine.blkio_parameters(flags=flags))
    return Data(_rows(values), values)


@verb(
    "numatune",
    "tune",
    "the host's memory nodes that it uses",
    DOMAIN,
    option("mode", ", ".join(_NUMA_MODES)),
    option("nodeset", "such as 0-1"),
    *_WHEN,
)
async def numatune(terminal: Terminal, domain: str, **given: Any) -> Output:
    """`virsh numatune`."""
    flags = _affected(given)
    machine = await terminal.domain(domain)
    wanted = {f"numa_{name}": value for name, value in _changes(given).items()}
    if wanted:
        if "numa_mode" in wanted:
            wanted["numa_mode"] = _numa_mode(wanted["numa_mode"])
        await machine.set_numa_parameters(wanted, flags=flags)
        return Done("", name=machine.name, **wanted)
    values = dict(await machine.numa_parameters(flags=flags))
    mode = int(values.get("numa_mode", 0))
    words = values | {"numa_mode": _NUMA_MODES[mode] if mode < len(_NUMA_MODES) else mode}
    return Data(_rows(words), values)


def _numa_mode(word: str) -> int:
    if word.isdigit():
        return int(word)
    if word not in _NUMA_MODES:
        from virtory.cli.parse import Usage

        raise Usage(f"'{word}' is no mode", f"one of {', '.join(_NUMA_MODES)}")
    return _NUMA_MODES.index(word)


@verb(
    "perf",
    "tune",
    "events of the host's processor that are counted for it",
    DOMAIN,
    option("enable", "count these, separated by commas"),
    option("disable", "count these no longer"),
    *_WHEN,
)
async def perf(
    terminal: Terminal, domain: str, enable: str | None, disable: str | None, **given: Any
) -> Output:
    """`virsh perf`."""
    flags = _affected(given)
    machine = await terminal.domain(domain)
    wanted = dict.fromkeys(enable.split(","), True) if enable else {}
    wanted |= dict.fromkeys(disable.split(","), False) if disable else {}
    if wanted:
        await machine.set_perf_events(wanted, flags=flags)
        return Done("", name=machine.name, **wanted)
    values = {name: bool(on) for name, on in (await machine.perf_events(flags=flags)).items()}
    return Data(_rows({n: "enabled" if on else "disabled" for n, on in values.items()}), values)


@verb("domlaunchsecinfo", "monitor", "how its memory is kept from the host", ACTIVE)
async def domlaunchsecinfo(terminal: Terminal, domain: str) -> Output:
    """`virsh domlaunchsecinfo`."""
    values = dict(await (await terminal.domain(domain)).launch_security())
    return Data(_rows(values) if values else "\n", values)


@verb(
    "domdirtyrate-calc",
    "monitor",
    "measure how fast it writes memory; domstats --dirtyrate tells it",
    ACTIVE,
    option("seconds", "for so long, 1 to 60 (1)", kind="number"),
    option("mode", ", ".join(_MODES)),
)
async def domdirtyrate_calc(
    terminal: Terminal, domain: str, seconds: int | None, mode: str | None
) -> Output:
    """`virsh domdirtyrate-calc`."""
    if mode is not None and mode not in _MODES:
        from virtory.cli.parse import Usage

        raise Usage(f"'{mode}' is no mode", f"one of {', '.join(_MODES)}")
    machine = await terminal.domain(domain)
    flags = _MODES.index(mode) if mode else 0
    await machine.start_dirty_rate(1 if seconds is None else seconds, flags=flags)
    return Done("Start to calculate domain's memory dirty rate successfully.", name=machine.name)
