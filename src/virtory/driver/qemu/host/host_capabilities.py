"""`<capabilities>` of this host: processor, NUMA cells, caches, and the machines it can run.

The rule kept here: read from the kernel and from QEMU at the moment of asking, never from a list of
our own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from virtory.driver.qemu import cpu
from virtory.driver.qemu.host import hardware
from virtory.driver.qemu.host.accelerator import cpu_flags
from virtory.model import capabilities as model
from virtory.model.domain.cpu import (
    CpuFeature,
    CpuTopology,
    MaxPhysAddr,
    NumaDistances,
    NumaSibling,
)
from virtory.model.values import Size, Uuid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.driver.qemu.host.accelerator import Verdict

_VENDORS: Final = {
    "GenuineIntel": "Intel",
    "AuthenticAMD": "AMD",
    "HygonGenuine": "Hygon",
    "CentaurHauls": "VIA",
}
_SIZES: Final = {"K": "KiB", "M": "MiB"}
_LIBVIRT_NAMES: Final = {  # the kernel's name of a flag → libvirt's
    "pclmulqdq": "pclmuldq",
    "sse4_1": "sse4.1",
    "sse4_2": "sse4.2",
    "tsc_deadline_timer": "tsc-deadline",
    "sha_ni": "sha-ni",
    "avx512_vnni": "avx512vnni",
    "avx512_bitalg": "avx512bitalg",
    "avx512_vbmi2": "avx512vbmi2",
    "avx512_vpopcntdq": "avx512-vpopcntdq",
    "avx512_vp2intersect": "avx512-vp2intersect",
    "avx512_bf16": "avx512-bf16",
    "avx512_fp16": "avx512-fp16",
    "avx_vnni": "avx-vnni",
    "amx_bf16": "amx-bf16",
    "amx_tile": "amx-tile",
    "amx_int8": "amx-int8",
    "arch_capabilities": "arch-capabilities",
    "spec_ctrl": "spec-ctrl",
    "cr8_legacy": "cr8legacy",
    "constant_tsc": "invtsc",
    "lahf_lm": "lahf_lm",
    "intel_pt": "intel-pt",
    "md_clear": "md-clear",
}
_NO_FEATURES: Final = """
    3dnow_alias acc_power aperfmperf apic arch_perfmon bts cat_l3 cdp_l3 clflush cmov cpuid
    cpuid_fault cx16 cx8 de dtherm epb ept ept_ad extd_apicid flexpriority fpu fxsr hw_pstate hwp
    ibpb ibrs ibrs_enhanced ida lm mca mce mmx msr mtrr nonstop_tsc nopl nx pae pat pebs pge pln
    pni pse pse36 pti pts rdt_a rep_good sep sse sse2 ssbd stibp syscall tpr_shadow tsc
    tsc_known_freq tsc_reliable vnmi vpid xtopology
"""
"""Flags that Linux makes up, or that every 64-bit model has."""


def host_capabilities(
    emulators: Iterable[Capabilities], verdict: Verdict, user: tuple[int, int] | None
) -> str:
    """The XML; `user` is the (uid, gid) all guests run as, None when each has its own or ours."""
    binaries = list(emulators)
    value = model.Capabilities(
        host=_host(binaries, verdict, user),
        guests=tuple(_guest(each, verdict) for each in binaries),
    )
    return model.format_capabilities(value)


def host_cpu(emulators: Iterable[Capabilities], verdict: Verdict) -> model.HostCpu:
    """This host's processor; its model is the best of QEMU's that KVM can give whole."""
    info = cpuinfo()
    machine = os.uname().machine
    vendor = _VENDORS.get(info.get("vendor_id", ""))
    name = None
    if machine == "x86_64":
        first = next(iter(emulators), None)
        usable = verdict.usable and first is not None
        name = cpu.host_model(first, "kvm", vendor or "") if usable and first else "kvm64"
    nodes = hardware.node_info()
    sockets = nodes.sockets * nodes.nodes
    bits = info.get("address sizes", "").split(" ", 1)[0]
    frequency = round(float(info.get("cpu MHz", 0)) * 1000) * 1000
    return model.HostCpu(
        arch=machine,
        model=name,
        vendor=vendor,
        microcode=model.Microcode(version=int(info["microcode"], 0))
        if "microcode" in info
        else None,
        signature=_signature(info),
        counters=(model.Counter(frequency=frequency, scaling=False),) if frequency else (),
        topology=CpuTopology(sockets=sockets, dies=1, cores=nodes.cores, threads=nodes.threads),
        maxphysaddr=MaxPhysAddr(mode="emulate", bits=int(bits)) if bits.isdigit() else None,
        features=tuple(CpuFeature(name=each) for each in host_features()),
        pages=tuple(model.Pages(size=size) for size in page_sizes()),
    )


def host_features() -> list[str]:
    """The processor's features under libvirt's names, without those that all processors have."""
    flags = sorted(cpu_flags().difference(_NO_FEATURES.split()))
    return list(dict.fromkeys(_LIBVIRT_NAMES.get(flag, flag) for flag in flags))


def cpuinfo() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo."""
    found: dict[str, str] = {}
    for line in hardware.read("/proc/cpuinfo").splitlines():
        if not line.strip():
            break
        name, _, value = line.partition(":")
        found[name.strip()] = value.strip()
    return found


def page_sizes() -> list[int]:
    """Page sizes in KiB, the ordinary one first."""
    sizes = [os.sysconf("SC_PAGE_SIZE") >> 10]
    try:
        names = os.listdir("/sys/kernel/mm/hugepages")
    except OSError:
        names = []
    sizes += sorted(int(n.removeprefix("hugepages-").removesuffix("kB")) for n in names)
    return sizes


