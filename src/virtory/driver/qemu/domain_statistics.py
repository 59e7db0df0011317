"""What domains use: CPU, memory, disks, networks; one domain in detail, or all of them at once.

The rule kept here: as few questions as can be. What the kernel knows is read from the kernel; all
guests are asked at the same time; a guest that does not answer in time is reported without what
only it could tell.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from virtory.driver.interface import (
    INT,
    LLONG,
    STRING,
    UINT,
    ULLONG,
    BlockInfo,
    BlockStats,
    DomainStats,
    InterfaceStats,
    Param,
)
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import accounting, dirty_rate, iothreads, kvm_statistics
from virtory.driver.qemu.disks import backing_images, block
from virtory.driver.qemu.part import Part
from virtory.errors import (
    FROM_DOMAIN,
    ArgumentUnsupported,
    InvalidArgument,
    OperationInvalid,
    OperationUnsupported,
    VirtoryError,
)
from virtory.model.flags import ConnectGetAllDomainsStats as Select
from virtory.model.flags import DomainAffect, DomainMemoryStat
from virtory.model.flags import DomainStats as Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.interface import DomainUuid
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.table import Entry

_LISTS = 0xFF
_ANSWER_S = 5.0
_AT_ONCE_S = 0.5
_UNKNOWN = (1 << 64) - 1

# QEMU's name, the factor to libvirt's unit, libvirt's tag, the name in domstats.
_BALLOON_STATS = (
    ("stat-swap-in", 1024, DomainMemoryStat.SWAP_IN, "swap_in"),
    ("stat-swap-out", 1024, DomainMemoryStat.SWAP_OUT, "swap_out"),
    ("stat-major-faults", 1, DomainMemoryStat.MAJOR_FAULT, "major_fault"),
    ("stat-minor-faults", 1, DomainMemoryStat.MINOR_FAULT, "minor_fault"),
    ("stat-free-memory", 1024, DomainMemoryStat.UNUSED, "unused"),
    ("stat-total-memory", 1024, DomainMemoryStat.AVAILABLE, "available"),
    ("stat-available-memory", 1024, DomainMemoryStat.USABLE, "usable"),
    ("stat-disk-caches", 1024, DomainMemoryStat.DISK_CACHES, "disk_caches"),
    ("stat-htlb-pgalloc", 1, DomainMemoryStat.HUGETLB_PGALLOC, "hugetlb_pgalloc"),
    ("stat-htlb-pgfail", 1, DomainMemoryStat.HUGETLB_PGFAIL, "hugetlb_pgfail"),
)


class DomainStatistics(Part):
    """Numbers."""

    # -- all at once ---------------------------------------------------------------------------
    async def stats(self, uuids: Sequence[DomainUuid], stats: int, flags: int) -> list[DomainStats]:
        """`stats` 0 means every group; unknown ones are refused only on request."""
        refuse_unknown(
            flags,
            _LISTS | Select.NOWAIT | Select.BACKING | Select.ENFORCE_STATS,
            "qemuConnectGetAllDomainStats",
        )
        if flags & Select.ENFORCE_STATS and stats & ~Group.ALL:
            raise ArgumentUnsupported(
                f"Stats types bits 0x{stats & ~Group.ALL:x} are not supported by this daemon"
            )
        wanted = (stats & Group.ALL if stats else Group.ALL) | flags & Select.BACKING
        if uuids:
            entries = [
                entry for uuid in uuids if (entry := self._table.find(uuid)) and entry.is_known
            ]
        else:
            entries = self._table.select(flags & _LISTS)
        limit_s = _AT_ONCE_S if flags & Select.NOWAIT else _ANSWER_S
        asked = [_questions(entry.guest, wanted, limit_s) for entry in entries]
        waiting = [answer for answers in asked for answer in answers.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=limit_s)
        return [
            DomainStats(entry.ref, _all_params(entry, answers, wanted))
            for entry, answers in zip(entries, asked, strict=True)
            if entry.is_known  # it may have gone meanwhile
        ]

    # -- memory --------------------------------------------------------------------------------
    async def memory_stats(self, uuid: bytes, flags: int) -> list[tuple[int, int]]:
        refuse_unknown(flags, 0, "qemuDomainMemoryStats")
        guest = self._guest(uuid)
        told: list[tuple[int, int]] = []
        if guest.has_balloon:
            answer = await guest.execute("qom-get", _balloon_question(guest), timeout_s=_ANSWER_S)
            told.append((DomainMemoryStat.ACTUAL_BALLOON, guest.balloon_kib))
            told += [(tag, value) for tag, _, value in _balloon_values(answer)]
            told.append((DomainMemoryStat.LAST_UPDATE, int(answer.get("last-update", 0))))
        told.append((DomainMemoryStat.RSS, accounting.resident_kib(guest.pid)))
        return told

    async def set_memory_stats_period(self, uuid: bytes, period_s: int, flags: int) -> None:
        import dataclasses

        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainSetMemoryStatsPeriod")
        guest = self._guest(uuid)
        if period_s < 0:
            raise InvalidArgument("the period must not be negative")
        async with guest.job("memory stats period"):
            if not guest.has_balloon:
                raise OperationInvalid(
                    "Memory balloon model must be virtio to set the collection period"
                )
            arguments = {**_balloon_question(guest), "value": period_s}
            arguments["property"] = "guest-stats-polling-interval"
            await guest.execute("qom-set", arguments)
            devices = guest.domain.devices
            assert devices.balloon is not None
            balloon = dataclasses.replace(devices.balloon, stats_period=period_s or None)
            guest.domain = dataclasses.replace(
                guest.domain, devices=dataclasses.replace(devices, balloon=balloon)
            )
            self._runtime.announce(guest.entry)
            await guest.settled()

    # -- disks ---------------------------------------------------------------------------------
    async def block_stats(self, uuid: bytes, path: str) -> BlockStats:
        counted = await self._counted(uuid, path)
        return BlockStats(
            counted["rd_operations"],
            counted["rd_bytes"],
            counted["wr_operations"],
            counted["wr_bytes"],
            -1,
        )

    async def block_stats_params(self, uuid: bytes, path: str, flags: int) -> list[Param]:
        refuse_unknown(flags, 0, "qemuDomainBlockStatsFlags")
        counted = await self._counted(uuid, path)
        return [Param(name, LLONG, counted[field]) for name, field in block.PARAMETERS]

    async def _counted(self, uuid: bytes, path: str) -> dict[str, int]:
        guest = self._guest(uuid)
        disks = guest.domain.devices.disks
        if path:
            disks = (block.find(guest.domain, path, "invalid path: {}"),)
        answer = await guest.execute("query-blockstats", timeout_s=_ANSWER_S)
        by_alias = block.by_alias(answer)
        return block.total([by_alias.get(disk.alias or "", {}) for disk in disks])

    async def block_info(self, uuid: bytes, path: str, flags: int) -> BlockInfo:
        refuse_unknown(flags, 0, "qemuDomainGetBlockInfo")
        entry = self._entry(uuid)
        disk = block.find(entry.current(), path, "invalid path {} not assigned to domain")
        file = block.image_path(disk, entry.guest) or self._preparation.volume_path(disk)
        if not file:
            raise InvalidArgument(f"disk '{path}' does not currently have a source assigned")
        size = await asyncio.to_thread(block.file_size, file)
        capacity = 0
        if entry.guest is not None:
            capacity = (await block.capacities(entry.guest)).get(disk.alias or "", 0)
        if not capacity:
            capacity = await asyncio.to_thread(block.capacity_of_file, disk, file)
        return BlockInfo(capacity, size.allocated, size.length)

    async def disk_errors(self, uuid: bytes, flags: int) -> list[tuple[str, int]]:
        """The disks that failed: 1 unspecified, 2 no space."""
        refuse_unknown(flags, 0, "qemuDomainGetDiskErrors")
        guest = self._guest(uuid)
        answer = await guest.execute("query-block", timeout_s=_ANSWER_S)
        status = {block.alias_of(one): one.get("io-status", "ok") for one in answer}
        codes = {"failed": 1, "nospace": 2}
        disks = guest.domain.devices.disks
        found = [(disk.target.dev, codes.get(status.get(disk.alias or "", "ok"))) for disk in disks]
        return [(name, code) for name, code in found if code is not None]

    # -- networks ------------------------------------------------------------------------------
    async def interface_stats(self, uuid: bytes, device: str) -> InterfaceStats:
        guest = self._guest(uuid)
        for interface in guest.domain.devices.interfaces:
            name = interface.target.dev if interface.target is not None else None
            if device in (name, interface.mac and interface.mac.address) and name:
                return await asyncio.to_thread(_tap_stats, name, interface.type)
            if device in (interface.alias, interface.mac and interface.mac.address):
                raise OperationUnsupported(
                    f"interface '{device}' of type '{interface.type}' is not counted by the host",
                    cure="read the counters inside the guest",
                )
        raise InvalidArgument(f"'{device}' is not a known interface", domain=FROM_DOMAIN)

    # -- CPU -----------------------------------------------------------------------------------
    async def cpu_stats(
        self, uuid: bytes, start: int, count: int, flags: int
    ) -> tuple[list[list[Param]], int]:
        refuse_unknown(flags, 0, "qemuDomainGetCPUStats")
        guest = self._guest(uuid)
        if start != -1:
            if count == 0:
                return [], accounting.host_cpus()
            raise OperationUnsupported(
                "the kernel does not count a domain's time on each host CPU",
                cure="ask for the total",
            )
        used = accounting.cpu_time(guest.pid)
        total = [
            Param("cpu_time", ULLONG, used.total),
            Param("user_time", ULLONG, used.user),
            Param("system_time", ULLONG, used.system),
        ]
        return [total], 3


# -- getAllDomainStats -------------------------------------------------------------------------

_Answers = dict[str, "asyncio.Future[Any]"]


def _questions(guest: Guest | None, wanted: int, limit_s: float) -> _Answers:
    """What only QEMU knows, asked of this guest now; the answers come together with all others'.

    One that has left earlier questions open for longer is not asked again.
    """
    if guest is None or guest.monitor is None or guest.starting:
        return {}
    if guest.monitor.unanswered_s > limit_s:
        return {}
    asked: _Answers = {}
    if wanted & Group.BALLOON and guest.has_balloon:
        asked["balloon"] = guest.monitor.execute("qom-get", _balloon_question(guest))
    if wanted & Group.BLOCK and guest.domain.devices.disks:
        asked["block"] = guest.monitor.execute("query-blockstats")
        if not guest.capacities or wanted & Select.BACKING:
            asked["nodes"] = guest.monitor.execute("query-block")
        if guest.bounded:
            every = {"flat": True}
            asked["bounds"] = guest.monitor.execute("query-named-block-nodes", every)
    if wanted & Group.IOTHREAD and iothreads.any_in(guest.domain):
        asked["iothreads"] = guest.monitor.execute("query-iothreads")
    if wanted & Group.DIRTYRATE:
        asked["dirty rate"] = guest.monitor.execute("query-dirty-rate")
    if wanted & (Group.VCPU | Group.VM) and kvm_statistics.counted(guest):
        asked |= kvm_statistics.questions(guest.monitor, bool(wanted & Group.VM))
    return asked


def _answer(answers: _Answers, name: str) -> Any:
    """None when it did not come in time, or as an error."""
    future = answers.get(name)
    if future is None or not future.done() or future.cancelled():
        return None
    return None if future.exception() is not None else future.result()


def _all_params(entry: Entry, answers: _Answers, wanted: int) -> list[Param]:
    params: list[Param] = []
    guest = entry.guest
    if wanted & Group.STATE:
        params += (Param("state.state", INT, entry.state), Param("state.reason", INT, entry.reason))
    if wanted & Group.CPU_TOTAL and guest is not None:
        used = accounting.cpu_time(guest.pid)
        params += (
            Param("cpu.time", ULLONG, used.total),
            Param("cpu.user", ULLONG, used.user),
            Param("cpu.system", ULLONG, used.system),
            Param("cpu.cache.monitor.count", UINT, 0),  # no cache is set apart for guests
        )
        params += kvm_statistics.halt_polling(guest.pid)
    if wanted & Group.BALLOON:
        params += _balloon_params(entry, _answer(answers, "balloon"))
    if wanted & Group.VCPU:
        params += _vcpu_params(entry, answers)
    if wanted & Group.INTERFACE and guest is not None:
        params += _interface_params(guest)
    if wanted & Group.BLOCK:
        nodes = _answer(answers, "nodes")
        if guest is not None and nodes is not None:
            guest.capacities = block.capacities_in(nodes)
        bounds = block.bounds_in(_answer(answers, "bounds") or ())
        below = {}
        if guest is not None and nodes is not None and wanted & Select.BACKING:
            counted = _answer(answers, "block")
            below = backing_images.below(guest.plan.images, counted, nodes, bounds)
        params += block.params(entry, _answer(answers, "block"), below, bounds)
    if threads := _answer(answers, "iothreads"):
        params += iothreads.params(threads)
    if dirtied := _answer(answers, "dirty rate"):
        params += dirty_rate.params(dirtied)
    if wanted & Group.VM:
        params += kvm_statistics.params(_answer(answers, "schemas"), _answer(answers, "vm"), None)
    return params


def _balloon_params(entry: Entry, answer: Any) -> list[Param]:
    guest = entry.guest
    if guest is None:
        if entry.row is None:
            return []
        current, maximum = entry.row.memory_kib, entry.row.max_memory_kib
        return [
            Param("balloon.current", ULLONG, current),
            Param("balloon.maximum", ULLONG, maximum),
        ]
    maximum = guest.sizes[0]
    params = [
        Param("balloon.current", ULLONG, guest.balloon_kib or maximum),
        Param("balloon.maximum", ULLONG, maximum),
    ]
    if answer is not None:
        named = _balloon_values(answer)
        params += [Param(f"balloon.{name}", ULLONG, value) for _, name, value in named]
        updated = int(answer.get("last-update", 0))
        params.append(Param("balloon.last-update", ULLONG, updated))
    params.append(Param("balloon.rss", ULLONG, accounting.resident_kib(guest.pid)))
    return params


def _balloon_question(guest: Guest) -> dict[str, Any]:
    return {"path": f"/machine/peripheral/{guest.balloon_alias}", "property": "guest-stats"}


def _balloon_values(answer: Any) -> list[tuple[int, str, int]]:
    """Tag, name and value of what the guest's driver has told."""
    stats = answer.get("stats", {})
    told = []
    for name, unit, tag, shown in _BALLOON_STATS:
        value = stats.get(name, -1)
        if 0 <= value < _UNKNOWN:
            told.append((tag, shown, value // unit))
    return told


def _vcpu_params(entry: Entry, answers: _Answers) -> list[Param]:
    guest = entry.guest
    if guest is None:
        if entry.row is None:
            return []
        return [
            Param("vcpu.current", UINT, entry.row.vcpus),
            Param("vcpu.maximum", UINT, entry.row.max_vcpus),
        ]
    vcpu = guest.domain.vcpu
    params = [
        Param("vcpu.current", UINT, vcpu.current or vcpu.count),
        Param("vcpu.maximum", UINT, vcpu.count),
    ]
    for place, (number, thread) in enumerate(guest.vcpu_threads.items()):
        used = accounting.thread_time(guest.pid, thread)
        params += (
            Param(f"vcpu.{number}.state", INT, 1),
            Param(f"vcpu.{number}.time", ULLONG, used.run_ns),
            Param(f"vcpu.{number}.wait", ULLONG, accounting.wait_ns(guest.pid, thread)),
            Param(f"vcpu.{number}.delay", ULLONG, used.delay_ns),
        )
        params += kvm_statistics.params(
            _answer(answers, "schemas"), _answer(answers, "vcpus"), place
        )
    return params


def _interface_params(guest: Guest) -> list[Param]:
    interfaces = guest.domain.devices.interfaces
    if not interfaces:
        return []
    params = [Param("net.count", UINT, len(interfaces))]
    for number, interface in enumerate(interfaces):
        name = interface.target.dev if interface.target is not None else None
        if name:
            params.append(Param(f"net.{number}.name", STRING, name))
            try:
                stats = _tap_stats(name, interface.type)
            except VirtoryError:
                continue
            for field, value in zip(_NET_FIELDS, stats, strict=True):
                params.append(Param(f"net.{number}.{field}", ULLONG, value))
    return params


_NET_FIELDS = (
    "rx.bytes", "rx.pkts", "rx.errs", "rx.drop", "tx.bytes", "tx.pkts", "tx.errs", "tx.drop",
)  # fmt: skip


def _tap_stats(name: str, kind: str) -> InterfaceStats:
    """The host's counters of a tap, turned round: what it sends, the guest receives.

    A macvtap (`direct`) counts from the guest's side already.
    """
    with open("/proc/net/dev") as file:
        for line in file:
            device, _, counters = line.partition(":")
            if device.strip() == name:
                values = [int(each) for each in counters.split()]
                received, sent = values[:4], values[8:12]
                if kind != "direct":
                    received, sent = sent, received
                return InterfaceStats(*received, *sent)
    raise OperationUnsupported(f"the host has no device '{name}', hence no counters of it")
