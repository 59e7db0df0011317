"""This host's processors, memory and name.

The rule kept here: what can not change is read once; what changes slowly (memory, processors that
are online) is read again at most every few seconds, so that `getInfo` costs no file at all.
"""

from __future__ import annotations

import functools
import os
import time
from typing import Final

from virtory.driver.interface import NodeInfo
from virtory.errors import ConfigUnsupported, InvalidArgument

_CPUS: Final = "/sys/devices/system/cpu"
_NODES: Final = "/sys/devices/system/node"
_DMI: Final = "/sys/class/dmi/id"
_FRESH_S: Final = 5.0
_NS_PER_TICK: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

_kept: tuple[float, NodeInfo] | None = None


def node_info() -> NodeInfo:
    """`virNodeInfo`; at most some seconds old."""
    global _kept
    now = time.monotonic()
    if _kept is None or now - _kept[0] > _FRESH_S:
        _kept = (now, _node_info())
    return _kept[1]


def _node_info() -> NodeInfo:
    online = cpus_online()
    nodes = numa_nodes()
    sockets, cores, threads = 1, len(online), 1
    shape = {(package_of(c), core_of(c)) for c in online}
    if shape:
        packages = {package for package, _ in shape}
        per_core = len(online) // len(shape)
        per_package = len(shape) // len(packages)
        per_node = len(packages) // len(nodes)
        # An uneven machine can not be said in four factors: then all are cores of one socket.
        if len(nodes) * per_node * per_package * per_core == len(online):
            sockets, cores, threads = per_node, per_package, per_core
        else:
            nodes = nodes[:1]
    return NodeInfo(
        model=os.uname().machine,
        memory_kib=meminfo()["MemTotal"],
        cpus=len(online),
        mhz=clock_mhz(),
        nodes=len(nodes),
        sockets=sockets,
        cores=cores,
        threads=threads,
    )


def hostname() -> str:
    """The host's name, as the kernel knows it."""
    return os.uname().nodename


def cpu_map() -> tuple[bytes, int, int]:
    """Bitmap of online processors, count online, count present."""
    online = cpus_online()
    present = parse_list(read(f"{_CPUS}/present")) or online
    bitmap = bytearray(max(present) // 8 + 1)
    for number in online:
        bitmap[number // 8] |= 1 << number % 8
    return bytes(bitmap), len(online), len(present)


def cpu_stats(cpu: int) -> list[tuple[str, int]]:
    """Nanoseconds by state for one processor, or for all with -1."""
    name = "cpu" if cpu == -1 else f"cpu{cpu}"
    for line in read("/proc/stat").splitlines():
        row = line.split()
        if row and row[0] == name:
            user, nice, system, idle, wait, irq, softirq = (
                int(each) * _NS_PER_TICK for each in row[1:8]
            )
            return [
                ("kernel", system + irq + softirq),
                ("user", user + nice),
                ("idle", idle),
                ("iowait", wait),
            ]
    raise InvalidArgument(f"Invalid cpuNum in cpu_stats: the host has no CPU {cpu}")


def memory_stats(cell: int) -> list[tuple[str, int]]:
    """KiB by kind for one NUMA cell, or for the whole host with -1."""
    if cell == -1:
        found = meminfo()
        kinds = (("total", "MemTotal"), ("free", "MemFree"), ("buffers", "Buffers"),
                 ("cached", "Cached"))  # fmt: skip
        return [(name, found[key]) for name, key in kinds]
    if cell not in numa_nodes():
        raise InvalidArgument(f"the host has no NUMA cell {cell}")
    found = node_meminfo(cell)
    return [("total", found["MemTotal"]), ("free", found["MemFree"])]


def free_memory() -> int:
    """Bytes."""
    return meminfo()["MemFree"] << 10


def cells_free_memory(start: int, count: int) -> list[int]:
    """Bytes free on each of `count` NUMA cells from `start` on."""
    cells = [each for each in numa_nodes() if each >= start][:count]
    if not cells:
        raise InvalidArgument(f"start cell {start} out of range (0-{max(numa_nodes())})")
    return [node_meminfo(cell)["MemFree"] << 10 for cell in cells]


def sysinfo() -> str:
    """`<sysinfo>`: what the firmware says of this machine.

    Raises ConfigUnsupported where there is no SMBIOS.
    """
    from virtory.codec import xml
    from virtory.model.domain.sysinfo import BaseBoard, Entry, EntryBlock, Sysinfo

    def entries(prefix: str, names: dict[str, str]) -> tuple[Entry, ...]:
        values = ((name, read(f"{_DMI}/{prefix}_{file}").strip()) for name, file in names.items())
        return tuple(Entry(name=name, value=value) for name, value in values if value)

    bios = entries("bios", {"vendor": "vendor", "version": "version", "date": "date",
                            "release": "release"})  # fmt: skip
    system = entries("product", {"product": "name", "version": "version", "serial": "serial",
                                 "uuid": "uuid", "sku": "sku", "family": "family"})  # fmt: skip
    maker = read(f"{_DMI}/sys_vendor").strip()
    if maker:
        system = (Entry(name="manufacturer", value=maker), *system)
    if not bios and not system:
        raise ConfigUnsupported("Host SMBIOS information is not available")
    usual = {
        "manufacturer": "vendor",
        "version": "version",
        "serial": "serial",
        "asset": "asset_tag",
    }
    board = entries("board", {**usual, "product": "name"})
    chassis = entries("chassis", usual)
    value = Sysinfo(
        type="smbios",
        bios=EntryBlock(entries=bios) if bios else None,
        system=EntryBlock(entries=system) if system else None,
        base_boards=(BaseBoard(entries=board),) if board else (),
        chassis=EntryBlock(entries=chassis) if chassis else None,
    )
    return xml.format(value)


@functools.cache
def host_uuid() -> str:
    """A UUID of this host that stays: the firmware's, else made of /etc/machine-id or the name."""
    import uuid

    for path in (f"{_DMI}/product_uuid", "/etc/machine-id"):
        text = read(path).strip()
        try:
            found = uuid.UUID(text)
        except ValueError:
            continue
        if len(set(found.hex)) > 1:  # all zeros or all ones: the maker never set it
            return str(found)
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, hostname()))


