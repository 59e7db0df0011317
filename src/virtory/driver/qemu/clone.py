"""Clones: a machine of its own with the disks of another, whole or on shared images.

The rule kept here: written down first, with every file that is made; a daemon killed anywhere
leaves the original as it was (a linked clone's: with an empty overlay at most) and a whole clone or
none. The original is never paused for long: off, it waits with its start; running, QEMU copies what
it is about to overwrite.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver import file_copy
from virtory.driver.journal import Journal
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import clone_running
from virtory.driver.qemu.clone_files import (
    DiskCopy,
    Log,
    Made,
    Progress,
    copies,
    overlay_path,
    remove_planned,
    require_said_chain,
    write_overlay,
)
from virtory.driver.qemu.disks import disk_chain, offline_chain
from virtory.driver.qemu.part import Part, changed_row, with_xml_of
from virtory.driver.qemu.table import row_of
from virtory.errors import AlreadyExists, OperationInvalid, SystemCallFailed
from virtory.model.events import Lifecycle
from virtory.model.flags import DomainClone, DomainEventDefined, DomainEventLifecycle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.interface import DomainRef
    from virtory.driver.journal import Work
    from virtory.driver.qemu.disks.image_chain import Link
    from virtory.driver.qemu.preparation import Wanted
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.table import Entry
    from virtory.driver.store import DomainRow
    from virtory.model.domain import Domain

WORK = "clone"


_under_way: dict[str, Progress] = {}


class Clones(Part):
    """Making clones."""

    async def clone(self, uuid: bytes, xml: str, flags: int) -> DomainRef:
        refuse_unknown(flags, DomainClone.ALL, "virtoryDomainClone")
        entry = self._entry(uuid)
        wanted = await self._preparation.read(xml)
        # Once begun it goes on, even when its client goes.
        return await asyncio.shield(asyncio.ensure_future(self._cloned(entry, wanted, flags)))

    async def _cloned(self, entry: Entry, wanted: Wanted, flags: int) -> DomainRef:
        await self._runtime.mending.again(entry.uuid)
        fresh = wanted.claim(self._table, running_is_fine=True)
        self._table.hold(entry)
        try:
            if fresh.is_known or fresh.name in _under_way:
                raise AlreadyExists(
                    f"a domain called '{fresh.name}' exists, or is just being made",
                    cure="choose another name",
                )
            progress = _under_way[fresh.name] = Progress()
            try:
                with self._waiting(entry) as runs:
                    await self._made(entry, fresh, wanted, flags, progress, runs=runs)
            finally:
                _under_way.pop(fresh.name, None)
        finally:
            self._table.let_go(entry)
            self._table.let_go(fresh)
        event = Lifecycle(fresh.ref, DomainEventLifecycle.DEFINED, DomainEventDefined.ADDED)
        self._runtime.announce(fresh, event, save=False)
        return fresh.ref

    @contextlib.contextmanager
    def _waiting(self, entry: Entry) -> Iterator[bool]:
        """A machine that is off stays so until its clone is on record; whether it runs."""
        if entry.guest is not None:
            yield True
            return
        if entry in self._runtime.starting or entry.busy is not None:
            raise OperationInvalid(f"domain is just being {entry.busy or 'started'}")
        entry.busy = "cloned"
        try:
            yield False
        finally:
            entry.busy = None

    async def clone_progress(self, name: str) -> tuple[int, int]:
        progress = _under_way.get(name)
        return (progress.done, progress.total) if progress is not None else (0, 0)

    async def clone_give_up(self, name: str) -> None:
        if (progress := _under_way.get(name)) is not None:
            progress.given_up = True

    async def _made(
        self,
        entry: Entry,
        fresh: Entry,
        wanted: Wanted,
        flags: int,
        progress: Progress,
        *,
        runs: bool,
    ) -> None:
        linked = bool(flags & DomainClone.LINKED)
        if linked:
            _refuse_linked(entry)
        volume = (await self._preparation.host()).volume
        disks = await asyncio.to_thread(
            copies, entry.current(), wanted.domain, volume, linked=linked
        )
        own = [await asyncio.to_thread(overlay_path, disk.top.path) for disk in disks if linked]
        planned = [disk.path for disk in disks] + ([] if runs else own)
        log = Log(Made(), entry.uuid.hex(), planned)
        work = await Journal(self._runtime.records.store).begin(WORK, **log.step())
        made = log.made
        log.work = work
        self._runtime.checkpoint("clone begun")
        try:
            if runs:
                maker = clone_running.linked if linked else clone_running.whole
                defined = await maker(entry, disks, own, log, progress)
                changed = None
            else:
                defined, changed = await self._off(entry, disks, own, log, flags, progress)
            await self._belongings(entry, wanted.domain, made)
            await log.note()
            self._runtime.checkpoint("clone copied")
        except BaseException:
            await asyncio.to_thread(made.remove)
            await work.done()
            raise
        domain = wanted.domain
        for target, below in defined.items():
            domain = _on(domain, target, below)
        row = row_of(domain, fresh.uuid, _text(domain))
        await self._record(entry, changed, work, row)
        fresh.row = fresh.saved_row = row
        self._runtime.checkpoint("clone defined")

    async def _record(
        self, entry: Entry, changed: Domain | None, work: Work, row: DomainRow
    ) -> None:
        """The clone, what its original becomes, and the end of the work in one save."""
        if changed is None:
            await work.done(row)
            return
        former = entry.definition()
        entry.row = changed_row(former, changed)
        try:
            await work.done(row, entry.row)
        except BaseException:
            entry.row = with_xml_of(entry.definition(), former)
            raise
        entry.saved_row = entry.row

    # -- a machine that is off -----------------------------------------------------------------
    async def _off(
        self,
        entry: Entry,
        disks: list[DiskCopy],
        own: list[str],
        log: Log,
        flags: int,
        progress: Progress,
    ) -> tuple[dict[str, list[Link]], Domain | None]:
        """The images below each new disk, and the original as it becomes, if it changes."""
        if flags & DomainClone.LINKED:
            return await asyncio.to_thread(_linked, entry, disks, own, log.made)
        for disk in disks:
            await asyncio.to_thread(log.made.file, disk.path, disk.top.path)
            progress.total += await asyncio.to_thread(_size, disk)
        await log.note()
        self._runtime.checkpoint("clone files made")
        for disk in disks:
            await _copy(disk, flags, progress)
        return {disk.target: [] for disk in disks}, None

    async def _belongings(self, entry: Entry, clone: Domain, made: Made) -> None:
        """UEFI variables and the TPM's state go along."""
        from virtory.driver.qemu.planning.firmware import variables_path
        from virtory.driver.qemu.planning.tpm import tpm_directory

        original, host = entry.current(), await self._preparation.host()

        def carry() -> None:
            if original.os.nvram is not None or original.os.firmware_auto is not None:
                was, is_ = (
                    (d.os.nvram.path if d.os.nvram is not None else None) or variables_path(d, host)
                    for d in (original, clone)
                )
                if os.path.exists(was) and was != is_:
                    made.file(is_, was)
                    file_copy.copy(was, is_)
            if original.devices.tpms:
                was, is_ = tpm_directory(original, host), tpm_directory(clone, host)
                if os.path.isdir(was):
                    made.tree(was, is_)

        await asyncio.to_thread(carry)


