"""External snapshots: the images stay as they are, and new ones on top take what comes.

The rule kept here: the switch of all disks is one act of QEMU's, and its record one save. What was
made for a snapshot that was not taken is removed; an image that a guest may have written is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver import new_files, qcow2
from virtory.driver.qemu import growth, save_image, transfer
from virtory.driver.qemu.disks import disk_chain
from virtory.driver.qemu.disks.image_chain import DEEPEST, chain, no_access
from virtory.driver.qemu.disks.shared_images import refuse_losing
from virtory.driver.qemu.domain_lifecycle import refuse_off
from virtory.driver.qemu.part import with_xml_of
from virtory.driver.qemu.plan import Plan
from virtory.driver.qemu.snapshot import kept_state
from virtory.driver.qemu.snapshot.draft import located, new_image
from virtory.driver.qemu.snapshot.snapshots import family_of
from virtory.driver.qemu.snapshot.taking import kept_of
from virtory.driver.snapshot_family import Kept
from virtory.errors import (
    ConfigUnsupported,
    OperationFailed,
    OperationUnsupported,
    SystemCallFailed,
    VirtoryError,
)
from virtory.model.domain import format_domain
from virtory.model.domain.devices.disk import DiskDriver, Source
from virtory.model.flags import DomainState
from virtory.model.lifecycle import Trigger
from virtory.model.snapshot_flags import SnapshotCreate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from virtory.driver.journal import Work
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.plan import Image
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.snapshot.taking import Taking
    from virtory.driver.qemu.table import Entry
    from virtory.driver.store import Change
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.disk import BackingStore, Disk
    from virtory.model.snapshot import Snapshot


def overlays_of(snapshot: Snapshot) -> dict[str, str]:
    """The new image of each disk that gets one, by target."""
    return {d.name: new_image(d) for d in snapshot.every_disk if d.snapshot == "external"}


def make_overlay(path: str, below: str, below_format: str) -> None:
    """A new image on top of another, as large as that. Blocking."""
    size = _size_of(below, below_format)
    try:
        descriptor = new_files.make(path)
        try:
            new_files.resemble(descriptor, os.stat(below))
        finally:
            os.close(descriptor)
        qcow2.write_empty(path, size + -size % 512, below, below_format)
    except OSError as error:
        raise SystemCallFailed(
            f"failed to create image file '{path}': {error.strerror}",
            errno=error.errno,
            cure="make room, or name another place: <disk name='…'><source file='…'/></disk>",
        ) from None


def _size_of(path: str, image_format: str) -> int:
    try:
        return qcow2.virtual_size(path) if image_format == "qcow2" else _length(path)
    except OSError as error:
        raise no_access(path, error) from None
    except ValueError as error:
        raise OperationFailed(
            str(error), cure="set the <driver type> of its disk in the domain's definition"
        ) from None


def _length(path: str) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)


def remove(paths: list[str]) -> None:
    """Remove files; what is not there is passed over. Blocking."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def refuse_too_deep(target: str, depth: int) -> None:
    """As many images as every start, every block job and every description can still take."""
    if depth >= DEEPEST:
        raise OperationUnsupported(
            f"disk '{target}' stands on {depth} images already, the most that there may be",
            cure="delete older snapshots, or merge them: virsh blockcommit",
        )


def _refuse_losing(runtime: Runtime, snapshot: Snapshot, flags: int) -> None:
    """A file that is there already is written anew only if that is said, and nobody needs it."""
    written = list(overlays_of(snapshot).values()) if flags & SnapshotCreate.REUSE_EXT else []
    memory = snapshot.memory.file if snapshot.memory is not None else None
    if memory is not None:
        written.append(memory)
        if not flags & SnapshotCreate.REUSE_EXT and os.path.exists(memory):
            raise ConfigUnsupported(
                f"external snapshot file for the memory already exists: {memory}",
                cure="name another file, or say that it is to be used: --reuse-external",
            )
    for path in written:
        refuse_losing(runtime.table, path)


