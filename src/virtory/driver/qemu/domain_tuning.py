"""How much memory and how many virtual CPUs a domain has.

The rule kept here: what can not change while it runs says so, and names what can be done instead.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from virtory.driver.qemu.part import Part, affected, refuse_unknown
from virtory.errors import (
    ArgumentUnsupported,
    ConfigUnsupported,
    InvalidArgument,
    OperationInvalid,
)
from virtory.model.flags import DomainMemory, DomainVcpu
from virtory.model.values import Size

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest


class DomainTuning(Part):
    """Memory and virtual CPUs."""

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
            raise InvalidArgument("cannot set memory higher than max memory")
        if config and memory_kib > entry.definition().max_memory_kib:
            raise InvalidArgument("cannot set memory higher than max memory")
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

    async def set_vcpus(self, uuid: bytes, count: int, flags: int) -> None:
        refuse_unknown(flags, DomainVcpu.ALL, "qemuDomainSetVcpusFlags")
        entry = self._entry(uuid)
        live, config = affected(entry, flags)
        if count < 1:
            raise InvalidArgument("a domain needs at least one virtual CPU")
        if flags & DomainVcpu.GUEST:
            raise ArgumentUnsupported("setting virtual CPUs inside the guest is not served")
        if live:
            self._refuse_live(entry.running(), count, flags)
        if not config:
            return
        domain = entry.configuration()
        if flags & DomainVcpu.MAXIMUM:
            current = domain.vcpu.current
            if current is not None and current >= count:
                current = None
            vcpu = dataclasses.replace(domain.vcpu, count=count, current=current)
        else:
            if count > domain.vcpu.count:
                raise InvalidArgument(_too_many(count, domain.vcpu.count, "persistent"))
            current = None if count == domain.vcpu.count else count
            vcpu = dataclasses.replace(domain.vcpu, current=current)
        await self._configure(entry, dataclasses.replace(domain, vcpu=vcpu))

    def _refuse_live(self, guest: Guest, count: int, flags: int) -> None:
        """Nothing is plugged while it runs; asking for what is there already is fine."""
        vcpu = guest.domain.vcpu
        if flags & DomainVcpu.MAXIMUM:
            raise InvalidArgument("cannot change the maximum number of vCPUs of a live domain")
        if count > vcpu.count:
            raise InvalidArgument(_too_many(count, vcpu.count, "live"))
        if count != (vcpu.current or vcpu.count):
            raise ConfigUnsupported(
                "failed to find appropriate hotpluggable vcpus to reach the desired target vcpu "
                "count",
                cure="change it with --config and restart the domain",
            )


def _too_many(count: int, most: int, kind: str) -> str:
    return (
        "requested vcpus is greater than max allowable vcpus for the "
        f"{kind} domain: {count} > {most}"
    )
