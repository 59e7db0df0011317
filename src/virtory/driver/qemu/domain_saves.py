"""Saving a running machine into a file and taking it up again; managed saves.

The rule kept here: a machine is either running or whole in its file, never neither. A file is
written beside its place and renamed when it is whole; what is under way is in the journal, so that
a daemon killed at any step leaves the machine running or saved.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from virtory.driver import new_files
from virtory.driver.journal import Journal
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import save_image, transfer
from virtory.driver.qemu.definition_of import definition_of
from virtory.driver.qemu.disks.block_job import refuse_any
from virtory.driver.qemu.disks.shared_images import refuse_losing
from virtory.driver.qemu.domain_lifecycle import refuse_off
from virtory.driver.qemu.part import Part
from virtory.driver.qemu.preparation import Wanted
from virtory.driver.qemu.save_reading import Reading, check_same_machine
from virtory.driver.qemu.start import start
from virtory.errors import (
    InvalidArgument,
    OperationFailed,
    OperationInvalid,
    SystemCallFailed,
    VirtoryError,
)
from virtory.model.flags import DomainSaveRestore, DomainStart, DomainState
from virtory.model.lifecycle import Trigger

if TYPE_CHECKING:
    from virtory.driver.interface import Owner
    from virtory.driver.journal import Work
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.table import Entry

_SAVE = DomainSaveRestore.BYPASS_CACHE | DomainSaveRestore.RUNNING | DomainSaveRestore.PAUSED
_EITHER = DomainSaveRestore.RUNNING | DomainSaveRestore.PAUSED
WORK = "save"


class _Target(NamedTuple):
    """Where a machine is saved, and what is written down of it."""

    path: str
    xml: str
    runs: bool
    managed: bool
    bypass_cache: bool

    @property
    def unfinished(self) -> str:
        """The name under which it is written."""
        return self.path + new_files.UNFINISHED

    @property
    def made(self) -> list[str]:
        """The files that are ours alone."""
        return [self.unfinished, self.path] if self.managed else [self.unfinished]


class DomainSaves(Part):
    """A machine put aside with its memory, and taken up again."""

    # -- into a file ---------------------------------------------------------------------------
    async def save(self, uuid: bytes, path: str, xml: str | None, flags: int) -> None:
        refuse_unknown(flags, _SAVE, "qemuDomainSaveFlags")
        _refuse_both(flags)
        _require_whole(path)
        refuse_losing(self._table, path)
        await self._runtime.whole(self._save(self._guest(uuid), path, xml, flags, managed=False))

    async def managed_save(self, uuid: bytes, flags: int) -> None:
        refuse_unknown(flags, _SAVE, "qemuDomainManagedSave")
        _refuse_both(flags)
        guest = self._guest(uuid)
        if not guest.entry.is_persistent:
            raise OperationInvalid("cannot do managed save for transient domain")
        path = self._preparation.save_path(uuid)
        await self._runtime.whole(self._save(guest, path, None, flags, managed=True))

    async def _save(
        self, guest: Guest, path: str, xml: str | None, flags: int, *, managed: bool
    ) -> None:
        async with guest.job("managed save" if managed else "save"):
            if guest.entry.state == DomainState.PMSUSPENDED:
                raise OperationInvalid("domain is pmsuspended", cure="wake it: virsh dompmwakeup")
            refuse_any(guest)
            text = await self._described(guest, xml)
            await self._put_aside(guest, path, text, flags, managed=managed)

    async def _described(self, guest: Guest, xml: str | None) -> str:
        from virtory.model.domain import format_domain

        domain = definition_of(guest)
        if xml is not None:
            wanted = await self._preparation.read(xml)
            check_same_machine(domain, wanted.domain)
            return wanted.text()
        return format_domain(domain)

    async def _put_aside(
        self, guest: Guest, path: str, xml: str, flags: int, *, managed: bool
    ) -> None:
        ran = guest.is_running
        runs = bool(flags & DomainSaveRestore.RUNNING) or (
            ran and not flags & DomainSaveRestore.PAUSED
        )
        bypass = bool(flags & DomainSaveRestore.BYPASS_CACHE)
        target = _Target(path, xml, runs, managed, bypass)
        work = await Journal(self._runtime.records.store).begin(
            WORK,
            domain=guest.entry.uuid.hex(),
            path=path,
            unfinished=target.unfinished,
            ran=ran,
            managed=managed,
            written=False,
        )
        try:
            await self._write(guest, target, work)
        except BaseException:
            if managed and guest.entry.row is not None:
                guest.entry.row = guest.entry.row._replace(managed_save=False)
            await _take_back(guest, target.made, ran=ran)
            await work.done()
            raise
        await self._end_saved(guest)
        await work.done()

    async def _write(self, guest: Guest, target: _Target, work: Work) -> None:
        """From a running machine to a whole file that is on record."""
        checkpoint = self._runtime.checkpoint
        checkpoint("save begun")
        if guest.is_running:
            guest.pause_cause = Trigger.SAVE_PAUSED
            await guest.execute("stop")
        refuse_off(guest)
        checkpoint("save stopped")
        descriptor = await asyncio.to_thread(_begin_file, target)
        try:
            await transfer.write(guest, descriptor, transfer.Operation.SAVE)
            checkpoint("save written")
            await asyncio.to_thread(_finish_file, descriptor, target)
            checkpoint("save renamed")
        finally:
            os.close(descriptor)
        entry = guest.entry
        if target.managed:
            if entry.row is None:
                raise OperationInvalid(
                    f"domain '{entry.name}' was undefined while it was saved: it goes on",
                    cure="save it into a file of your own: virsh save",
                )
            entry.row = entry.row._replace(managed_save=True)
            await self._runtime.commit(entry)
        else:
            try:
                await work.step(
                    domain=entry.uuid.hex(),
                    path=target.path,
                    unfinished=target.unfinished,
                    ran=False,
                    managed=False,
                    written=True,
                )
            except BaseException:  # the machine goes on, and its disks with it
                await asyncio.to_thread(_remove, target.path)
                raise
        checkpoint("save kept")

    async def _end_saved(self, guest: Guest) -> None:
        guest.ending = Trigger.SAVED
        await guest.end_process()
        await guest.finished

    # -- out of a file -------------------------------------------------------------------------
    async def restore(self, path: str, xml: str | None, flags: int, owner: Owner) -> None:
        known = DomainSaveRestore.ALL
        refuse_unknown(flags, known, "qemuDomainRestoreFlags")
        _refuse_both(flags)
        _require_whole(path)
        async with Reading(path) as reading:
            wanted = await self._preparation.read(reading.image.xml)
            if xml is not None:
                other = await self._preparation.read(xml)
                check_same_machine(wanted.domain, other.domain)
                wanted = other
            entry = wanted.claim(self._table, running_is_fine=False)
            try:
                runs = reading.image.was_running or bool(flags & DomainSaveRestore.RUNNING)
                runs = runs and not flags & DomainSaveRestore.PAUSED
                start_flags = 0
                if flags & DomainSaveRestore.RESET_NVRAM:
                    start_flags |= DomainStart.RESET_NVRAM
                resumption = await reading.resumption(runs=runs)
                await start(
                    *(self._runtime, self._preparation, entry, wanted),
                    *(start_flags, owner, resumption),
                )
            except VirtoryError as error:
                raise reading.explained(error) from None
            finally:
                self._table.let_go(entry)

    async def start_managed(self, entry: Entry, flags: int, owner: Owner | None) -> bool:
        """Start from the managed save, if there is one and it is wanted; else say False."""
        row = entry.row
        if row is None or not row.managed_save:
            return False
        path = self._preparation.save_path(entry.uuid)
        if flags & DomainStart.FORCE_BOOT:
            await self._forget_managed(entry)
            return False

        def used_up(_: Guest) -> None:
            if entry.row is not None:
                entry.row = entry.row._replace(managed_save=False)

        async with contextlib.AsyncExitStack() as until_read:
            try:
                reading = await until_read.enter_async_context(Reading(path))
            except VirtoryError:
                _require_kept(entry)
                raise
            try:
                wanted = await self._preparation.read(reading.image.xml)
                self._require_own(entry, wanted.domain.uuid, path)
                resumption = await reading.resumption(
                    runs=reading.image.was_running, used_up=used_up
                )
                try:
                    _require_kept(entry)
                except VirtoryError:
                    resumption.close()
                    raise
                defined = Wanted(wanted.domain, None)
                await start(
                    *(self._runtime, self._preparation, entry, defined), *(flags, owner, resumption)
                )
            except VirtoryError as error:
                raise reading.explained(error, managed=True) from None
        await self._preparation.clear_save(entry.uuid)
        return True

    def _require_own(self, entry: Entry, uuid: Any, path: str) -> None:
        if uuid is None or uuid.raw != entry.uuid:
            raise OperationFailed(
                f"managed save '{path}' is of another machine than domain '{entry.name}'"
            )

    # -- managed saves -------------------------------------------------------------------------
    def has_managed_save(self, uuid: bytes, flags: int) -> bool:
        refuse_unknown(flags, 0, "qemuDomainHasManagedSaveImage")
        row = self._entry(uuid).row
        return row is not None and row.managed_save

    async def remove_managed_save(self, uuid: bytes, flags: int) -> None:
        refuse_unknown(flags, 0, "qemuDomainManagedSaveRemove")
        if not self.has_managed_save(uuid, 0):
            raise SystemCallFailed(
                f"Failed to remove managed save file of domain '{self._entry(uuid).name}': "
                "No such file or directory",
                errno=2,
            )
        await self._forget_managed(self._entry(uuid))

    async def _forget_managed(self, entry: Entry) -> None:
        if entry.row is not None and entry.row.managed_save:
            entry.row = entry.row._replace(managed_save=False)
            await self._runtime.commit(entry)
        await self._preparation.clear_save(entry.uuid)

    async def managed_save_xml(self, uuid: bytes, flags: int) -> str:
        self._require_managed(uuid)
        return await self.save_image_xml(self._preparation.save_path(uuid), flags)

    async def define_managed_save_xml(self, uuid: bytes, xml: str | None, flags: int) -> None:
        self._require_managed(uuid)
        await self.define_save_image_xml(self._preparation.save_path(uuid), xml or "", flags)

    def _require_managed(self, uuid: bytes) -> None:
        if not self.has_managed_save(uuid, 0):
            raise OperationInvalid("domain does not have managed save image")

    # -- what an image says --------------------------------------------------------------------
    async def save_image_xml(self, path: str, flags: int) -> str:
        refuse_unknown(flags, DomainSaveRestore.IMAGE_XML_SECURE, "qemuDomainSaveImageGetXMLDesc")
        from virtory.model.domain import format_domain, parse_domain, without_secrets

        async with Reading(path) as reading:
            domain = parse_domain(reading.image.xml, lenient=True)
        return format_domain(domain if flags else without_secrets(domain))

    async def define_save_image_xml(self, path: str, xml: str, flags: int) -> None:
        refuse_unknown(flags, _EITHER, "qemuDomainSaveImageDefineXML")
        _refuse_both(flags)
        from virtory.model.domain import parse_domain

        async with Reading(path, os.O_RDWR) as reading:
            wanted = await self._preparation.read(xml)
            check_same_machine(parse_domain(reading.image.xml, lenient=True), wanted.domain)
            runs = reading.image.was_running and not flags & DomainSaveRestore.PAUSED
            runs = runs or bool(flags & DomainSaveRestore.RUNNING)
            await asyncio.to_thread(
                save_image.rewrite, reading.descriptor, path, wanted.text(), running=runs
            )


# -- files -------------------------------------------------------------------------------------


def _begin_file(target: _Target) -> int:
    """The file, with its head written; positioned where the stream goes."""
    if target.managed:
        os.makedirs(os.path.dirname(target.path), 0o700, exist_ok=True)
    begin = save_image.head(target.xml, running=target.runs, finished=False)
    return save_image.created(target.unfinished, begin)


def _finish_file(descriptor: int, target: _Target) -> None:
    save_image.finish(descriptor, target.unfinished, target.path)
    if target.bypass_cache:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


async def _take_back(guest: Guest, paths: list[str], *, ran: bool) -> None:
    """The machine goes on as if nobody had wanted to save it."""
    for path in paths:
        await asyncio.to_thread(_remove, path)
    if ran and guest.entry.state == DomainState.PAUSED and guest.ending is None:
        guest.pause_cause = Trigger.SAVE_CANCELED
        with contextlib.suppress(VirtoryError):
            await guest.execute("cont")


async def mend(runtime: Runtime, work: Work, step: dict[str, Any]) -> None:
    """A save that was cut off: the machine is saved when its file is on record, else it goes on."""
    entry = runtime.table.find(bytes.fromhex(step["domain"]))
    guest = entry.guest if entry is not None else None
    row = entry.row if entry is not None else None
    saved = step["written"] or (step["managed"] and row is not None and row.managed_save)
    if saved and guest is not None:
        guest.end_soon(Trigger.SAVED)
        await guest.finished
    elif not saved and guest is not None:
        with contextlib.suppress(VirtoryError):
            await transfer.give_up(guest)
        paths = [step["unfinished"], step["path"]] if step["managed"] else [step["unfinished"]]
        await _take_back(guest, paths, ran=step["ran"])
    elif not saved:
        await asyncio.to_thread(_remove, step["unfinished"])
    await work.done()


# -- refusals ----------------------------------------------------------------------------------


def _require_kept(entry: Entry) -> None:
    """Raise when the managed save that was to be used has gone since."""
    if entry.row is None or not entry.row.managed_save:
        raise OperationInvalid(
            f"the managed save of domain '{entry.name}' was removed before it was used",
            cure="if the domain is still defined, start it again",
        )


def _refuse_both(flags: int) -> None:
    if flags & _EITHER == _EITHER:
        raise InvalidArgument(
            "Flags 'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_PAUSED' are mutually exclusive"
        )


def _require_whole(path: str) -> None:
    if not path.startswith("/"):
        raise InvalidArgument(
            f"could not build absolute input/output file path: '{path}' is not a whole path",
            cure="name it from the root of the daemon's host",
        )