def _live_depth(domain: Domain, target: str) -> int:
    """How many images a disk stands on; the live description has them all."""
    disk = disk_chain.disk_named(domain, target)
    depth, store = 1, disk.backing_store if disk is not None else None
    while store is not None and store.type is not None:
        depth, store = depth + 1, store.backing_store
    return depth


def _depth(path: str, image_format: str, described: BackingStore | None) -> int:
    """As `_live_depth`, by the images' headers, as a start would find them. Blocking."""
    _size_of(path, image_format)
    return len(chain(path, image_format, described))


# -- of a stopped machine ----------------------------------------------------------------------


async def take_off(taking: Taking, entry: Entry, snapshot: Snapshot, flags: int) -> str:
    """New images on top, and a definition that names them."""
    name, overlays = str(snapshot.name), overlays_of(snapshot)
    _refuse_losing(taking.runtime, snapshot, flags)
    made = [] if flags & SnapshotCreate.REUSE_EXT else list(overlays.values())
    domain, former = located(entry.configuration(), taking.preparation.volume), entry.definition()
    for target in overlays:
        refuse_too_deep(target, await asyncio.to_thread(_depth, *_image_of(domain, target)))
    files = await kept_state.planned(taking.preparation, domain, name)
    work = await taking.begin(entry, "overlays off", made=made, files=files)
    try:
        await kept_state.keep(files)
        if made:
            for target, path in overlays.items():
                below, below_format, _ = _image_of(domain, target)
                await asyncio.to_thread(make_overlay, path, below, below_format)
        taking.runtime.checkpoint("overlays made")
        disk_chain.rewrite(entry, over(domain, overlays))
        assert entry.row is not None
        files = {**files, "made": made}
        await taking.finish(entry, kept_of(snapshot, files), flags, work, entry.row)
        entry.saved_row = entry.row
    except BaseException:
        entry.row = with_xml_of(entry.definition(), former)
        await asyncio.to_thread(remove, made)
        await kept_state.drop(files)
        await work.done()
        raise
    return name


def _image_of(domain: Domain, target: str) -> tuple[str, str, BackingStore | None]:
    """The path and format of a disk's image, and what is described below it."""
    disk = disk_chain.disk_named(domain, target)
    assert disk is not None and disk.path is not None
    return disk.path, disk.format, disk.backing_store


def over(domain: Domain, overlays: dict[str, str]) -> Domain:
    """The same machine with these images on top of its own."""
    for target, path in overlays.items():
        disk = disk_chain.disk_named(domain, target)
        if disk is None:
            continue
        changed = replace(
            disk,
            type="file",
            driver=replace(disk.driver or DiskDriver(name="qemu"), type="qcow2"),
            source=disk_chain.source_of(path, is_device=False),
            backing_store=disk_chain.backing_of(disk),
        )
        domain = disk_chain.with_disk(domain, changed)
    return domain


# -- of a running machine ----------------------------------------------------------------------


async def take_live(taking: Taking, guest: Guest, snapshot: Snapshot, flags: int) -> str:
    """Memory into its file when asked for, then all disks at once; with the lock held."""
    overlays, ran = overlays_of(snapshot), guest.is_running
    _refuse_losing(taking.runtime, snapshot, flags)
    for target in overlays:
        refuse_too_deep(target, _live_depth(guest.domain, target))
    made = [] if flags & SnapshotCreate.REUSE_EXT else list(overlays.values())
    memory = snapshot.memory.file if snapshot.memory is not None else None
    files: dict[str, Any] = {"made": made, "memory": memory}
    ours = [*made, *([memory, memory + new_files.UNFINISHED] if memory is not None else [])]
    noted = {"made": ours, "ran": ran, "snapshot": _kept_text(snapshot, files, flags)}
    work = await taking.begin(guest.entry, "overlays", **noted)
    try:
        async with _quiet(guest, flags):
            if memory is not None:
                await _keep_memory(guest, snapshot, memory, live=bool(flags & SnapshotCreate.LIVE))
                files["memory_bytes"] = (await asyncio.to_thread(os.stat, memory)).st_size
                noted["snapshot"] = _kept_text(snapshot, files, flags)
            taking.runtime.checkpoint("snapshot memory kept")
            more = await _made(guest, overlays, bool(made))
            noted["fragment"] = disk_chain.rows_of(guest.plan, more).to_json()
            await work.step(step="overlays", domain=guest.entry.uuid.hex(), **noted)
            taking.runtime.checkpoint("overlays made")
            await _switch(guest, more)
            taking.runtime.checkpoint("overlays switched")
    except BaseException:
        await _undo(guest, overlays, ours)
        await work.done()
        raise
    finally:
        if ran and not guest.is_running and not flags & SnapshotCreate.HALT:
            with contextlib.suppress(VirtoryError):
                await guest.execute("cont")
    await settle(guest, more)
    taking.runtime.checkpoint("overlays settled")
    await taking.finish(guest.entry, kept_of(snapshot, files), flags, work)
    return str(snapshot.name)


