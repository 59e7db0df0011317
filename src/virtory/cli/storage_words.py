"""Words that the verbs of pools and volumes share: what a word names, sizes, flags.

The rule kept here: a pool is named by name or UUID, a volume by name (with its pool), key or path,
tried in virsh's order.
"""

from __future__ import annotations

from virtory.cli.verb import argument, flag
from virtory.errors import StoragePoolNotFound, StorageVolumeNotFound
from virtory.lean import TYPE_CHECKING, Any
from virtory.model.list_flags import StoragePoolBuild, StoragePoolCreate

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.storage import StoragePool, StorageVolume

POOL = argument("pool", "name or UUID of the pool", complete="pool")
OF_POOL = argument("pool", "name or UUID of its pool", required=False, complete="pool")
VOLUME = argument("vol", "name, key or path of the volume")
BUILD = (
    flag("build", "make first what it is kept in"),
    flag("overwrite", "also if that destroys data"),
    flag("no-overwrite", "not if that destroys data"),
)
TYPES = ("file", "block", "dir", "network", "net-dir", "ploop")
EVENTS = ("Defined", "Undefined", "Started", "Stopped", "Created", "Deleted")
STATES = ("inactive", "building", "running", "degraded", "inaccessible")


async def pool_named(terminal: Terminal, word: str) -> StoragePool:
    """The pool that `word` names; of one that is not there, what was perhaps meant."""
    if len(word) == 36 and word.count("-") == 4:
        try:
            return await terminal.host.storage_pool_by_uuid(word)
        except StoragePoolNotFound:
            pass
    try:
        return await terminal.host.storage_pool(word)
    except StoragePoolNotFound as error:
        from virtory.cli.manual import meant

        names = [each.name for each in await terminal.host.list_storage_pools()]
        error.cure = meant(word, names, "'virtory pool-list --all'")
        raise


async def volume_named(terminal: Terminal, word: str, pool: str | None) -> StorageVolume:
    """The volume that `word` names, in a pool or anywhere."""
    if pool is not None:
        found = await pool_named(terminal, pool)
        try:
            return await found.volume(word)
        except StorageVolumeNotFound as error:
            if not word.startswith("/"):
                from virtory.cli.manual import meant

                names = await found.volume_names()
                error.cure = error.cure or meant(word, names, f"'virtory vol-list {found.name}'")
                raise
    try:
        return await terminal.host.volume_by_key(word)
    except StorageVolumeNotFound:
        pass
    try:
        return await terminal.host.volume_by_path(word)
    except StorageVolumeNotFound as error:
        if pool is None and not word.startswith("/"):
            error.cure = f"say in which pool it is: --pool POOL {word}"
        raise


def build_flags(given: dict[str, Any]) -> int:
    """`--overwrite`, `--no-overwrite` of `pool-build`."""
    bits = StoragePoolBuild.OVERWRITE * bool(given["overwrite"])
    return bits | StoragePoolBuild.NO_OVERWRITE * bool(given["no_overwrite"])


def create_flags(given: dict[str, Any]) -> int:
    """`--build`, `--overwrite`, `--no-overwrite` of what starts a pool."""
    if given["overwrite"]:
        return StoragePoolCreate.WITH_BUILD_OVERWRITE
    if given["no_overwrite"]:
        return StoragePoolCreate.WITH_BUILD_NO_OVERWRITE
    return StoragePoolCreate.WITH_BUILD * bool(given["build"])


def size_of(text: str, what: str) -> int:
    """The bytes in `10G`, `512MB`, `4096`."""
    from virtory.model.values import Size

    try:
        return Size.parse(text)
    except ValueError:
        from virtory.cli.parse import Usage

        raise Usage(f"'{text}' is no size for {what}", "write it as 10G, 512M or 4096") from None


def human(size: int) -> str:
    """`10.00 GiB`."""
    value, units = float(size), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.2f} {units[0]}"
