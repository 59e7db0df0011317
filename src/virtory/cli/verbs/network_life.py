"""Networks: starting, stopping, and what happens to them.

The rule kept here: a network that has guests is stopped only because the user says so.
"""

from __future__ import annotations

from virtory.cli.following import followed, lifecycle_shown
from virtory.cli.network_words import EVENTS, NETWORK, named
from virtory.cli.output import Done, Lines, Output
from virtory.cli.verb import argument, flag, option, verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.events import Event


@verb("net-start", "network", "start a network that is defined", NETWORK)
async def net_start(terminal: Terminal, network: str) -> Output:
    """`virsh net-start`."""
    found = await named(terminal, network)
    await found.start()
    return Done(f"Network {found.name} started", name=found.name)


@verb("net-destroy", "network", "stop a network; guests on it lose their link", NETWORK)
async def net_destroy(terminal: Terminal, network: str) -> Output:
    """`virsh net-destroy`."""
    found = await named(terminal, network)
    await found.destroy()
    return Done(f"Network {found.name} destroyed", name=found.name)


@verb(
    "net-autostart",
    "network",
    "start a network with the daemon",
    NETWORK,
    flag("disable", "no longer"),
)
async def net_autostart(terminal: Terminal, network: str, disable: bool) -> Output:
    """`virsh net-autostart`."""
    found = await named(terminal, network)
    await found.set_autostart(not disable)
    marked = "unmarked" if disable else "marked"
    return Done(f"Network {found.name} {marked} as autostarted", name=found.name)


@verb(
    "net-event",
    "network",
    "tell what happens to networks",
    argument("network", "only to this one", required=False, complete="network"),
    argument("event", "its kind: lifecycle", required=False),
    flag("loop", "go on until interrupted"),
    option("timeout", "give up after these seconds", kind="number"),
    flag("list", "which kinds there are"),
    flag("timestamp", "with the time"),
    loop=True,
)
async def net_event(
    terminal: Terminal,
    network: str | None,
    event: str | None,
    loop: bool,
    timeout: int | None,
    list_: bool,
    timestamp: bool,
) -> Output | None:
    """`virsh net-event`."""
    if list_:
        return Lines(["lifecycle"])
    if event not in (None, "lifecycle"):
        from virtory.cli.parse import Usage

        raise Usage(f"unknown event type '{event}'", "virtory net-event --list")
    found = None if network is None else await named(terminal, network)
    events = terminal.host.events("network.lifecycle", subject=found)

    def show(happened: Event) -> None:
        lifecycle_shown(terminal, happened, ("network", "network"), EVENTS, timestamp=timestamp)

    return await followed(terminal, events, show, loop=loop, timeout_s=timeout)
