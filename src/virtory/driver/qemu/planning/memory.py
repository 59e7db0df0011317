"""What memory in files takes: a directory of the guest's own, and the host's NUMA nodes.

The rule kept here: QEMU unlinks its files at once; the directory goes when the machine stops.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from virtory.driver.qemu.plan import Directory
from virtory.errors import ConfigUnsupported
from virtory.model.domain.cpuset import members, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.qemu.planning.draft import Draft
    from virtory.driver.qemu.planning.host import Host
    from virtory.model.domain import Domain


def plan_memory(draft: Draft) -> None:
    """Add the directory that memory of `<source type='file'/>` is in."""
    _refuse_without_nodes(draft.domain, draft.host)
    backing = draft.domain.memory_backing
    if backing is None or backing.source != "file":
        return
    path = os.path.join(draft.host.state_directory, "ram", str(draft.domain.uuid))
    draft.directories.append(Directory(path))
    draft.open(path, "directory", "ram")


def _refuse_without_nodes(domain: Domain, host: Host) -> None:
    """Raise ConfigUnsupported when memory is to come from a node that this host has not."""
    if not host.nodes:
        return
    for where, nodeset in _nodesets(domain):
        missing = members(nodeset) - host.nodes
        if missing:
            raise ConfigUnsupported(
                f"{where}: this host has no NUMA node {spelled(missing)}",
                cure=f"Name those that it has: {spelled(host.nodes)}.",
            )


def _nodesets(domain: Domain) -> Iterator[tuple[str, str]]:
    tune = domain.numatune
    if tune is not None:
        if tune.memory is not None and tune.memory.nodeset is not None:
            yield "/domain/numatune/memory/@nodeset", tune.memory.nodeset
        for each in tune.memnodes:
            yield f"/domain/numatune/memnode[@cellid='{each.cellid}']/@nodeset", each.nodeset
    for number, module in enumerate(domain.devices.memories, 1):
        if module.source is not None and module.source.nodemask is not None:
            yield f"/domain/devices/memory[{number}]/source/nodemask", module.source.nodemask
