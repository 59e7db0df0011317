"""Volumes: made, copied, resized, wiped, deleted.

The rule kept here: `--print-xml` prints exactly what would have been sent.
"""

from __future__ import annotations

from virtory.cli.output import Done, Output, Text
from virtory.cli.storage_words import OF_POOL, POOL, VOLUME, pool_named, size_of, volume_named
from virtory.cli.verb import argument, flag, option, verb
from virtory.errors import StorageVolumeNotFound
from virtory.lean import TYPE_CHECKING, Any
from virtory.model.list_flags import StorageVolumeCreate as Create
from virtory.model.list_flags import StorageVolumeDelete, StorageVolumeResize

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.storage import StoragePool, StorageVolume

_FILE = argument("file", "volume XML, - for standard input", complete="file")
_PREALLOCATE = flag("prealloc-metadata", "set a qcow2 image's tables aside at once")
_REFLINK = flag("reflink", "share the blocks, or fail")
_VALIDATE = flag("validate", "against libvirt's schema first")
_ALGORITHMS = (
    *("zero", "nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33"),
    *("random", "trim"),
)


@verb("vol-create", "pool", "make a volume", POOL, _FILE, _PREALLOCATE, _VALIDATE)
async def vol_create(terminal: Terminal, pool: str, file_: str, **given: Any) -> Output:
    """`virsh vol-create`."""
    from virtory.cli.files import text_of

    found = await pool_named(terminal, pool)
    made = await found.create_volume(text_of(file_), flags=_flags(given))
    return Done(f"Vol {made.name} created from {file_}", name=made.name, key=made.key)


@verb(
    "vol-create-as",
    "pool",
    "make a volume, by options",
    POOL,
    argument("name", "the new volume's name"),
    argument("capacity", "its size: 10G, 512M, bytes"),
    option("allocation", "so much of it is set aside"),
    option("format", "raw, qcow2, vmdk …"),
    option("backing-vol", "the volume below it"),
    option("backing-vol-format", "that volume's format"),
    _PREALLOCATE,
    flag("print-xml", "print the XML instead"),
)
async def vol_create_as(terminal: Terminal, pool: str, **given: Any) -> Output:
    """`virsh vol-create-as`."""
    found = await pool_named(terminal, pool)
    lines = ["<volume>", f"  <name>{_text(given['name'])}</name>"]
    lines.append(f"  <capacity>{size_of(given['capacity'], '--capacity')}</capacity>")
    if given["allocation"]:
        size = size_of(given["allocation"], "--allocation")
        lines.append(f"  <allocation>{size}</allocation>")
    if given["format_"]:
        format = f"    <format type='{_text(given['format_'])}'/>"
        lines += ["  <target>", format, "  </target>"]
    if given["backing_vol"]:
        below = await _backing(terminal, found, given["backing_vol"])
        lines += ["  <backingStore>", f"    <path>{_text(await below.path())}</path>"]
        if given["backing_vol_format"]:
            lines.append(f"    <format type='{_text(given['backing_vol_format'])}'/>")
        lines.append("  </backingStore>")
    xml = "\n".join([*lines, "</volume>", ""])
    if given["print_xml"]:
        return Text(f"{xml}\n", key="xml", value=xml)
    made = await found.create_volume(xml, flags=_flags(given))
    return Done(f"Vol {made.name} created", name=made.name, key=made.key)


async def _backing(terminal: Terminal, pool: StoragePool, word: str) -> StorageVolume:
    try:
        return await pool.volume(word)
    except StorageVolumeNotFound:
        return await volume_named(terminal, word, None)


@verb(
    "vol-create-from",
    "pool",
    "make a volume with the contents of another",
    POOL,
    _FILE,
    VOLUME,
    option("inputpool", "the pool of that other", complete="pool"),
    _PREALLOCATE,
    _REFLINK,
    _VALIDATE,
)
async def vol_create_from(
    terminal: Terminal, pool: str, file_: str, vol: str, inputpool: str | None, **given: Any
) -> Output:
    """`virsh vol-create-from`."""
    from virtory.cli.files import text_of

    found = await pool_named(terminal, pool)
    source = await volume_named(terminal, vol, inputpool)
    with terminal.if_broken_off("the daemon finishes the copy, and then has it"):
        made = await found.clone_volume(text_of(file_), source, flags=_flags(given))
    message = f"Vol {made.name} created from input vol {source.name}"
    return Done(message, name=made.name, key=made.key)


