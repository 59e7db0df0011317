"""`<memory>` in `<devices>`: modules of memory, in slots.

The rule kept here: their size is part of the machine's `<memory>`.
"""

from __future__ import annotations

from typing import Literal

from virtory.codec.xml import Attr, Element, YesNo
from virtory.model.domain.devices.device import Device
from virtory.model.values import Kib, Uuid


class MemorySource(Element):
    """`<source>`: the pages on the host that it is made of, or a file."""

    nodemask: str | None = None
    pagesize: Kib | None = None
    path: str | None = None
    alignsize: Kib | None = None
    pmem: bool = False


class MemoryLabel(Element):
    """`<label>`: the part of an NVDIMM that describes its contents."""

    size: Kib


class MemoryTarget(Element):
    """`<target>`: its size, and the guest's NUMA node that it belongs to."""

    size: Kib
    node: int | None = None
    block: Kib | None = None
    requested: Kib | None = None
    label: MemoryLabel | None = None
    readonly: bool = False


class MemoryModule(Device, tag="memory"):
    """`<memory>`: one module."""

    model: Attr[Literal["dimm", "nvdimm", "virtio-pmem", "virtio-mem", "sgx-epc"]]
    access: Attr[Literal["shared", "private"] | None] = None
    discard: Attr[YesNo | None] = None
    uuid: Uuid | None = None
    source: MemorySource | None = None
    target: MemoryTarget
