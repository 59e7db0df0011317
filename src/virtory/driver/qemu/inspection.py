"""How a machine is virtualised: its processors, memory and devices, as facts for a learner.

The rule kept here: facts only, each from where it is decided (the kernel, QEMU, the plan); the
sentences about them are the client's. What can not be known is None.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu import accounting, iothreads
from virtory.driver.qemu.inspection_devices import emulated_devices, screens_and_consoles
from virtory.driver.qemu.inspection_virtio import virtio_devices
from virtory.errors import VirtoryError
from virtory.model.flags import DomainState
from virtory.model.values import Uuid

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.planning.host import Host
    from virtory.driver.qemu.table import DomainTable, Entry
    from virtory.model.domain import Domain

_ANSWER_S = 5.0
_THREAD_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting for a device",
    "T": "stopped",
    "t": "traced",
}
_STATES = {
    DomainState.RUNNING: "running",
    DomainState.PAUSED: "paused",
    DomainState.SHUTDOWN: "shutting down",
    DomainState.SHUTOFF: "shut off",
    DomainState.CRASHED: "crashed",
    DomainState.PMSUSPENDED: "sleeping",
}


async def inspect(entry: Entry, table: DomainTable, host: Host) -> dict[str, Any]:
    """Everything about one machine; of one that is off, what its definition says."""
    domain, guest = entry.current(), entry.guest
    report: dict[str, Any] = {
        "name": entry.name,
        "uuid": str(Uuid.of_bytes(entry.uuid)),
        "state": _STATES.get(entry.state, "unknown"),
        "acceleration": acceleration(domain, host),
        "machine": _machine(domain),
        "host": promised(table),
    }
    running = guest is not None and not guest.starting and guest.monitor is not None
    if guest is None or not running:
        report["processors"] = {"count": domain.vcpu.current or domain.vcpu.count}
        report["memory"] = {"size_kib": domain.memory.kib}
        report["virtio"] = []
    else:
        report |= await _alive(guest)
    report["devices"] = emulated_devices(domain)
    report |= screens_and_consoles(domain)
    return report


async def _alive(guest: Guest) -> dict[str, Any]:
    cpus, memory, virtio = await asyncio.gather(
        _processors(guest), _memory(guest), virtio_devices(guest)
    )
    return {"pid": guest.pid, "processors": cpus, "memory": memory, "virtio": virtio}


def acceleration(domain: Domain, host: Host) -> dict[str, Any]:
    """What executes the guest's instructions, and how its addresses become the host's."""
    verdict = host.verdict
    kvm = domain.type == "kvm"
    return {
        "kind": "kvm" if kvm else "tcg",
        "paging": verdict.paging if kvm else "software",
        "nested": verdict.nested if kvm else None,
        "host_kvm": verdict.state,
        "host_kvm_found": str(verdict),
        "host_modules": [name for name in _modules() if name.startswith("kvm")],
        "host_extensions": _extensions(),
        "cure": None if kvm else verdict.cure,
    }


def _modules() -> list[str]:
    try:
        return sorted(os.listdir("/sys/module"))
    except OSError:
        return []


def _extensions() -> str | None:
    """`vmx` or `svm`: what the processor itself offers for virtualisation."""
    from virtory.driver.qemu.host import hardware

    for line in hardware.read("/proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            flags = line.partition(":")[2].split()
            return next((name for name in ("vmx", "svm") if name in flags), None)
    return None


def _machine(domain: Domain) -> dict[str, Any]:
    from virtory.driver.qemu.definition.machine_kind import family

    loader = domain.os.loader
    uefi = domain.os.firmware_auto == "efi" or (loader is not None and loader.type == "pflash")
    return {
        "type": domain.os.type.machine,
        "family": family(domain.os.type.machine or ""),
        "arch": domain.os.type.arch,
        "emulator": domain.devices.emulator,
        "firmware": "UEFI" if uefi else "BIOS",
        "firmware_path": loader.path if loader is not None else None,
        "secure_boot": bool(loader is not None and loader.secure),
        "kernel": domain.os.kernel,
        "cpu_mode": domain.cpu.mode if domain.cpu is not None else None,
        "cpu_model": _cpu_model(domain),
    }


def _cpu_model(domain: Domain) -> str | None:
    model = domain.cpu.model if domain.cpu is not None else None
    return None if model is None else model.name


def promised(table: DomainTable) -> dict[str, Any]:
    """What all running machines may use together, against what the host has."""
    from virtory.driver.qemu.host.hardware import meminfo

    sizes = [entry.guest.sizes for entry in table if entry.guest is not None]
    memory = meminfo()
    return {
        "cpus": accounting.host_cpus(),
        "memory_kib": memory["MemTotal"],
        "available_kib": memory.get("MemAvailable", memory["MemFree"]),
        "running": len(sizes),
        "promised_vcpus": sum(vcpus for _, vcpus in sizes),
        "promised_memory_kib": sum(kib for kib, _ in sizes),
    }


# -- processors ----------------------------------------------------------------------------------


async def _processors(guest: Guest) -> dict[str, Any]:
    told = await _asked(guest, "query-cpus-fast", [])
    props = {int(one["thread-id"]): one.get("props", {}) for one in told}
    threads = []
    if iothreads.any_in(guest.domain):
        for number, one in iothreads.numbered(await _asked(guest, "query-iothreads", [])):
            threads.append({"number": number, **_thread(guest.pid, int(one["thread-id"]))})
    return {
        "count": len(guest.vcpu_threads),
        "maximum": guest.domain.vcpu.count,
        "vcpus": [
            {
                "number": number,
                **_thread(guest.pid, thread),
                "place": {key.removesuffix("-id"): value for key, value in props[thread].items()}
                if thread in props
                else {},
            }
            for number, thread in guest.vcpu_threads.items()
        ],
        "iothreads": threads,
        "threads": _count_threads(guest.pid),
    }


def _thread(pid: int, thread: int) -> dict[str, Any]:
    used = accounting.thread_time(pid, thread)
    try:
        affinity = sorted(os.sched_getaffinity(thread))
    except OSError:
        affinity = []
    return {
        "thread": thread,
        "thread_name": _line(f"/proc/{pid}/task/{thread}/comm"),
        "state": _THREAD_STATES.get(_state(pid, thread), "unknown"),
        "cpu": used.cpu,
        "affinity": affinity,
        "time_ns": used.run_ns,
        "delay_ns": used.delay_ns,
    }


def _state(pid: int, thread: int) -> str:
    return _line(f"/proc/{pid}/task/{thread}/stat").rpartition(")")[2].strip()[:1]


def _line(path: str) -> str:
    try:
        with open(path, errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""


def _count_threads(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


# -- memory --------------------------------------------------------------------------------------


async def _memory(guest: Guest) -> dict[str, Any]:
    domain = guest.domain
    backing = domain.memory_backing
    told = await _asked(guest, "query-memdev", [])
    main = told[0] if told else {}
    used = await asyncio.to_thread(_used, guest.pid)
    size = domain.memory.kib
    return {
        "size_kib": size,
        "current_kib": guest.balloon_kib or size,
        "balloon": guest.has_balloon,
        "source": (backing.source if backing is not None else None) or "anonymous",
        "huge_pages": backing is not None and backing.hugepages is not None,
        "locked": backing is not None and backing.locked,
        "shared": bool(main.get("share", False)),
        "preallocated": bool(main.get("prealloc", False)),
        "mergeable": bool(main.get("merge", True)),
        "policy": main.get("policy"),
        **used,
    }


_SMAPS = {
    "Rss": "resident_kib",
    "AnonHugePages": "transparent_huge_kib",
    "Swap": "swapped_kib",
    "Locked": "locked_kib",
}


def _used(pid: int) -> dict[str, int | None]:
    """What QEMU's process has of the host's memory; a part that may not be read is None."""
    found: dict[str, int | None] = dict.fromkeys(_SMAPS.values())
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name in _SMAPS:
                    found[_SMAPS[name]] = int(rest.split()[0])
    except OSError:
        found["resident_kib"] = accounting.resident_kib(pid)
    return found


async def _asked(guest: Guest, command: str, otherwise: Any) -> Any:
    """QEMU's answer, or `otherwise` from one that does not know the command."""
    try:
        return await guest.execute(command, timeout_s=_ANSWER_S)
    except VirtoryError:
        return otherwise
