"""`<domain>`: the whole description of a machine.

The rule kept here: a value says what the XML says, in libvirt's order; what QEMU would add (machine
types, controllers, addresses) is added by the driver, in another value.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, Verbatim
from virtory.model.domain.clock import Clock
from virtory.model.domain.cpu import Cpu, CpuTune, IoThreadIds, NumaTune, Vcpu, Vcpus
from virtory.model.domain.devices import Devices
from virtory.model.domain.features import Features
from virtory.model.domain.memory import BlockIoTune, MaxMemory, MemoryBacking, MemoryTune
from virtory.model.domain.os import Os
from virtory.model.domain.power import (
    Action,
    CrashAction,
    LockFailureAction,
    PowerManagement,
)
from virtory.model.domain.qemu import NAMESPACE, QemuCommandLine
from virtory.model.domain.seclabel import Seclabel
from virtory.model.domain.sysinfo import Sysinfo
from virtory.model.values import Kib, Uuid

DomainType = Literal[
    "kvm", "qemu", "hvf", "xen", "lxc", "test", "kqemu", "uml", "openvz", "vmware", "hyperv",
    "vbox", "phyp", "vz", "bhyve",
]  # fmt: skip


class GenId(Element):
    """`<genid>`: a number that changes when the machine goes back in time; empty: make one."""

    uuid: Annotated[Uuid | None, At(".")] = None


class Resource(Element):
    """`<resource>`: the control group it belongs to."""

    partition: str | None = None
    fibrechannel: Annotated[str | None, At("fibrechannel/@appid")] = None


class Domain(Element, tag="domain", prefixes={"qemu": NAMESPACE}):
    """`<domain>`: `memory` is the most it can have, `current_memory` what it has."""

    type: Attr[DomainType]
    id: Attr[int | None] = None
    name: str
    uuid: Uuid | None = None
    genid: GenId | None = None
    title: str | None = None
    description: str | None = None
    metadata: Verbatim | None = None
    max_memory: Annotated[MaxMemory | None, At("maxMemory")] = None
    memory: Kib
    current_memory: Annotated[Kib | None, At("currentMemory")] = None
    blkiotune: BlockIoTune | None = None
    memtune: MemoryTune | None = None
    memory_backing: Annotated[MemoryBacking | None, At("memoryBacking")] = None
    vcpu: Vcpu = Vcpu()
    vcpus: Vcpus | None = None
    iothreads: int | None = None
    iothreadids: IoThreadIds | None = None
    cputune: CpuTune | None = None
    numatune: NumaTune | None = None
    resource: Resource | None = None
    sysinfos: tuple[Sysinfo, ...] = ()
    os: Os
    features: Features | None = None
    cpu: Cpu | None = None
    clock: Clock = Clock()
    on_poweroff: Action = "destroy"
    on_reboot: Action = "restart"
    on_crash: CrashAction = "destroy"
    on_lockfailure: LockFailureAction | None = None
    pm: PowerManagement | None = None
    devices: Devices = Devices()
    seclabels: tuple[Seclabel, ...] = ()
    qemu_commandline: Annotated[QemuCommandLine | None, At("qemu:commandline")] = None
