"""What a valid description asks for that this driver or this QEMU can not give.

The rule kept here: all of it at once, each with its XPath, naming what is served instead. What is
not refused here is done; nothing is passed over in silence. Expects defaults to be there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.accelerator import refusal
from virtory.driver.qemu.device_unsupported import device_problems
from virtory.driver.qemu.machine_kind import family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.qemu.accelerator import Verdict
    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.model.domain import Domain

    Problems = Iterator[tuple[str, str]]

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
    if domain.vcpus is not None and any(v.order is not None for v in domain.vcpus.vcpus):
        yield "/domain/vcpus", "single vCPUs with an order are not served; <vcpu current='N'> is"
    if domain.vcpu.placement == "auto":
        yield "/domain/vcpu/@placement", "automatic placement (numad) is not served"
    if domain.vcpu.cpuset is not None:
        yield "/domain/vcpu/@cpuset", "pinning is not served"
    if domain.cputune is not None:
        yield "/domain/cputune", "shares, quotas and pinning are not served"
    if domain.numatune is not None:
        yield "/domain/numatune", "binding memory to the host's NUMA nodes is not served"


def _memory(domain: Domain) -> Problems:
    if domain.max_memory is not None:
        yield "/domain/maxMemory", "memory hotplug is not served; leave it away"
    if domain.memtune is not None:
        yield "/domain/memtune", "limits of memory are not served"
    backing = domain.memory_backing
    if backing is not None:
        if backing.source == "file":
            yield "/domain/memoryBacking/source/@type", "'file' is not served; memfd is"
        if backing.discard:
            yield "/domain/memoryBacking/discard", "is not served"
        pages = backing.hugepages.pages if backing.hugepages is not None else ()
        if len(pages) > 1 or any(page.nodeset is not None for page in pages):
            yield "/domain/memoryBacking/hugepages", "one page size for the whole guest is served"
    for each in domain.cpu.numa.cells if domain.cpu is not None and domain.cpu.numa else ():
        if each.discard:
            yield f"/domain/cpu/numa/cell[@id='{each.id}']/@discard", "is not served"


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
            if value not in (None, "raw"):
                yield f"/domain/os/nvram/@{name}", f"'{value}' is not served; raw is"
    if os_.loader is not None and os_.loader.format not in (None, "raw"):
        yield "/domain/os/loader/@format", f"'{os_.loader.format}' is not served; raw is"
    if os_.acpi is not None:
        yield "/domain/os/acpi", "own ACPI tables are not served"
    if os_.dtb is not None:
        yield "/domain/os/dtb", "device trees are of ARM and RISC-V machines only"
    if os_.smbios == "host":
        yield "/domain/os/smbios/@mode", "'host' is not served; sysinfo is"
    if os_.bios is not None and os_.bios.useserial:
        yield "/domain/os/bios/@useserial", "is not served: the serial console is the kernel's"


def _rest(domain: Domain) -> Problems:
    clock = domain.clock
    if clock.adjustment not in (None, "0", "reset"):
        yield "/domain/clock/@adjustment", "an offset other than 0 is not served"
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
        if action == "rename-restart" or action.startswith("coredump"):
            yield f"/domain/{name}", f"'{action}' is not served; destroy, restart, preserve are"
    for number, label in enumerate(domain.seclabels, 1):
        if label.model not in (None, "none", "dac") and label.type != "none":
            yield f"/domain/seclabel[{number}]", f"security model '{label.model}' is not served"
        elif label.type == "static" and label.label is not None:
            yield f"/domain/seclabel[{number}]/label", "each guest has a user of its own: leave it"
    if domain.resource is not None and domain.resource.fibrechannel is not None:
        yield "/domain/resource/fibrechannel", "is not served"
