"""The guest's CPU: QEMU's `-cpu` argument, and what the live description says of it.

The rule kept here: models and features are QEMU's own; there is no second list of CPUs to go stale.
libvirt's spelling of a feature is turned into QEMU's, which are hyphened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from virtory.driver.qemu.capabilities import UNKNOWN
from virtory.model.domain.cpu import CpuFeature, CpuModel

if TYPE_CHECKING:
    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.model.domain import Domain
    from virtory.model.domain.cpu import Cpu
    from virtory.model.domain.features import Features

_QEMU_NAMES: Final = {
    "pclmuldq": "pclmulqdq",
    "ds_cpl": "ds-cpl",
    "cmp_legacy": "cmp-legacy",
    "fxsr_opt": "fxsr-opt",
    "lahf_lm": "lahf-lm",
    "nodeid_msr": "nodeid-msr",
    "perfctr_core": "perfctr-core",
    "perfctr_nb": "perfctr-nb",
    "tsc_adjust": "tsc-adjust",
    "xgetbv1": "xgetbv1",
}
_LIBVIRT_NAMES: Final = {
    **{theirs: ours for ours, theirs in _QEMU_NAMES.items()},
    "sse4-1": "sse4.1",
    "sse4-2": "sse4.2",
}
_HYPERV: Final = {
    "relaxed": "hv-relaxed",
    "vapic": "hv-vapic",
    "vpindex": "hv-vpindex",
    "runtime": "hv-runtime",
    "synic": "hv-synic",
    "reset": "hv-reset",
    "frequencies": "hv-frequencies",
    "reenlightenment": "hv-reenlightenment",
    "tlbflush": "hv-tlbflush",
    "ipi": "hv-ipi",
    "evmcs": "hv-evmcs",
    "avic": "hv-avic",
}
_AMD: Final = ("EPYC", "Opteron", "phenom", "athlon")
_GENERIC: Final = ("486", "pentium", "qemu", "kvm", "base", "max", "host")


def qemu_name(feature: str) -> str:
    """QEMU's name of a feature that libvirt's users write."""
    return _QEMU_NAMES.get(feature, feature)


def is_model_of_libvirt(name: str) -> bool:
    """Whether libvirt counts it among its models: no version of one, nor what depends on the host.

    libvirt's own list (its cpu_map) is not kept here.
    """
    _, dash, version = name.rpartition("-v")
    return name not in ("max", "host", "base") and not (dash and version.isdecimal())


def libvirt_name(feature: str) -> str:
    """libvirt's name of one of QEMU's features."""
    return _LIBVIRT_NAMES.get(feature, feature)


def plain_name(feature: str) -> str:
    """The one of QEMU's names of a feature by which features are compared: sse4-1, not sse4.1."""
    return qemu_name(feature).replace("_", "-").replace(".", "-")


def vendor(model: str) -> str:
    """Who makes the processors that a model is named after: Intel, AMD, Hygon, VIA or unknown."""
    if model.startswith(_GENERIC):
        return "unknown"
    if model.startswith(_AMD):
        return "AMD"
    return {"Dhyana": "Hygon", "YongFeng": "Zhaoxin"}.get(model, "Intel")


def host_model(capabilities: Capabilities, accelerator: str, cpu_vendor: str = "") -> str:
    """The richest model that the accelerator can give whole, under KVM one of the host's vendor.

    Without any usable model, `qemu64`.
    """
    best, best_rank = "qemu64", (-1, -1)
    for name, model in capabilities.cpu_models(accelerator).items():
        if not model.usable or not is_model_of_libvirt(name):
            continue
        matches, age = int(vendor(name) == cpu_vendor), _AGES.get(name.split("-")[0], 0)
        rank = (matches, age) if accelerator == "kvm" else (age, matches)
        if rank > best_rank:
            best, best_rank = name, rank
    return best


_AGES: Final = {
    name: age
    for age, names in enumerate(
        (("qemu64", "kvm64"), ("Conroe", "Opteron_G1"), ("Penryn", "Opteron_G2"),
         ("Nehalem", "Opteron_G3"), ("Westmere", "Opteron_G4"), ("SandyBridge", "Opteron_G5"),
         ("IvyBridge",), ("Haswell",), ("Broadwell",), ("Skylake", "EPYC"), ("Cascadelake",),
         ("Cooperlake", "Dhyana"), ("Icelake",), ("SapphireRapids",), ("GraniteRapids",)),
        start=1,
    )
    for name in names
}  # fmt: skip


_SETTINGS: Final = frozenset(
    ("check", "cpuid-0xb", "enforce", "fill-mtrr-mask", "full-cpuid-auto-level", "host-cache-info",
     "host-phys-bits", "hotplugged", "hypervisor", "intel-pt-auto-level", "kvm", "l3-cache",
     "legacy-cache", "lmce", "migratable", "pmu", "realized", "start-powered-off", "tcg-cpuid",
     "vmware-cpuid-freq", "xen-vapic")
)  # fmt: skip
"""Properties of a CPU that are no features of it."""
_ALIASES: Final = frozenset(("pclmuldq", "i64", "xd", "ffxsr"))


def beyond_model(capabilities: Capabilities, accelerator: str, model: str) -> list[str]:
    """What the accelerator gives and a model has not: with it, `host-model` is the host's CPU."""
    named = capabilities.cpu_features(accelerator, model)
    if named is None:
        return []
    whole = given_features(capabilities, accelerator, whole_model(accelerator))
    return [name for name in whole if not named.get(name)]


