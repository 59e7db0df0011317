"""Domains in memory: what they are and what they have, memory and processors included.

The rule kept here: answers come from the description; nothing is invented but the passing of time.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from virtory.driver.interface import DomainInfo, Vcpu
from virtory.driver.memory.flags_check import only
from virtory.errors import InvalidArgument, OperationInvalid
from virtory.model import flags as f
from virtory.model.events import BalloonChange
from virtory.model.values import Size

if TYPE_CHECKING:
    from virtory.driver.memory.host import Host
    from virtory.model.domain import Domain

HOST_CPUS = 8


class States:
    """The part of the driver that answers questions about a domain."""

    _host: Host

    def info(self, uuid: bytes) -> DomainInfo:
        machine = self._host.machine(uuid)
        memory = machine.memory.kib if machine.active else 0
        return DomainInfo(
            machine.state,
            machine.current.memory.kib,
            memory or machine.memory.kib,
            machine.vcpus,
            machine.cpu_time_ns,
        )

    def state(self, uuid: bytes, flags: int) -> tuple[int, int]:
        only(flags, 0, "testDomainGetState")
        machine = self._host.machine(uuid)
        return machine.state, machine.reason

    def control_info(self, uuid: bytes, flags: int) -> tuple[int, int, int]:
        only(flags, 0, "testDomainGetControlInfo")
        self._host.running(uuid)
        return f.DomainControl.OK, 0, 0

    def is_active(self, uuid: bytes) -> bool:
        return self._host.machine(uuid).active

    def os_type(self, uuid: bytes) -> str:
        return self._host.machine(uuid).current.os.type.kind

    def max_memory_kib(self, uuid: bytes) -> int:
        return self._host.machine(uuid).current.memory.kib

    def max_vcpus(self, uuid: bytes) -> int:
        return self._host.machine(uuid).current.vcpu.count

    def vcpus_flags(self, uuid: bytes, flags: int) -> int:
        only(flags, f.DomainVcpu.ALL, "testDomainGetVcpusFlags")
        machine = self._host.machine(uuid)
        live, _ = machine.affected(flags & 3)
        domain = machine.live if live else machine.definition
        assert domain is not None
        if flags & f.DomainVcpu.MAXIMUM:
            return domain.vcpu.count
        return domain.vcpu.current or domain.vcpu.count

    def vcpus(self, uuid: bytes) -> list[Vcpu]:
        machine = self._host.machine(uuid)
        if not machine.active:
            raise OperationInvalid("cannot retrieve vcpu information for inactive domain")
        each = machine.cpu_time_ns // machine.vcpus
        return [
            Vcpu(number, 1, each, number % HOST_CPUS, _all_cpus())
            for number in range(machine.vcpus)
        ]

    def vcpu_pins(self, uuid: bytes, flags: int) -> list[bytes]:
        only(flags, f.DomainAffect.ALL, "testDomainGetVcpuPinInfo")
        machine = self._host.machine(uuid)
        machine.affected(flags)
        return [_all_cpus()] * machine.vcpus

    def emulator_pin(self, uuid: bytes, flags: int) -> bytes:
        only(flags, f.DomainAffect.ALL, "testDomainGetEmulatorPinInfo")
        self._host.machine(uuid).affected(flags)
        return _all_cpus()

    def scheduler_type(self, uuid: bytes) -> tuple[str, int]:
        self._host.running(uuid)
        return "fair", 1

    def security_labels(self, uuid: bytes) -> list[tuple[str, bool]]:
        self._host.machine(uuid)
        return []

    def messages(self, uuid: bytes, flags: int) -> list[str]:
        only(flags, 3, "testDomainGetMessages")
        self._host.machine(uuid)
        return []

    async def set_memory(self, uuid: bytes, memory_kib: int, flags: int) -> None:
        only(flags, f.DomainMemory.ALL, "testDomainSetMemoryFlags")
        machine = self._host.machine(uuid)
        live, config = machine.affected(flags & 3)
        size = Size.of_kib(memory_kib)
        if flags & f.DomainMemory.MAXIMUM:
            if live:
                raise OperationInvalid(
                    "cannot resize the maximum memory on an active domain",
                    cure="Shut it down, or change its next start with --config",
                )
            assert machine.definition is not None
            now = machine.definition.current_memory or size
            machine.definition = dataclasses.replace(
                machine.definition, memory=size, current_memory=min(now, size)
            )
            return
        for wanted, domain in ((live, machine.live), (config, machine.definition)):
            if wanted and domain is not None and size > domain.memory:
                raise InvalidArgument(
                    "cannot set memory higher than max memory",
                    cure=f"the maximum is {int(domain.memory) // 1024} KiB; raise it with "
                    "'setmaxmem --config', which holds from the next start on",
                )
        if config and machine.definition is not None:
            machine.definition = dataclasses.replace(machine.definition, current_memory=size)
        if live and machine.live is not None:
            machine.live = dataclasses.replace(machine.live, current_memory=size)
            self._host.bus.publish(BalloonChange(machine.ref, memory_kib))

    async def set_vcpus(self, uuid: bytes, count: int, flags: int) -> None:
        only(flags, f.DomainVcpu.ALL, "testDomainSetVcpusFlags")
        machine = self._host.machine(uuid)
        live, config = machine.affected(flags & 3)
        if flags & f.DomainVcpu.MAXIMUM:
            if live or machine.definition is None:
                raise InvalidArgument(
                    "maximum vcpu count of a live domain can't be modified",
                    cure="Change its next start with --config",
                )
            machine.definition = _with_vcpus(machine.definition, None, count)
            return
        for wanted, domain, which in (
            (live, machine.live, "live"),
            (config, machine.definition, "persistent"),
        ):
            if wanted and domain is not None and count > domain.vcpu.count:
                raise InvalidArgument(
                    "requested vcpus is greater than max allowable vcpus for the "
                    f"{which} domain: {count} > {domain.vcpu.count}"
                )
        if live and machine.live is not None:
            machine.live = _with_vcpus(machine.live, count, machine.live.vcpu.count)
        if config and machine.definition is not None:
            most = machine.definition.vcpu.count
            machine.definition = _with_vcpus(machine.definition, count, most)


def _with_vcpus(domain: Domain, current: int | None, most: int) -> Domain:
    shown = domain.vcpu.current if current is None else current
    vcpu = dataclasses.replace(
        domain.vcpu, current=shown if shown and shown < most else None, count=most
    )
    return dataclasses.replace(domain, vcpu=vcpu)


def _all_cpus() -> bytes:
    return ((1 << HOST_CPUS) - 1).to_bytes(-(-HOST_CPUS // 8), "little")
