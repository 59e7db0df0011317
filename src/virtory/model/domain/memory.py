"""`<memoryBacking>`, `<maxMemory>`, `<memtune>`: where the guest's memory lives, and its limits.

The rule kept here: sizes are `Size`; libvirt writes them in KiB.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element
from virtory.model.values import Kib


class MaxMemory(Element):
    """`<maxMemory>`: as much as hotplugged memory may make it, in so many slots."""

    slots: Attr[int]
    size: Annotated[Kib, At(".")]


class HugePage(Element, tag="page"):
    """`<page>`: huge pages of one size for some of the guest's NUMA nodes."""

    size: Attr[int]
    unit: Attr[str] = "KiB"
    nodeset: Attr[str | None] = None


class HugePages(Element):
    """`<hugepages>`: of the default size when it names none."""

    pages: tuple[HugePage, ...] = ()


class Allocation(Element):
    """`<allocation>`: when the memory is taken from the host."""

    mode: Attr[Literal["immediate", "ondemand"] | None] = None
    threads: Attr[int | None] = None


class MemoryBacking(Element):
    """`<memoryBacking>`."""

    hugepages: HugePages | None = None
    nosharepages: bool = False
    locked: bool = False
    source: Annotated[Literal["file", "anonymous", "memfd"] | None, At("source/@type")] = None
    access: Annotated[Literal["shared", "private"] | None, At("access/@mode")] = None
    allocation: Allocation | None = None
    discard: bool = False


class BlockIoDevice(Element, tag="device"):
    """`<device>` of `<blkiotune>`: the share or the limits of one block device of the host."""

    path: str
    weight: int | None = None
    read_iops_sec: int | None = None
    write_iops_sec: int | None = None
    read_bytes_sec: int | None = None
    write_bytes_sec: int | None = None


class BlockIoTune(Element):
    """`<blkiotune>`: shares of the host's disks, by the machine's control group."""

    weight: int | None = None
    devices: tuple[BlockIoDevice, ...] = ()


class MemoryTune(Element):
    """`<memtune>`: limits of the machine's control group."""

    hard_limit: Kib | None = None
    soft_limit: Kib | None = None
    min_guarantee: Kib | None = None
    swap_hard_limit: Kib | None = None