def whole_model(accelerator: str) -> str:
    """The model that has all an accelerator gives."""
    return "host" if accelerator == "kvm" else "max"


def given_features(capabilities: Capabilities, accelerator: str, model: str) -> list[str]:
    """What a guest of that model has, each feature under one name, in QEMU's order."""
    return [
        name
        for name, has in (capabilities.cpu_features(accelerator, model) or {}).items()
        if has
        and name not in _SETTINGS
        and name not in _ALIASES
        and not name.startswith(("kvm-", "hv-", "x-", "xen-"))
        and name == plain_name(name)
    ]


def argument(domain: Domain, capabilities: Capabilities, accelerator: str) -> str:
    """The value of `-cpu`."""
    cpu = domain.cpu
    parts = [model_name(cpu, capabilities, accelerator)]
    if cpu is not None:
        if cpu.mode == "host-passthrough" and cpu.migratable is False:
            parts.append("migratable=off")
        if cpu.mode == "host-model":
            said = {qemu_name(each.name) for each in cpu.features}
            more = beyond_model(capabilities, accelerator, parts[0])
            parts += [f"{name}=on" for name in more if name not in said]
        parts += [_feature(each) for each in cpu.features if each.policy != "optional"]
        if cpu.cache is not None:
            passed = cpu.cache.mode == "passthrough"
            parts.append("host-cache-info=on" if passed else "l3-cache=on")
        if cpu.maxphysaddr is not None:
            bits = cpu.maxphysaddr.bits
            parts.append(f"phys-bits={bits}" if bits else "host-phys-bits=on")
        if cpu.model is not None and cpu.model.vendor_id:
            parts.append(f"vendor={cpu.model.vendor_id}")
    if domain.features is not None:
        parts += _feature_flags(domain.features)
    if any(panic.model == "hyperv" for panic in domain.devices.panics):
        parts.append("hv-crash=on")
    return ",".join(parts)


def model_name(cpu: Cpu | None, capabilities: Capabilities, accelerator: str) -> str:
    """The model that QEMU is told."""
    if cpu is None:
        return "qemu64"
    if cpu.mode in ("host-passthrough", "maximum"):
        return "host" if accelerator == "kvm" and cpu.mode == "host-passthrough" else "max"
    if cpu.mode == "host-model":
        return host_model(capabilities, accelerator)
    return (cpu.model.name if cpu.model is not None else None) or "qemu64"


def _feature(feature: CpuFeature) -> str:
    on = feature.policy in (None, "force", "require")
    return f"{qemu_name(feature.name)}={'on' if on else 'off'}"


def _feature_flags(features: Features) -> list[str]:
    flags: list[str] = []
    hyperv = features.hyperv
    if hyperv is not None:
        if hyperv.mode == "passthrough":
            flags.append("hv-passthrough=on")
        flags += [f"{flag}=on" for name, flag in _HYPERV.items() if getattr(hyperv, name)]
        if hyperv.spinlocks is not None and hyperv.spinlocks.state:
            flags.append(f"hv-spinlocks={hyperv.spinlocks.retries or 0xFFF:#x}")
        if hyperv.stimer is not None and hyperv.stimer.state:
            flags.append("hv-stimer=on")
            if hyperv.stimer.direct:
                flags.append("hv-stimer-direct=on")
        if hyperv.vendor_id is not None and hyperv.vendor_id.state:
            flags.append(f"hv-vendor-id={hyperv.vendor_id.value}")
    kvm = features.kvm
    if kvm is not None:
        flags += ["kvm=off"] if kvm.hidden else []
        flags += ["kvm-hint-dedicated=on"] if kvm.hint_dedicated else []
        flags += ["kvm-poll-control=on"] if kvm.poll_control else []
        flags += ["kvm-pv-ipi=on"] if kvm.pv_ipi else []
    if features.pmu is not None:
        flags.append(f"pmu={'on' if features.pmu else 'off'}")
    if features.apic is not None and features.apic.eoi is not None:
        flags.append(f"kvm-pv-eoi={'on' if features.apic.eoi else 'off'}")
    if features.pvspinlock is not None:
        flags.append(f"kvm-pv-unhalt={'on' if features.pvspinlock else 'off'}")
    return flags


def live_cpu(cpu: Cpu, capabilities: Capabilities, accelerator: str) -> Cpu:
    """The CPU as the guest sees it: the model, what it has besides, what it lacks."""
    if cpu.mode in ("host-passthrough", "maximum"):
        return cpu
    name = model_name(cpu, capabilities, accelerator)
    features = list(cpu.features)
    named = {qemu_name(each.name) for each in features}
    if "hypervisor" not in named:
        features.append(CpuFeature(policy="require", name="hypervisor"))
    if cpu.mode == "host-model":
        more = beyond_model(capabilities, accelerator, name)
        features += [CpuFeature(policy="require", name=one) for one in more if one not in named]
    model = capabilities.cpu_models(accelerator).get(name)
    for lacking in model.missing if model is not None else ():
        if lacking not in named and lacking != UNKNOWN:
            features.append(CpuFeature(policy="disable", name=lacking))
    return replace(
        cpu,
        mode="custom",
        match="exact",
        check="full",
        model=CpuModel(name=name, fallback="forbid"),
        features=tuple(features),
    )
