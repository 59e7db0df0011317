"""A domain's statistics: memory, CPUs, disks, network interfaces.

The rule kept here: figures as the daemon counts them, units in the names; bytes unless said.
"""

from __future__ import annotations

from virtory.client.domain_handle import DomainHandle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.client import parameters, results
    from virtory.client.results import Params
    from virtory.wire.remote import domain_agent as w_agent
    from virtory.wire.remote import domain_block as w_block
    from virtory.wire.remote import domain_stats as w
else:
    parameters = Later("virtory.client.parameters")
    results = Later("virtory.client.results")
    w_agent = Later("virtory.wire.remote.domain_agent")
    w_block = Later("virtory.wire.remote.domain_block")
    w = Later("virtory.wire.remote.domain_stats")

MEMORY_STATS = (
    "swap_in",
    "swap_out",
    "major_fault",
    "minor_fault",
    "unused",
    "available",
    "actual",
    "rss",
    "usable",
    "last_update",
    "disk_caches",
    "hugetlb_pgalloc",
    "hugetlb_pgfail",
)
MOST_PARAMETERS = 16
SOURCE_LEASE, SOURCE_AGENT, SOURCE_ARP = range(3)


class DomainStats(DomainHandle):
    """What a domain uses."""

    __slots__ = ()

    async def stats(self, stats: int = 0, *, flags: int = 0) -> Params:
        """`CONNECT_GET_ALL_DOMAIN_STATS`: all statistics of this domain, by libvirt's names.

        `stats`: groups of `flags.DomainStats`, 0 for all. Names are like `block.0.rd.bytes`.
        """
        found = await self.host.domain_stats(stats, domains=[self], flags=flags)
        return found[0].params if found else {}

    async def memory_stats(self, *, flags: int = 0) -> dict[str, int]:
        """`DOMAIN_MEMORY_STATS`: in KiB by name; `actual` is the balloon, `rss` the host's share.

        Faults are counts and `last_update` is in seconds since the epoch.
        """
        args = w.DomainMemoryStatsArgs(self.ref, len(MEMORY_STATS), flags)
        ret = await self._call(w.DOMAIN_MEMORY_STATS, args)
        return {
            MEMORY_STATS[tag] if tag < len(MEMORY_STATS) else f"tag_{tag}": value
            for tag, value in ret.stats
        }

    async def set_memory_stats_period(self, period_s: int, *, flags: int = 0) -> None:
        """`DOMAIN_SET_MEMORY_STATS_PERIOD`: how often the balloon driver reports; 0 is never."""
        args = w.DomainSetMemoryStatsPeriodArgs(self.ref, period_s, flags)
        await self._call(w.DOMAIN_SET_MEMORY_STATS_PERIOD, args)

    async def cpu_stats(self, *, flags: int = 0) -> Params:
        """`DOMAIN_GET_CPU_STATS`: CPU time over all host CPUs, in nanoseconds."""
        args = w.DomainGetCpuStatsArgs(self.ref, MOST_PARAMETERS, -1, 1, flags)
        ret = await self._call(w.DOMAIN_GET_CPU_STATS, args)
        return parameters.values_of(ret.params)

    async def cpu_stats_by_cpu(self, *, flags: int = 0) -> list[Params]:
        """`DOMAIN_GET_CPU_STATS`: CPU time on each host CPU, in nanoseconds."""
        ask = w.DomainGetCpuStatsArgs(self.ref, 0, 0, 0, flags)
        cpus = (await self._call(w.DOMAIN_GET_CPU_STATS, ask)).nparams
        ask = w.DomainGetCpuStatsArgs(self.ref, 0, 0, 1, flags)
        each = (await self._call(w.DOMAIN_GET_CPU_STATS, ask)).nparams
        found: list[Params] = []
        for start in range(0, cpus, 128) if each else ():
            count = min(128, cpus - start)
            ask = w.DomainGetCpuStatsArgs(self.ref, each, start, count, flags)
            params = (await self._call(w.DOMAIN_GET_CPU_STATS, ask)).params
            if not params:
                break  # a daemon that promised more CPUs than it has
            found += [
                parameters.values_of(params[i : i + each]) for i in range(0, len(params), each)
            ]
        return found

    async def block_info(self, disk: str, *, flags: int = 0) -> results.BlockInfo:
        """`DOMAIN_GET_BLOCK_INFO`: sizes in bytes of the disk with this target or path."""
        args = w_block.DomainGetBlockInfoArgs(self.ref, disk, flags)
        ret = await self._call(w_block.DOMAIN_GET_BLOCK_INFO, args)
        return results.BlockInfo(ret.capacity, ret.allocation, ret.physical)

    async def block_stats(self, disk: str = "") -> results.BlockStats:
        """`DOMAIN_BLOCK_STATS`: requests and bytes of one disk; of all disks with ''."""
        ret = await self._call(w.DOMAIN_BLOCK_STATS, w.DomainBlockStatsArgs(self.ref, disk))
        return results.BlockStats(ret.rd_req, ret.rd_bytes, ret.wr_req, ret.wr_bytes, ret.errs)

    async def block_stats_params(self, disk: str = "", *, flags: int = 0) -> Params:
        """`DOMAIN_BLOCK_STATS_FLAGS`: the same with flushes and times (nanoseconds), by name."""
        flags |= parameters.STRING_OKAY
        args = w.DomainBlockStatsFlagsArgs(self.ref, disk, MOST_PARAMETERS, flags)
        ret = await self._call(w.DOMAIN_BLOCK_STATS_FLAGS, args)
        return parameters.values_of(ret.params)

    async def disk_errors(self, *, flags: int = 0) -> dict[str, int]:
        """`DOMAIN_GET_DISK_ERRORS`: disks that failed: 1 unspecified, 2 no space left."""
        ret = await self._call(
            w_block.DOMAIN_GET_DISK_ERRORS, w_block.DomainGetDiskErrorsArgs(self.ref, 0, flags)
        )
        if ret.nerrors:
            args = w_block.DomainGetDiskErrorsArgs(self.ref, ret.nerrors, flags)
            ret = await self._call(w_block.DOMAIN_GET_DISK_ERRORS, args)
        return {item.disk: item.error for item in ret.errors}

    async def interface_stats(self, device: str) -> results.InterfaceStats:
        """`DOMAIN_INTERFACE_STATS`: bytes and packets of the interface `device` (target or MAC)."""
        args = w.DomainInterfaceStatsArgs(self.ref, device)
        ret = await self._call(w.DOMAIN_INTERFACE_STATS, args)
        return results.InterfaceStats(
            ret.rx_bytes,
            ret.rx_packets,
            ret.rx_errs,
            ret.rx_drop,
            ret.tx_bytes,
            ret.tx_packets,
            ret.tx_errs,
            ret.tx_drop,
        )

    async def interface_addresses(
        self, source: int = SOURCE_LEASE, *, flags: int = 0
    ) -> list[results.InterfaceAddress]:
        """`DOMAIN_INTERFACE_ADDRESSES`: its IP addresses, by DHCP lease 0, agent 1 or ARP 2."""
        args = w_agent.DomainInterfaceAddressesArgs(self.ref, source, flags)
        ret = await self._call(w_agent.DOMAIN_INTERFACE_ADDRESSES, args)
        return [
            results.InterfaceAddress(
                found.name,
                found.hwaddr,
                [
                    results.IpAddress(6 if address.type else 4, address.addr, address.prefix)
                    for address in found.addrs
                ],
            )
            for found in ret.ifaces
        ]
