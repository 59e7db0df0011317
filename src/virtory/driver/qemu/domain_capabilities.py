"""`<domainCapabilities>`: what one emulator offers to one machine type under one accelerator.

The rule kept here: an enum lists what a definition may say and would be served, by the same tables
that `unsupported` and the devices use.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from virtory.driver.qemu import cpu
from virtory.driver.qemu.definition.machine_kind import family
from virtory.driver.qemu.devices.display import VIDEO_DRIVERS
from virtory.driver.qemu.devices.interface import MODELS
from virtory.errors import ConfigUnsupported, InvalidArgument
from virtory.model import domain_capabilities as model
from virtory.model.domain.cpu import CpuFeature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.driver.qemu.host.accelerator import Verdict
    from virtory.driver.qemu.host.firmware import Firmware

_VERSIONED = re.compile(r"-v\d+$")
_STREAMS = ("pty", "unix", "file", "null", "tcp", "udp", "dev")
_CARRIED = ("spicevmc", "spiceport", "qemu-vdagent")
_VIRTIO = ("virtio", "virtio-transitional", "virtio-non-transitional")


def domain_capabilities(
    emulator: Capabilities,
    machine: str | None,
    virt_type: str | None,
    arch: str | None,
    verdict: Verdict,
    firmware: Iterable[Firmware],
    *,
    swtpm: bool,
    vendor: str = "",
) -> str:
    """The XML. Raises ConfigUnsupported for a machine type or accelerator that is not there."""
    if arch is not None and arch != emulator.arch:
        raise InvalidArgument(f"architecture '{arch}' is not that of emulator '{emulator.path}'")
    kind = virt_type or ("kvm" if verdict.usable else "qemu")
    if kind not in ("kvm", "qemu"):
        raise InvalidArgument(f"unknown virttype: {kind}")
    if kind == "kvm" and not verdict.usable:
        raise ConfigUnsupported(
            f"the accelerator 'kvm' is not supported by '{emulator.path}' on this host: "
            f"{verdict.found}",
            cure=verdict.cure,
        )
    chosen = emulator.canonical_machine(machine)
    accelerator = "kvm" if kind == "kvm" else "tcg"
    yes = model.Supported(supported=True)
    value = model.DomainCapabilities(
        path=emulator.path,
        domain=kind,
        machine=chosen.name,
        arch=emulator.arch,
        vcpu_max=chosen.max_cpus,
        iothreads=yes,
        os=_os(emulator, chosen.name, firmware),
        cpu=_cpu(emulator, accelerator, vendor),
        memory_backing=_choices({"sourceType": ("file", "anonymous", "memfd")}),
        devices=_devices(emulator, chosen.name, swtpm),
        features=_features(emulator, chosen.name),
    )
    return model.format_domain_capabilities(value)


def _choices(named: dict[str, tuple[str, ...]], *, supported: bool = True) -> model.Supported:
    choices = (model.Choice(name=name, values=values) for name, values in named.items())
    return model.Supported(supported=supported, choices=tuple(choices) if supported else ())


def _os(emulator: Capabilities, machine: str, found: Iterable[Firmware]) -> model.FirmwareSupport:
    suited = [each for each in found if each.suits(emulator.arch, machine)]
    files = tuple(dict.fromkeys(each.code for each in suited))
    secure = any(each.needs_smm for each in suited)
    loader = model.Supported(
        supported=True,
        values=files,
        choices=(
            model.Choice(name="type", values=("rom", "pflash") if files else ("rom",)),
            model.Choice(name="readonly", values=("yes", "no")),
            model.Choice(name="secure", values=("yes", "no") if secure else ("no",)),
        ),
    )
    offered = model.Choice(name="firmware", values=("efi",) if suited else ())
    return model.FirmwareSupport(choices=(offered,), loader=loader)


def _cpu(emulator: Capabilities, accelerator: str, vendor: str) -> model.CpuModes:
    passthrough = model.CpuMode(name="host-passthrough", supported=False)
    if accelerator == "kvm":
        switch = model.Choice(name="hostPassthroughMigratable", values=("on", "off"))
        passthrough = model.CpuMode(name="host-passthrough", supported=True, choices=(switch,))
    maximum = model.CpuMode(
        name="maximum",
        supported=True,
        choices=(model.Choice(name="maximumMigratable", values=("on", "off")),),
    )
    name = cpu.host_model(emulator, accelerator, vendor)
    host_model = model.CpuMode(
        name="host-model",
        supported=True,
        models=(model.KnownCpu(name=name, fallback="forbid"),),
        vendor=None if cpu.vendor(name) == "unknown" else cpu.vendor(name),
        features=(CpuFeature(policy="require", name="hypervisor"),),
    )
    known = tuple(
        model.KnownCpu(
            name=each.name,
            usable="yes" if each.usable else "no",
            deprecated=True if each.deprecated else None,
            vendor=cpu.vendor(each.name),
        )
        for each in emulator.cpu_models(accelerator).values()
        if each.name not in ("host", "max", "base") and not _VERSIONED.search(each.name)
    )
    custom = model.CpuMode(name="custom", supported=True, models=known)
    return model.CpuModes(modes=(passthrough, maximum, host_model, custom))


def _devices(emulator: Capabilities, machine: str, swtpm: bool) -> model.DeviceSupport:
    kind = family(machine)
    pci = kind != "microvm"
    buses = {"q35": ("fdc", "scsi", "virtio", "usb", "sata"), "microvm": ("scsi", "virtio")}.get(
        kind, ("ide", "fdc", "scsi", "virtio", "usb", "sata")
    )
    drives = ("disk", "cdrom", "floppy") if pci else ("disk", "cdrom")
    virtio = _VIRTIO if pci else ("virtio",)
    videos = [n for n, driver in VIDEO_DRIVERS.items() if pci and emulator.has_device(driver)]
    cards = [n for n in MODELS if n in _VIRTIO or (pci and emulator.has_device(n))]
    tpms = tuple(name for name in ("tpm-tis", "tpm-crb") if emulator.has_device(name))
    vnc = ("vnc",) if emulator.has("display-update") else ()
    has_spice = emulator.has("query-spice") and pci
    spice = ("spice",) if has_spice else ()
    return model.DeviceSupport(
        disk=_choices({"diskDevice": drives, "bus": buses, "model": virtio}),
        graphics=_choices({"type": (*vnc, *spice)}),
        video=_choices({"modelType": (*videos, "none")}),
        hostdev=_choices(
            {
                "mode": ("subsystem",),
                "startupPolicy": ("default", "mandatory", "requisite", "optional"),
                "subsysType": ("usb",),
                "capsType": (),
                "pciBackend": (),
            },
            supported=emulator.has_device("usb-host") and pci,
        ),
        rng=_choices({"model": virtio, "backendModel": ("random", "egd", "builtin")}),
        filesystem=_choices({"driverType": ("path", "virtiofs")}, supported=pci),
        tpm=_choices(
            {
                "model": tpms,
                "backendModel": ("passthrough", "emulator"),
                "backendVersion": ("1.2", "2.0"),
            },
            supported=swtpm and bool(tpms) and pci,
        ),
        redirdev=_choices({"bus": ("usb",)}, supported=emulator.has_device("usb-redir") and pci),
        channel=_choices({"type": (*_STREAMS, *(_CARRIED if has_spice else ()))}),
        interface=_choices({"type": ("user",), "model": tuple(cards)}) if cards else None,
        panic=_choices({"model": ("isa", "pvpanic", "hyperv")}, supported=pci),
        console=_choices({"type": _STREAMS}),
    )


def _features(emulator: Capabilities, machine: str) -> model.FeatureSupport:
    pci = family(machine) != "microvm"
    no = model.Supported(supported=False)
    hyperv = ("relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "reset",
              "vendor_id", "frequencies", "reenlightenment", "tlbflush", "ipi")  # fmt: skip
    return model.FeatureSupport(
        gic=no,
        vmcoreinfo=model.Supported(supported=emulator.has_device("vmcoreinfo") and pci),
        genid=model.Supported(supported=emulator.has_device("vmgenid") and pci),
        backing_store_input=model.Supported(supported=True),
        backup=no,
        sev=no,
        sgx=no,
        hyperv=_choices({"features": hyperv}),
    )
