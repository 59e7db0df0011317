"""`<features>`: properties of the machine that a guest can tell.

The rule kept here: None leaves a feature to the machine type.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, OnOff, Scaled
from virtory.model.values import Kib, Size


class Apic(Element):
    """`<apic>`: the interrupt controller; `eoi` is KVM's paravirtual end of interrupt."""

    eoi: Attr[OnOff | None] = None


class Spinlocks(Element):
    """`<spinlocks>`: how often a guest tries before it tells the host."""

    state: Attr[OnOff]
    retries: Attr[int | None] = None


class VendorId(Element):
    """`<vendor_id>`: the name that a Windows guest sees, up to 12 characters."""

    state: Attr[OnOff]
    value: Attr[str | None] = None


class Stimer(Element):
    """`<stimer>`: synthetic timers."""

    state: Attr[OnOff]
    direct: Annotated[OnOff | None, At("direct/@state")] = None


class Hyperv(Element):
    """`<hyperv>`: what makes Windows guests fast."""

    mode: Attr[Literal["custom", "passthrough"] | None] = None
    relaxed: Annotated[OnOff | None, At("relaxed/@state")] = None
    vapic: Annotated[OnOff | None, At("vapic/@state")] = None
    spinlocks: Spinlocks | None = None
    vpindex: Annotated[OnOff | None, At("vpindex/@state")] = None
    runtime: Annotated[OnOff | None, At("runtime/@state")] = None
    synic: Annotated[OnOff | None, At("synic/@state")] = None
    stimer: Stimer | None = None
    reset: Annotated[OnOff | None, At("reset/@state")] = None
    vendor_id: VendorId | None = None
    frequencies: Annotated[OnOff | None, At("frequencies/@state")] = None
    reenlightenment: Annotated[OnOff | None, At("reenlightenment/@state")] = None
    tlbflush: Annotated[OnOff | None, At("tlbflush/@state")] = None
    ipi: Annotated[OnOff | None, At("ipi/@state")] = None
    evmcs: Annotated[OnOff | None, At("evmcs/@state")] = None
    avic: Annotated[OnOff | None, At("avic/@state")] = None


class DirtyRing(Element):
    """`<dirty-ring>`: how dirty pages are logged."""

    state: Attr[OnOff]
    size: Attr[int | None] = None


class KvmFeatures(Element):
    """`<kvm>`: what KVM tells the guest."""

    hidden: Annotated[OnOff | None, At("hidden/@state")] = None
    hint_dedicated: Annotated[OnOff | None, At("hint-dedicated/@state")] = None
    poll_control: Annotated[OnOff | None, At("poll-control/@state")] = None
    pv_ipi: Annotated[OnOff | None, At("pv-ipi/@state")] = None
    dirty_ring: Annotated[DirtyRing | None, At("dirty-ring")] = None


class Smm(Element):
    """`<smm>`: system management mode, which secure boot needs."""

    state: Attr[OnOff | None] = None
    tseg: Annotated[Size | None, Scaled("largest", "MiB")] = None


class Tcg(Element):
    """`<tcg>`: QEMU's software emulation."""

    tb_cache: Annotated[Kib | None, At("tb-cache")] = None


class Features(Element):
    """`<features>`."""

    acpi: bool = False
    apic: Apic | None = None
    pae: bool = False
    hap: Annotated[OnOff | None, At("hap/@state", absent=True)] = None
    hyperv: Hyperv | None = None
    kvm: KvmFeatures | None = None
    pvspinlock: Annotated[OnOff | None, At("pvspinlock/@state", absent=True)] = None
    pmu: Annotated[OnOff | None, At("pmu/@state", absent=True)] = None
    vmport: Annotated[OnOff | None, At("vmport/@state", absent=True)] = None
    gic: Annotated[Literal["host", "2", "3"] | None, At("gic/@version")] = None
    smm: Smm | None = None
    ioapic: Annotated[Literal["qemu", "kvm"] | None, At("ioapic/@driver")] = None
    vmcoreinfo: Annotated[OnOff | None, At("vmcoreinfo/@state", absent=True)] = None
    msrs: Annotated[Literal["ignore", "fault"] | None, At("msrs/@unknown")] = None
    tcg: Tcg | None = None
