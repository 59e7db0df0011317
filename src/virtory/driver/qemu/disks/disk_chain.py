"""The images of a running machine's disk, as values: one put on top, some taken out, others told.

The rule kept here: the plan has every image that QEMU has or may have. Those of a disk's chain are
under its target (`vda`), those beside it (not yet, or no longer, part of it) under `vda!`, so that
a daemon that finds the guest again knows what is left to be given back.

    more = disk_chain.beside(guest.plan, "vda", path, "qcow2")   # for growth.grow
    image = more.images[0]
    await growth.grow(guest, more)
    await disk_chain.plug(guest, image)                          # blockdev-add, without backing
    …blockdev-snapshot node=old.node overlay=image.node…
    plan = disk_chain.rechained(guest.plan, "vda", [image, *guest.plan.chain("vda")])
    await disk_chain.settle(guest, plan, change)                 # plan and XMLs in one save
    await disk_chain.give_back(guest, "vda")                     # closes what is under `vda!`

Call what is `async` while holding the guest's job lock.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu import growth
from virtory.driver.qemu.devices.disk import nodes
from virtory.driver.qemu.devices.wiring import Wiring
from virtory.driver.qemu.disks.image_chain import no_access
from virtory.driver.qemu.live import disk_of_plan
from virtory.driver.qemu.part import changed_row, redefining
from virtory.driver.qemu.plan import Image, OpenFile
from virtory.errors import FROM_STORAGE, OperationFailed, VirtoryError
from virtory.model.domain.devices.disk import BackingStore, Disk, DiskDriver, Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.plan import OpenMode, Plan
    from virtory.driver.qemu.table import Entry
    from virtory.model.domain import Domain

BESIDE = "!"
"""What follows a target's name for an image that is beside the chain."""


# -- values ------------------------------------------------------------------------------------


def beside(
    plan: Plan,
    target: str,
    path: str,
    image_format: str,
    *,
    read_only: bool = False,
    create: bool = False,
) -> Plan:
    """A fragment with one image; with `create` its file is made, and goes with the fragment.

    Raises SystemCallFailed when it is not there and not to be made.
    """
    try:
        is_device = not create and stat.S_ISBLK(os.stat(path).st_mode)
    except OSError as error:
        raise no_access(path, error, missing="create it, or name another") from None
    slot, index = growth.next_slot(plan), growth.next_image_index(plan)
    purpose = f"disk:{target}{BESIDE}:{index}"
    mode: OpenMode = "r" if read_only else "rw"
    file = OpenFile(slot, path, mode, slot, purpose, create=create, remove=create)
    image = Image(
        target + BESIDE, 0, index, path, image_format, is_device, read_only=read_only, slot=slot
    )
    return growth.fragment(plan, files=(file,), images=(image,))


def images_beside(plan: Plan, target: str) -> list[Image]:
    """The images that QEMU may have beside the chain, first come first."""
    return sorted((i for i in plan.images if i.target == target + BESIDE), key=lambda i: i.index)


def rechained(plan: Plan, target: str, chain: Sequence[Image]) -> Plan:
    """The plan with this chain, top first; what was in the chain and is no more stands beside it.

    Images are known by their index; the top is the one that is written.
    """
    wanted = {image.index: depth for depth, image in enumerate(chain)}
    renamed: dict[int, str] = {}
    images: list[Image] = []
    for image in plan.images:
        if image.index in wanted:
            depth = wanted[image.index]
            changed = replace(image, target=target, depth=depth, read_only=depth > 0)
            renamed[image.slot] = f"disk:{target}:{depth}"
        elif image.target == target:
            changed = replace(image, target=target + BESIDE, depth=0)
            renamed[image.slot] = f"disk:{target}{BESIDE}:{image.index}"
        else:
            changed = image
        if changed.data_slot is not None and changed.slot in renamed:
            renamed[changed.data_slot] = f"{renamed[changed.slot]}:data"
        images.append(changed)
    files = tuple(
        _renamed(file, renamed[file.slot]) if file.slot in renamed else file for file in plan.files
    )
    return replace(plan, images=tuple(images), files=files)


def _renamed(file: OpenFile, purpose: str) -> OpenFile:
    """The file in its new place; the top of a chain is open for writing, or has become so."""
    mode = "rw" if purpose.endswith((":0", ":0:data")) else file.mode
    return replace(file, purpose=purpose, mode=mode, remove=False)


