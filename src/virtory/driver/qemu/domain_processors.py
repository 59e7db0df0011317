"""How many virtual CPUs and I/O threads a domain has, and on which of the host's CPUs they run.

The rule kept here: what is said of the running machine is true of its threads before it is saved;
live and definition change together or not at all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import affinity
from virtory.driver.qemu.definition import vcpus as definition_vcpus
from virtory.driver.qemu.part import Edit, Part, affected, both
from virtory.errors import InvalidArgument
from virtory.model.domain.cpu import CpuTune, VcpuPin
from virtory.model.domain.cpuset import members, spelled
from virtory.model.events import Tunable
from virtory.model.flags import DomainAffect, DomainVcpu
from virtory.model.refs import STRING, Param

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.table import Entry
    from virtory.model.domain import Domain
    from virtory.model.events import Event


_ONLY_LIVE = "vCPU count provided by the guest agent can only be requested for live domains"


class DomainProcessors(Part):
    """Virtual CPUs and their pins."""

    async def set_vcpus(self, uuid: bytes, count: int, flags: int) -> None:
        refuse_unknown(flags, DomainVcpu.ALL, "qemuDomainSetVcpusFlags")
        entry = self._entry(uuid)
        live, config = affected(entry, flags)
        if count < 1:
            raise InvalidArgument("a domain needs at least one virtual CPU")
        if flags & DomainVcpu.GUEST:
            await self._set_guest_vcpus(uuid, count)
            return
        if live and flags & DomainVcpu.MAXIMUM:
            raise InvalidArgument("cannot change the maximum number of vCPUs of a live domain")
        if not live:
            await self._configured(entry, lambda domain: _counted(domain, count, flags))
            return
        await entry.running().patiently(self._set_vcpus(entry, count, flags, config=config))

    async def _set_vcpus(self, entry: Entry, count: int, flags: int, *, config: bool) -> None:
        guest = entry.running()
        most = guest.domain.vcpu.count
        if count > most:
            raise InvalidArgument(definition_vcpus.too_many(count, most, "live"))
        async with guest.job("set virtual CPUs"):
            edit = None
            if config:
                edit = await Edit.of(entry, lambda domain: _counted(domain, count, flags))
            if count == len(guest.vcpu_threads):
                await both(guest, edit)
                return
            from virtory.driver.qemu.hotplug import vcpus as vcpu_hotplug

            await vcpu_hotplug.set_count(guest, count, edit)

    async def set_vcpu(self, uuid: bytes, vcpus: str, on: bool, flags: int) -> None:
        """Single virtual CPUs, of the running machine or of the definition."""
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainSetVcpu")
        entry = self._entry(uuid)
        live, config = affected(entry, flags)
        numbers = numbers_in(vcpus)
        if live and config:
            raise InvalidArgument("can't set vCPUs of the machine and of its definition at once")
        if config:
            await self._configured(
                entry, lambda domain: definition_vcpus.switched(domain, numbers, on=on)
            )
            return
        guest = entry.running()
        async with guest.job("set virtual CPU"):
            from virtory.driver.qemu.hotplug import vcpus as vcpu_hotplug

            await vcpu_hotplug.switch(guest, numbers, on=on)

    # -- as the guest sees them ----------------------------------------------------------------
    async def guest_vcpus(self, uuid: bytes, flags: int) -> list[Param]:
        refuse_unknown(flags, 0, "qemuDomainGetGuestVcpus")
        told = await self._agent_vcpus(uuid)
        online = {int(one["logical-id"]) for one in told if one.get("online")}
        offlinable = {int(one["logical-id"]) for one in told if one.get("can-offline")}
        every = {int(one["logical-id"]) for one in told}
        return [
            Param("vcpus", STRING, spelled(every)),
            Param("online", STRING, spelled(online)),
            Param("offlinable", STRING, spelled(offlinable)),
        ]

    async def guest_vcpu_count(self, uuid: bytes, flags: int) -> int:
        refuse_unknown(flags, DomainVcpu.ALL, "qemuDomainGetVcpusFlags")
        if flags & DomainAffect.CONFIG:
            raise InvalidArgument(_ONLY_LIVE)
        if self._entry(uuid).guest is None:
            raise InvalidArgument(_ONLY_LIVE)
        told = await self._agent_vcpus(uuid)
        return sum(1 for one in told if flags & DomainVcpu.MAXIMUM or one.get("online"))

    async def set_guest_vcpus(self, uuid: bytes, vcpus: str, on: bool, flags: int) -> None:
        refuse_unknown(flags, 0, "qemuDomainSetGuestVcpus")
        wanted = numbers_in(vcpus)
        told = {int(one["logical-id"]): one for one in await self._agent_vcpus(uuid)}
        for number in sorted(wanted):
            if number not in told:
                raise InvalidArgument(f"guest CPU {number} is out of range: {sorted(told)}")
            if not on and not told[number].get("can-offline"):
                raise InvalidArgument(f"vCPU '{number}' is not offlinable")
        await self._tell_agent(uuid, dict.fromkeys(wanted, on))

    async def _set_guest_vcpus(self, uuid: bytes, count: int) -> None:
        told = await self._agent_vcpus(uuid)
        if count > len(told):
            raise InvalidArgument(
                f"requested vcpu count is greater than the count of enabled vcpus in the domain: "
                f"{count} > {len(told)}"
            )
        online = [int(one["logical-id"]) for one in told if one.get("online")]
        off = [int(one["logical-id"]) for one in told if not one.get("online")]
        removable = [int(o["logical-id"]) for o in told if o.get("online") and o.get("can-offline")]
        if count > len(online):
            change = dict.fromkeys(off[: count - len(online)], True)
        else:
            change = dict.fromkeys(removable[::-1][: len(online) - count], False)
            if len(change) < len(online) - count:
                raise InvalidArgument("failed to set requested number of guest vCPUs")
        await self._tell_agent(uuid, change)

    async def _agent_vcpus(self, uuid: bytes) -> list[dict[str, Any]]:
        from virtory.driver.qemu import agent as agents
        from virtory.driver.qemu.domain_lifecycle import usable_agent

        told = await usable_agent(self._guest(uuid)).call("guest-get-vcpus")
        with agents.understood("guest-get-vcpus"):
            return [
                {**one, "logical-id": agents.whole_number(one["logical-id"], 16)} for one in told
            ]

    async def _tell_agent(self, uuid: bytes, change: dict[int, bool]) -> None:
        from virtory.driver.qemu.domain_lifecycle import usable_agent

        if change:
            vcpus = [{"logical-id": number, "online": on} for number, on in change.items()]
            await usable_agent(self._guest(uuid)).call("guest-set-vcpus", {"vcpus": vcpus})

    # -- pins ----------------------------------------------------------------------------------
    async def pin_vcpu(self, uuid: bytes, vcpu: int, cpus: bytes, flags: int) -> None:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainPinVcpuFlags")
        entry = self._entry(uuid)
        chosen = chosen_cpus(cpus)
        live, config = affected(entry, flags)
        if live and vcpu >= entry.running().domain.vcpu.count:
            count = entry.running().domain.vcpu.count
            raise InvalidArgument(
                f"vcpu {vcpu} is out of range of live cpu count {count}", cure=_numbered(count)
            )
        if config and vcpu >= entry.definition().max_vcpus:
            count = entry.definition().max_vcpus
            raise InvalidArgument(
                f"vcpu {vcpu} is out of range of persistent cpu count {count}",
                cure=_numbered(count),
            )

        def pinned(domain: Domain) -> Domain:
            tune = domain.cputune or CpuTune()
            pins = [pin for pin in tune.vcpupins if pin.vcpu != vcpu]
            pins.append(VcpuPin(vcpu=vcpu, cpuset=spelled(chosen)))
            pins.sort(key=lambda pin: pin.vcpu)
            return replace(domain, cputune=replace(tune, vcpupins=tuple(pins)))

        async def place(guest: Guest) -> tuple[Event, ...]:
            thread = guest.vcpu_threads.get(vcpu)
            if thread is not None:  # else once it is plugged in
                affinity.pin(thread, chosen, f"vCPU {vcpu}")
            return pin_told(guest, f"cputune.vcpupin{vcpu}", chosen)

        await self._everywhere(entry, flags, pinned, place, "pin virtual CPU")

    async def pin_emulator(self, uuid: bytes, cpus: bytes, flags: int) -> None:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainPinEmulator")
        entry = self._entry(uuid)
        chosen = chosen_cpus(cpus)

        def pinned(domain: Domain) -> Domain:
            tune = domain.cputune or CpuTune()
            return replace(domain, cputune=replace(tune, emulatorpin=spelled(chosen)))

        async def place(guest: Guest) -> tuple[Event, ...]:
            others = set(guest.vcpu_threads.values())
            if guest.domain.iothreads:
                told = await guest.soon("query-iothreads")
                others |= set(affinity.iothreads_in(told).values())
            for thread in affinity.threads_of(guest.pid):
                if thread not in others:
                    affinity.pin(thread, chosen, "the emulator")
            return pin_told(guest, "cputune.emulatorpin", chosen)

        await self._everywhere(entry, flags, pinned, place, "pin emulator")


def pin_told(guest: Guest, name: str, chosen: frozenset[int]) -> tuple[Event, ...]:
    """What is announced of a pin."""
    return (Tunable(guest.ref, (Param(name, STRING, spelled(chosen)),)),)


def chosen_cpus(cpus: bytes) -> frozenset[int]:
    """The host's CPUs in a bitmap; InvalidArgument when there is none."""
    bits, count = int.from_bytes(cpus, "little"), affinity.host_numbers()
    chosen = frozenset(number for number in range(count) if bits >> number & 1)
    if not chosen:
        raise InvalidArgument("Empty cpu list for pinning", cure=f"the host has CPUs 0-{count - 1}")
    return chosen


def numbers_in(text: str) -> frozenset[int]:
    """Such as `0-2,5`; InvalidArgument for what is no such text."""
    try:
        return members(text)
    except ValueError as error:
        raise InvalidArgument(str(error)) from None


def _counted(domain: Domain, count: int, flags: int) -> Domain:
    """The definition with so many virtual CPUs, or (MAXIMUM) so many possible ones."""
    if flags & DomainVcpu.MAXIMUM:
        return definition_vcpus.most(domain, count)
    plugs = bool(flags & DomainVcpu.HOTPLUGGABLE)
    return definition_vcpus.counted(domain, count, hotpluggable=plugs)


def _numbered(count: int) -> str:
    """Which virtual CPUs there are, as a cure."""
    return f"name one of 0 to {count - 1}; 'setvcpus --maximum' makes it more"