@contextlib.asynccontextmanager
async def _quiet(guest: Guest, flags: int) -> AsyncIterator[None]:
    """The guest's file systems are frozen meanwhile, when that was asked for."""
    if not flags & SnapshotCreate.QUIESCE:
        yield
        return
    from virtory.driver.qemu.domain_lifecycle import usable_agent

    agent = usable_agent(guest)
    await agent.call("guest-fsfreeze-freeze")
    try:
        yield
    finally:
        with contextlib.suppress(VirtoryError):
            await agent.call("guest-fsfreeze-thaw")


def _kept_text(snapshot: Snapshot, files: dict[str, Any], flags: int) -> dict[str, Any] | None:
    """What a later daemon needs to finish the snapshot."""
    if flags & SnapshotCreate.NO_METADATA:
        return None
    return kept_of(snapshot, files)._asdict()


async def _keep_memory(guest: Guest, snapshot: Snapshot, path: str, *, live: bool) -> None:
    assert snapshot.domain is not None
    if guest.is_running:
        guest.pause_cause = Trigger.SNAPSHOT_PAUSED
        if not live:
            await guest.execute("stop")
    refuse_off(guest)
    text = format_domain(snapshot.domain)
    begin = save_image.head(text, running=snapshot.state == "running", finished=False)
    unfinished = path + new_files.UNFINISHED
    descriptor = await asyncio.to_thread(save_image.created, unfinished, begin)
    try:
        await transfer.write(guest, descriptor, transfer.Operation.SNAPSHOT)
        await asyncio.to_thread(save_image.finish, descriptor, unfinished, path)
    finally:
        os.close(descriptor)


async def _made(guest: Guest, overlays: dict[str, str], fresh: bool) -> list[Image]:
    """The new images, open in QEMU beside the chains."""
    images = []
    for target, path in overlays.items():
        top = guest.plan.chain(target)[0]
        if fresh:
            await asyncio.to_thread(make_overlay, path, top.path, top.format)
        # Whoever finds them later does not know whether a guest wrote them: the journal removes.
        more = disk_chain.beside(guest.plan, target, path, "qcow2")
        await growth.grow(guest, more)
        await disk_chain.plug(guest, more.images[0])
        images.append(more.images[0])
    return images


async def _switch(guest: Guest, images: list[Image]) -> None:
    actions = []
    for image in images:
        top = guest.plan.chain(image.target.removesuffix(disk_chain.BESIDE))[0]
        data = {"node": top.node, "overlay": image.node}
        actions.append({"type": "blockdev-snapshot", "data": data})
    await guest.execute("transaction", {"actions": actions})


async def settle(guest: Guest, images: list[Image]) -> None:
    """Plan, live description and definition have the new images on top."""
    plan, was = guest.plan, guest.domain
    former: dict[str, str] = {}
    for image in images:
        target = _target(image)
        old = plan.chain(target)
        former[target] = old[0].path
        plan = disk_chain.rechained(plan, target, [image, *old])
    overlays = {_target(image): image.path for image in images}
    await disk_chain.settle(
        guest,
        plan,
        lambda: _defined(guest.entry.configuration(), was, former, overlays),
        lambda domain: disk_chain.all_live(plan, list(overlays), domain),
    )


