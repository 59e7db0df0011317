"""The host's processors and memory.

The rule kept here: labels and widths are virsh's.
"""

from __future__ import annotations

from virtory.cli import words
from virtory.cli.output import Data, Field, Fields, Output
from virtory.cli.verb import flag, option, verb
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal


@verb("nodeinfo", "host", "processors and memory of the host")
async def nodeinfo(terminal: Terminal) -> Output:
    """`virsh nodeinfo`."""
    info = await terminal.host.node_info()
    return Fields(
        [
            Field("CPU model", info.model),
            Field("CPU(s)", str(info.cpus), "cpus", info.cpus),
            Field("CPU frequency", f"{info.mhz} MHz", "cpu_frequency_mhz", info.mhz),
            Field("CPU socket(s)", str(info.sockets), "sockets", info.sockets),
            Field("Core(s) per socket", str(info.cores), "cores_per_socket", info.cores),
            Field("Thread(s) per core", str(info.threads), "threads_per_core", info.threads),
            Field("NUMA cell(s)", str(info.nodes), "numa_cells", info.nodes),
            Field("Memory size", f"{info.memory_kib} KiB", "memory_kib", info.memory_kib),
        ],
        width=21,
    )


@verb("nodecpumap", "host", "which host CPUs are there", flag("pretty", "as a list"))
async def nodecpumap(terminal: Terminal, pretty: bool) -> Output:
    """`virsh nodecpumap`."""
    found = await terminal.host.cpu_map()
    online = sum(found.online)
    text = "".join("y" if here else "-" for here in found.online)
    if pretty:
        text = words.ranges([i for i, here in enumerate(found.online) if here])
    return Fields(
        [
            Field("CPUs present", str(found.total), "cpus_present", found.total),
            Field("CPUs online", str(online), "cpus_online", online),
            Field("CPU map", text, "cpu_map", found.online),
        ]
    )


@verb(
    "nodecpustats",
    "host",
    "what the host's CPUs did",
    option("cpu", "this one only", kind="number", positional=True),
    flag("percent", "in percent over one second"),
    loop="percent",
)
async def nodecpustats(terminal: Terminal, cpu: int | None, percent: bool) -> Output:
    """`virsh nodecpustats`."""
    wanted = -1 if cpu is None else cpu
    stats = _by_mode(await terminal.host.cpu_stats(wanted))
    if not percent:
        text = "".join(f"{name + ':':<15} {value:>20}\n" for name, value in stats.items())
        return Data(f"{text}\n", stats)
    import asyncio

    await asyncio.sleep(1)
    later = _by_mode(await terminal.host.cpu_stats(wanted))
    spent = {name: later[name] - stats[name] for name in stats if name in later}
    total = sum(spent.values()) or 1
    shares = {"usage": 100 * (total - spent.get("idle", 0)) / total}
    shares |= {name: 100 * value / total for name, value in spent.items()}
    text = "".join(f"{name + ':':<15} {value:>5.1f}%\n" for name, value in shares.items())
    return Data(f"{text}\n", shares)


def _by_mode(stats: dict[str, int]) -> dict[str, int]:
    """The counters under virsh's names, in its order."""
    named = {"system" if name == "kernel" else name: value for name, value in stats.items()}
    order = ["user", "system", "idle", "iowait", "intr"]
    return {name: named[name] for name in [*order, *named] if name in named}


@verb(
    "nodememstats",
    "host",
    "the host's memory",
    option("cell", "of this NUMA cell", kind="number", positional=True),
)
async def nodememstats(terminal: Terminal, cell: int | None) -> Output:
    """`virsh nodememstats`."""
    stats = await terminal.host.memory_stats(-1 if cell is None else cell)
    text = "".join(f"{name:<7}: {value:>20} KiB\n" for name, value in stats.items())
    return Data(f"{text}\n", stats)


@verb(
    "freecell",
    "host",
    "the host's free memory",
    option("cellno", "of this NUMA cell", kind="number", positional=True),
    flag("all", "of each cell"),
)
async def freecell(terminal: Terminal, cellno: int | None, all_: bool) -> Output:
    """`virsh freecell`."""
    host = terminal.host
    if cellno is not None:
        (free,) = await host.cells_free_memory(cellno, 1)
        return Data(f"{cellno}: {free // 1024} KiB\n\n", {str(cellno): free // 1024})
    if not all_:
        free = await host.free_memory()
        return Data(f"Total: {free // 1024} KiB\n\n", {"total": free // 1024})
    cells = await host.cells_free_memory(0, (await host.node_info()).nodes)
    raw: dict[str, Any] = {str(i): size // 1024 for i, size in enumerate(cells)}
    lines = "".join(f"{name:>5}: {value:>10} KiB\n" for name, value in raw.items())
    raw["total"] = sum(raw.values())
    return Data(f"{lines}{'-' * 20}\nTotal: {raw['total']:>10} KiB\n\n", raw)
