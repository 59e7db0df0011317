"""What every part of the domain driver starts from: the table, the runtime, refusing flags.

The rule kept here: a part holds no state of its own; the parts together are `domains.Domains`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from virtory.driver.qemu.table import row_of
from virtory.errors import OperationInvalid, UnsupportedFlags
from virtory.model.flags import DomainAffect

_FROM_XML = ("xml", "title", "os_type", "vcpus", "max_vcpus", "memory_kib", "max_memory_kib")

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.preparation import Preparation
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.table import DomainTable, Entry
    from virtory.driver.store import DomainRow
    from virtory.model.domain import Domain

T = TypeVar("T")


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

    async def _configure(self, entry: Entry, domain: Domain) -> None:
        """Make `domain` the definition, on disk; when that fails the former one is true again."""
        refuse_busy(entry)
        former = entry.definition()
        entry.row = changed_row(former, domain)
        try:
            await self._runtime.commit(entry)
        except BaseException:
            entry.row = former
            raise


def changed_row(former: DomainRow, domain: Domain) -> DomainRow:
    """What the store keeps of a changed definition: all that is not in its XML stays."""
    from virtory.model.domain import format_domain

    made = row_of(domain, former.uuid, format_domain(domain))
    return former._replace(**{name: getattr(made, name) for name in _FROM_XML})


def late(entry: Entry, former: DomainRow | None, row: DomainRow | None) -> DomainRow | None:
    """`row`, made from `former` before a wait, as it may become the definition after it.

    What changed meanwhile beside the XML stays so. None: nothing to change, or the domain was
    undefined, or defined anew, which is not taken back.
    """
    now = entry.row
    if row is None or former is None or now is None or now.xml != former.xml:
        return None
    return now._replace(**{name: getattr(row, name) for name in _FROM_XML})


def refuse_busy(entry: Entry) -> None:
    """What is done to a machine that is off counts on its definition until it is done."""
    if entry.guest is None and entry.busy is not None:
        raise OperationInvalid(f"domain is just being {entry.busy}", cure="wait until that is done")


def refuse_unknown(flags: int, known: int, function: str) -> None:
    """UnsupportedFlags for bits that are not `known`."""
    if flags & ~known:
        raise UnsupportedFlags(flags & ~known, function)


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


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Do it whole, even when the client that asked for it goes away meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        raise
