"""`<domainCapabilities>`: what one emulator offers to one kind of machine.

The rule kept here: an enum lists exactly what would be accepted and served.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec import xml
from virtory.codec.xml import At, Attr, Element, Text, YesNo
from virtory.model.domain.cpu import CpuFeature, MaxPhysAddr


class Choice(Element, tag="enum"):
    """`<enum>`: the values that may be chosen for one thing."""

    name: Attr[str]
    values: Annotated[tuple[str, ...], At("value")] = ()


class Supported(Element):
    """Something that is there or not, with its choices; `values` are files for a loader."""

    supported: Attr[YesNo]
    values: Annotated[tuple[str, ...], At("value")] = ()
    choices: tuple[Choice, ...] = ()


class FirmwareSupport(Element):
    """`<os>`: how machines of this kind start."""

    supported: Attr[YesNo] = True
    choices: tuple[Choice, ...] = ()
    loader: Supported | None = None


class KnownCpu(Element, tag="model"):
    """`<model>`: a CPU by name; `usable` says whether this host can give it whole."""

    fallback: Attr[Literal["allow", "forbid"] | None] = None
    usable: Attr[Literal["yes", "no", "unknown"] | None] = None
    deprecated: Attr[YesNo | None] = None
    vendor: Attr[str | None] = None
    canonical: Attr[str | None] = None
    name: Text[str]


class CpuMode(Element, tag="mode"):
    """`<mode>`: one way to choose the CPU; what `host-model` stands for, what `custom` knows."""

    name: Attr[Literal["host-passthrough", "maximum", "host-model", "custom"]]
    supported: Attr[YesNo]
    choices: tuple[Choice, ...] = ()
    models: tuple[KnownCpu, ...] = ()
    vendor: str | None = None
    maxphysaddr: MaxPhysAddr | None = None
    features: tuple[CpuFeature, ...] = ()


class CpuModes(Element):
    """`<cpu>`."""

    modes: tuple[CpuMode, ...] = ()


class DeviceSupport(Element, opened=True):
    """`<devices>`."""

    disk: Supported | None = None
    graphics: Supported | None = None
    video: Supported | None = None
    hostdev: Supported | None = None
    rng: Supported | None = None
    filesystem: Supported | None = None
    tpm: Supported | None = None
    redirdev: Supported | None = None
    channel: Supported | None = None
    crypto: Supported | None = None
    interface: Supported | None = None
    panic: Supported | None = None
    console: Supported | None = None


class FeatureSupport(Element, opened=True):
    """`<features>`."""

    gic: Supported | None = None
    vmcoreinfo: Supported | None = None
    genid: Supported | None = None
    backing_store_input: Annotated[Supported | None, At("backingStoreInput")] = None
    backup: Supported | None = None
    async_teardown: Annotated[Supported | None, At("async-teardown")] = None
    sev: Supported | None = None
    sgx: Supported | None = None
    hyperv: Supported | None = None


class DomainCapabilities(Element, tag="domainCapabilities"):
    """`<domainCapabilities>`: `domain` is the accelerator, such as `kvm`."""

    path: str
    domain: str
    machine: str | None = None
    arch: str
    vcpu_max: Annotated[int | None, At("vcpu/@max")] = None
    iothreads: Supported | None = None
    os: FirmwareSupport = FirmwareSupport()
    cpu: CpuModes = CpuModes()
    memory_backing: Annotated[Supported | None, At("memoryBacking")] = None
    devices: DeviceSupport = DeviceSupport()
    features: FeatureSupport = FeatureSupport()


def parse_domain_capabilities(text: str) -> DomainCapabilities:
    """What a daemon, ours or libvirt's, offers; details it does not name are left out.

    Raises:
        XmlError: malformed.
    """
    return xml.parse(DomainCapabilities, text, lenient=True)


def format_domain_capabilities(capabilities: DomainCapabilities) -> str:
    """The XML of `virsh domcapabilities`."""
    return xml.format(capabilities)
