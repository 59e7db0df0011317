"""How much memory a domain has.

The rule kept here: what can not change while it runs says so, and names what can be done instead.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu.part import Part, affected
from virtory.errors import InvalidArgument, OperationInvalid
from virtory.model.flags import DomainAffect, DomainMemory
from virtory.model.values import Size

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.model.domain import Domain
    from virtory.model.events import Event


class DomainTuning(Part):
    """Memory."""

    async def set_memory(self, uuid: bytes, memory_kib: int, flags: int) -> None:
        refuse_unknown(flags, DomainMemory.ALL, "qemuDomainSetMemoryFlags")
        entry = self._entry(uuid)
        live, config = affected(entry, flags)
        size = Size.of_kib(memory_kib)
        if flags & DomainMemory.MAXIMUM:
            if live:
                raise OperationInvalid(
                    "cannot resize the maximum memory on an active domain",
                    cure="change it with --config and restart the domain",
                )
            await self._configured(entry, partial(_with_most, size))
            return
        if live and memory_kib > entry.running().sizes[0]:
            raise _above_maximum(entry.running().sizes[0])
        if config and memory_kib > entry.definition().max_memory_kib:
            raise _above_maximum(entry.definition().max_memory_kib)

        async def inflate(guest: Guest) -> tuple[Event, ...]:
            if not guest.has_balloon:
                raise OperationInvalid(
                    "Unable to change memory of active domain without the balloon device and guest "
                    "OS balloon driver"
                )
            await guest.soon("balloon", {"value": int(size)})
            return ()

        def sized(domain: Domain) -> Domain:
            return dataclasses.replace(domain, current_memory=size)

        await self._everywhere(entry, flags & DomainAffect.ALL, sized, inflate, "set memory")


def _with_most(size: Size, domain: Domain) -> Domain:
    current = domain.current_memory
    if current is None or current > size:
        current = size
    return dataclasses.replace(domain, memory=size, current_memory=current)


def _above_maximum(most_kib: int) -> InvalidArgument:
    return InvalidArgument(
        "cannot set memory higher than max memory",
        cure=f"the maximum is {most_kib} KiB; raise it with 'setmaxmem --config', which holds from "
        "the next start on",
    )
