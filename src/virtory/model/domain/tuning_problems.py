"""What is wrong with sets of processors and nodes, with pins, and with memory in slots.

The rule kept here: whatever names a vCPU, an I/O thread or a NUMA cell names one that is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.model.domain.cpuset import mask
from virtory.model.domain.devices.limits import MOST_IO_THREADS
from virtory.model.values import size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.model.domain.domain import Domain

    Problems = Iterator[tuple[str, str]]


def tuning_problems(domain: Domain) -> Problems:
    """Every (XPath, message)."""
    for where, text in _sets(domain):
        try:
            mask(text)
        except ValueError as error:
            yield where, str(error)
    if (domain.iothreads or 0) > MOST_IO_THREADS:
        yield "/domain/iothreads", f"{domain.iothreads} threads; {MOST_IO_THREADS} are the most"
    for where, number, unit in _units(domain):
        if size_of(number, unit) is None:
            yield where, f"{unit!r} is no unit of memory such as KiB, MiB or GiB"
    yield from _pins(domain)
    yield from _modules(domain)


def threads(domain: Domain) -> set[int]:
    """The numbers of the machine's I/O threads: those given, then the lowest that are free."""
    given = {thread.id for thread in domain.iothreadids.iothreads} if domain.iothreadids else set()
    number = 1
    while len(given) < min(domain.iothreads or 0, MOST_IO_THREADS):
        given.add(number)
        number += 1
    return given


def _sets(domain: Domain) -> Iterator[tuple[str, str]]:
    """Every text that is to be a set of numbers."""
    if domain.vcpu.cpuset is not None:
        yield "/domain/vcpu/@cpuset", domain.vcpu.cpuset
    tune = domain.cputune
    if tune is not None:
        for number, vcpu in enumerate(tune.vcpupins, 1):
            yield f"/domain/cputune/vcpupin[{number}]/@cpuset", vcpu.cpuset
        if tune.emulatorpin is not None:
            yield "/domain/cputune/emulatorpin/@cpuset", tune.emulatorpin
        for number, thread in enumerate(tune.iothreadpins, 1):
            yield f"/domain/cputune/iothreadpin[{number}]/@cpuset", thread.cpuset
        for number, scheduled in enumerate(tune.vcpuscheds, 1):
            yield f"/domain/cputune/vcpusched[{number}]/@vcpus", scheduled.vcpus
    numa = domain.numatune
    if numa is not None:
        if numa.memory is not None and numa.memory.nodeset is not None:
            yield "/domain/numatune/memory/@nodeset", numa.memory.nodeset
        for number, node in enumerate(numa.memnodes, 1):
            yield f"/domain/numatune/memnode[{number}]/@nodeset", node.nodeset
    backing = domain.memory_backing
    pages = backing.hugepages.pages if backing is not None and backing.hugepages else ()
    for number, page in enumerate(pages, 1):
        if page.nodeset is not None:
            yield f"/domain/memoryBacking/hugepages/page[{number}]/@nodeset", page.nodeset
    cells = domain.cpu.numa.cells if domain.cpu is not None and domain.cpu.numa else ()
    for number, cell in enumerate(cells, 1):
        if cell.cpus is not None:
            yield f"/domain/cpu/numa/cell[{number}]/@cpus", cell.cpus
    for number, module in enumerate(domain.devices.memories, 1):
        if module.source is not None and module.source.nodemask is not None:
            yield f"/domain/devices/memory[{number}]/source/nodemask", module.source.nodemask


def _units(domain: Domain) -> Iterator[tuple[str, int, str | None]]:
    """Every number of a size whose unit is free text."""
    backing = domain.memory_backing
    pages = backing.hugepages.pages if backing is not None and backing.hugepages else ()
    for number, page in enumerate(pages, 1):
        where = f"/domain/memoryBacking/hugepages/page[{number}]/@unit"
        yield where, page.size, page.unit
    cells = domain.cpu.numa.cells if domain.cpu is not None and domain.cpu.numa else ()
    for number, cell in enumerate(cells, 1):
        yield f"/domain/cpu/numa/cell[{number}]/@unit", cell.memory, cell.unit


def _pins(domain: Domain) -> Problems:
    tune = domain.cputune
    if tune is None:
        return
    pinned: set[int] = set()
    for number, pin in enumerate(tune.vcpupins, 1):
        if pin.vcpu in pinned:
            where = f"/domain/cputune/vcpupin[{number}]/@vcpu"
            yield where, f"vCPU {pin.vcpu} is pinned twice"
        pinned.add(pin.vcpu)
    known = threads(domain)
    for number, thread in enumerate(tune.iothreadpins, 1):
        if thread.iothread not in known:
            where = f"/domain/cputune/iothreadpin[{number}]/@iothread"
            yield where, f"there is no I/O thread {thread.iothread}; see <iothreads>"


def _modules(domain: Domain) -> Problems:
    modules, most = domain.devices.memories, domain.max_memory
    given = domain.cpu.numa.cells if domain.cpu is not None and domain.cpu.numa else ()
    cells = {index if cell.id is None else cell.id for index, cell in enumerate(given)}
    for number, module in enumerate(modules, 1):
        node = module.target.node
        if node is not None and node not in cells:
            yield (
                f"/domain/devices/memory[{number}]/target/node",
                f"the guest has no NUMA cell {node}; see <numa> of <cpu>",
            )
    if most is not None and len(modules) > most.slots:
        yield (
            "/domain/maxMemory/@slots",
            f"{len(modules)} modules of memory do not fit into {most.slots} slots",
        )
    tune = domain.numatune
    for number, each in enumerate(tune.memnodes if tune is not None else (), 1):
        if each.cellid not in cells:
            where = f"/domain/numatune/memnode[{number}]/@cellid"
            yield where, f"the guest has no NUMA cell {each.cellid}; see <numa> of <cpu>"
