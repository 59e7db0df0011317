"""What a valid description asks for that this driver or this QEMU can not give.

The rule kept here: all of it at once, each with its XPath, naming what is served instead. What is
not refused here is done; nothing is passed over in silence. Expects defaults to be there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.definition.device_unsupported import device_problems
from virtory.driver.qemu.definition.machine_kind import family
from virtory.driver.qemu.host.accelerator import refusal
from virtory.driver.qemu.planning.user import user_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.driver.qemu.host.accelerator import Verdict
    from virtory.model.domain import Domain

    Problems = Iterator[tuple[str, str]]

_NO_GROUPS = "control groups are not served"
_SHARES = ("shares", "period", "quota", "global_period", "global_quota", "emulator_period",
           "emulator_quota", "iothread_period", "iothread_quota")  # fmt: skip
SERVED_MACHINES = "the pc (i440fx), q35 and microvm families"


def unsupported(
    domain: Domain, capabilities: Capabilities, verdict: Verdict
) -> list[tuple[str, str]]:
    """Every (XPath, message) for which `domain` can not run here; empty when it can."""
    return [
        *_machine(domain, capabilities, verdict),
        *_processors(domain, capabilities),
        *_memory(domain),
        *_start(domain),
        *_rest(domain),
        *device_problems(domain, capabilities),
    ]


def _machine(domain: Domain, capabilities: Capabilities, verdict: Verdict) -> Problems:
    if domain.type not in ("kvm", "qemu"):
        yield "/domain/@type", f"type '{domain.type}' is not served; kvm and qemu are"
    elif domain.type == "kvm" and (why := refusal(verdict)) is not None:
        yield "/domain/@type", f"{why}; {verdict.cure}" if verdict.cure else why
    os_ = domain.os
    if os_.type.kind != "hvm":
        yield "/domain/os/type", f"type '{os_.type.kind}' is not served; hvm is"
    if os_.type.arch is not None and os_.type.arch != capabilities.arch:
        yield (
            "/domain/os/type/@arch",
            f"{capabilities.path} emulates {capabilities.arch}, not {os_.type.arch}",
        )
    if family(os_.type.machine or "") == "other":
        machine = os_.type.machine
        yield "/domain/os/type/@machine", f"'{machine}' is not served; {SERVED_MACHINES} are"


def _processors(domain: Domain, capabilities: Capabilities) -> Problems:
    accelerator = "kvm" if domain.type == "kvm" else "tcg"
    machine = capabilities.machines.get(domain.os.type.machine or "")
    if machine is not None and domain.vcpu.count > machine.max_cpus:
        yield (
            "/domain/vcpu",
            f"{domain.vcpu.count} vCPUs are more than machine {machine.name}'s {machine.max_cpus}",
        )
    cpu = domain.cpu
    models = capabilities.cpu_models(accelerator)
    if cpu is not None:
        name = cpu.model.name if cpu.model is not None else None
        if cpu.mode == "custom" and name is not None and models and name not in models:
            yield "/domain/cpu/model", f"{capabilities.path} has no CPU model '{name}'"
        if cpu.mode == "host-passthrough" and accelerator != "kvm":
            yield (
                "/domain/cpu/@mode",
                "host-passthrough needs type='kvm'; mode='maximum' is the most that emulation has",
            )
        if cpu.topology is not None and (cpu.topology.clusters or 1) != 1:
            yield "/domain/cpu/topology/@clusters", "clusters are of ARM machines only"
    yield from _each_vcpu(domain)
    if domain.vcpu.placement == "auto":
        yield "/domain/vcpu/@placement", "automatic placement (numad) is not served"
    yield from _tuning(domain)


def _each_vcpu(domain: Domain) -> Problems:
    """Those that QEMU begins with are the first ones; others are plugged in."""
    vcpus = domain.vcpus.vcpus if domain.vcpus is not None else ()
    first = sorted(each.id for each in vcpus if each.enabled and not each.hotpluggable)
    if vcpus and (not first or first != list(range(len(first)))):
        missing = next(n for n in range(len(vcpus)) if n not in first)
        where = f"/domain/vcpus/vcpu[@id='{missing}']/@enabled"
        what = "can not be off or hotpluggable while later ones are on; enable it"
        yield where, f"vCPU {missing} {what}"


def _tuning(domain: Domain) -> Problems:
    """Pins and schedulers are served; shares and quotas would need control groups."""
    tune = domain.cputune
    for name in _SHARES if tune is not None else ():
        if getattr(tune, name) is not None:
            yield f"/domain/cputune/{name}", _NO_GROUPS
    if domain.blkiotune is not None:
        yield "/domain/blkiotune", f"{_NO_GROUPS}; <iotune> of a disk is served"
    if domain.memtune is not None:
        yield "/domain/memtune", _NO_GROUPS
    numa = domain.numatune
    if numa is None:
        return
    if numa.memory is not None and numa.memory.placement == "auto":
        yield "/domain/numatune/memory/@placement", "automatic placement (numad) is not served"
    if numa.memory is not None and numa.memory.mode == "restrictive":
        yield "/domain/numatune/memory/@mode", f"'restrictive': {_NO_GROUPS}; strict is served"
    for each in numa.memnodes:
        if each.mode == "restrictive":
            where = f"/domain/numatune/memnode[@cellid='{each.cellid}']/@mode"
            yield where, f"'restrictive': {_NO_GROUPS}; strict is served"


def _memory(domain: Domain) -> Problems:
    cells = domain.cpu.numa.cells if domain.cpu is not None and domain.cpu.numa else ()
    if domain.max_memory is not None and not cells:
        yield (
            "/domain/maxMemory",
            "memory hotplug needs at least one NUMA node: add <numa><cell/></numa> to <cpu>",
        )
    if domain.devices.memories and domain.max_memory is None:
        yield "/domain/devices/memory[1]", "modules of memory need a <maxMemory slots='…'>"
    backing = domain.memory_backing
    in_files = backing is not None and backing.source == "file"
    if backing is not None and backing.discard and not in_files:
        yield "/domain/memoryBacking/discard", "needs <source type='file'/>"
    if backing is not None and in_files and backing.hugepages is not None:
        yield "/domain/memoryBacking/source/@type", "'file' excludes huge pages; memfd takes them"
    for each in cells:
        if each.discard and not in_files:
            where = f"/domain/cpu/numa/cell[@id='{each.id}']/@discard"
            yield where, "needs <memoryBacking><source type='file'/>"


def _start(domain: Domain) -> Problems:
    os_ = domain.os
    kind = family(os_.type.machine or "")
    uefi = os_.firmware_auto == "efi" or (os_.loader is not None and os_.loader.type == "pflash")
    if uefi and kind == "microvm":
        yield "/domain/os/loader", "a microvm has no flash for UEFI; use q35, or <kernel>"
    elif uefi and not (domain.features is not None and domain.features.acpi):
        yield "/domain/features", "UEFI needs ACPI: add <acpi/>"
    if kind == "microvm" and os_.firmware_auto is None and os_.loader is None and not os_.kernel:
        yield "/domain/os/kernel", "a microvm boots no disk: name a <kernel>"
    nvram = os_.nvram
    if nvram is not None:
        if nvram.source is not None or nvram.type not in (None, "file"):
            yield "/domain/os/nvram", "only a file, by its path, is served"
        for name, value in (("format", nvram.format), ("templateFormat", nvram.template_format)):
            if value not in (None, "raw", "qcow2"):
                yield f"/domain/os/nvram/@{name}", f"'{value}' is not served; raw and qcow2 are"
    if os_.loader is not None and os_.loader.format not in (None, "raw", "qcow2"):
        yield "/domain/os/loader/@format", f"'{os_.loader.format}' is not served; raw, qcow2 are"
    if os_.dtb is not None:
        yield "/domain/os/dtb", "device trees are of ARM and RISC-V machines only"


def _rest(domain: Domain) -> Problems:
    clock = domain.clock
    for timer in clock.timers:
        if timer.name in ("platform", "armvtimer"):
            yield f"/domain/clock/timer[@name='{timer.name}']", "x86 machines have no such timer"
        if timer.catchup is not None:
            yield f"/domain/clock/timer[@name='{timer.name}']/catchup", "is not served"
    features = domain.features
    if features is not None:
        if features.gic is not None:
            yield "/domain/features/gic", "is of ARM machines only"
        if features.msrs is not None:
            yield "/domain/features/msrs", "is not served"
    if domain.on_lockfailure is not None:
        yield "/domain/on_lockfailure", "there is no lock manager"
    for name in ("on_poweroff", "on_reboot", "on_crash"):
        action = getattr(domain, name)
        if action == "rename-restart":
            yield f"/domain/{name}", f"'{action}' is not served; destroy, restart, preserve are"
    if domain.on_reboot == "destroy" and domain.on_poweroff == "restart":
        yield "/domain/on_reboot", "'destroy' is not served with on_poweroff 'restart'"
    for number, label in enumerate(domain.seclabels, 1):
        if label.model not in (None, "none", "dac") and label.type != "none":
            yield f"/domain/seclabel[{number}]", f"security model '{label.model}' is not served"
        elif label.type == "static" and label.label is not None and user_of(label.label) is None:
            where = f"/domain/seclabel[{number}]/label"
            yield where, f"'{label.label}' is no user and group other than root, as +107:+107"
    if domain.resource is not None and domain.resource.fibrechannel is not None:
        yield "/domain/resource/fibrechannel", "is not served"
