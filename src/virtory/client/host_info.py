"""The host itself: versions, hardware, capabilities, CPU models, what the daemon says of itself.

The rule kept here: nothing here changes anything but what is named `set_…` or `suspend`.
"""

from __future__ import annotations

from virtory.client.host_part import HostPart
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from virtory.client import parameters, results
    from virtory.client.results import Params
    from virtory.wire.remote import connect as w
    from virtory.wire.remote import node as w_node
    from virtory.wire.remote import storage_pool as w_storage_pool
else:
    parameters = Later("virtory.client.parameters")
    results = Later("virtory.client.results")
    w = Later("virtory.wire.remote.connect")
    w_node = Later("virtory.wire.remote.node")
    w_storage_pool = Later("virtory.wire.remote.storage_pool")

MOST_FIGURES = 64
MOST_CELLS = 1024


class HostInfo(HostPart):
    """What a host is."""

    # -- versions and names --------------------------------------------------------------------
    async def hypervisor(self) -> str:
        """`CONNECT_GET_TYPE`: `QEMU`, `TEST`."""
        return (await self.caller.call(w.CONNECT_GET_TYPE)).type

    async def version(self) -> results.Version:
        """`CONNECT_GET_VERSION`: the hypervisor's version."""
        return version_of((await self.caller.call(w.CONNECT_GET_VERSION)).hv_ver)

    async def library_version(self) -> results.Version:
        """`CONNECT_GET_LIB_VERSION`: the libvirt version whose API the daemon serves."""
        return version_of((await self.caller.call(w.CONNECT_GET_LIB_VERSION)).lib_ver)

    async def hostname(self) -> str:
        """`CONNECT_GET_HOSTNAME`: the name of the host that the daemon runs on."""
        return (await self.caller.call(w.CONNECT_GET_HOSTNAME)).hostname

    async def uri(self) -> str:
        """`CONNECT_GET_URI`: what the daemon calls this connection, without transport."""
        return (await self.caller.call(w.CONNECT_GET_URI)).uri

    async def is_secure(self) -> bool:
        """`CONNECT_IS_SECURE`: whether nobody can listen in."""
        return bool((await self.caller.call(w.CONNECT_IS_SECURE)).secure)

    async def supports(self, feature: int) -> bool:
        """`CONNECT_SUPPORTS_FEATURE`: whether the daemon has libvirt's driver feature number."""
        args = w.ConnectSupportsFeatureArgs(feature)
        return bool((await self.caller.call(w.CONNECT_SUPPORTS_FEATURE, args)).supported)

    async def set_identity(self, params: Mapping[str, Any], *, flags: int = 0) -> None:
        """`CONNECT_SET_IDENTITY`: on whose behalf a trusted proxy asks."""
        args = w.ConnectSetIdentityArgs(parameters.typed(params), flags)
        await self.caller.call(w.CONNECT_SET_IDENTITY, args)

    # -- capabilities --------------------------------------------------------------------------
    async def capabilities(self) -> str:
        """`CONNECT_GET_CAPABILITIES`: XML: the host's CPU and NUMA cells, machines for guests."""
        return (await self.caller.call(w.CONNECT_GET_CAPABILITIES)).capabilities

    async def domain_capabilities(
        self,
        *,
        emulator: str | None = None,
        arch: str | None = None,
        machine: str | None = None,
        virt_type: str | None = None,
        flags: int = 0,
    ) -> str:
        """`CONNECT_GET_DOMAIN_CAPABILITIES`: XML: what a machine of this kind can have."""
        args = w.ConnectGetDomainCapabilitiesArgs(emulator, arch, machine, virt_type, flags)
        return (await self.caller.call(w.CONNECT_GET_DOMAIN_CAPABILITIES, args)).capabilities

    async def storage_pool_capabilities(self, *, flags: int = 0) -> str:
        """`CONNECT_GET_STORAGE_POOL_CAPABILITIES`: XML: which kinds of pool there are."""
        args = w_storage_pool.ConnectGetStoragePoolCapabilitiesArgs(flags)
        ret = await self.caller.call(w_storage_pool.CONNECT_GET_STORAGE_POOL_CAPABILITIES, args)
        return ret.capabilities

    async def sysinfo(self, *, flags: int = 0) -> str:
        """`CONNECT_GET_SYSINFO`: XML: what the firmware says of the host."""
        args = w.ConnectGetSysinfoArgs(flags)
        return (await self.caller.call(w.CONNECT_GET_SYSINFO, args)).sysinfo

    async def max_vcpus(self, virt_type: str | None = None) -> int:
        """`CONNECT_GET_MAX_VCPUS`: the most virtual CPUs a domain of this type can have."""
        args = w.ConnectGetMaxVcpusArgs(virt_type)
        return (await self.caller.call(w.CONNECT_GET_MAX_VCPUS, args)).max_vcpus

    async def cpu_models(self, arch: str, *, flags: int = 0) -> list[str]:
        """`CONNECT_GET_CPU_MODEL_NAMES`: the CPU models known for an architecture."""
        args = w.ConnectGetCpuModelNamesArgs(arch, 1, flags)
        return (await self.caller.call(w.CONNECT_GET_CPU_MODEL_NAMES, args)).models

    async def compare_cpu(self, xml: str, *, flags: int = 0) -> int:
        """`CONNECT_COMPARE_CPU`: 0 this host lacks something, 1 the same, 2 it has more."""
        args = w.ConnectCompareCpuArgs(xml, flags)
        return (await self.caller.call(w.CONNECT_COMPARE_CPU, args)).result

    async def compare_hypervisor_cpu(
        self,
        xml: str,
        *,
        emulator: str | None = None,
        arch: str | None = None,
        machine: str | None = None,
        virt_type: str | None = None,
        flags: int = 0,
    ) -> int:
        """`CONNECT_COMPARE_HYPERVISOR_CPU`: the same for what the hypervisor can offer here."""
        args = w.ConnectCompareHypervisorCpuArgs(emulator, arch, machine, virt_type, xml, flags)
        return (await self.caller.call(w.CONNECT_COMPARE_HYPERVISOR_CPU, args)).result

    async def baseline_cpu(self, cpus: Sequence[str], *, flags: int = 0) -> str:
        """`CONNECT_BASELINE_CPU`: XML: the CPU that every one of these hosts has."""
        args = w.ConnectBaselineCpuArgs(list(cpus), flags)
        return (await self.caller.call(w.CONNECT_BASELINE_CPU, args)).cpu

    async def baseline_hypervisor_cpu(
        self,
        cpus: Sequence[str],
        *,
        emulator: str | None = None,
        arch: str | None = None,
        machine: str | None = None,
        virt_type: str | None = None,
        flags: int = 0,
    ) -> str:
        """`CONNECT_BASELINE_HYPERVISOR_CPU`: the same for what their hypervisors can offer."""
        args = w.ConnectBaselineHypervisorCpuArgs(
            emulator, arch, machine, virt_type, list(cpus), flags
        )
        return (await self.caller.call(w.CONNECT_BASELINE_HYPERVISOR_CPU, args)).cpu

    async def xml_to_native(self, native_format: str, xml: str, *, flags: int = 0) -> str:
        """`CONNECT_DOMAIN_XML_TO_NATIVE`: the command line (`qemu-argv`) that XML becomes."""
        args = w.ConnectDomainXmlToNativeArgs(native_format, xml, flags)
        return (await self.caller.call(w.CONNECT_DOMAIN_XML_TO_NATIVE, args)).native_config

    async def xml_from_native(self, native_format: str, text: str, *, flags: int = 0) -> str:
        """`CONNECT_DOMAIN_XML_FROM_NATIVE`: XML from a hypervisor's own configuration."""
        args = w.ConnectDomainXmlFromNativeArgs(native_format, text, flags)
        return (await self.caller.call(w.CONNECT_DOMAIN_XML_FROM_NATIVE, args)).domain_xml

    # -- hardware ------------------------------------------------------------------------------
    async def node_info(self) -> results.NodeInfo:
        """`NODE_GET_INFO`: CPU model, memory in KiB, clock in MHz, topology."""
        ret = await self.caller.call(w_node.NODE_GET_INFO)
        return results.NodeInfo(
            text_of(ret.model),
            ret.memory,
            ret.cpus,
            ret.mhz,
            ret.nodes,
            ret.sockets,
            ret.cores,
            ret.threads,
        )

    async def cpu_map(self, *, flags: int = 0) -> results.CpuMap:
        """`NODE_GET_CPU_MAP`: which of the host's CPUs are online."""
        ret = await self.caller.call(w_node.NODE_GET_CPU_MAP, w_node.NodeGetCpuMapArgs(1, 1, flags))
        online = set(parameters.cpus_of(ret.cpumap))
        told = range(min(ret.ret, 8 * len(ret.cpumap)))
        return results.CpuMap([number in online for number in told], ret.ret)

    async def cpu_stats(self, cpu: int = -1, *, flags: int = 0) -> dict[str, int]:
        """`NODE_GET_CPU_STATS`: nanoseconds by state, of one CPU or with -1 of all."""
        count = (
            await self.caller.call(
                w_node.NODE_GET_CPU_STATS, w_node.NodeGetCpuStatsArgs(cpu, 0, flags)
            )
        ).nparams
        args = w_node.NodeGetCpuStatsArgs(cpu, count, flags)
        ret = await self.caller.call(w_node.NODE_GET_CPU_STATS, args)
        return dict(ret.params)

    async def memory_stats(self, cell: int = -1, *, flags: int = 0) -> dict[str, int]:
        """`NODE_GET_MEMORY_STATS`: KiB by kind, of one NUMA cell or with -1 of all."""
        count = (
            await self.caller.call(
                w_node.NODE_GET_MEMORY_STATS, w_node.NodeGetMemoryStatsArgs(0, cell, flags)
            )
        ).nparams
        args = w_node.NodeGetMemoryStatsArgs(count, cell, flags)
        ret = await self.caller.call(w_node.NODE_GET_MEMORY_STATS, args)
        return dict(ret.params)

    async def free_memory(self) -> int:
        """`NODE_GET_FREE_MEMORY`: in bytes."""
        return (await self.caller.call(w_node.NODE_GET_FREE_MEMORY)).free_mem

    async def cells_free_memory(self, start: int = 0, count: int = MOST_CELLS) -> list[int]:
        """`NODE_GET_CELLS_FREE_MEMORY`: bytes free on each NUMA cell."""
        args = w_node.NodeGetCellsFreeMemoryArgs(start, count)
        return (await self.caller.call(w_node.NODE_GET_CELLS_FREE_MEMORY, args)).cells

    async def free_pages(
        self, sizes_kib: Sequence[int], *, start: int = 0, cells: int = 1, flags: int = 0
    ) -> list[int]:
        """`NODE_GET_FREE_PAGES`: free pages of each size on each cell, cell by cell."""
        args = w_node.NodeGetFreePagesArgs(list(sizes_kib), start, cells, flags)
        return (await self.caller.call(w_node.NODE_GET_FREE_PAGES, args)).counts

    async def allocate_pages(
        self, pages: Mapping[int, int], *, start: int = -1, cells: int = 1, flags: int = 0
    ) -> int:
        """`NODE_ALLOC_PAGES`: reserve huge pages: how many of each size in KiB."""
        args = w_node.NodeAllocPagesArgs(list(pages), list(pages.values()), start, cells, flags)
        return (await self.caller.call(w_node.NODE_ALLOC_PAGES, args)).ret

    async def memory_parameters(self, *, flags: int = 0) -> Params:
        """`NODE_GET_MEMORY_PARAMETERS`: how the host merges equal pages (`shm_…`)."""
        args = w_node.NodeGetMemoryParametersArgs(MOST_FIGURES, flags | parameters.STRING_OKAY)
        ret = await self.caller.call(w_node.NODE_GET_MEMORY_PARAMETERS, args)
        return parameters.values_of(ret.params)

    async def set_memory_parameters(self, params: Mapping[str, Any], *, flags: int = 0) -> None:
        """`NODE_SET_MEMORY_PARAMETERS`: as `memory_parameters` names them."""
        args = w_node.NodeSetMemoryParametersArgs(parameters.typed(params), flags)
        await self.caller.call(w_node.NODE_SET_MEMORY_PARAMETERS, args)

    async def security_model(self) -> results.SecurityModel:
        """`NODE_GET_SECURITY_MODEL`: `selinux`, `apparmor`, or two empty strings."""
        ret = await self.caller.call(w_node.NODE_GET_SECURITY_MODEL)
        return results.SecurityModel(text_of(ret.model), text_of(ret.doi))

    async def sev_info(self, *, flags: int = 0) -> Params:
        """`NODE_GET_SEV_INFO`: AMD's memory encryption, where the host has it."""
        args = w_node.NodeGetSevInfoArgs(MOST_FIGURES, flags | parameters.STRING_OKAY)
        return parameters.values_of((await self.caller.call(w_node.NODE_GET_SEV_INFO, args)).params)

    async def suspend(self, target: int, duration_s: int, *, flags: int = 0) -> None:
        """`NODE_SUSPEND_FOR_DURATION`: let the host sleep: 0 memory, 1 disk, 2 hybrid."""
        args = w_node.NodeSuspendForDurationArgs(target, duration_s, flags)
        await self.caller.call(w_node.NODE_SUSPEND_FOR_DURATION, args)


def version_of(number: int) -> results.Version:
    """A version from libvirt's number."""
    return results.Version(number // 1_000_000, number // 1000 % 1000, number % 1000)


def text_of(raw: bytes) -> str:
    """The C string in a buffer."""
    return raw.partition(b"\0")[0].decode(errors="replace")
