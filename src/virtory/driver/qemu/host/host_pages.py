"""The host's pools of huge pages, and the memory that its kernel merges (KSM).

The rule kept here: the kernel's files are the state; what was asked for is read back, and a pool
that did not become as large as that is an error.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from virtory.driver import typed_params
from virtory.driver.interface import UINT, ULLONG, Param
from virtory.driver.qemu.host import hardware
from virtory.driver.sysfs import Sysfs
from virtory.errors import (
    ArgumentUnsupported,
    InvalidArgument,
    OperationFailed,
    OperationUnsupported,
    SystemCallFailed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NODE: Final = "/sys/devices/system/node/node"
_ORDINARY_KIB: Final = os.sysconf("SC_PAGE_SIZE") >> 10
_KSM: Final = "/sys/kernel/mm/ksm"
_SHARED: Final = (
    ("pages_to_scan", UINT),
    ("sleep_millisecs", UINT),
    ("pages_shared", ULLONG),
    ("pages_sharing", ULLONG),
    ("pages_unshared", ULLONG),
    ("pages_volatile", ULLONG),
    ("full_scans", ULLONG),
    ("merge_across_nodes", UINT),
)
_CHANGEABLE: Final = ("pages_to_scan", "sleep_millisecs", "merge_across_nodes")


class HostPages:
    """What is under one root; a test has its own."""

    def __init__(self, root: str = "/") -> None:
        self._files = Sysfs(root)

    def free(self, sizes_kib: Sequence[int], start: int, count: int) -> list[int]:
        """Free pages of each size on each of `count` NUMA cells from `start` on, cell by cell."""
        cells = [each for each in hardware.numa_nodes() if each >= start][:count]
        if start < 0 or not cells:
            last = max(hardware.numa_nodes())
            raise InvalidArgument(f"start cell {start} out of range (0-{last})")
        return [self._free(size, cell) for cell in cells for size in sizes_kib]

    def _free(self, size_kib: int, cell: int) -> int:
        if size_kib == _ORDINARY_KIB:
            return hardware.node_meminfo(cell)["MemFree"] // size_kib
        found = self._files.number(f"{self._pool(size_kib, cell)}/free_hugepages")
        if found is None:
            raise _absent(size_kib, cell)
        return found

    def resize(
        self, wanted: Iterable[tuple[int, int]], start: int, count: int, *, add: bool
    ) -> int:
        """Make the pool of each (size in KiB, pages) as large, or larger by that much.

        For all cells together when `start` is -1. Returns how many pools there are now.
        """
        done = 0
        for cell in [-1] if start == -1 else range(start, start + count):
            for size_kib, pages in wanted:
                self._resize(size_kib, cell, pages, add=add)
                done += 1
        return done

    def _resize(self, size_kib: int, cell: int, pages: int, *, add: bool) -> None:
        if size_kib == _ORDINARY_KIB:
            raise OperationUnsupported("system pages pool can't be modified")
        file = f"{self._pool(size_kib, cell)}/nr_hugepages"
        before = self._files.number(file)
        if before is None:
            raise _absent(size_kib, cell)
        pages += before if add else 0
        if pages == before:
            return
        self._write(file, pages)
        now = self._files.number(file)
        if now != pages:
            raise OperationFailed(
                f"Unable to allocate {pages} pages. Allocated only {now}",
                cure="free memory of the host, or ask for fewer; it may be too fragmented",
            )

    def _pool(self, size_kib: int, cell: int) -> str:
        above = "/sys/kernel/mm" if cell == -1 else f"{_NODE}{cell}"
        return f"{above}/hugepages/hugepages-{size_kib}kB"

    def shared_memory(self) -> list[Param]:
        """How the kernel merges equal pages; only what this kernel has."""
        found = ((name, kind, self._files.number(f"{_KSM}/{name}")) for name, kind in _SHARED)
        return [
            Param(f"shm_{name}", kind, value) for name, kind, value in found if value is not None
        ]

    def set_shared_memory(self, params: Sequence[Param]) -> None:
        for param in params:
            name = param.field.removeprefix("shm_")
            if name not in _CHANGEABLE or not param.field.startswith("shm_"):
                raise ArgumentUnsupported(f"parameter '{param.field}' not supported")
        for param in params:
            self._write(f"{_KSM}/{param.field.removeprefix('shm_')}", typed_params.number(param))

    def _write(self, file: str, value: int) -> None:
        try:
            with open(self._files.root + file, "w", encoding="ascii") as opened:
                opened.write(f"{value}\n")
        except OSError as error:
            detail = f"failed to write '{value}' to '{file}': {error.strerror}"
            raise SystemCallFailed(detail, errno=error.errno) from None


def _absent(size_kib: int, cell: int) -> OperationFailed:
    where = "this host" if cell == -1 else f"node {cell}"
    return OperationFailed(f"page size {size_kib} is not available on {where}")
