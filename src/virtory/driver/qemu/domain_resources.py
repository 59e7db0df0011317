"""What a machine may use of the host: limits, events that are counted, I/O threads, dirty memory.

The rule kept here: guests run without control groups of their own, so every limit reads as "none",
which is true, and setting one is refused by name rather than kept without effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from virtory.driver.interface import BOOLEAN, INT, LLONG, STRING, UINT, ULLONG, Param
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import affinity
from virtory.driver.qemu.part import Part, affected
from virtory.errors import (
    ArgumentUnsupported,
    ConfigUnsupported,
    InvalidArgument,
    OperationUnsupported,
)
from virtory.model.flags import DomainAffect

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.table import Entry

UNLIMITED_KIB = 9007199254740991
"""libvirt's `VIR_DOMAIN_MEMORY_PARAM_UNLIMITED`."""

_STRING_OKAY = 4
_BLKIO_BY_DEVICE = (
    "device_weight", "device_read_iops_sec", "device_write_iops_sec", "device_read_bytes_sec",
    "device_write_bytes_sec",
)  # fmt: skip
_SCHEDULER = (
    Param("cpu_shares", ULLONG, 1024),
    *(
        param
        for who in ("vcpu", "emulator", "global", "iothread")
        for param in (Param(f"{who}_period", ULLONG, 100000), Param(f"{who}_quota", LLONG, -1))
    ),
)
_EVENTS = (
    "cmt", "mbmt", "mbml", "cpu_cycles", "instructions", "cache_references", "cache_misses",
    "branch_instructions", "branch_misses", "bus_cycles", "stalled_cycles_frontend",
    "stalled_cycles_backend", "ref_cpu_cycles", "cpu_clock", "task_clock", "page_faults",
    "context_switches", "cpu_migrations", "page_faults_min", "page_faults_maj",
    "alignment_faults", "emulation_faults",
)  # fmt: skip
_SHORTEST_S, _LONGEST_S = 1, 60
# libvirt's bits → QEMU's modes.
_MODES = {0: "page-sampling", 1: "dirty-bitmap", 2: "dirty-ring"}


class DomainResourceLimits(Part):
    """Limits and measurements."""

    def memory_parameters(self, uuid: bytes, flags: int) -> list[Param]:
        self._asked(uuid, flags, "qemuDomainGetMemoryParameters")
        names = ("hard_limit", "soft_limit", "swap_hard_limit")
        return [Param(name, ULLONG, UNLIMITED_KIB) for name in names]

    def blkio_parameters(self, uuid: bytes, flags: int) -> list[Param]:
        entry = self._asked(uuid, flags, "qemuDomainGetBlkioParameters")
        live, _ = affected(entry, flags & DomainAffect.ALL)
        weight = Param("weight", UINT, 100 if live else 0)
        return [weight, *(Param(name, STRING, "") for name in _BLKIO_BY_DEVICE)]

    def numa_parameters(self, uuid: bytes, flags: int) -> list[Param]:
        self._asked(uuid, flags, "qemuDomainGetNumaParameters")
        return [Param("numa_mode", INT, 0), Param("numa_nodeset", STRING, "")]

    def scheduler_parameters(self, uuid: bytes, flags: int) -> list[Param]:
        entry = self._asked(uuid, flags, "qemuDomainGetSchedulerParametersFlags")
        live, _ = affected(entry, flags & DomainAffect.ALL)
        shares, *rest = _SCHEDULER
        if live:
            return [shares, *rest]
        return [shares._replace(value=0), *(param._replace(value=0) for param in rest)]

    def _asked(self, uuid: bytes, flags: int, function: str) -> Entry:
        """The entry, its state checked against the flags."""
        refuse_unknown(flags, DomainAffect.ALL | _STRING_OKAY, function)
        entry = self._entry(uuid)
        affected(entry, flags & DomainAffect.ALL)
        return entry

    def refuse_limits(self, uuid: bytes, what: str) -> NoReturn:
        entry = self._entry(uuid)
        raise OperationUnsupported(
            f"cannot limit {what} of domain '{entry.name}': guests of this version of virtoryd "
            "have no control groups of their own",
            cure="limit the whole daemon with systemd, or the guest from inside",
        )

    # -- what is counted -----------------------------------------------------------------------
    def perf_events(self, uuid: bytes, flags: int) -> list[Param]:
        refuse_unknown(flags, DomainAffect.ALL | _STRING_OKAY, "qemuDomainGetPerfEvents")
        affected(self._entry(uuid), flags & DomainAffect.ALL)
        return [Param(name, BOOLEAN, 0) for name in _EVENTS]

    def set_perf_events(self, uuid: bytes, events: list[Param], flags: int) -> None:
        """Switching off what is off already is fine."""
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainSetPerfEvents")
        affected(self._entry(uuid), flags)
        for event in events:
            if event.field not in _EVENTS:
                raise ArgumentUnsupported(f"parameter '{event.field}' not supported")
            if event.value:
                raise ArgumentUnsupported(
                    f"unable to enable host cpu perf event for {event.field}: this daemon does not "
                    "count events of the host's processor",
                    cure="perf stat --pid counts them for the guest's QEMU process",
                )

    def launch_security(self, uuid: bytes, flags: int) -> list[Param]:
        """Nothing: no guest here has its memory encrypted."""
        refuse_unknown(flags, _STRING_OKAY, "qemuDomainGetLaunchSecurityInfo")
        self._entry(uuid)
        return []

    async def iothreads(self, uuid: bytes, flags: int) -> list[tuple[int, bytes]]:
        from virtory.driver.qemu.iothreads import defined_numbers

        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainGetIOThreadInfo")
        entry = self._entry(uuid)
        live, _ = affected(entry, flags)
        if not live:
            domain = entry.configuration()
            return [
                (number, affinity.bitmap(affinity.iothread_processors(domain, number)))
                for number in defined_numbers(domain)
            ]
        told = await entry.running().soon("query-iothreads")
        threads = affinity.iothreads_in(told)
        return [(number, affinity.of_thread(thread)) for number, thread in threads.items()]

    # -- dirty memory --------------------------------------------------------------------------
    async def start_dirty_rate(self, uuid: bytes, seconds: int, flags: int) -> None:
        """Measure for so long how fast the guest writes memory; domstats shows what came out."""
        refuse_unknown(flags, 3, "qemuDomainStartDirtyRateCalc")
        if flags not in _MODES:
            raise InvalidArgument("one way of calculating the dirty rate can be chosen")
        if not _SHORTEST_S <= seconds <= _LONGEST_S:
            raise ConfigUnsupported(
                f"seconds={seconds} is invalid, please choose value within "
                f"[{_SHORTEST_S}, {_LONGEST_S}]."
            )
        guest = self._guest(uuid)
        _refuse_uncounted(guest, _MODES[flags])
        async with guest.job("dirty rate"):
            arguments = {"calc-time": seconds, "mode": _MODES[flags]}
            await guest.execute("calc-dirty-rate", arguments)


def _refuse_uncounted(guest: Guest, mode: str) -> None:
    """What QEMU 7.2 ends by an assertion, the guest with it: counting what KVM does not count."""
    if mode == "dirty-ring":
        raise OperationUnsupported(
            "dirty-ring calculation mode requires dirty-ring feature enabled.",
            cure="measure by page sampling",
        )
    if mode == "dirty-bitmap" and guest.plan.accelerator != "kvm":
        raise OperationUnsupported(
            "dirty-bitmap calculation mode requires KVM", cure="measure by page sampling"
        )
