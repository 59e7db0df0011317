"""Memory that a host must have set aside before a machine can have it: huge pages, locked pages.

The rule kept here: QEMU would only say "Cannot allocate memory", so the missing pages are counted
and named before anything is started.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from virtory.errors import ConfigUnsupported
from virtory.model.values import Size

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.model.domain import Domain

    FreeHugePages = Callable[[Size | None], tuple[Size, int | None]]

_POOLS = "/sys/kernel/mm/hugepages/hugepages-{kib}kB/{name}"


def free_huge_pages(size: Size | None) -> tuple[Size, int | None]:
    """The page size meant (the host's default for None) and how many are free.

    None: the host has no such size.
    """
    if size is None:
        size = _default_size()
    try:
        with open(_POOLS.format(kib=size.kib, name="free_hugepages")) as free:
            return size, int(free.read())
    except OSError:
        return size, None


def plenty(size: Size | None) -> tuple[Size, int | None]:
    """What a host says that has more huge pages than anybody asks for."""
    return size or Size.of_kib(2048), 1 << 40


def refuse_without_huge_pages(domain: Domain, free_pages: FreeHugePages) -> None:
    """Raise ConfigUnsupported when `domain` asks for more huge pages than are free."""
    backing = domain.memory_backing
    if backing is None or backing.hugepages is None:
        return
    pages = backing.hugepages.pages
    wanted = Size.parse(f"{pages[0].size}{pages[0].unit}") if pages else None
    size, free = free_pages(wanted)
    where = f"/domain/memoryBacking/hugepages: domain '{domain.name}'"
    if free is None:
        raise ConfigUnsupported(
            f"{where} asks for pages of {size.kib} KiB, which this host does not have",
            cure="ls /sys/kernel/mm/hugepages shows the sizes that it has",
        )
    needed = -(-int(domain.memory) // int(size))
    if needed > free:
        raise ConfigUnsupported(
            f"{where} needs {needed} huge pages of {size.kib} KiB, of which {free} are free",
            cure=_cure(wanted, size, needed - free),
        )


def limits(domain: Domain) -> list[tuple[int, int]]:
    """The resource limits that locking all of a machine's memory takes."""
    if domain.memory_backing is None or not domain.memory_backing.locked:
        return []
    return [(resource.RLIMIT_MEMLOCK, resource.RLIM_INFINITY)]


def _default_size() -> Size:
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("Hugepagesize:"):
                    return Size.of_kib(int(line.split()[1]))
    except OSError:
        pass
    return Size.of_kib(2048)


def _cure(wanted: Size | None, size: Size, missing: int) -> str:
    path = "/proc/sys/vm/nr_hugepages"
    if wanted is not None:
        path = _POOLS.format(kib=size.kib, name="nr_hugepages")
    return f"Run as root: echo $(($(cat {path}) + {missing})) > {path}"
