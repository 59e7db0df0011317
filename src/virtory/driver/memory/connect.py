"""The host of `test:///default`: eight slow processors, much as libvirt's own test driver has it.

The rule kept here: nothing is read from the real host but its name.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from virtory.driver.interface import NodeInfo, Param
from virtory.driver.memory.flags_check import only
from virtory.driver.memory.state import HOST_CPUS
from virtory.errors import FROM_TEST, InvalidArgument, NotSupported, XmlError

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEMORY_KIB = 3145728
_MODELS = ("qemu64", "qemu32", "kvm64", "core2duo")
_ARCHES = ("i686", "x86_64")

_CAPABILITIES = """\
<capabilities>

  <host>
    <uuid>ffffffff-ffff-ffff-ffff-ffffffffffff</uuid>
    <cpu>
      <arch>i686</arch>
      <features>
        <pae/>
        <nonpae/>
      </features>
    </cpu>
    <power_management/>
    <topology>
      <cells num='2'>
{cells}      </cells>
    </topology>
  </host>

  <guest>
    <os_type>hvm</os_type>
    <arch name='i686'>
      <wordsize>32</wordsize>
      <domain type='test'/>
    </arch>
    <features>
      <pae/>
      <nonpae/>
    </features>
  </guest>

</capabilities>
"""

_DOMAIN_CAPABILITIES = """\
<domainCapabilities>
  <path>{path}</path>
  <domain>{domain}</domain>
  <machine>{machine}</machine>
  <arch>{arch}</arch>
  <vcpu max='32'/>
</domainCapabilities>
"""

_SYSINFO = """\
<sysinfo type='smbios'>
  <bios>
    <entry name='vendor'>virtory</entry>
    <entry name='version'>test</entry>
  </bios>
  <system>
    <entry name='manufacturer'>virtory</entry>
    <entry name='product'>Host in memory</entry>
  </system>
