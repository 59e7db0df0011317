"""What a definition leaves unsaid about memory, processors' places and the clock.

The rule kept here: as libvirt 9.0 stores it; sets of processors in one spelling, sums that agree.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.model.domain.cpu import CpuTune, IoThread, IoThreadIds
from virtory.model.domain.cpuset import canonical
from virtory.model.domain.devices.limits import MOST_IO_THREADS
from virtory.model.values import Size

if TYPE_CHECKING:
    from virtory.model.domain import Domain
    from virtory.model.domain.clock import Clock
    from virtory.model.domain.cpu import Cpu, Vcpu


def machine_defaults(domain: Domain, cpu: Cpu) -> dict[str, Any]:
    """The fields of the domain that change; `cpu` has its defaults already."""
    changes: dict[str, Any] = {"clock": _clock(domain.clock)}
    memory = total_memory(domain, cpu)
    changes["memory"] = memory
    current = domain.current_memory
    if current is None or current > memory:
        changes["current_memory"] = memory
    changes["vcpu"] = _vcpu(domain)
    if domain.cputune is not None:
        changes["cputune"] = _cputune(domain.cputune, domain.vcpu.count)
    changes |= _iothreads(domain)
    changes |= _backing(domain, cpu)
    return changes


def total_memory(domain: Domain, cpu: Cpu) -> Size:
    """All memory at the start: that of the NUMA cells if there are any, and what is plugged in."""
    cells = cpu.numa.cells if cpu.numa is not None else ()
    if not cells:
        return domain.memory
    plugged = sum(int(each.target.size) for each in domain.devices.memories)
    return Size(sum(Size.of_kib(cell.memory) for cell in cells) + plugged)


def _clock(clock: Clock) -> Clock:
    """An offset in seconds makes any clock a variable one."""
    if clock.offset == "variable":
        adjustment = clock.adjustment
        if adjustment in (None, "reset"):
            adjustment = "0"
        return replace(clock, adjustment=adjustment, basis=clock.basis or "utc")
    if clock.offset in ("utc", "localtime") and clock.adjustment not in (None, "reset"):
        basis: Any = clock.offset
        return replace(clock, offset="variable", basis=basis)
    return clock


def _vcpu(domain: Domain) -> Vcpu:
    vcpu = replace(domain.vcpu, cpuset=canonical(domain.vcpu.cpuset))
    if domain.vcpus is None:
        return vcpu
    enabled = sum(each.enabled for each in domain.vcpus.vcpus)
    return replace(vcpu, current=enabled if 0 < enabled < vcpu.count else None)


def _cputune(tune: CpuTune, count: int) -> CpuTune | None:
    tune = replace(
        tune,
        vcpupins=tuple(
            replace(pin, cpuset=canonical(pin.cpuset) or "")
            for pin in tune.vcpupins
            if pin.vcpu < count
        ),
        emulatorpin=canonical(tune.emulatorpin),
        iothreadpins=tuple(
            replace(pin, cpuset=canonical(pin.cpuset) or "") for pin in tune.iothreadpins
        ),
    )
    return tune if tune != CpuTune() else None


def _iothreads(domain: Domain) -> dict[str, Any]:
    """As many numbers as threads, the lowest that are free; no list where none was given."""
    ids = domain.iothreadids
    if ids is None:
        return {}
    threads, taken = list(ids.iothreads), {each.id for each in ids.iothreads}
    number = 1
    while len(threads) < min(domain.iothreads or 0, MOST_IO_THREADS):
        if number not in taken:
            threads.append(IoThread(id=number))
        number += 1
    return {
        "iothreads": max(domain.iothreads or 0, len(threads)),
        "iothreadids": IoThreadIds(iothreads=tuple(threads)),
    }


def _backing(domain: Domain, cpu: Cpu) -> dict[str, Any]:
    """Without cells, node 0 is all there is."""
    backing = domain.memory_backing
    if backing is None or backing.hugepages is None or cpu.numa is not None:
        return {}
    pages = tuple(
        replace(page, nodeset=None) if page.nodeset == "0" else page
        for page in backing.hugepages.pages
    )
    hugepages = replace(backing.hugepages, pages=pages)
    return {"memory_backing": replace(backing, hugepages=hugepages)}
