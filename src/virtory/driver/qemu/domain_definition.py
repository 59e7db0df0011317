"""Defining, describing and forgetting domains.

The rule kept here: a definition is on disk before it is announced; when it can not be written, the
former one is true again. What goes with a definition is not taken from under a start.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from virtory.driver.known_flags import refuse_unknown
from virtory.driver.metadata import find_metadata, with_changed_metadata
from virtory.driver.qemu.part import Part, affected, redefining, refuse_busy
from virtory.driver.qemu.table import row_of
from virtory.errors import (
    FROM_DOMAIN,
    InvalidArgument,
    OperationFailed,
    OperationInvalid,
    XmlError,
)
from virtory.model.domain import format_domain, parse_domain, without_secrets
from virtory.model.domain.problems import name_problem
from virtory.model.events import Lifecycle, MetadataChange
from virtory.model.flags import (
    DomainAffect,
    DomainDefine,
    DomainEventDefined,
    DomainEventLifecycle,
    DomainEventUndefined,
    DomainMetadata,
    DomainUndefine,
    DomainXml,
)

if TYPE_CHECKING:
    from virtory.driver.interface import DomainRef
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.table import Entry
    from virtory.driver.store import DomainRow
    from virtory.model.domain import Domain
    from virtory.model.events import Event


class DomainDefinitions(Part):
    """What is kept of a domain while it does not run."""

    async def define(self, xml: str, flags: int) -> DomainRef:
        refuse_unknown(flags, DomainDefine.ALL, "qemuDomainDefineXMLFlags")
        wanted = await self._preparation.read(xml)
        entry = wanted.claim(self._table, running_is_fine=True)
        try:
            async with redefining(self._runtime, entry):
                refuse_busy(entry)
                if entry.name != wanted.domain.name:
                    raise OperationFailed(
                        f"domain '{wanted.domain.name}' was renamed to '{entry.name}' meanwhile",
                        cure="look at its present description, and try again",
                        domain=FROM_DOMAIN,
                    )
                former = entry.row
                row = row_of(wanted.domain, entry.uuid, wanted.text(), autostart=entry.autostart)
                entry.row = row._replace(
                    reason=entry.reason if entry.guest is None else 0,
                    managed_save=former is not None and former.managed_save,
                )
                runs = entry.guest is not None or entry in self._runtime.starting
                entry.updated = runs and former is not None
            detail = DomainEventDefined.ADDED if former is None else DomainEventDefined.UPDATED
            event = Lifecycle(entry.ref, DomainEventLifecycle.DEFINED, detail)
            self._runtime.announce(entry, event, save=False)
        finally:
            self._table.let_go(entry)
        return entry.ref

    async def undefine(self, uuid: bytes, flags: int) -> None:
        refuse_unknown(flags, DomainUndefine.ALL, "qemuDomainUndefineFlags")
        entry = self._entry(uuid)
        if entry.row is None:
            raise OperationInvalid("cannot undefine transient domain")
        refuse_busy(entry)
        if flags & DomainUndefine.NVRAM and flags & DomainUndefine.KEEP_NVRAM:
            raise InvalidArgument("flags KEEP_NVRAM and NVRAM are mutually exclusive")
        if flags & DomainUndefine.TPM and flags & DomainUndefine.KEEP_TPM:
            raise InvalidArgument("flags KEEP_TPM and TPM are mutually exclusive")
        self._table.hold(entry)
        try:
            while (row := await self._forgotten(entry, flags)) is None:
                await _started(entry.guest)
        finally:
            self._table.let_go(entry)
        if given_up := self._runtime.mending.give_up(uuid):
            await self._runtime.records.store.save(*given_up)
        if row.managed_save:
            await self._preparation.clear_save(uuid)
        event = Lifecycle(entry.ref, DomainEventLifecycle.UNDEFINED, DomainEventUndefined.REMOVED)
        self._runtime.announce(entry, event, save=False)

    async def _forgotten(self, entry: Entry, flags: int) -> DomainRow | None:
        """The former definition, which is no more; None while it is just being started."""
        async with redefining(self._runtime, entry):
            row, guest = entry.definition(), entry.guest
            refuse_busy(entry)
            _refuse_saved(row, flags)
            keep_none = bool(flags & DomainUndefine.SNAPSHOTS_METADATA)
            if entry.snapshots and guest is None and not keep_none:
                raise OperationInvalid(
                    f"cannot delete inactive domain with {len(entry.snapshots)} snapshots",
                    cure="delete them, or forget them and leave their data on the disks: "
                    "--snapshots-metadata",
                )
            if guest is not None and guest.starting:
                return None
            await self._preparation.clear_nvram(entry, flags)
            if guest is None:
                await self._preparation.clear_tpm(entry, flags)
            entry.row = None
            if entry.guest is not None:
                entry.guest.configuration_text = row.xml
            return row

    async def rename(self, uuid: bytes, name: str, flags: int) -> None:
        refuse_unknown(flags, 0, "qemuDomainRename")
        entry = self._entry(uuid)
        if "/" in name:
            raise XmlError(f"name {name} cannot contain '/'", domain=10)
        if (problem := name_problem(name)) is not None:
            raise InvalidArgument(problem, domain=FROM_DOMAIN)
        async with redefining(self._runtime, entry):
            old, row = entry.ref, self._renamed(entry, name)
            self._table.rename(entry, name)
            entry.row = row
            try:
                await self._runtime.commit(entry)
            except BaseException:
                self._table.rename(entry, old.name)
                raise
        kind = DomainEventLifecycle
        self._runtime.announce(
            entry,
            Lifecycle(old, kind.UNDEFINED, DomainEventUndefined.RENAMED),
            Lifecycle(entry.ref, kind.DEFINED, DomainEventDefined.RENAMED),
            save=False,
        )

    def _renamed(self, entry: Entry, name: str) -> DomainRow:
        """The definition under another name; raises why it can not have it."""
        if entry.guest is not None or entry in self._runtime.starting:
            raise OperationInvalid("cannot rename active domain")
        refuse_busy(entry)
        row = entry.definition()
        if name == entry.name:
            raise OperationInvalid("Can't rename domain to itself", domain=FROM_DOMAIN)
        if self._table.find_name(name) is not None:
            raise OperationInvalid(f"domain with name '{name}' already exists", domain=FROM_DOMAIN)
        if row.managed_save:
            raise OperationInvalid("cannot rename a domain with a managed save image")
        if entry.snapshots:
            raise OperationInvalid(
                "cannot rename a domain with snapshots", cure="delete its snapshots first"
            )
        domain = dataclasses.replace(entry.configuration(), name=name)
        return row._replace(name=name, xml=format_domain(domain))

    # -- the description -----------------------------------------------------------------------
    async def xml(self, uuid: bytes, flags: int) -> str:
        refuse_unknown(flags, DomainXml.ALL, "qemuDomainGetXMLDesc")
        entry = self._entry(uuid)
        guest, secure = entry.guest, bool(flags & DomainXml.SECURE)
        if guest is not None and not flags & (DomainXml.INACTIVE | DomainXml.MIGRATABLE):
            return guest.xml(secure=secure)
        if entry.row is not None:
            text = entry.row.xml
        else:
            text = entry.running().configuration_text or entry.running().xml(secure=True)
        if not secure and "passwd=" in text:
            text = format_domain(without_secrets(parse_domain(text, lenient=True)))
        return text

    # -- autostart -----------------------------------------------------------------------------
    async def set_autostart(self, uuid: bytes, autostart: bool) -> None:
        entry = self._entry(uuid)
        async with entry.turn:
            if entry.row is None:
                raise OperationInvalid("cannot set autostart for transient domain")
            former = entry.row.autostart
            if autostart == former:
                return
            entry.row = entry.row._replace(autostart=autostart)
            try:
                await self._runtime.commit(entry)
            except BaseException:
                entry.row = entry.row._replace(autostart=former)
                raise

    def autostart(self, uuid: bytes) -> bool:
        return self._entry(uuid).autostart

    # -- title, description, metadata ----------------------------------------------------------
    def metadata(self, uuid: bytes, kind: int, uri: str | None, flags: int) -> str:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainGetMetadata")
        entry = self._entry(uuid)
        live, _ = affected(entry, flags)
        if kind == DomainMetadata.TITLE and not live and (title := entry.definition().title):
            return title  # lists ask for it: without parsing
        domain = entry.running().domain if live else entry.configuration()
        return find_metadata(domain, kind, uri)

    async def set_metadata(
        self,
        uuid: bytes,
        kind: int,
        metadata: str | None,
        key: str | None,
        uri: str | None,
        flags: int,
    ) -> None:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainSetMetadata")
        entry = self._entry(uuid)

        def written(domain: Domain) -> Domain:
            return with_changed_metadata(domain, kind, metadata, key, uri)

        async def nothing(_: Guest) -> tuple[Event, ...]:
            return ()

        await self._everywhere(entry, flags, written, nothing, "set metadata")
        event = MetadataChange(entry.ref, kind, uri if kind == DomainMetadata.ELEMENT else None)
        self._runtime.announce(entry, event, save=False)


async def _started(guest: Guest | None) -> None:
    """Wait until a start is over, however it ends."""
    if guest is not None:
        with contextlib.suppress(OperationInvalid, OperationFailed):
            async with guest.job("undefine"):
                pass


def _refuse_saved(row: DomainRow, flags: int) -> None:
    if row.managed_save and not flags & DomainUndefine.MANAGED_SAVE:
        raise OperationInvalid("Refusing to undefine while domain managed save image exists")
