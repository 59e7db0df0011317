"""The host's pages: how many are free, pools of huge ones, and merging of equal ones.

The rule kept here: labels and widths are virsh's.
"""

from __future__ import annotations

from virtory.cli.output import Data, Done, Output
from virtory.cli.parse import Usage
from virtory.cli.verb import argument, flag, option, verb
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_ADD, _SET = 0, 1
_TUNED = ("shm-pages-to-scan", "shm-sleep-millisecs", "shm-merge-across-nodes")


@verb(
    "freepages",
    "host",
    "free pages of the host's memory, by size",
    option("cellno", "of this NUMA cell", kind="number"),
    option("pagesize", "of this size in KiB", kind="number"),
    flag("all", "of each cell and size"),
)
async def freepages(
    terminal: Terminal, cellno: int | None, pagesize: int | None, all_: bool
) -> Output:
    """`virsh freepages`."""
    if not all_:
        for name, given in (("cellno", cellno), ("pagesize", pagesize)):
            if given is None:
                raise Usage(f"missing {name} argument")
        (free,) = await terminal.host.free_pages([pagesize or 0], start=cellno or 0)
        return Data(f"{pagesize}KiB: {free}\n\n", {f"{pagesize}": free})
    sizes = _sizes(await terminal.host.capabilities())
    text, raw = "", {}
    for cell in range((await terminal.host.node_info()).nodes):
        free_pages = await terminal.host.free_pages(sizes, start=cell)
        found = dict(zip(map(str, sizes), free_pages, strict=True))
        text += f"Node {cell}:\n" + "".join(f"{k}KiB: {v}\n" for k, v in found.items()) + "\n"
        raw[str(cell)] = found
    return Data(f"{text}\n", raw)


def _sizes(capabilities: str) -> list[int]:
    """The page sizes of the host in KiB, the ordinary one first."""
    import re

    return [int(size) for size in re.findall(r"<pages unit='KiB' size='(\d+)'/>", capabilities)]


@verb(
    "allocpages",
    "host",
    "make a pool of huge pages larger or smaller",
    argument("pagesize", "size of a page in KiB", kind="number"),
    argument("pagecount", "how many", kind="number"),
    option("cellno", "on this NUMA cell", kind="number"),
    flag("add", "so many more, not so many"),
    flag("all", "on each NUMA cell"),
)
async def allocpages(
    terminal: Terminal,
    pagesize: int,
    pagecount: int,
    cellno: int | None,
    add: bool,
    all_: bool,
) -> Output:
    """`virsh allocpages`."""
    start, cells = (-1, 1) if cellno is None else (cellno, 1)
    if all_:
        start, cells = 0, (await terminal.host.node_info()).nodes
    wanted = {pagesize: pagecount}
    flags = _ADD if add else _SET
    await terminal.host.allocate_pages(wanted, start=start, cells=cells, flags=flags)
    return Done("")


@verb(
    "node-memory-tune",
    "host",
    "how the host merges equal pages of memory",
    option("shm-pages-to-scan", "pages to look at in one go", kind="number"),
    option("shm-sleep-millisecs", "milliseconds between two", kind="number"),
    option("shm-merge-across-nodes", "across NUMA cells: 1, or 0", kind="number"),
)
async def node_memory_tune(terminal: Terminal, **given: int | None) -> Output:
    """`virsh node-memory-tune`."""
    wanted = {name: value for name, value in given.items() if value is not None}
    if wanted:
        await terminal.host.set_memory_parameters(wanted)
        return Done("")
    told: dict[str, Any] = await terminal.host.memory_parameters()
    lines = "".join(f"\t{name:<15} {value}\n" for name, value in told.items())
    return Data(f"Shared memory:\n{lines}\n", told)
