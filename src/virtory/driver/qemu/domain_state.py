"""What a domain is and how it does: answered from memory and /proc, without asking QEMU.

The rule kept here: nothing here waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.interface import DomainInfo, Vcpu
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import accounting, affinity
from virtory.driver.qemu.part import Part, affected
from virtory.errors import OperationInvalid
from virtory.model.flags import DomainAffect, DomainControl, DomainVcpu

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.model.domain import Domain

SCHEDULER_PARAMETERS = 9  # see domain_resources


class DomainStates(Part):
    """The questions with an answer at hand."""

    def info(self, uuid: bytes) -> DomainInfo:
        entry = self._entry(uuid)
        guest = entry.guest
        if guest is None:
            row = entry.definition()
            return DomainInfo(entry.state, row.max_memory_kib, row.memory_kib, row.vcpus, 0)
        maximum, vcpus = guest.sizes
        cpu_time = accounting.cpu_time_ns(guest.pid) if guest.pid else 0
        return DomainInfo(entry.state, maximum, guest.balloon_kib or maximum, vcpus, cpu_time)

    def state(self, uuid: bytes, flags: int) -> tuple[int, int]:
        refuse_unknown(flags, 0, "qemuDomainGetState")
        entry = self._entry(uuid)
        return entry.state, entry.reason

    def control_info(self, uuid: bytes, flags: int) -> tuple[int, int, int]:
        """State, details, and milliseconds that it has been so."""
        refuse_unknown(flags, 0, "qemuDomainGetControlInfo")
        guest = self._guest(uuid)
        held = guest.held
        if guest.monitor is None and held is None:
            return DomainControl.ERROR, DomainControl.ERROR_REASON_MONITOR, 0
        if held is None:
            return DomainControl.OK, 0, 0
        return DomainControl.JOB, 0, int(held[1] * 1000)

    def is_active(self, uuid: bytes) -> bool:
        return self._entry(uuid).guest is not None

    def is_persistent(self, uuid: bytes) -> bool:
        return self._entry(uuid).is_persistent

    def is_updated(self, uuid: bytes) -> bool:
        return self._entry(uuid).updated

    def os_type(self, uuid: bytes) -> str:
        entry = self._entry(uuid)
        return entry.row.os_type if entry.row is not None else entry.running().domain.os.type.kind

    def max_memory_kib(self, uuid: bytes) -> int:
        return self.info(uuid).max_memory_kib

    def messages(self, uuid: bytes, flags: int) -> list[str]:
        """What taints it (bit 1) and what is deprecated (bit 0); 0 asks for both.

        A work that could not be ended is told whatever is asked for.
        """
        refuse_unknown(flags, 3, "qemuDomainGetMessages")
        guest = self._entry(uuid).guest
        left = [f"unfinished: {told}" for told in self._runtime.mending.of(uuid)]
        if guest is None or flags == 1:
            return left
        return left + [f"tainted: {message}" for message in guest.messages]

    def security_labels(self, uuid: bytes) -> list[tuple[str, bool]]:
        """Of "none", which labels nothing, and of the user that QEMU runs as."""
        guest = self._entry(uuid).guest
        if guest is None:
            return []
        labels = [label.label for label in guest.domain.seclabels if label.label is not None]
        return [(label, False) for label in ("", *labels)]

    # -- virtual CPUs --------------------------------------------------------------------------
    def max_vcpus(self, uuid: bytes) -> int:
        return self.vcpus_flags(uuid, DomainVcpu.MAXIMUM | DomainAffect.LIVE)

    def vcpus_flags(self, uuid: bytes, flags: int) -> int:
        refuse_unknown(flags, DomainVcpu.ALL, "qemuDomainGetVcpusFlags")
        entry = self._entry(uuid)
        live, _ = affected(entry, flags)
        if live:
            vcpu = entry.running().domain.vcpu
            return vcpu.count if flags & DomainVcpu.MAXIMUM else vcpu.current or vcpu.count
        row = entry.definition()
        return row.max_vcpus if flags & DomainVcpu.MAXIMUM else row.vcpus

    def vcpus(self, uuid: bytes) -> list[Vcpu]:
        entry = self._entry(uuid)
        guest = entry.guest
        if guest is None:
            raise OperationInvalid("cannot retrieve vcpu information for inactive domain")
        return [self._vcpu(guest, *one) for one in guest.vcpu_threads.items()]

    def _vcpu(self, guest: Guest, number: int, thread: int) -> Vcpu:
        used = accounting.thread_time(guest.pid, thread)
        return Vcpu(number, 1, used.run_ns, used.cpu, affinity.of_thread(thread))

    def vcpu_pins(self, uuid: bytes, flags: int) -> list[bytes]:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainGetVcpuPinInfo")
        entry = self._entry(uuid)
        live, _ = affected(entry, flags)
        if live:
            guest = entry.running()
            pins = {n: affinity.of_thread(thread) for n, thread in guest.vcpu_threads.items()}
            numbers = range(guest.domain.vcpu.count)
            return [pins[n] if n in pins else _pin(guest.domain, n) for n in numbers]
        domain = entry.configuration()
        return [_pin(domain, number) for number in range(domain.vcpu.count)]

    def emulator_pin(self, uuid: bytes, flags: int) -> bytes:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainGetEmulatorPinInfo")
        entry = self._entry(uuid)
        live, _ = affected(entry, flags)
        if live:
            return affinity.of_thread(entry.running().pid)
        return affinity.bitmap(affinity.emulator_processors(entry.configuration()))

    def scheduler_type(self, uuid: bytes) -> tuple[str, int]:
        self._entry(uuid)
        return "posix", SCHEDULER_PARAMETERS


def _pin(domain: Domain, number: int) -> bytes:
    """The CPUs that a description gives to one virtual CPU."""
    return affinity.bitmap(affinity.vcpu_processors(domain, number))
