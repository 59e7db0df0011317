"""What a driver says of the host as a whole.

The rule kept here: that of the package, see its docstring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.interface.values import NodeInfo, Param


class ConnectDriver(Protocol):
    """The host as a whole."""

    uri: str  # "qemu:///system"
    kind: str  # "QEMU"

    def version(self) -> int:
        """The hypervisor's version, major * 1_000_000 + minor * 1000 + micro."""

    def hostname(self) -> str: ...

    def node_info(self) -> NodeInfo: ...

    async def capabilities(self) -> str: ...

    async def domain_capabilities(
        self,
        emulator: str | None,
        arch: str | None,
        machine: str | None,
        virt_type: str | None,
        flags: int,
    ) -> str: ...

    def max_vcpus(self, virt_type: str | None) -> int: ...

    def sysinfo(self, flags: int) -> str: ...

    def cpu_map(self) -> tuple[bytes, int, int]:
        """Bitmap of online CPUs, count online, count present."""

    def cpu_stats(self, cpu: int, flags: int) -> list[tuple[str, int]]:
        """Nanoseconds by state for one CPU, or for all with -1 (`kernel user idle iowait`)."""

    def memory_stats(self, cell: int, flags: int) -> list[tuple[str, int]]:
        """KiB by kind (`total free buffers cached`) for one cell, or for all with -1."""

    def free_memory(self) -> int:
        """Bytes."""

    def cells_free_memory(self, start: int, count: int) -> list[int]:
        """Bytes free on each NUMA cell."""

    def free_pages(self, sizes_kib: Sequence[int], start: int, count: int) -> list[int]:
        """Free pages of each size on each of `count` NUMA cells, cell by cell."""

    async def alloc_pages(
        self, wanted: Sequence[tuple[int, int]], start: int, count: int, flags: int
    ) -> int:
        """Make pools of huge pages, (size in KiB, pages), larger; as large with flag 1."""

    def shared_memory(self) -> list[Param]:
        """How the host's kernel merges equal pages of memory."""

    def set_shared_memory(self, params: Sequence[Param]) -> None: ...

    async def cpu_model_names(self, arch: str, flags: int) -> list[str]: ...

    async def baseline_cpu(self, cpus: Sequence[str], flags: int) -> str: ...

    async def compare_cpu(self, cpu: str, flags: int) -> int:
        """With the host's: 0 something is missing, 1 the same, 2 the host has more."""

    async def compare_hypervisor_cpu(
        self, emulator: str | None, arch: str | None, virt_type: str | None, cpu: str, flags: int
    ) -> int:
        """The same with all that guests of that type can be given."""

    def security_model(self) -> tuple[str, str]:
        """Model and domain of interpretation, as the host's capabilities have them first."""

    async def domain_xml_to_native(self, native_format: str, xml: str, flags: int) -> str: ...

    async def host_report(self) -> str:
        """JSON: what this host has and lacks, each with its cure (`virtory doctor`)."""