def _signature(info: dict[str, str]) -> model.Signature | None:
    try:
        return model.Signature(
            family=int(info["cpu family"]),
            model=int(info["model"]),
            stepping=int(info["stepping"]),
        )
    except (KeyError, ValueError):
        return None


def _host(
    binaries: list[Capabilities], verdict: Verdict, user: tuple[int, int] | None
) -> model.Host:
    cells = tuple(_cell(node) for node in hardware.numa_nodes())
    label = "" if user is None else f"+{user[0]}:+{user[1]}"
    labels = (
        tuple(model.BaseLabel(type=kind, label=label) for kind in ("kvm", "qemu")) if label else ()
    )
    states = hardware.read("/sys/power/state").split()
    return model.Host(
        uuid=Uuid.parse(hardware.host_uuid()),
        cpu=host_cpu(binaries, verdict),
        power_management=model.SuspendTargets(
            suspend_mem="mem" in states, suspend_disk="disk" in states
        ),
        iommu=has_iommu(),
        topology=model.HostTopology(cells=model.Cells(num=len(cells), cells=cells)),
        cache=_caches(),
        secmodels=(
            model.SecurityModel(model="none", doi="0"),
            model.SecurityModel(model="dac", doi="0", baselabels=labels),
        ),
    )


def has_iommu() -> bool:
    """Whether the kernel has put devices into IOMMU groups."""
    try:
        return bool(os.listdir("/sys/kernel/iommu_groups"))
    except OSError:
        return False


def _cell(node: int) -> model.Cell:
    memory = hardware.node_meminfo(node)["MemTotal"]
    base = os.sysconf("SC_PAGE_SIZE") >> 10
    where = f"/sys/devices/system/node/node{node}/hugepages/hugepages-"
    pages, huge_kib = [], 0
    for size in page_sizes()[1:]:
        count = int(hardware.read(f"{where}{size}kB/nr_hugepages").strip() or 0)
        pages.append(model.Pages(size=size, count=count))
        huge_kib += size * count
    pages.insert(0, model.Pages(size=base, count=(memory - huge_kib) // base))
    distances = hardware.read(f"/sys/devices/system/node/node{node}/distance").split()
    siblings = tuple(
        NumaSibling(id=other, value=int(value))
        for other, value in zip(hardware.numa_nodes(), distances, strict=False)
    )
    cpus = tuple(_processor(each) for each in hardware.node_cpus(node))
    return model.Cell(
        id=node,
        memory=Size.of_kib(memory),
        pages=tuple(pages),
        distances=NumaDistances(siblings=siblings) if siblings else None,
        cpus=model.HostVcpus(num=len(cpus), cpus=cpus),
    )


def _processor(number: int) -> model.HostVcpu:
    where = f"/sys/devices/system/cpu/cpu{number}/topology"
    siblings = hardware.read(f"{where}/thread_siblings_list").strip()
    return model.HostVcpu(
        id=number,
        socket_id=hardware.package_of(number),
        die_id=hardware.die_of(number),
        core_id=hardware.core_of(number) & 0xFFFF,
        siblings=siblings or str(number),
    )


def _caches() -> model.HostCache | None:
    banks: dict[tuple[int, int], model.CacheBank] = {}
    for number in hardware.cpus_online():
        for index in range(8):
            where = f"/sys/devices/system/cpu/cpu{number}/cache/index{index}"
            level = hardware.read(f"{where}/level").strip()
            if not level:
                break
            size = hardware.read(f"{where}/size").strip()
            if int(level) < 3 or not size[:-1].isdigit():
                continue
            identity = int(hardware.read(f"{where}/id").strip() or 0)
            amount, unit = int(size[:-1]), _SIZES.get(size[-1], "KiB")
            if unit == "KiB" and amount % 1024 == 0:
                amount, unit = amount // 1024, "MiB"
            kind = hardware.read(f"{where}/type").strip()
            banks[int(level), identity] = model.CacheBank(
                id=identity,
                level=int(level),
                type="data" if kind == "Data" else "code" if kind == "Instruction" else "both",
                size=amount,
                unit=unit,
                cpus=hardware.read(f"{where}/shared_cpu_list").strip(),
            )
    return model.HostCache(banks=tuple(banks[key] for key in sorted(banks))) if banks else None


def _guest(binary: Capabilities, verdict: Verdict) -> model.Guest:
    machines: list[model.MachineType] = []
    # virt-install and virt-manager take the first for the one to use when nothing is said.
    for each in sorted(binary.machines.values(), key=lambda each: not each.default):
        if each.name == "none":
            continue
        deprecated = True if each.deprecated else None
        machines.append(
            model.MachineType(name=each.name, max_cpus=each.max_cpus, deprecated=deprecated)
        )
        if each.alias is not None:
            machines.append(
                model.MachineType(name=each.alias, canonical=each.name, max_cpus=each.max_cpus)
            )
    kinds = ["qemu", "kvm"] if verdict.usable and "kvm" in binary.accelerators else ["qemu"]
    wide = binary.arch.endswith("64") or binary.arch == "s390x"
    return model.Guest(
        arch=model.GuestArch(
            name=binary.arch,
            wordsize=64 if wide else 32,
            emulator=binary.path,
            machines=tuple(machines),
            domains=tuple(model.GuestDomain(type=kind) for kind in kinds),
        ),
        features=model.GuestFeatures(
            pae=binary.arch == "i686",
            nonpae=binary.arch == "i686",
            acpi=model.Toggle(default=True, toggle=True),
            apic=model.Toggle(default=True, toggle=False),
            cpuselection=True,
            deviceboot=True,
            disksnapshot=model.Toggle(default=True, toggle=False),
        ),
    )
