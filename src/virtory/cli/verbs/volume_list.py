"""Volumes: which there are and what they are.

The rule kept here: columns and labels are virsh's.
"""

from __future__ import annotations

from virtory.cli.output import Field, Fields, Output, Table, Text
from virtory.cli.storage_words import (
    OF_POOL,
    POOL,
    TYPES,
    VOLUME,
    human,
    pool_named,
    volume_named,
)
from virtory.cli.verb import argument, flag, verb
from virtory.cli.words import word
from virtory.cli.xml_output import XPATH, described
from virtory.lean import TYPE_CHECKING, Any
from virtory.model.list_flags import StorageVolumeInfo

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal


@verb("vol-list", "pool", "list a pool's volumes", POOL, flag("details", "with types and sizes"))
async def vol_list(terminal: Terminal, pool: str, details: bool) -> Output:
    """`virsh vol-list`."""
    found = await (await pool_named(terminal, pool)).volumes()
    rows: list[list[Any]] = []
    for volume in sorted(found, key=lambda each: each.name):
        row: list[Any] = [volume.name, await volume.path()]
        if details:
            info = await volume.info()
            row += [word(TYPES, info.type), human(info.capacity), human(info.allocation)]
        rows.append(row)
    columns = ["Name", "Path", "Type", "Capacity", "Allocation"]
    return Table(columns if details else columns[:2], rows)


@verb(
    "vol-info",
    "pool",
    "what a volume is",
    VOLUME,
    OF_POOL,
    flag("bytes", "sizes in bytes"),
    flag("physical", "what it takes on the disk, instead of what is allocated"),
)
async def vol_info(
    terminal: Terminal, vol: str, pool: str | None, bytes: bool, physical: bool
) -> Output:
    """`virsh vol-info`."""
    volume = await volume_named(terminal, vol, pool)
    info = await volume.info(flags=StorageVolumeInfo.GET_PHYSICAL * physical)
    taken = "Physical" if physical else "Allocation"
    return Fields(
        [
            Field("Name", volume.name),
            Field("Type", word(TYPES, info.type)),
            *(
                Field(label, f"{size} bytes" if bytes else human(size), value=size)
                for label, size in (("Capacity", info.capacity), (taken, info.allocation))
            ),
        ]
    )


@verb("vol-dumpxml", "pool", "a volume's description, as XML", VOLUME, OF_POOL, *XPATH)
async def vol_dumpxml(
    terminal: Terminal, vol: str, pool: str | None, xpath: str | None, wrap: bool
) -> Output:
    """`virsh vol-dumpxml`."""
    return described(await (await volume_named(terminal, vol, pool)).xml(), xpath, wrap)


@verb("vol-path", "pool", "where a volume is", VOLUME, OF_POOL)
async def vol_path(terminal: Terminal, vol: str, pool: str | None) -> Output:
    """`virsh vol-path`."""
    return _line("path", await (await volume_named(terminal, vol, pool)).path())


@verb("vol-key", "pool", "the key of a volume", VOLUME, OF_POOL)
async def vol_key(terminal: Terminal, vol: str, pool: str | None) -> Output:
    """`virsh vol-key`."""
    return _line("key", (await volume_named(terminal, vol, pool)).key)


@verb("vol-name", "pool", "the name of a volume", argument("vol", "its key or path"))
async def vol_name(terminal: Terminal, vol: str) -> Output:
    """`virsh vol-name`."""
    return _line("name", (await volume_named(terminal, vol, None)).name)


@verb(
    "vol-pool",
    "pool",
    "the pool of a volume",
    argument("vol", "its key or path"),
    flag("uuid", "its UUID"),
)
async def vol_pool(terminal: Terminal, vol: str, uuid: bool) -> Output:
    """`virsh vol-pool`."""
    pool = await (await volume_named(terminal, vol, None)).pool()
    return _line("uuid", pool.uuid) if uuid else _line("name", pool.name)


def _line(key: str, value: str) -> Output:
    return Text(f"{value}\n\n", key=key, value=value)
