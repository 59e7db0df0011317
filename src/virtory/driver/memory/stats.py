"""Domains in memory: statistics of processors, memory, disks and network cards.

The rule kept here: the fields and types are libvirt's; the counters stand still at made-up values,
so that what prints them can be tested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.interface import (
    BlockInfo,
    BlockStats,
    DomainStats,
    InterfaceAddress,
    InterfaceStats,
    IpAddress,
)
from virtory.driver.memory.flags_check import only
from virtory.errors import InvalidArgument
from virtory.model import flags as f
from virtory.model.refs import INT, LLONG, STRING, UINT, ULLONG, Param
from virtory.model.values import Size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.memory.host import Host
    from virtory.driver.memory.machine import Machine
    from virtory.model.domain.devices.disk import Disk
    from virtory.model.domain.devices.interface import Interface

_CAPACITY = Size.of_gib(10)
_ALLOCATION = Size.of_gib(1)
_S = f.DomainStats


class Statistics:
    """The part of the driver that counts."""

    _host: Host

    async def stats(self, uuids: Sequence[bytes], stats: int, flags: int) -> list[DomainStats]:
        """No `uuids`: every domain that the list flags in `flags` select."""
        only(flags, f.ConnectGetAllDomainsStats.ALL, "testConnectGetAllDomainStats")
        if flags & f.ConnectGetAllDomainsStats.ENFORCE_STATS:
            only(stats, _S.ALL, "testConnectGetAllDomainStats")
        if uuids:
            machines = [self._host.machine(uuid) for uuid in uuids]
        else:
            machines = self._host.matching(flags & 0xFF)
        return [DomainStats(machine.ref, _params(machine, stats or _S.ALL)) for machine in machines]

    async def memory_stats(self, uuid: bytes, flags: int) -> list[tuple[int, int]]:
        only(flags, 0, "testDomainMemoryStats")
        machine = self._host.running(uuid)
        kind = f.DomainMemoryStat
        actual = machine.memory.kib
        return [
            (kind.ACTUAL_BALLOON, actual),
            (kind.SWAP_IN, 0),
            (kind.SWAP_OUT, 0),
            (kind.MAJOR_FAULT, 0),
            (kind.MINOR_FAULT, 0),
            (kind.UNUSED, actual // 2),
            (kind.AVAILABLE, actual),
            (kind.USABLE, actual // 2),
            (kind.RSS, actual // 4),
        ]

    async def set_memory_stats_period(self, uuid: bytes, period_s: int, flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainSetMemoryStatsPeriod")
        self._host.machine(uuid).affected(flags)

    async def block_stats(self, uuid: bytes, path: str) -> BlockStats:
        _disk(self._host.running(uuid), path)
        return BlockStats(10, 40960, 5, 20480, -1)

    async def block_stats_params(self, uuid: bytes, path: str, flags: int) -> list[Param]:
        only(flags, 4, "testDomainBlockStatsFlags")
        _disk(self._host.running(uuid), path)
        return [
            Param(name, LLONG, value)
            for name, value in (
                ("wr_bytes", 20480),
                ("wr_operations", 5),
                ("rd_bytes", 40960),
                ("rd_operations", 10),
                ("flush_operations", 1),
                ("wr_total_times", 50000),
                ("rd_total_times", 100000),
                ("flush_total_times", 10000),
            )
        ]

    async def block_info(self, uuid: bytes, path: str, flags: int) -> BlockInfo:
        only(flags, 0, "testDomainGetBlockInfo")
        disk = _disk(self._host.machine(uuid), path, "invalid path %s not assigned to domain")
        if disk.source is None:
            raise InvalidArgument(
                f"disk '{disk.target.dev}' does not currently have a source assigned"
            )
        return BlockInfo(_CAPACITY, _ALLOCATION, _ALLOCATION)

    async def disk_errors(self, uuid: bytes, flags: int) -> list[tuple[str, int]]:
        only(flags, 0, "testDomainGetDiskErrors")
        self._host.running(uuid)
        return []

    async def interface_stats(self, uuid: bytes, device: str) -> InterfaceStats:
        machine = self._host.running(uuid)
        for i, card in enumerate(machine.current.devices.interfaces):
            if device in (_interface_name(card, i), card.mac and card.mac.address):
                return InterfaceStats(1000, 10, 0, 0, 2000, 20, 0, 0)
        raise InvalidArgument(f"invalid path, '{device}' is not a known interface")

    async def interface_addresses(
        self, uuid: bytes, source: int, flags: int
    ) -> list[InterfaceAddress]:
        only(flags, 0, "testDomainInterfaceAddresses")
        machine = self._host.running(uuid)
        if source not in (0, 1, 2):
            raise InvalidArgument(f"Unknown IP address data source {source}")
        return [
            InterfaceAddress(
                _interface_name(card, i),
                card.mac.address if card.mac is not None else None,
                [IpAddress(0, f"192.168.122.{(machine.id + i) % 255}", 24)],
            )
            for i, card in enumerate(machine.current.devices.interfaces)
        ]

    async def cpu_stats(
        self, uuid: bytes, start: int, count: int, flags: int
    ) -> tuple[list[list[Param]], int]:
        """Parameters of each CPU asked for (`start` -1: the total), and how many CPUs there are."""
        from virtory.driver.memory.state import HOST_CPUS

        only(flags, 4, "testDomainGetCPUStats")
        machine = self._host.running(uuid)
        time = machine.cpu_time_ns
        if start == -1:
            total = [("cpu_time", time), ("user_time", time // 2), ("system_time", time // 2)]
            return [[Param(name, ULLONG, value) for name, value in total]], HOST_CPUS
        if start >= HOST_CPUS:
            raise InvalidArgument(f"start_cpu {start} larger than maximum of {HOST_CPUS - 1}")
        each = [Param("cpu_time", ULLONG, time // HOST_CPUS)]
        return [each] * min(count, HOST_CPUS - start), HOST_CPUS


def _disk(machine: Machine, path: str, message: str = "invalid path: %s") -> Disk:
    for disk in machine.current.devices.disks:
        source = disk.source
        if path == disk.target.dev or (source is not None and path in (source.file, source.dev)):
            return disk
    raise InvalidArgument(message % path)


def _interface_name(card: Interface, index: int) -> str:
    if card.target is not None and card.target.dev is not None:
        return card.target.dev
    return f"testnet{index}"


def _params(machine: Machine, stats: int) -> list[Param]:
    params: list[Param] = []
    if stats & _S.STATE:
        params += [Param("state.state", INT, machine.state)]
        params += [Param("state.reason", INT, machine.reason)]
    if stats & _S.CPU_TOTAL and machine.active:
        time = machine.cpu_time_ns
        params += [Param("cpu.time", ULLONG, time)]
        params += [Param("cpu.user", ULLONG, time // 2), Param("cpu.system", ULLONG, time // 2)]
    if stats & _S.BALLOON:
        params += [Param("balloon.current", ULLONG, machine.memory.kib)]
        params += [Param("balloon.maximum", ULLONG, machine.current.memory.kib)]
    if stats & _S.VCPU:
        params += _vcpu_params(machine)
    if stats & _S.INTERFACE and machine.active:
        params += _interface_params(machine)
    if stats & _S.BLOCK:
        params += _block_params(machine)
    return params


def _vcpu_params(machine: Machine) -> list[Param]:
    params = [Param("vcpu.current", UINT, machine.vcpus)]
    params += [Param("vcpu.maximum", UINT, machine.current.vcpu.count)]
    if machine.active:
        each = machine.cpu_time_ns // machine.vcpus
        for number in range(machine.vcpus):
            params += [Param(f"vcpu.{number}.state", INT, 1)]
            params += [Param(f"vcpu.{number}.time", ULLONG, each)]
    return params


def _interface_params(machine: Machine) -> list[Param]:
    cards = machine.current.devices.interfaces
    params = [Param("net.count", UINT, len(cards))]
    for i, card in enumerate(cards):
        params += [Param(f"net.{i}.name", STRING, _interface_name(card, i))]
        for name, value in (("bytes", 1000), ("pkts", 10), ("errs", 0), ("drop", 0)):
            params += [Param(f"net.{i}.rx.{name}", ULLONG, value)]
        for name, value in (("bytes", 2000), ("pkts", 20), ("errs", 0), ("drop", 0)):
            params += [Param(f"net.{i}.tx.{name}", ULLONG, value)]
    return params


def _block_params(machine: Machine) -> list[Param]:
    disks = machine.current.devices.disks
    params = [Param("block.count", UINT, len(disks))]
    for i, disk in enumerate(disks):
        params += [Param(f"block.{i}.name", STRING, disk.target.dev)]
        path = disk.path
        if not path:
            continue
        params += [Param(f"block.{i}.path", STRING, path)]
        if machine.active:
            params += [
                Param(f"block.{i}.{name}", ULLONG, value)
                for name, value in (
                    ("rd.reqs", 10),
                    ("rd.bytes", 40960),
                    ("rd.times", 100000),
                    ("wr.reqs", 5),
                    ("wr.bytes", 20480),
                    ("wr.times", 50000),
                    ("fl.reqs", 1),
                    ("fl.times", 10000),
                )
            ]
        for name, value in (
            ("allocation", _ALLOCATION),
            ("capacity", _CAPACITY),
            ("physical", _ALLOCATION),
        ):
            params += [Param(f"block.{i}.{name}", ULLONG, value)]
    return params
