"""`<vcpu>`, `<cpu>`, `<cputune>`, I/O threads: the machine's processors.

The rule kept here: `Vcpu.count` is the most there can be, `Vcpu.current` how many start.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, OnOff, Range, Text, YesNo

Quota = Annotated[int, Range(-1, 2**63 - 1)]


class Vcpu(Element):
    """`<vcpu>`: how many there are."""

    placement: Attr[Literal["static", "auto"]] = "static"
    cpuset: Attr[str | None] = None
    current: Attr[Annotated[int | None, Range(1, 0xFFFF)]] = None
    count: Text[Annotated[int, Range(1, 0xFFFF)]] = 1


class OneVcpu(Element, tag="vcpu"):
    """`<vcpu>` of `<vcpus>`: whether this one is there."""

    id: Attr[int]
    enabled: Attr[YesNo]
    hotpluggable: Attr[YesNo | None] = None
    order: Attr[int | None] = None


class Vcpus(Element):
    """`<vcpus>`."""

    vcpus: tuple[OneVcpu, ...] = ()


class IoThread(Element, tag="iothread"):
    """`<iothread>`: a thread that serves disks."""

    id: Attr[int]
    thread_pool_min: Attr[int | None] = None
    thread_pool_max: Attr[int | None] = None


class IoThreadIds(Element):
    """`<iothreadids>`."""

    iothreads: tuple[IoThread, ...] = ()


class VcpuPin(Element, tag="vcpupin"):
    """`<vcpupin>`: the host processors that one vCPU may run on."""

    vcpu: Attr[int]
    cpuset: Attr[str]


class IoThreadPin(Element, tag="iothreadpin"):
    """`<iothreadpin>`: the same for an I/O thread."""

    iothread: Attr[int]
    cpuset: Attr[str]


class VcpuSched(Element, tag="vcpusched"):
    """`<vcpusched>`: the scheduler of some vCPUs' threads."""

    vcpus: Attr[str]
    scheduler: Attr[Literal["batch", "idle", "fifo", "rr"]]
    priority: Attr[int | None] = None


class CpuTune(Element):
    """`<cputune>`: shares, pinning and quotas; periods and quotas in microseconds."""

    shares: int | None = None
    period: int | None = None
    quota: Quota | None = None
    global_period: int | None = None
    global_quota: Quota | None = None
    emulator_period: int | None = None
    emulator_quota: Quota | None = None
    iothread_period: int | None = None
    iothread_quota: Quota | None = None
    vcpupins: tuple[VcpuPin, ...] = ()
    emulatorpin: Annotated[str | None, At("emulatorpin/@cpuset")] = None
    iothreadpins: tuple[IoThreadPin, ...] = ()
    vcpuscheds: tuple[VcpuSched, ...] = ()


class CpuModel(Element):
    """`<model>`: a CPU's name, and what to do when the host can not give it whole."""

    fallback: Attr[Literal["allow", "forbid"] | None] = None
    vendor_id: Attr[str | None] = None
    name: Text[str | None] = None


class CpuTopology(Element):
    """`<topology>`: how the vCPUs are arranged."""

    sockets: Attr[Annotated[int, Range(1, 0xFFFF)]]
    dies: Attr[Annotated[int | None, Range(1, 0xFFFF)]] = None
    clusters: Attr[Annotated[int | None, Range(1, 0xFFFF)]] = None
    cores: Attr[Annotated[int, Range(1, 0xFFFF)]]
    threads: Attr[Annotated[int, Range(1, 0xFFFF)]]


class CpuCache(Element):
    """`<cache>`: whose cache sizes the guest sees."""

    level: Attr[Annotated[int | None, Range(1, 3)]] = None
    mode: Attr[Literal["emulate", "passthrough", "disable"]]


class MaxPhysAddr(Element):
    """`<maxphysaddr>`: bits of a physical address."""

    mode: Attr[Literal["emulate", "passthrough"]]
    bits: Attr[int | None] = None
    limit: Attr[int | None] = None


class CpuFeature(Element, tag="feature"):
    """`<feature>`: one property of the CPU."""

    policy: Attr[Literal["force", "require", "optional", "disable", "forbid"] | None] = None
    name: Attr[str]


class NumaSibling(Element, tag="sibling"):
    """`<sibling>`: how far another cell is; 10 is local."""

    id: Attr[int]
    value: Attr[int]


class NumaDistances(Element):
    """`<distances>`."""

    siblings: tuple[NumaSibling, ...] = ()


class NumaCell(Element, tag="cell"):
    """`<cell>`: one of the guest's NUMA nodes; `memory` is counted in `unit`."""

    id: Attr[int | None] = None
    cpus: Attr[str | None] = None
    memory: Attr[int]
    unit: Attr[str | None] = None
    memory_access: Annotated[Literal["shared", "private"] | None, At("@memAccess")] = None
    discard: Attr[YesNo | None] = None
    distances: NumaDistances | None = None


class GuestNuma(Element):
    """`<numa>` of `<cpu>`."""

    cells: tuple[NumaCell, ...] = ()


class Cpu(Element):
    """`<cpu>`: the processor that the guest sees."""

    mode: Attr[Literal["custom", "host-model", "host-passthrough", "maximum"] | None] = None
    match: Attr[Literal["minimum", "exact", "strict"] | None] = None
    check: Attr[Literal["none", "partial", "full"] | None] = None
    migratable: Attr[OnOff | None] = None
    model: CpuModel | None = None
    vendor: str | None = None
    topology: CpuTopology | None = None
    cache: CpuCache | None = None
    maxphysaddr: MaxPhysAddr | None = None
    features: tuple[CpuFeature, ...] = ()
    numa: GuestNuma | None = None


class NumaMemory(Element):
    """`<memory>` of `<numatune>`: the host nodes that all memory comes from."""

    mode: Attr[Literal["strict", "preferred", "interleave", "restrictive"] | None] = None
    nodeset: Attr[str | None] = None
    placement: Attr[Literal["static", "auto"] | None] = None


class NumaNode(Element, tag="memnode"):
    """`<memnode>`: the host nodes that one guest cell's memory comes from."""

    cellid: Attr[int]
    mode: Attr[Literal["strict", "preferred", "interleave", "restrictive"]]
    nodeset: Attr[str]


class NumaTune(Element):
    """`<numatune>`."""

    memory: NumaMemory | None = None
    memnodes: tuple[NumaNode, ...] = ()
