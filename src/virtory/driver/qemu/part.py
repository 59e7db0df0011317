"""What every part of the domain driver starts from: the table, the runtime, changing a definition.

The rule kept here: a part holds no state of its own; the parts together are `domains.Domains`.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.table import row_of
from virtory.errors import OperationInvalid, VirtoryError
from virtory.model.flags import DomainAffect

_FROM_XML = ("xml", "title", "os_type", "vcpus", "max_vcpus", "memory_kib", "max_memory_kib")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.preparation import Preparation
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.table import DomainTable, Entry
    from virtory.driver.store import DomainRow
    from virtory.model.domain import Domain
    from virtory.model.events import Event

    Change = Callable[[Domain], Domain | Awaitable[Domain]]


class Part:
    """The parent of the parts."""

    def __init__(self, runtime: Runtime, preparation: Preparation) -> None:
        self._runtime = runtime
        self._preparation = preparation
        self._table: DomainTable = runtime.table

    @property
    def runtime(self) -> Runtime:
        return self._runtime

    @property
    def preparation(self) -> Preparation:
        return self._preparation

    def _entry(self, uuid: bytes) -> Entry:
        return self._table.get(uuid)

    def _guest(self, uuid: bytes) -> Guest:
        return self._table.get(uuid).running()

    async def _configured(self, entry: Entry, change: Change) -> None:
        """Let the definition be what `change` makes of it, on disk."""
        async with redefining(self._runtime, entry):
            refuse_busy(entry)
            entry.row = await changed(entry, change)

    async def _everywhere(
        self,
        entry: Entry,
        flags: int,
        change: Callable[[Domain], Domain],
        act: Callable[[Guest], Awaitable[tuple[Event, ...]]],
        what: str,
    ) -> None:
        """Change both descriptions that are meant; `act` makes it true of the running machine."""
        live, config = affected(entry, flags)
        if not live:
            await self._configured(entry, change)
            return
        guest = entry.running()
        async with guest.job(what):
            edit = await Edit.of(entry, change) if config else None
            told = await act(guest)

            def show() -> None:
                guest.domain = change(guest.domain)

            await both(guest, edit, show, *told)


# -- the definition ----------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def redefining(runtime: Runtime, entry: Entry) -> AsyncIterator[None]:
    """The body changes the definition; that is on disk when this ends, or has not happened.

    Of two changes in the same moment the second finds what the first has left: neither is lost.
    Whoever also holds the guest's lock takes that first.
    """
    async with entry.turn:
        former = entry.row, entry.updated
        try:
            yield
            await runtime.commit(entry)
        except BaseException:
            row, entry.updated = former
            if entry.row is not row:
                if row is not None:
                    row = with_xml_of(entry.row or row, row)._replace(name=row.name)
                entry.row = row
                runtime.announce(entry)  # a later save may have taken it to the disk
            raise


async def changed(entry: Entry, change: Change) -> DomainRow:
    """What `change` makes of the definition as it is now."""
    made = change(entry.configuration())
    domain = await made if isinstance(made, Awaitable) else made
    return changed_row(entry.definition(), domain)


def changed_row(former: DomainRow, domain: Domain) -> DomainRow:
    """What the store keeps of a changed definition: all that is not in its XML stays."""
    from virtory.model.domain import format_domain

    return with_xml_of(former, row_of(domain, former.uuid, format_domain(domain)))


def with_xml_of(row: DomainRow, other: DomainRow) -> DomainRow:
    """`row` with the XML of another and all that is known from it."""
    return row._replace(**{name: getattr(other, name) for name in _FROM_XML})


class Edit:
    """A change of the definition that becomes true with one of the running machine.

    It is tried before anything is done, and made in the definition as it is afterwards: what others
    have defined meanwhile is not taken back. `later` is what is done then, `change` itself if not
    given.
    """

    def __init__(self, former: DomainRow, row: DomainRow, later: Change) -> None:
        self._former = former
        self._row = row
        self._later = later

    @classmethod
    async def of(cls, entry: Entry, change: Change, later: Change | None = None) -> Edit:
        """Raises what makes it impossible."""
        return cls(entry.definition(), await changed(entry, change), later or change)

    def noted(self) -> dict[str, str]:
        """For a daemon that finds the change half made; see `found_edit`."""
        return {"configuration": self._row.xml, "instead_of": _digest(self._former.xml)}

    async def now(self, entry: Entry) -> DomainRow:
        """The definition with the change made in it; raises what has become impossible."""
        row = entry.definition()
        if row.xml == self._former.xml:
            return with_xml_of(row, self._row)
        return await changed(entry, self._later)


def found_edit(entry: Entry, noted: Mapping[str, Any]) -> Edit | None:
    """The edit that a former daemon noted; None when there is none, or a newer definition."""
    from virtory.model.domain import parse_domain

    row, text = entry.row, noted.get("configuration")
    if row is None or text is None or noted.get("instead_of") not in (None, _digest(row.xml)):
        return None
    domain = parse_domain(text, lenient=True)
    return Edit(row, changed_row(row, domain), lambda _: domain)


def _digest(xml: str) -> str:
    return hashlib.sha256(xml.encode()).hexdigest()


async def both(
    guest: Guest, edit: Edit | None, live: Callable[[], None] = lambda: None, *told: Event
) -> None:
    """`live` becomes true of the running machine and `edit` of the definition, in one save.

    A definition that has gone meanwhile stays away. Raises OperationInvalid when it has become one
    in which the change can not be made: then only the machine has it.
    """
    entry, runtime = guest.entry, guest.runtime
    if edit is None:
        live()
        runtime.announce(entry, *told)
        await runtime.commit(entry)
        return
    problem: VirtoryError | None = None
    async with redefining(runtime, entry):
        row = entry.row
        if row is not None:
            try:
                row = await edit.now(entry)
            except VirtoryError as error:
                problem = error
        live()
        entry.row = row
        runtime.announce(entry, *told)
    if problem is not None:
        raise OperationInvalid(
            f"the running machine is changed, but not its definition, which became another "
            f"meanwhile: {problem.detail}",
            cure="look at it (dumpxml --inactive), and change it with --config",
        ) from None


def refuse_busy(entry: Entry) -> None:
    """What is done to a machine that is off counts on its definition until it is done."""
    if entry.guest is None and entry.busy is not None:
        raise OperationInvalid(f"domain is just being {entry.busy}", cure="wait until that is done")


def affected(entry: Entry, flags: int) -> tuple[bool, bool]:
    """Whether the running domain and whether its definition are meant (`DomainAffect`)."""
    live, config = bool(flags & DomainAffect.LIVE), bool(flags & DomainAffect.CONFIG)
    active = entry.guest is not None
    if not live and not config:
        live, config = active, not active
    if live and not active:
        raise OperationInvalid("domain is not running")
    if config and not entry.is_persistent:
        raise OperationInvalid("transient domains do not have any persistent config")
    return live, config
