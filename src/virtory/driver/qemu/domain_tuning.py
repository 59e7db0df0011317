"""How much memory a domain has.

The rule kept here: what can not change while it runs says so, and names what can be done instead.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from virtory.driver.qemu.part import Part, affected, refuse_unknown
from virtory.errors import InvalidArgument, OperationInvalid
from virtory.model.flags import DomainMemory
from virtory.model.values import Size

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest


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
            domain = entry.configuration()
            current = domain.current_memory
            if current is None or current > size:
                current = size
            await self._configure(
                entry, dataclasses.replace(domain, memory=size, current_memory=current)
            )
            return
        if live and memory_kib > entry.running().sizes[0]:
            raise _above_maximum(entry.running().sizes[0])
        if config and memory_kib > entry.definition().max_memory_kib:
            raise _above_maximum(entry.definition().max_memory_kib)
        if live:
            await self._inflate(entry.running(), size)
        if config:
            domain = dataclasses.replace(entry.configuration(), current_memory=size)
            await self._configure(entry, domain)

    async def _inflate(self, guest: Guest, size: Size) -> None:
        async with guest.job("set memory"):
            if not guest.has_balloon:
                raise OperationInvalid(
                    "Unable to change memory of active domain without the balloon device and guest "
                    "OS balloon driver"
                )
            await guest.execute("balloon", {"value": int(size)})
            guest.domain = dataclasses.replace(guest.domain, current_memory=size)
            self._runtime.announce(guest.entry)
            await guest.settled()


def _above_maximum(most_kib: int) -> InvalidArgument:
    return InvalidArgument(
        "cannot set memory higher than max memory",
        cure=f"the maximum is {most_kib} KiB; raise it with 'setmaxmem --config', which holds from "
        "the next start on",
    )