# -- what the kernel says -------------------------------------------------------------------------


def read(path: str) -> str:
    """A file of /proc or /sys; empty when it is not there or not ours to read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def parse_list(text: str) -> list[int]:
    """The kernel's notation of a set: `0-3,8`."""
    numbers: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            numbers += range(int(first), int(last or first) + 1)
    return numbers


def cpus_online() -> list[int]:
    """Numbers of the processors that run."""
    return parse_list(read(f"{_CPUS}/online")) or list(range(os.cpu_count() or 1))


def numa_nodes() -> list[int]:
    """Numbers of the NUMA cells; one even where the kernel knows none."""
    return parse_list(read(f"{_NODES}/online")) or [0]


def node_cpus(node: int) -> list[int]:
    """Processors of a NUMA cell."""
    text = read(f"{_NODES}/node{node}/cpulist")
    return parse_list(text) if text.strip() else cpus_online()


def node_meminfo(node: int) -> dict[str, int]:
    """KiB by name for one NUMA cell."""
    text = read(f"{_NODES}/node{node}/meminfo")
    found = {}
    for line in text.splitlines():
        row = line.split()
        if len(row) >= 4 and row[3].isdigit():
            found[row[2].rstrip(":")] = int(row[3])
    return found if "MemTotal" in found else meminfo()


def meminfo() -> dict[str, int]:
    """KiB by name, of /proc/meminfo."""
    found = {"MemTotal": 0, "MemFree": 0, "Buffers": 0, "Cached": 0}
    for line in read("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        number = rest.split()
        if number:
            found[name] = int(number[0])
    return found


def package_of(cpu: int) -> int:
    """The socket of a processor."""
    return _topology(cpu, "physical_package_id")


def die_of(cpu: int) -> int:
    """The die of a processor."""
    return _topology(cpu, "die_id")


def core_of(cpu: int) -> int:
    """The core of a processor, within its socket and die."""
    return _topology(cpu, "core_id") + (die_of(cpu) << 16)


@functools.cache
def _topology(cpu: int, name: str) -> int:
    text = read(f"{_CPUS}/cpu{cpu}/topology/{name}").strip()
    return int(text) if text.isdigit() else 0


@functools.cache
def clock_mhz() -> int:
    """The first processor's clock; 0 when unknown."""
    for line in read("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("cpu MHz", "clock"):
            return int(float(value.strip().removesuffix("MHz")))
    return int(read(f"{_CPUS}/cpu0/cpufreq/cpuinfo_max_freq").strip() or 0) // 1000
