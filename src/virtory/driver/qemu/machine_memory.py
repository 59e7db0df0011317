"""The machine's memory: `-m`, its back ends, NUMA cells, modules in slots, and `-smp`.

The rule kept here: what memory is made of (pages, files, the host's nodes) is said once, in `ram`,
for the whole machine, one cell or one module alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from virtory.driver.qemu.machine_text import on, packed
from virtory.model.domain.cpuset import members
from virtory.model.values import Size

if TYPE_CHECKING:
    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.driver.qemu.devices import Wiring
    from virtory.model.domain import Domain
    from virtory.model.domain.cpu import NumaCell
    from virtory.model.domain.devices.memory import MemoryModule
    from virtory.model.domain.memory import MemoryBacking

_POLICIES: Final = {"strict": "bind", "preferred": "preferred", "interleave": "interleave"}


def memory(wiring: Wiring, capabilities: Capabilities) -> list[str]:
    """RAM, whole or by NUMA cell, with the processors that belong to each."""
    domain = wiring.domain
    plugged = sum(int(each.target.size) for each in domain.devices.memories)
    size = f"size={Size(domain.memory - plugged).kib}k"
    if domain.max_memory is not None:
        size += f",slots={domain.max_memory.slots},maxmem={domain.max_memory.size.kib}k"
    arguments = ["-m", size]
    name = capabilities.canonical_machine(domain.os.type.machine).ram_id
    numa = cells(domain)
    if not numa and name is not None:
        arguments += ["-object", packed(ram(name, domain.memory, wiring))]
    backing = domain.memory_backing
    lock = backing is not None and backing.locked
    arguments += ["-overcommit", f"mem-lock={on(bool(lock))}", *_smp(domain)]
    for cell in numa:
        name = f"ram-node{cell.id}"
        arguments += ["-object", packed(ram(name, Size.of_kib(cell.memory), wiring, cell))]
        spans = "".join(f",cpus={span}" for span in (cell.cpus or "").split(",") if span)
        arguments += ["-numa", f"node,nodeid={cell.id}{spans},memdev={name}"]
    for cell in numa:
        for each in cell.distances.siblings if cell.distances is not None else ():
            arguments += ["-numa", f"dist,src={cell.id},dst={each.id},val={each.value}"]
    return arguments


def cells(domain: Domain) -> tuple[NumaCell, ...]:
    """The guest's NUMA nodes."""
    return domain.cpu.numa.cells if domain.cpu is not None and domain.cpu.numa is not None else ()


def ram(
    name: str,
    size: Size,
    wiring: Wiring,
    cell: NumaCell | None = None,
    module: MemoryModule | None = None,
) -> dict[str, Any]:
    """One back end as `object-add` takes it; a cell's or module's own word wins."""
    backing = wiring.domain.memory_backing
    value: dict[str, Any] = {"qom-type": "memory-backend-ram", "id": name, "size": int(size)}
    node = cell.id if cell is not None else module.target.node if module is not None else None
    access = cell.memory_access if cell is not None else module.access if module else None
    discard = cell.discard if cell is not None else module.discard if module is not None else None
    value |= _policy(wiring.domain, node, module)
    if access is None and backing is not None:
        access = backing.access
    page = _page_size(backing, node, module)
    source = backing.source if backing is not None else None
    if source == "file":
        slot = wiring.plan.slot("ram")
        assert slot is not None, "memory in files has its directory"
        value["qom-type"] = "memory-backend-file"
        value["mem-path"] = f"/proc/self/fd/{wiring.fd(slot)}"
        value["share"] = access == "shared"
        value["x-use-canonical-path-for-ramblock-id"] = False
        value["discard-data"] = (backing is not None and backing.discard) or bool(discard)
    elif page is not None or source == "memfd" or (backing is not None and access == "shared"):
        value["qom-type"] = "memory-backend-memfd"
        value["share"] = access == "shared"
        value["x-use-canonical-path-for-ramblock-id"] = False
    elif access is not None:
        value["share"] = access == "shared"
    if page is not None:
        value["hugetlb"] = True
        if page:
            value["hugetlbsize"] = page
    return value | _allocation(backing, huge=page is not None)


def _allocation(backing: MemoryBacking | None, *, huge: bool) -> dict[str, Any]:
    if backing is None:
        return {"prealloc": True} if huge else {}
    value: dict[str, Any] = {}
    allocation = backing.allocation
    if huge or (allocation is not None and allocation.mode == "immediate"):
        value["prealloc"] = True
        if allocation is not None and allocation.threads is not None:
            value["prealloc-threads"] = allocation.threads
    if backing.nosharepages:
        value["merge"] = False
    return value


def _page_size(
    backing: MemoryBacking | None, node: int | None, module: MemoryModule | None
) -> int | None:
    """The size of its huge pages in bytes, 0 for the host's default; None: ordinary pages."""
    if module is not None and module.source is not None and module.source.pagesize is not None:
        size = int(module.source.pagesize)
        return None if size <= 4096 else size
    if backing is None or backing.hugepages is None:
        return None
    pages = backing.hugepages.pages
    for page in pages:
        if page.nodeset is not None and node is not None and node in members(page.nodeset):
            return int(Size.parse(f"{page.size}{page.unit}"))
    rest = [page for page in pages if page.nodeset is None]
    if rest:
        return int(Size.parse(f"{rest[0].size}{rest[0].unit}"))
    return None if pages else 0


def _policy(domain: Domain, node: int | None, module: MemoryModule | None) -> dict[str, Any]:
    """Which nodes of the host it may come from."""
    if module is not None and module.source is not None and module.source.nodemask is not None:
        return {"host-nodes": sorted(members(module.source.nodemask)), "policy": "bind"}
    tune = domain.numatune
    if tune is None:
        return {}
    for each in tune.memnodes:
        if each.cellid == node:
            return {"host-nodes": sorted(members(each.nodeset)), "policy": _POLICIES[each.mode]}
    whole = tune.memory
    if whole is None or whole.nodeset is None:
        return {}
    policy = _POLICIES[whole.mode or "strict"]
    return {"host-nodes": sorted(members(whole.nodeset)), "policy": policy}


def plugged_vcpus(domain: Domain) -> tuple[int, ...]:
    """Virtual CPUs that are plugged in after QEMU began, as those of a running machine are.

    What guests see of other devices, such as their queues, goes by the number at the beginning.
    """
    each = domain.vcpus.vcpus if domain.vcpus is not None else ()
    if sum(one.enabled for one in each) != (domain.vcpu.current or domain.vcpu.count):
        return ()
    return tuple(one.id for one in each if one.enabled and one.hotpluggable)


def _smp(domain: Domain) -> list[str]:
    vcpu = domain.vcpu
    current = (vcpu.current or vcpu.count) - len(plugged_vcpus(domain))
    parts = [str(current)]
    if current != vcpu.count:
        parts.append(f"maxcpus={vcpu.count}")
    topology = domain.cpu.topology if domain.cpu is not None else None
    if topology is None:
        parts.append(f"sockets={vcpu.count},cores=1,threads=1")
    else:
        parts.append(f"sockets={topology.sockets},dies={topology.dies or 1}")
        parts.append(f"cores={topology.cores},threads={topology.threads}")
    return ["-smp", ",".join(parts)]
