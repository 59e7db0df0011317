"""Pools: which there are and what they are.

The rule kept here: columns and labels are virsh's.
"""

from __future__ import annotations

from virtory.cli.output import Field, Fields, Lines, Output, Table, Text
from virtory.cli.storage_words import POOL, STATES, human, pool_named
from virtory.cli.verb import argument, flag, option, verb
from virtory.cli.words import word
from virtory.cli.xml_output import XPATH, described
from virtory.lean import TYPE_CHECKING, Any
from virtory.model.list_flags import ConnectListStoragePools as F

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.storage import StoragePool

_FILTERS = {
    "persistent": F.PERSISTENT,
    "transient": F.TRANSIENT,
    "autostart": F.AUTOSTART,
    "no_autostart": F.NO_AUTOSTART,
}


@verb(
    "pool-list",
    "pool",
    "list pools: the running ones, or all",
    flag("inactive", "only those that do not run"),
    flag("all", "running or not"),
    flag("transient", "only transient ones"),
    flag("persistent", "only persistent ones"),
    flag("autostart", "only those that start with the daemon"),
    flag("no-autostart", "only those that do not"),
    option("type", "only of these types, with commas"),
    flag("details", "with sizes"),
    flag("uuid", "UUIDs only"),
    flag("name", "names only"),
)
async def pool_list(terminal: Terminal, **given: Any) -> Output:
    """`virsh pool-list`."""
    flags = 0 if given["all_"] else F.INACTIVE if given["inactive"] else F.ACTIVE
    for name, bit in _FILTERS.items():
        flags |= bit if given[name] else 0
    flags |= _kinds(given["type_"])
    pools = sorted(await terminal.host.list_storage_pools(flags=flags), key=lambda each: each.name)
    if given["uuid"]:
        return Lines([each.uuid for each in pools])
    if given["name"]:
        return Lines([each.name for each in pools])
    columns = ["Name", "State", "Autostart"]
    if given["details"]:
        columns += ["Persistent", "Capacity", "Allocation", "Available"]
        return Table(columns, [await _detailed(pool) for pool in pools])
    rows: list[list[Any]] = []
    for pool in pools:
        shown = "active" if await pool.is_active() else "inactive"
        rows.append([pool.name, shown, await pool.autostart()])
    return Table(columns, rows)


def _kinds(words: str | None) -> int:
    flags = 0
    for kind in words.split(",") if words else ():
        bit = getattr(F, kind.upper().replace("-", "_"), None)
        if bit is None or not bit & ~0x3F:
            from virtory.cli.parse import Usage

            raise Usage(f"invalid pool type '{kind}'", "dir, fs, netfs, logical, disk, iscsi …")
        flags |= bit
    return flags


async def _detailed(pool: StoragePool) -> list[Any]:
    info = await pool.info()
    sizes: list[Any] = [None] * 3
    if info.state:
        sizes = [human(size) for size in (info.capacity, info.allocation, info.available)]
    shown = word(STATES, info.state)
    return [pool.name, shown, await pool.autostart(), await pool.is_persistent(), *sizes]


@verb("pool-info", "pool", "what a pool is", POOL, flag("bytes", "sizes in bytes"))
async def pool_info(terminal: Terminal, pool: str, bytes: bool) -> Output:
    """`virsh pool-info`."""
    found = await pool_named(terminal, pool)
    info = await found.info()
    persistent, autostart = await found.is_persistent(), await found.autostart()
    fields = [
        Field("Name", found.name),
        Field("UUID", found.uuid),
        Field("State", word(STATES, info.state)),
        Field("Persistent", "yes" if persistent else "no", value=persistent),
        Field("Autostart", "yes" if autostart else "no", value=autostart),
    ]
    if info.state:
        fields += [
            Field(label, str(size) if bytes else human(size), value=size)
            for label, size in (
                ("Capacity", info.capacity),
                ("Allocation", info.allocation),
                ("Available", info.available),
            )
        ]
    return Fields(fields)


@verb("pool-name", "pool", "the name of a pool", argument("pool", "its UUID"))
async def pool_name(terminal: Terminal, pool: str) -> Output:
    """`virsh pool-name`."""
    found = await pool_named(terminal, pool)
    return Text(f"{found.name}\n\n", key="name", value=found.name)


@verb("pool-uuid", "pool", "the UUID of a pool", POOL)
async def pool_uuid(terminal: Terminal, pool: str) -> Output:
    """`virsh pool-uuid`."""
    found = await pool_named(terminal, pool)
    return Text(f"{found.uuid}\n\n", key="uuid", value=found.uuid)


@verb(
    "pool-dumpxml",
    "pool",
    "a pool's description, as XML",
    POOL,
    flag("inactive", "as it will be at the next start"),
    *XPATH,
)
async def pool_dumpxml(
    terminal: Terminal, pool: str, inactive: bool, xpath: str | None, wrap: bool
) -> Output:
    """`virsh pool-dumpxml`."""
    found = await pool_named(terminal, pool)
    return described(await found.xml(inactive=inactive), xpath, wrap)


@verb("pool-capabilities", "pool", "which types of pools there are, as XML")
async def pool_capabilities(terminal: Terminal) -> Output:
    """`virsh pool-capabilities`."""
    xml = await terminal.host.storage_pool_capabilities()
    return Text(f"{xml.rstrip()}\n\n", key="xml", value=xml)


@verb(
    "find-storage-pool-sources",
    "pool",
    "what pools of a type could be made of, as XML",
    argument("type", "the type"),
    argument("srcSpec", "a file with a <source> to ask", required=False, complete="file"),
)
async def find_sources(
    terminal: Terminal,
    type_: str,
    srcSpec: str | None,  # noqa: N803 (virsh's own spelling)
) -> Output:
    """`virsh find-storage-pool-sources`."""
    from virtory.cli.files import text_of

    source = None if srcSpec is None else text_of(srcSpec)
    xml = await terminal.host.find_storage_pool_sources(type_, source)
    return Text(f"{xml.rstrip()}\n\n", key="xml", value=xml)


@verb(
    "find-storage-pool-sources-as",
    "pool",
    "as find-storage-pool-sources, of a server",
    argument("type", "the type"),
    argument("host", "the server", required=False),
    argument("port", "its port", required=False),
    argument("initiator", "this host's name for iSCSI", required=False),
)
async def find_sources_as(
    terminal: Terminal, type_: str, host: str | None, port: str | None, initiator: str | None
) -> Output:
    """`virsh find-storage-pool-sources-as`."""
    from xml.sax.saxutils import quoteattr

    source = None
    if host is not None:
        at = f" port={quoteattr(port)}" if port else ""
        source = f"<source>\n  <host name={quoteattr(host)}{at}/>\n"
        if initiator:
            source += f"  <initiator><iqn name={quoteattr(initiator)}/></initiator>\n"
        source += "</source>\n"
    xml = await terminal.host.find_storage_pool_sources(type_, source)
    return Text(f"{xml.rstrip()}\n\n", key="xml", value=xml)
