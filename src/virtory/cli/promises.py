"""What a host promised to its machines, against what it has.

The rule kept here: running machines count for now, all that are defined for what could be; what a
daemon does not tell is left out.
"""

from __future__ import annotations

from virtory.cli.output import Prose
from virtory.errors import VirtoryError
from virtory.lean import TYPE_CHECKING, Any
from virtory.model.flags import DomainStats

if TYPE_CHECKING:
    from virtory.client.connect import Host

_WIDTH = 14


async def promises(host: Host) -> Prose:
    """The sums, as text and as data."""
    info = await host.node_info()
    found = await host.domain_stats(DomainStats.STATE | DomainStats.BALLOON | DomainStats.VCPU)
    off = {5, 0}  # shut off, no state
    machines = [one.params for one in found]
    running = [one for one in machines if int(one.get("state.state", 0)) not in off]
    report = {
        "hostname": await host.hostname(),
        "cpus": info.cpus,
        "cpu_model": info.model,
        "memory_kib": info.memory_kib,
        "free_kib": await _free_kib(host),
        "running": _sums(running),
        "defined": _sums(machines),
        "kvm": await _kvm(host),
        "storage": await _storage(host),
    }
    return Prose(_text(report), report)


def _sums(machines: list[Any]) -> dict[str, int]:
    return {
        "machines": len(machines),
        "vcpus": sum(int(one.get("vcpu.current", 0)) for one in machines),
        "memory_kib": sum(int(one.get("balloon.maximum", 0)) for one in machines),
        "resident_kib": sum(int(one.get("balloon.rss", 0)) for one in machines),
    }


async def _free_kib(host: Host) -> int | None:
    """What could be given to a machine now: free, or used for what can be dropped."""
    try:
        stats = await host.memory_stats(-1)
    except VirtoryError:
        return None
    return sum(stats.get(name, 0) for name in ("free", "buffers", "cached"))


async def _kvm(host: Host) -> dict[str, str]:
    """virtoryd has tried it; another daemon only says whether it offers it."""
    try:
        checks = (await host.report())["checks"]
    except VirtoryError:
        offered = "type='kvm'" in await host.capabilities()
        return {"found": "offered" if offered else "not offered"}
    for check in checks:
        if check["name"] == "KVM":
            cure = {"cure": check["cure"]} if check.get("cure") else {}
            return {"found": check["found"], **cure}
    return {"found": "unknown"}


async def _storage(host: Host) -> list[dict[str, Any]]:
    """Each active pool: bytes there, taken, and promised to its volumes."""
    pools: list[dict[str, Any]] = []
    try:
        found = await host.list_storage_pools(active=True)
    except VirtoryError:
        return pools
    for pool in found:
        info = await pool.info()
        promised = 0
        for volume in await pool.volumes():
            promised += (await volume.info()).capacity
        pools.append(
            {
                "pool": pool.name,
                "capacity": info.capacity,
                "available": info.available,
                "promised": promised,
            }
        )
    return pools


def _text(report: dict[str, Any]) -> str:
    running, defined = report["running"], report["defined"]
    cpus, memory = report["cpus"], report["memory_kib"]
    lines = [
        f"Host {report['hostname']}",
        _line("machines", f"{running['machines']} running, {defined['machines']} known"),
        _line(
            "processors",
            f"{cpus} ({report['cpu_model']}); {running['vcpus']} promised"
            f"{_times(running['vcpus'], cpus)}, {defined['vcpus']} if all ran"
            f"{_times(defined['vcpus'], cpus)}",
        ),
        _line(
            "memory",
            f"{_size(memory << 10)}; {_size(running['memory_kib'] << 10)} promised"
            f"{_times(running['memory_kib'], memory)}, "
            f"{_size(defined['memory_kib'] << 10)} if all ran"
            f"{_times(defined['memory_kib'], memory)}; "
            f"{_size(running['resident_kib'] << 10)} in RAM",
        ),
    ]
    if report["free_kib"] is not None:
        lines.append(_line("", f"{_size(report['free_kib'] << 10)} free or easily freed"))
    lines.append(_line("KVM", report["kvm"]["found"]))
    if "cure" in report["kvm"]:
        lines.append(_line("", report["kvm"]["cure"]))
    for pool in report["storage"]:
        text = (
            f"pool {pool['pool']}: {_size(pool['capacity'])}, {_size(pool['available'])} free; "
            f"{_size(pool['promised'])} promised to volumes"
            f"{_times(pool['promised'], pool['capacity'])}"
        )
        lines.append(_line("storage", text))
    return "\n".join(lines) + "\n\n"


def _line(label: str, text: str) -> str:
    return f"  {label:<{_WIDTH}}{text}"


def _times(promised: int, there: int) -> str:
    """Said only when more is promised than there is."""
    return f" (overcommitted {promised / there:.1f} times)" if there and promised > there else ""


def _size(size: int) -> str:
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:.1f} {unit}"
