"""`<capabilities>`: the host and the kinds of machines it can run.

The rule kept here: what a client reads to choose (architectures, machine types, CPU, NUMA) is
complete; the driver fills the values in.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec import xml
from virtory.codec.xml import At, Attr, Element, OnOff, Text, YesNo
from virtory.model.domain.cpu import CpuFeature, CpuTopology, MaxPhysAddr, NumaDistances
from virtory.model.values import Kib, Uuid


class Microcode(Element):
    """`<microcode>`."""

    version: Attr[int]


class Signature(Element):
    """`<signature>`: what CPUID leaf 1 says."""

    family: Attr[int]
    model: Attr[int]
    stepping: Attr[int]


class Counter(Element, tag="counter"):
    """`<counter>`: the time stamp counter; Hz, and whether it can be scaled for guests."""

    name: Attr[str] = "tsc"
    frequency: Attr[int]
    scaling: Attr[YesNo | None] = None


class Pages(Element, tag="pages"):
    """`<pages>`: a page size that the CPU knows, or that many pages of it on a cell."""

    unit: Attr[str] = "KiB"
    size: Attr[int]
    count: Text[int | None] = None


class HostCpu(Element):
    """`<cpu>`: the host's processor."""

    arch: str
    model: str | None = None
    vendor: str | None = None
    microcode: Microcode | None = None
    signature: Signature | None = None
    counters: tuple[Counter, ...] = ()
    topology: CpuTopology | None = None
    maxphysaddr: MaxPhysAddr | None = None
    features: tuple[CpuFeature, ...] = ()
    pages: tuple[Pages, ...] = ()


class SuspendTargets(Element):
    """`<power_management>`: how the host can sleep."""

    suspend_mem: bool = False
    suspend_disk: bool = False
    suspend_hybrid: bool = False


class UriTransports(Element):
    """`<uri_transports>`."""

    transports: Annotated[tuple[str, ...], At("uri_transport")] = ()


class MigrationFeatures(Element):
    """`<migration_features>`: whether and by which transports machines move."""

    live: bool = False
    uri_transports: UriTransports | None = None


class HostVcpu(Element, tag="cpu"):
    """`<cpu>` of a cell: one logical processor and its siblings."""

    id: Attr[int]
    socket_id: Attr[int | None] = None
    die_id: Attr[int | None] = None
    cluster_id: Attr[int | None] = None
    core_id: Attr[int | None] = None
    siblings: Attr[str | None] = None


class HostVcpus(Element):
    """`<cpus>` of a cell."""

    num: Attr[int]
    cpus: tuple[HostVcpu, ...] = ()


class Cell(Element, tag="cell"):
    """`<cell>`: one NUMA node."""

    id: Attr[int]
    memory: Kib | None = None
    pages: tuple[Pages, ...] = ()
    distances: NumaDistances | None = None
    cpus: HostVcpus | None = None


class Cells(Element):
    """`<cells>`."""

    num: Attr[int]
    cells: tuple[Cell, ...] = ()


class HostTopology(Element):
    """`<topology>` of the host."""

    cells: Cells


class CacheBank(Element, tag="bank"):
    """`<bank>`: one cache and the processors that share it."""

    id: Attr[int]
    level: Attr[int]
    type: Attr[Literal["both", "code", "data"]]
    size: Attr[int]
    unit: Attr[str]
    cpus: Attr[str]


class HostCache(Element):
    """`<cache>` of the host."""

    banks: tuple[CacheBank, ...] = ()


class BaseLabel(Element, tag="baselabel"):
    """`<baselabel>`: what machines of one type run as."""

    type: Attr[str]
    label: Text[str]


class SecurityModel(Element, tag="secmodel"):
    """`<secmodel>`: a security driver."""

    model: str
    doi: str
    baselabels: tuple[BaseLabel, ...] = ()


class Host(Element):
    """`<host>`."""

    uuid: Uuid | None = None
    cpu: HostCpu
    power_management: SuspendTargets | None = None
    iommu: Annotated[YesNo | None, At("iommu/@support")] = None
    migration_features: MigrationFeatures | None = None
    topology: HostTopology | None = None
    cache: HostCache | None = None
    secmodels: tuple[SecurityModel, ...] = ()


class MachineType(Element, tag="machine"):
    """`<machine>`: a machine type, or an alias of its `canonical` one."""

    canonical: Attr[str | None] = None
    max_cpus: Annotated[int | None, At("@maxCpus")] = None
    deprecated: Attr[YesNo | None] = None
    name: Text[str]


class GuestDomain(Element, tag="domain"):
    """`<domain>`: an accelerator, with an emulator or machines of its own where they differ."""

    type: Attr[str]
    emulator: str | None = None
    machines: tuple[MachineType, ...] = ()


class GuestArch(Element):
    """`<arch>`: one architecture."""

    name: Attr[str]
    wordsize: int
    emulator: str | None = None
    loader: str | None = None
    machines: tuple[MachineType, ...] = ()
    domains: tuple[GuestDomain, ...] = ()


class Toggle(Element):
    """A feature that is there by default or not, and can be changed or not."""

    default: Attr[OnOff]
    toggle: Attr[YesNo]


class GuestFeatures(Element):
    """`<features>` of a guest."""

    pae: bool = False
    nonpae: bool = False
    acpi: Toggle | None = None
    apic: Toggle | None = None
    cpuselection: bool = False
    deviceboot: bool = False
    disksnapshot: Toggle | None = None
    hap: Toggle | None = None
    external_snapshot: Annotated[bool, At("externalSnapshot")] = False


class Guest(Element, tag="guest"):
    """`<guest>`: one kind of machine."""

    os_type: str = "hvm"
    arch: GuestArch
    features: GuestFeatures | None = None


class Capabilities(Element, tag="capabilities"):
    """`<capabilities>`."""

    host: Host
    guests: tuple[Guest, ...] = ()


def parse_capabilities(text: str) -> Capabilities:
    """What a daemon, ours or libvirt's, says of its host; details it does not name are left out.

    Raises:
        XmlError: malformed.
    """
    return xml.parse(Capabilities, text, lenient=True)


def format_capabilities(capabilities: Capabilities) -> str:
    """The XML of `virsh capabilities`, blank lines included."""
    text = xml.format(capabilities).replace("<capabilities>\n", "<capabilities>\n\n", 1)
    return text.replace("\n  </host>\n", "\n  </host>\n\n").replace(
        "\n  </guest>\n", "\n  </guest>\n\n"
    )