def rows_of(plan: Plan, images: Sequence[Image]) -> Plan:
    """The fragment that holds these images and their files."""
    slots = {i.slot for i in images} | {i.data_slot for i in images}
    files = tuple(file for file in plan.files if file.slot in slots)
    return growth.fragment(plan, files=files, images=tuple(images))


def disk_named(domain: Domain, target: str) -> Disk | None:
    """The disk with this target."""
    return next((d for d in domain.devices.disks if d.target.dev == target), None)


def with_disk(domain: Domain, disk: Disk) -> Domain:
    """The domain with this disk in the place of the one of the same target."""
    disks = tuple(
        disk if each.target.dev == disk.target.dev else each for each in domain.devices.disks
    )
    return replace(domain, devices=replace(domain.devices, disks=disks))


def all_live(plan: Plan, targets: Sequence[str], domain: Domain) -> Domain:
    """As `live`, for several disks."""
    for target in targets:
        domain = live(domain, plan, target)
    return domain


def live(domain: Domain, plan: Plan, target: str) -> Domain:
    """The live description with the chain that the plan has for this disk."""
    disk = disk_named(domain, target)
    chain = plan.chain(target)
    if disk is None or not chain:
        return domain
    return with_disk(domain, disk_of_plan(with_source(disk, chain[0]), plan))


def with_source(disk: Disk, top: Image) -> Disk:
    """The same drive whose bytes are in another image."""
    driver = replace(disk.driver or DiskDriver(name="qemu"), type=top.format)
    source = source_of(top.path, is_device=top.is_device)
    if disk.source is not None:
        source = replace(source, startup_policy=disk.source.startup_policy)
    return replace(
        disk,
        type="block" if top.is_device else "file",
        driver=driver,
        source=source,
    )


def source_of(path: str, *, is_device: bool) -> Source:
    """`<source>` of a local image."""
    return Source(dev=path) if is_device else Source(file=path)


def backing_of(disk: Disk) -> BackingStore:
    """The disk's own image as the one below another; what the definition says below it stays."""
    return BackingStore(
        type=disk.type,
        format=disk.driver.type if disk.driver is not None else "raw",
        source=None if disk.source is None else replace(disk.source, index=None),
        backing_store=disk.backing_store,
    )


def explicit_chain(below: Sequence[tuple[str, str, bool]]) -> BackingStore | None:
    """`<backingStore>` that names these images: path, format, whether it is a device."""
    store = None
    for path, image_format, is_device in reversed(below):
        store = BackingStore(
            type="block" if is_device else "file",
            format=image_format,
            source=source_of(path, is_device=is_device),
            backing_store=store,
        )
    return store


def is_same(disk: Disk | None, path: str) -> bool:
    """Whether the disk's bytes are in this file, whatever way leads there."""
    named = disk.path if disk is not None else None
    return named is not None and os.path.realpath(named) == os.path.realpath(path)


def definition(
    entry: Entry, target: str, former: str, change: Callable[[Disk], Disk]
) -> Domain | None:
    """The definition with this disk changed, if it has the same drive with the same image.

    None: there is no definition, or it names another disk there and stays as it is.
    """
    if entry.row is None:
        return None
    domain = entry.configuration()
    disk = disk_named(domain, target)
    if disk is None or not (is_same(disk, former) or _is_same_volume(entry, disk)):
        return None
    return with_disk(domain, change(disk))


def _is_same_volume(entry: Entry, disk: Disk) -> bool:
    """Whether the definition names the volume of a pool that the guest was started with."""
    live = disk_named(entry.guest.domain, disk.target.dev) if entry.guest is not None else None
    if disk.type != "volume" or live is None or live.type != "volume":
        return False
    mine, theirs = disk.source, live.source
    if mine is None or theirs is None:
        return False
    return (mine.pool, mine.volume) == (theirs.pool, theirs.volume)


# -- effects -----------------------------------------------------------------------------------


async def settle(
    guest: Guest,
    plan: Plan,
    defined: Callable[[], Domain | None] | None = None,
    shown: Callable[[Domain], Domain] | None = None,
) -> None:
    """Plan, live description and definition change in one save; on an error none does.

    `defined` says what the definition becomes (None: it stays), `shown` what the description does.
    """
    entry, former = guest.entry, None
    try:
        async with redefining(guest.runtime, entry) if defined is not None else _saving(guest):
            former = guest.plan, guest.domain
            guest.plan = plan
            if shown is not None:
                guest.domain = shown(guest.domain)
            if defined is not None and entry.row is not None and (domain := defined()) is not None:
                rewrite(entry, domain)
    except BaseException:
        if former is not None:
            guest.plan, guest.domain = former
        raise