@verb(
    "vol-clone",
    "pool",
    "copy a volume within its pool",
    VOLUME,
    argument("newname", "the copy's name"),
    OF_POOL,
    _PREALLOCATE,
    _REFLINK,
    flag("print-xml", "print the XML instead"),
)
async def vol_clone(
    terminal: Terminal, vol: str, newname: str, pool: str | None, **given: Any
) -> Output:
    """`virsh vol-clone`."""
    from virtory.model.storage_volume import copy_of

    source = await volume_named(terminal, vol, pool)
    xml = copy_of(await source.xml(), newname)
    if given["print_xml"]:
        return Text(f"{xml}\n", key="xml", value=xml)
    found = await source.pool()
    with terminal.if_broken_off(f"the daemon finishes the copy, and then has '{newname}'"):
        made = await found.clone_volume(xml, source, flags=_flags(given))
    return Done(f"Vol {made.name} cloned from {source.name}", name=made.name, key=made.key)


@verb(
    "vol-delete",
    "pool",
    "delete a volume and what is in it",
    VOLUME,
    OF_POOL,
    flag("delete-snapshots", "its snapshots too, where the pool has such"),
)
async def vol_delete(
    terminal: Terminal, vol: str, pool: str | None, delete_snapshots: bool
) -> Output:
    """`virsh vol-delete`."""
    volume = await volume_named(terminal, vol, pool)
    await volume.delete(flags=StorageVolumeDelete.WITH_SNAPSHOTS * delete_snapshots)
    return Done(f"Vol {vol} deleted", name=volume.name)


@verb(
    "vol-wipe",
    "pool",
    "overwrite what is in a volume",
    VOLUME,
    OF_POOL,
    argument("algorithm", "how (default: zero)", required=False, choices=_ALGORITHMS),
)
async def vol_wipe(terminal: Terminal, vol: str, pool: str | None, algorithm: str | None) -> Output:
    """`virsh vol-wipe`."""
    volume = await volume_named(terminal, vol, pool)
    with terminal.if_broken_off(f"the daemon finishes wiping '{volume.name}'"):
        await volume.wipe(algorithm=_ALGORITHMS.index(algorithm or "zero"))
    return Done(f"Vol {vol} wiped", name=volume.name)


@verb(
    "vol-resize",
    "pool",
    "make a volume larger or smaller; of a running machine use blockresize",
    VOLUME,
    argument("capacity", "the new size, or with --delta the difference"),
    OF_POOL,
    flag("allocate", "set the new part aside"),
    flag("delta", "by so much"),
    flag("shrink", "it may become smaller"),
)
async def vol_resize(
    terminal: Terminal, vol: str, capacity: str, pool: str | None, **given: Any
) -> Output:
    """`virsh vol-resize`."""
    delta, shrink = given["delta"], given["shrink"]
    text = capacity.removeprefix("-") if delta and shrink else capacity
    size = size_of(text, "the capacity")
    flags = StorageVolumeResize.ALLOCATE * given["allocate"]
    flags |= StorageVolumeResize.DELTA * delta | StorageVolumeResize.SHRINK * shrink
    volume = await volume_named(terminal, vol, pool)
    await volume.resize(size, flags=flags)
    how = "by" if delta else "to"
    message = f"Size of volume '{volume.name}' successfully changed {how} {text}"
    return Done(message, name=volume.name)


def _flags(given: dict[str, Any]) -> int:
    flags = Create.PREALLOC_METADATA * bool(given.get("prealloc_metadata"))
    flags |= Create.REFLINK * bool(given.get("reflink"))
    return flags | Create.VALIDATE * bool(given.get("validate"))


def _text(value: str) -> str:
    from xml.sax.saxutils import escape

    return escape(value, {"'": "&apos;"})
