"""A guest's disks in QEMU's answers and on the host: which is which, their counters and sizes.

The rule kept here: a disk is its alias; QEMU's answers are keyed by it once, and paths or target
names are looked up only here.
"""

from __future__ import annotations

import os
import stat
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from virtory.driver.interface import STRING, UINT, ULLONG, Param
from virtory.errors import FROM_STORAGE, InvalidArgument, SystemCallFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.table import Entry
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.disk import Disk

PARAMETERS = (
    ("rd_operations", "rd_operations"),
    ("rd_bytes", "rd_bytes"),
    ("rd_total_times", "rd_total_time_ns"),
    ("wr_operations", "wr_operations"),
    ("wr_bytes", "wr_bytes"),
    ("wr_total_times", "wr_total_time_ns"),
    ("flush_operations", "flush_operations"),
    ("flush_total_times", "flush_total_time_ns"),
)
"""Names of `virDomainBlockStatsFlags`, and of QEMU's counters."""

_STATS = (
    ("rd.reqs", "rd_operations"),
    ("rd.bytes", "rd_bytes"),
    ("rd.times", "rd_total_time_ns"),
    ("wr.reqs", "wr_operations"),
    ("wr.bytes", "wr_bytes"),
    ("wr.times", "wr_total_time_ns"),
    ("fl.reqs", "flush_operations"),
    ("fl.times", "flush_total_time_ns"),
)


class FileSize(NamedTuple):
    """Bytes on disk, and the file's (or block device's) length."""

    allocated: int
    length: int


def find(domain: Domain, path: str, message: str) -> Disk:
    """The disk with this target name or source; InvalidArgument with `message` without one."""
    for disk in domain.devices.disks:
        if path and path in (disk.target.dev, disk.path):
            return disk
    raise InvalidArgument(message.format(path))


def image_path(disk: Disk, guest: Guest | None) -> str:
    """The file or block device behind it, empty without a medium.

    Of a volume of a pool: where it was when the running guest opened it.
    """
    path = disk.path or ""
    if path or guest is None or disk.source is None:
        return path
    images = guest.plan.chain(disk.target.dev)
    return images[0].path if images else ""


def alias_of(described: dict[str, Any]) -> str:
    """The alias in a QOM path (`/machine/peripheral/ALIAS/virtio-backend`) or id."""
    qdev = str(described.get("qdev") or "")
    if not qdev.startswith("/"):
        return qdev
    parts = qdev.split("/")
    return parts[3] if len(parts) > 3 else ""


def by_alias(answer: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """query-blockstats: the counters of each disk, `allocation` (highest offset) among them."""
    found = {}
    for one in answer:
        counters = dict(one.get("stats", {}))
        below = one.get("parent", {}).get("stats", {})
        counters["allocation"] = below.get("wr_highest_offset", 0)
        found[alias_of(one)] = counters
    return found


def total(counters: list[dict[str, Any]]) -> dict[str, int]:
    """The sums over several disks."""
    return {field: sum(int(c.get(field, 0)) for c in counters) for _, field in PARAMETERS}


def capacities_in(answer: list[dict[str, Any]]) -> dict[str, int]:
    """query-block: bytes that the guest sees, of each disk with a medium."""
    return {
        alias_of(one): int(one["inserted"]["image"]["virtual-size"])
        for one in answer
        if one.get("inserted")
    }


def bounds_in(answer: Sequence[dict[str, Any]]) -> dict[str, int]:
    """query-named-block-nodes: the write threshold of each node that has one."""
    found = {one["node-name"]: int(one.get("write_threshold", 0)) for one in answer}
    return {node: bound for node, bound in found.items() if bound}


async def capacities(guest: Guest) -> dict[str, int]:
    """By alias; QEMU is asked once in a guest's life."""
    if not guest.capacities:
        guest.capacities = capacities_in(await guest.execute("query-block", timeout_s=5))
    return guest.capacities


def file_size(path: str) -> FileSize:
    """How big the file or block device is; SystemCallFailed when it can not be looked at."""
    try:
        status = os.stat(path)
        if stat.S_ISBLK(status.st_mode):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                length = os.lseek(descriptor, 0, os.SEEK_END)
            finally:
                os.close(descriptor)
            return FileSize(length, length)
    except OSError as error:
        raise SystemCallFailed(
            f"cannot stat file '{path}': {error.strerror}", errno=error.errno, domain=FROM_STORAGE
        ) from None
    return FileSize(status.st_blocks * 512, status.st_size)


def capacity_of_file(disk: Disk, path: str) -> int:
    """Of a disk that no QEMU has open: from the qcow2 header (bytes 24 to 31), else the length."""
    if disk.driver is not None and disk.driver.type == "qcow2":
        try:
            with open(path, "rb") as file:
                header = file.read(32)
        except OSError as error:
            raise SystemCallFailed(
                f"cannot open '{path}': {error.strerror}", errno=error.errno, domain=FROM_STORAGE
            ) from None
        if header[:4] == b"QFI\xfb" and len(header) == 32:
            return int(struct.unpack_from(">Q", header, 24)[0])
    return file_size(path).length


def params(
    entry: Entry, answer: Any, below: dict[str, list[list[Param]]], bounds: Mapping[str, int]
) -> list[Param]:
    """The `block.*` part of domstats; counters only of a running domain whose QEMU answered.

    `below` has what is told of the images below a disk's own, by its alias; `bounds` the write
    thresholds of QEMU's nodes.
    """
    guest = entry.guest
    if guest is None and entry.row is not None and "<disk" not in entry.row.xml:
        return []
    disks = entry.current().devices.disks
    if not disks:
        return []
    counted = {} if answer is None else by_alias(answer)
    told: list[list[Param]] = []
    for disk in disks:
        told.append(_disk_params("", disk, counted.get(disk.alias or ""), guest))
        images = guest.plan.chain(disk.target.dev) if guest is not None and bounds else ()
        if images and (bound := bounds.get(images[0].file_node)) is not None:
            told[-1].append(Param("threshold", ULLONG, bound))
        told += below.get(disk.alias or "", ())
    return [
        Param("block.count", UINT, len(told)),
        *(
            one._replace(field=f"block.{number}.{one.field}")
            for number, params in enumerate(told)
            for one in params
        ),
    ]


def _disk_params(
    prefix: str, disk: Disk, counted: dict[str, Any] | None, guest: Guest | None
) -> list[Param]:
    told = [Param(f"{prefix}name", STRING, disk.target.dev)]
    path = image_path(disk, guest)
    if path:
        told.append(Param(f"{prefix}path", STRING, path))
        if disk.source is not None and disk.source.index is not None:
            told.append(Param(f"{prefix}backingIndex", UINT, disk.source.index))
    if counted is not None:
        told += [
            Param(prefix + name, ULLONG, max(0, int(counted.get(field, 0))))
            for name, field in _STATS
        ]
    if not path:
        return told
    try:
        size = file_size(path)
        if guest is None:
            allocation, capacity, physical = (
                size.allocated, capacity_of_file(disk, path), size.length,
            )  # fmt: skip
        else:
            allocation = int((counted or {}).get("allocation", 0))
            capacity = guest.capacities.get(disk.alias or "", 0)
            physical = size.allocated or size.length
    except SystemCallFailed:
        return told  # the image is gone; what is known is told all the same
    if allocation or guest is not None:
        told.append(Param(f"{prefix}allocation", ULLONG, allocation))
    told += (
        Param(f"{prefix}capacity", ULLONG, capacity),
        Param(f"{prefix}physical", ULLONG, physical),
    )
    return told