def _defined(
    defined: Domain, was: Domain, former: dict[str, str], overlays: dict[str, str]
) -> Domain:
    """The definition with the overlays on those disks that were the running machine's."""
    for target, path in overlays.items():
        disk = disk_chain.disk_named(defined, target)
        if disk is None:
            continue
        if disk.type == "volume" and disk.source is not None:
            live = disk_chain.disk_named(was, target)
            if live is not None and live.type == "volume" and _volume(live) == _volume(disk):
                disk = replace(disk, type="file", source=Source(file=former[target]))
                defined = disk_chain.with_disk(defined, disk)
        if disk_chain.is_same(disk, former[target]):
            defined = over(defined, {target: path})
    return defined


def _volume(disk: Disk) -> tuple[str | None, str | None]:
    assert disk.source is not None
    return disk.source.pool, disk.source.volume


async def _undo(guest: Guest, overlays: dict[str, str], made: list[str]) -> None:
    with contextlib.suppress(VirtoryError):
        for target in overlays:
            await disk_chain.give_back(guest, target)
    await asyncio.to_thread(remove, made)


def written(path: str) -> bool:
    """Whether anything but its head is in an overlay that we made. Blocking."""
    try:
        with open(path, "rb") as file:
            file.seek(3 << qcow2.CLUSTER_BITS)  # its first table, empty at the beginning
            return any(file.read(1 << qcow2.CLUSTER_BITS))
    except OSError:
        return False


async def mend(entry: Entry, work: Work, step: dict[str, Any]) -> None:
    """A switch that was cut off: finished when QEMU or the guest made it, else undone."""
    guest = entry.guest
    if step["step"] == "overlays off":
        text = entry.row.xml if entry.row is not None else ""
        if not any(path in text for path in step["made"]):
            await asyncio.to_thread(remove, step["made"])
            await kept_state.drop(step["files"])
        await work.done()
        return
    if guest is not None:
        done = await _mend_live(guest, step)
        if step["ran"] and entry.state == DomainState.PAUSED:
            with contextlib.suppress(VirtoryError):
                await guest.execute("cont")
    else:
        done = await _mend_off(entry, step)
    changes: list[Change] = []
    if done and step["snapshot"] is not None:
        changes = family_of(entry).put(Kept(**step["snapshot"]), current=True)
    await work.done(*changes)


async def _mend_live(guest: Guest, step: dict[str, Any]) -> bool:
    """Whether the machine has the new images; those that it has not are closed and removed."""
    fragment = Plan.from_json(step["fragment"]) if "fragment" in step else None
    if fragment is not None:
        blocks = await guest.execute("query-block")
        used = {str(b["inserted"].get("node-name")) for b in blocks if b.get("inserted")}
        images = list(fragment.images)
        known = {image.index for image in guest.plan.images}
        if all(image.node in used for image in images):
            if not all(image.index in known for image in images):
                guest.plan = growth.joined(guest.plan, fragment)
            tops = {guest.plan.chain(_target(image))[0].index for image in images}
            if not all(image.index in tops for image in images):
                await settle(guest, images)
            return True
        await disk_chain.unplug(guest, images)
        for image in images:
            await disk_chain.give_back(guest, _target(image))
    await asyncio.to_thread(remove, step["made"])
    return False


def _target(image: Image) -> str:
    return image.target.removesuffix(disk_chain.BESIDE)


async def _mend_off(entry: Entry, step: dict[str, Any]) -> bool:
    """Whether the machine, which has ended since, wrote to the new images."""
    text = entry.row.xml if entry.row is not None else ""
    fragment = Plan.from_json(step["fragment"]) if "fragment" in step else None
    overlays = {_target(i): i.path for i in fragment.images} if fragment is not None else {}
    if overlays and all(path in text for path in overlays.values()):
        return True
    results = [await asyncio.to_thread(written, path) for path in overlays.values()]
    if any(results) and entry.row is not None:
        disk_chain.rewrite(entry, over(entry.configuration(), overlays))
        return True
    await asyncio.to_thread(remove, step["made"])
    return False
