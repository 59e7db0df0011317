"""`top`: what all running machines do, now; `host`: what is promised against what exists.

The rule kept here: libvirt's own calls only, so that both work against a real libvirtd too.
"""

from __future__ import annotations

from virtory.cli.verb import flag, option, verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.output import Output
    from virtory.cli.terminal import Terminal


@verb(
    "top",
    "host",
    "what all running machines do: processors, memory, disks, networks",
    option("interval", "seconds between two looks (1)", kind="number", short="d"),
    flag("once", "one table, as when it is not shown on a terminal"),
    loop=True,
)
async def top(terminal: Terminal, interval: int | None, once: bool) -> Output | None:
    """`CONNECT_GET_ALL_DOMAIN_STATS` again and again; `q` ends it."""
    import sys

    from virtory.cli import live_table, usage
    from virtory.cli.parse import Usage

    seconds = 1 if interval is None else interval
    if seconds < 1:
        raise Usage("--interval is at least one second")
    if once or terminal.settings.json or not (sys.stdout.isatty() and sys.stdin.isatty()):
        first = await usage.look(terminal.host)
        await live_table.pause(seconds)
        return usage.table(first, await usage.look(terminal.host))
    await live_table.watch(lambda: usage.look(terminal.host), usage.screen, seconds)
    return None


@verb("host", "host", "what this host promised to its machines, against what exists")
async def host(terminal: Terminal) -> Output:
    """The sums of all machines, the storage, and whether KVM can be used."""
    from virtory.cli.promises import promises

    return await promises(terminal.host)