</sysinfo>
"""


class MemoryConnect:
    """The host as a whole."""

    uri = "test:///default"
    kind = "TEST"

    def version(self) -> int:
        """The version that libvirt's test driver reports."""
        return 2

    def hostname(self) -> str:
        return socket.gethostname()

    def node_info(self) -> NodeInfo:
        return NodeInfo("i686", _MEMORY_KIB, HOST_CPUS, 1400, 2, 2, 2, 1)

    async def capabilities(self) -> str:
        cells = "".join(_cell(number) for number in range(2))
        return _CAPABILITIES.format(cells=cells)

    async def domain_capabilities(
        self,
        emulator: str | None,
        arch: str | None,
        machine: str | None,
        virt_type: str | None,
        flags: int,
    ) -> str:
        only(flags, 0, "testConnectGetDomainCapabilities")
        if virt_type not in (None, "test"):
            raise InvalidArgument(f"unknown virttype: {virt_type}")
        if arch not in (None, *_ARCHES):
            raise InvalidArgument(f"unknown architecture: {arch}")
        return _DOMAIN_CAPABILITIES.format(
            path=emulator or "/usr/bin/test-hv",
            domain="test",
            machine=machine or "testmachine",
            arch=arch or "i686",
        )

    def max_vcpus(self, virt_type: str | None) -> int:
        return 32

    def sysinfo(self, flags: int) -> str:
        only(flags, 0, "testConnectGetSysinfo")
        return _SYSINFO

    def cpu_map(self) -> tuple[bytes, int, int]:
        """Bitmap of online CPUs, count online, count present: all."""
        bitmap = ((1 << HOST_CPUS) - 1).to_bytes(-(-HOST_CPUS // 8), "little")
        return bitmap, HOST_CPUS, HOST_CPUS

    def cpu_stats(self, cpu: int, flags: int) -> list[tuple[str, int]]:
        """Nanoseconds by state for one CPU, or for all with -1."""
        only(flags, 0, "testNodeGetCPUStats")
        if not -1 <= cpu < HOST_CPUS:
            raise InvalidArgument(f"Invalid cpuNum in testNodeGetCPUStats: {cpu}")
        factor = HOST_CPUS if cpu == -1 else 1
        times = (("user", 9797400000), ("kernel", 7734230), ("idle", 121200000), ("iowait", 1200))
        return [(name, value * factor) for name, value in times]

    def memory_stats(self, cell: int, flags: int) -> list[tuple[str, int]]:
        """KiB by kind for one cell, or for all with -1."""
        only(flags, 0, "testNodeGetMemoryStats")
        if not -1 <= cell < 2:
            raise InvalidArgument(f"cell {cell} is not one of 0, 1")
        total = _MEMORY_KIB if cell == -1 else _MEMORY_KIB // 2
        return [("total", total), ("free", total // 2), ("buffers", 1024), ("cached", 4096)]

    def free_memory(self) -> int:
        """Bytes."""
        return _MEMORY_KIB * 1024 // 2

    def cells_free_memory(self, start: int, count: int) -> list[int]:
        """Bytes free on each of the two NUMA cells."""
        if start >= 2 or start < 0:
            raise InvalidArgument("range exceeds available cells")
        return [self.free_memory() // 2] * min(count, 2 - start)

    def free_pages(self, sizes_kib: Sequence[int], start: int, count: int) -> list[int]:
        if not all(sizes_kib):
            raise InvalidArgument("page size 0 is not available")
        return [free // 1024 // kib for free in self.cells_free_memory(start, count)
                for kib in sizes_kib]  # fmt: skip

    async def alloc_pages(
        self, wanted: Sequence[tuple[int, int]], start: int, count: int, flags: int
    ) -> int:
        raise NotSupported("virNodeAllocPages")

    def shared_memory(self) -> list[Param]:
        raise NotSupported("virNodeGetMemoryParameters")

    def set_shared_memory(self, params: Sequence[Param]) -> None:
        raise NotSupported("virNodeSetMemoryParameters")

    async def cpu_model_names(self, arch: str, flags: int) -> list[str]:
        only(flags, 0, "testConnectGetCPUModelNames")
        if arch not in _ARCHES:
            raise InvalidArgument(f"cannot find architecture {arch}")
        return list(_MODELS)

    async def baseline_cpu(self, cpus: Sequence[str], flags: int) -> str:
        only(flags, 3, "testConnectBaselineCPU")
        if not cpus:
            raise InvalidArgument("no CPUs given")
        return cpus[0]

    async def compare_cpu(self, cpu: str, flags: int) -> int:
        """2: this host has more than `cpu`; it likes every processor."""
        only(flags, 3, "testConnectCompareCPU")
        if "<cpu" not in cpu:
            raise XmlError("the description of a processor is a <cpu> element")
        return 2

    async def compare_hypervisor_cpu(
        self, emulator: str | None, arch: str | None, virt_type: str | None, cpu: str, flags: int
    ) -> int:
        return await self.compare_cpu(cpu, flags)

    def security_model(self) -> tuple[str, str]:
        """Model and domain of interpretation; two empty strings without one."""
        return "", ""

    async def domain_xml_to_native(self, native_format: str, xml: str, flags: int) -> str:
        raise NotSupported("virConnectDomainXMLToNative", domain=FROM_TEST)

    async def host_report(self) -> str:
        """JSON: a host where everything is well, being imagined."""
        import json

        checks = [
            {"name": "driver", "status": "ok", "found": "a host in memory", "cure": None},
            {"name": "QEMU", "status": "ok", "found": "not needed", "cure": None},
        ]
        return json.dumps({"checks": checks})


def _cell(number: int) -> str:
    half = HOST_CPUS // 2
    cpus = "".join(
        f"            <cpu id='{cpu}' socket_id='{number}' core_id='{cpu % half}' "
        f"siblings='{cpu}'/>\n"
        for cpu in range(number * half, (number + 1) * half)
    )
    return (
        f"        <cell id='{number}'>\n"
        f"          <memory unit='KiB'>{_MEMORY_KIB // 2}</memory>\n"
        f"          <cpus num='{half}'>\n{cpus}          </cpus>\n"
        f"        </cell>\n"
    )