def _refuse_linked(entry: Entry) -> None:
    """What goes back to the images of now would write what is shared from now on.

    Snapshots beside the images do not: they go back to a new image on those below.
    """
    kept = entry.snapshots.by_name.values() if entry.snapshots is not None else ()
    inside = [each.name for each in kept if not each.external]
    if entry.row is not None and entry.row.managed_save:
        problem, cure = "has a managed save image", f"virsh managedsave-remove {entry.name}"
    elif inside:
        problem = f"has snapshot '{inside[0]}' inside its images"
        cure = f"virsh snapshot-delete {entry.name} '{inside[0]}'"
    else:
        return
    raise OperationInvalid(
        f"domain '{entry.name}' {problem}, which a linked clone of it would put out of reach",
        cure=f"clone it whole, without --linked; or remove that first: {cure}",
    )


def _size(disk: DiskCopy) -> int:
    return os.stat(disk.top.path).st_size if disk.is_plain else _virtual(disk)


def _virtual(disk: DiskCopy) -> int:
    from virtory.driver import qcow2

    if disk.top.format == "qcow2":
        return qcow2.virtual_size(disk.top.path)
    with open(disk.top.path, "rb") as file:
        return file.seek(0, os.SEEK_END)


async def _copy(disk: DiskCopy, flags: int, progress: Progress) -> None:
    holes = not flags & DomainClone.NO_HOLES
    if not disk.is_plain:
        await asyncio.to_thread(require_said_chain, disk)
        before, total = progress.done, await asyncio.to_thread(_virtual, disk)

        def tell(share: float) -> None:
            progress.reach(before + int(total * share))

        await offline_chain.convert(
            disk.top.path, disk.top.format, disk.path, disk.image_format, tell, sparse=holes
        )
        return
    reflink: file_copy.Reflink = "auto"
    if flags & DomainClone.REFLINK:
        reflink = "always"
    elif flags & DomainClone.NO_REFLINK:
        reflink = "never"
    try:
        await asyncio.to_thread(
            file_copy.copy,
            disk.top.path,
            disk.path,
            reflink=reflink,
            sparse=holes,
            progress=progress.add,
        )
    except OSError as error:
        cure = "leave out --reflink" if reflink == "always" else None
        raise SystemCallFailed(
            f"cannot copy '{disk.top.path}' to '{disk.path}': {error.strerror}",
            errno=error.errno,
            cure=cure,
        ) from None


