"""Pools: building, starting, stopping, and what happens to them.

The rule kept here: what is deleted is named, and only `pool-delete` deletes.
"""

from __future__ import annotations

from virtory.cli.following import followed, lifecycle_shown
from virtory.cli.output import Done, Lines, Output
from virtory.cli.storage_words import BUILD, EVENTS, POOL, build_flags, create_flags, pool_named
from virtory.cli.verb import flag, option, verb
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.events import Event


@verb("pool-build", "pool", "make what a pool is kept in", POOL, *BUILD[1:])
async def pool_build(terminal: Terminal, pool: str, **given: Any) -> Output:
    """`virsh pool-build`."""
    found = await pool_named(terminal, pool)
    await found.build(flags=build_flags(given))
    return Done(f"Pool {found.name} built", name=found.name)


@verb("pool-start", "pool", "start a pool that is defined", POOL, *BUILD)
async def pool_start(terminal: Terminal, pool: str, **given: Any) -> Output:
    """`virsh pool-start`."""
    found = await pool_named(terminal, pool)
    await found.start(flags=create_flags(given))
    return Done(f"Pool {found.name} started", name=found.name)


@verb("pool-destroy", "pool", "stop a pool; nothing in it is touched", POOL)
async def pool_destroy(terminal: Terminal, pool: str) -> Output:
    """`virsh pool-destroy`."""
    found = await pool_named(terminal, pool)
    await found.destroy()
    return Done(f"Pool {found.name} destroyed", name=found.name)


@verb("pool-delete", "pool", "delete what a stopped pool was kept in", POOL)
async def pool_delete(terminal: Terminal, pool: str) -> Output:
    """`virsh pool-delete`."""
    found = await pool_named(terminal, pool)
    await found.delete()
    return Done(f"Pool {found.name} deleted", name=found.name)


@verb("pool-refresh", "pool", "look again which volumes a pool has", POOL)
async def pool_refresh(terminal: Terminal, pool: str) -> Output:
    """`virsh pool-refresh`."""
    found = await pool_named(terminal, pool)
    await found.refresh()
    return Done(f"Pool {found.name} refreshed", name=found.name)


@verb("pool-autostart", "pool", "start a pool with the daemon", POOL, flag("disable", "no longer"))
async def pool_autostart(terminal: Terminal, pool: str, disable: bool) -> Output:
    """`virsh pool-autostart`."""
    found = await pool_named(terminal, pool)
    await found.set_autostart(not disable)
    marked = "unmarked" if disable else "marked"
    return Done(f"Pool {found.name} {marked} as autostarted", name=found.name)


_KINDS = ("lifecycle", "refresh")


@verb(
    "pool-event",
    "pool",
    "tell what happens to pools",
    option("pool", "only to this one", complete="pool"),
    option("event", "its kind: lifecycle or refresh"),
    flag("loop", "go on until interrupted"),
    option("timeout", "give up after these seconds", kind="number"),
    flag("list", "which kinds there are"),
    flag("timestamp", "with the time"),
    loop=True,
)
async def pool_event(
    terminal: Terminal,
    pool: str | None,
    event: str | None,
    loop: bool,
    timeout: int | None,
    list_: bool,
    timestamp: bool,
) -> Output | None:
    """`virsh pool-event`."""
    if list_:
        return Lines(list(_KINDS))
    if event not in _KINDS:
        from virtory.cli.parse import Usage

        wrong = "no event type was said" if event is None else f"unknown event type '{event}'"
        raise Usage(wrong, "use --event lifecycle or --event refresh")
    found = None if pool is None else await pool_named(terminal, pool)
    events = terminal.host.events(f"storage-pool.{event}", subject=found)

    def show(happened: Event) -> None:
        lifecycle_shown(terminal, happened, ("storage pool", "pool"), EVENTS, timestamp=timestamp)

    return await followed(terminal, events, show, loop=loop, timeout_s=timeout)
