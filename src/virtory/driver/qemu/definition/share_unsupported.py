"""What shared directories ask for that can not be given: `<filesystem>`.

The rule kept here: virtiofs reads the guest's memory, so the memory must be shared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.definition.machine_kind import family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.model.domain import Domain
    from virtory.model.domain.devices.filesystem import Filesystem

    Problems = Iterator[tuple[str, str]]


def share_problems(domain: Domain) -> Problems:
    """Every (XPath, message) about shared directories."""
    for number, share in enumerate(domain.devices.filesystems, 1):
        path = f"/domain/devices/filesystem[{number}]"
        if share.type != "mount":
            yield f"{path}/@type", f"'{share.type}' is not served; mount is"
        kind = share.driver.type if share.driver is not None else None
        if kind not in (None, "path", "virtiofs"):
            yield f"{path}/driver/@type", f"'{kind}' is not served; path and virtiofs are"
        if share.source is not None and share.source.dir is None and share.type == "mount":
            yield f"{path}/source/@dir", "a directory of the host is needed"
        if share.space_hard_limit is not None or share.space_soft_limit is not None:
            yield f"{path}/space_hard_limit", "limits of space are not served"
        if family(domain.os.type.machine or "") == "microvm":
            yield path, "a microvm has no PCI bus for it"
        yield from _virtiofs(path, share, domain) if kind == "virtiofs" else _plan9(path, share)


def _virtiofs(path: str, share: Filesystem, domain: Domain) -> Problems:
    if not has_shared_memory(domain):
        yield (
            f"{path}/driver/@type",
            "'virtiofs' requires shared memory: add <memoryBacking><source type='memfd'/>"
            "<access mode='shared'/></memoryBacking>",
        )
    if share.accessmode not in (None, "passthrough"):
        yield f"{path}/@accessmode", "virtiofs only supports passthrough accessmode"
    if share.readonly:
        yield f"{path}/readonly", "virtiofs can not be read-only; mount it so in the guest"
    for name in ("fmode", "dmode", "multidevs"):
        if getattr(share, name) is not None:
            yield f"{path}/@{name}", "is of 9p only"


def _plan9(path: str, share: Filesystem) -> Problems:
    for name in ("fmode", "dmode"):
        if getattr(share, name) is not None and share.accessmode != "mapped":
            yield f"{path}/@{name}", "needs accessmode='mapped'"
    if share.binary is not None:
        yield f"{path}/binary", "needs <driver type='virtiofs'/>"


def has_shared_memory(domain: Domain) -> bool:
    """Whether another process can read all of the guest's memory."""
    backing = domain.memory_backing
    if backing is not None and backing.access == "shared":
        return True
    numa = domain.cpu.numa if domain.cpu is not None else None
    cells = numa.cells if numa is not None else ()
    return bool(cells) and all(cell.memory_access == "shared" for cell in cells)