def _linked(
    entry: Entry, disks: list[DiskCopy], own: list[str], made: Made
) -> tuple[dict[str, list[Link]], Domain | None]:
    """Both get an overlay; an original that wrote nothing since the last clone keeps its own."""
    from virtory.driver import qcow2

    below: dict[str, list[Link]] = {}
    definition = entry.configuration()
    changed = definition
    for disk, mine in zip(disks, own, strict=True):
        chain = list(disk.chain)
        if len(chain) > 1 and disk.top.format == "qcow2" and qcow2.is_empty_overlay(disk.top.path):
            chain = chain[1:]
        else:
            made.file(mine, disk.top.path)
            write_overlay(mine, chain[0])
            changed = on_overlay(changed, disk.target, mine, chain)
        made.file(disk.path, disk.top.path)
        write_overlay(disk.path, chain[0])
        below[disk.target] = chain
    return below, None if changed is definition else changed


def on_overlay(domain: Domain, target: str, path: str, below: list[Link]) -> Domain:
    """The description with a disk's new overlay on top, and its chain said below it."""
    from virtory.model.domain.devices.disk import DiskDriver, Source

    disk = disk_chain.disk_named(domain, target)
    if disk is None:
        return domain
    driver = replace(disk.driver or DiskDriver(name="qemu"), type="qcow2")
    changed = replace(disk, type="file", source=Source(file=path), driver=driver)
    return _on(disk_chain.with_disk(domain, changed), target, below)


def _on(domain: Domain, target: str, below: list[Link]) -> Domain:
    """The description that says which images are below a disk, so that they are known as used."""
    disk = disk_chain.disk_named(domain, target)
    if disk is None:
        return domain
    if not below:
        return disk_chain.with_disk(domain, replace(disk, backing_store=None))
    from virtory.model.domain.devices.disk import DiskDriver

    driver = replace(disk.driver or DiskDriver(name="qemu"), type="qcow2")
    store = disk_chain.explicit_chain([(each.path, each.format, each.is_device) for each in below])
    changed = replace(disk, type="file", driver=driver, backing_store=store)
    return disk_chain.with_disk(domain, changed)


def _text(domain: Domain) -> str:
    from virtory.model.domain import format_domain

    return format_domain(domain)


# -- after a crash -----------------------------------------------------------------------------


async def mend(runtime: Runtime, work: Work, step: dict[str, Any]) -> None:
    """A clone that was cut off is not made; the original goes on as it is."""
    original = runtime.table.find(bytes.fromhex(step["original"]))
    if original is not None and original.guest is not None:
        await clone_running.mend(original.guest, step)
    await asyncio.to_thread(Made(step["made"]).remove)
    await asyncio.to_thread(remove_planned, step["planned"])
    await work.done()
