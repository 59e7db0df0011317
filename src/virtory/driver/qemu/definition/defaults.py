"""What a definition leaves unsaid, said: machine, CPU, controllers, displays, models of devices.

The rule kept here: the result is what libvirt 9.0 would store for the same text, so `virsh dumpxml`
shows nothing surprising; a value that is there is never replaced. Two passes, both pure but for
`with_identity`, the only place where something is drawn by lot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.codec.xml import replaced as replace
from virtory.driver.qemu.definition.device_defaults import with_device_defaults
from virtory.driver.qemu.definition.machine_defaults import machine_defaults
from virtory.model.domain.cpu import Cpu, CpuModel, NumaCell
from virtory.model.domain.os import BootDevice
from virtory.model.values import Mac, Uuid

if TYPE_CHECKING:
    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.model.domain import Domain, Os

DEFAULT_CPU = "qemu64"


def with_identity(domain: Domain) -> Domain:
    """The same with everything random drawn: UUID, generation id, MAC addresses."""
    changes: dict[str, object] = {}
    if domain.uuid is None:
        changes["uuid"] = Uuid.random()
    if domain.genid is not None and domain.genid.uuid is None:
        changes["genid"] = replace(domain.genid, uuid=Uuid.random())
    interfaces = domain.devices.interfaces
    if any(each.mac is None for each in interfaces):
        from virtory.model.domain.devices.interface import InterfaceMac

        drawn = tuple(
            each if each.mac is not None else replace(each, mac=InterfaceMac(address=Mac.random()))
            for each in interfaces
        )
        changes["devices"] = replace(domain.devices, interfaces=drawn)
    return replace(domain, **changes) if changes else domain


def with_defaults(domain: Domain, capabilities: Capabilities) -> Domain:
    """The same with the machine's defaults for that binary.

    Raises ConfigUnsupported when the binary has no such machine type.
    """
    machine = capabilities.canonical_machine(domain.os.type.machine)
    arch = domain.os.type.arch or capabilities.arch
    os = replace(domain.os, type=replace(domain.os.type, arch=arch, machine=machine.name))
    os = _with_boot(os, domain)
    changes: dict[str, object] = {"os": os}
    cpu = changes["cpu"] = _cpu(domain, machine.default_cpu or DEFAULT_CPU)
    changes |= machine_defaults(domain, cpu)
    if domain.features is not None and domain.features.hyperv is not None:
        hyperv = domain.features.hyperv
        if hyperv.mode is None:
            hyperv = replace(hyperv, mode="custom")
            changes["features"] = replace(domain.features, hyperv=hyperv)
    changes["devices"] = with_device_defaults(domain.devices, machine.name, capabilities)
    return replace(domain, **changes)


def _with_boot(os: Os, domain: Domain) -> Os:
    """Booting from hard disks is what no word about booting means."""
    changes: dict[str, object] = {}
    devices = domain.devices
    bootable = (*devices.disks, *devices.interfaces, *devices.hostdevs, *devices.redirdevs)
    ordered = any(each.boot_order is not None for each in bootable)
    if not os.boots and not ordered:
        changes["boots"] = (BootDevice(dev="hd"),)
    if os.firmware is not None and len(os.firmware.features) > 1:
        ordered_features = tuple(sorted(os.firmware.features, key=lambda feature: feature.name))
        changes["firmware"] = replace(os.firmware, features=ordered_features)
    if os.bootmenu is not None and os.bootmenu.enable is None:
        changes["bootmenu"] = None  # a time-out of nothing
    loader = os.loader
    if loader is not None and loader.path is not None and loader.type is None:
        is_pflash = loader.readonly or os.nvram is not None
        changes["loader"] = replace(loader, type="pflash" if is_pflash else "rom")
    return replace(os, **changes) if changes else os


def _cpu(domain: Domain, default: str) -> Cpu:
    cpu = domain.cpu
    if cpu is None:
        return Cpu(
            mode="custom",
            match="exact",
            check="none",
            model=CpuModel(name=default, fallback="forbid"),
        )
    mode = cpu.mode or "custom"
    changes: dict[str, object] = {"mode": mode}
    if mode == "custom":
        changes["match"] = cpu.match or "exact"
        if cpu.model is None or cpu.model.name is None:
            changes["model"] = CpuModel(name=default, fallback="forbid")
            changes["check"] = cpu.check or "none"
        else:
            changes["model"] = replace(cpu.model, fallback=cpu.model.fallback or "allow")
            changes["check"] = cpu.check or ("partial" if domain.type == "kvm" else "none")
    else:
        changes["match"] = None
        changes["check"] = cpu.check or ("partial" if mode == "host-model" else "none")
        if mode == "host-passthrough" and cpu.migratable is None:
            changes["migratable"] = True
        if mode == "host-model" and cpu.model is not None:
            plain = cpu.model.name is None and cpu.model.fallback in (None, "allow")
            fallback = cpu.model.fallback or "allow"
            changes["model"] = None if plain else replace(cpu.model, fallback=fallback)
    if cpu.topology is not None and cpu.topology.dies is None:
        changes["topology"] = replace(cpu.topology, dies=1)
    if cpu.features:
        named = (replace(each, policy=each.policy or "require") for each in cpu.features)
        changes["features"] = tuple(named)
    if cpu.numa is not None:
        changes["numa"] = replace(cpu.numa, cells=tuple(_cells(cpu)))
    return replace(cpu, **changes)


def _cells(cpu: Cpu) -> list[NumaCell]:
    """Cells numbered and counted in KiB."""
    from virtory.model.values import Size, size_of

    assert cpu.numa is not None
    cells: list[NumaCell] = []
    for number, cell in enumerate(cpu.numa.cells):
        kib = cell.memory
        if cell.unit not in (None, "KiB", "k") and size_of(cell.memory, cell.unit) is not None:
            kib = Size.parse(f"{cell.memory}{cell.unit}").kib
        index = number if cell.id is None else cell.id
        cells.append(replace(cell, id=index, memory=kib, unit="KiB"))
    return cells