@contextlib.asynccontextmanager
async def _saving(guest: Guest) -> AsyncIterator[None]:
    yield
    await guest.runtime.commit(guest.entry)


def rewrite(entry: Entry, defined: Domain) -> None:
    """Let the definition be this; for whoever has the turn, or keeps the domain busy."""
    entry.row = changed_row(entry.definition(), defined)


def node_options(guest: Guest, image: Image, *, below: Image | None = None) -> list[dict[str, Any]]:
    """What blockdev-add takes for an image: its file (and data file), then its format."""
    disk = disk_named(guest.domain, image.target.removesuffix(BESIDE))
    assert disk is not None
    wiring = Wiring(guest.domain, guest.plan)
    described = [item.value for item in nodes(image, disk, wiring, [image])]
    if image.format == "qcow2":
        described[-1]["backing"] = None if below is None else below.node
    return described


async def plug(guest: Guest, image: Image, *, below: Image | None = None) -> None:
    """QEMU opens an image whose descriptors it has; when it raises, no node of it is left."""
    try:
        for options in node_options(guest, image, below=below):
            await guest.execute("blockdev-add", options)
    except BaseException:
        await unplug(guest, [image])
        raise


async def unplug(guest: Guest, images: Sequence[Image]) -> list[Image]:
    """QEMU closes the images that nothing uses any more; those that it does not have now.

    One that stands on another keeps that open: it goes first, whichever came first.
    """
    gone: list[Image] = []
    left, before = list(images), -1
    while left and len(gone) != before:
        before = len(gone)
        for image in left:
            names = (image.node, f"virtory-{image.index}-data", image.file_node)
            if all([await _forgotten(guest, name) for name in names]):
                gone.append(image)
        left = [image for image in left if image not in gone]
    return gone


async def _forgotten(guest: Guest, node: str) -> bool:
    """Whether QEMU has no such node, now or since long."""
    try:
        await guest.execute("blockdev-del", {"node-name": node})
    except VirtoryError as error:
        return "Failed to find node" in str(error)
    return True


async def give_back(guest: Guest, target: str) -> None:
    """Close all that stands beside the chain, and forget it; files marked `remove` go.

    What QEMU still uses stays, and stays in the plan.
    """
    images = images_beside(guest.plan, target)
    if not images:
        return
    gone = await unplug(guest, images)
    if gone:
        await growth.shrink(guest, rows_of(guest.plan, gone))


async def make_writable(guest: Guest, image: Image) -> None:
    """QEMU may write the file; the format above it opens itself for writing when it must."""
    file = next(f for f in guest.plan.files if f.slot == image.slot)
    if file.mode != "rw":
        await _reopen(guest, image, file, "rw")


async def make_read_only(guest: Guest, image: Image) -> None:
    """Undo `make_writable`; an image that a start opened for writing stays so."""
    file = next((f for f in guest.plan.files if f.slot == image.slot), None)
    if file is not None and file.mode != "rw":
        await _reopen(guest, image, file, "r")


async def _reopen(guest: Guest, image: Image, file: OpenFile, mode: OpenMode) -> None:
    chain = guest.plan.chain(image.target)
    below = next((each for each in chain if each.depth == image.depth + 1), None)
    options = node_options(guest, replace(image, read_only=mode == "r"), below=below)
    # A job may have opened the format for writing, and left it so.
    changed = options if mode == "r" else options[:1]
    number = await growth.pass_again(guest, file, mode)
    try:
        await guest.execute("blockdev-reopen", {"options": changed})
    except BaseException:
        await guest.execute("remove-fd", {"fdset-id": file.fdset, "fd": number})
        raise
    await growth.keep_only(guest, file, number)


async def flush(guest: Guest, image: Image) -> None:
    """What QEMU keeps of an image in memory, its tables above all, is on disk when this returns.

    Needed before a header stops naming what is below: QEMU changes headers without flushing.
    There is no QMP command for it; QEMU's own test command is the way. Raises OperationFailed.
    """
    words = {"command-line": f"qemu-io {image.node} flush"}
    said = str(await guest.execute("human-monitor-command", words)).strip()
    if said:
        raise OperationFailed(f"cannot flush '{image.path}': {said}", domain=FROM_STORAGE)


async def size_of(guest: Guest, node: str) -> int:
    """Bytes that the guest sees in a node."""
    for block in await guest.execute("query-named-block-nodes", {"flat": True}):
        if block.get("node-name") == node:
            return int(block["image"]["virtual-size"])
    return 0
