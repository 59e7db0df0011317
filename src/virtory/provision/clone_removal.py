"""The removal of a machine that `virtory clone` made of one without a manifest.

The rule kept here: what was made for the clone goes, and nothing else; whatever can refuse is asked
before the domain is touched.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from virtory.errors import (
    DomainNotFound,
    MetadataNotFound,
    OperationInvalid,
    VirtoryError,
)
from virtory.provision.clone_record import NAMESPACE, files_of
from virtory.provision.machine import Removal, end_and_forget, refuse_elsewhere
from virtory.provision.manifest import not_ours
from virtory.provision.steps import Report, step

if TYPE_CHECKING:
    from virtory.client.connect import Host
    from virtory.client.domain import Domain


async def remove(host: Host, domain: Domain, *, force: bool, report: Report) -> Removal:
    """Remove the domain and the files that were made for it.

    A running machine is refused with `OperationInvalid` unless `force`, which destroys it first.
    """
    name = domain.name
    try:
        xml = await domain.metadata(NAMESPACE)
    except MetadataNotFound:
        raise not_ours(name) from None
    files = files_of(xml, name, str(domain.uuid))
    refuse_elsewhere(host, name)
    own = {_real(path) for path in files}
    await _refuse_shared(host, name, own)
    _refuse_not_removable(files)
    kept = sorted(await _images(host, domain) - own)
    await end_and_forget(domain, force=force, report=report)
    removed = [f"the domain '{name}'"]
    with step("remove its files", report):
        for path in files:
            with suppress(FileNotFoundError):
                os.unlink(path)
                removed.append(path)
    return Removal(name, tuple(removed), tuple(f"the disk {path}" for path in kept))


def _real(path: str) -> str:
    return os.path.realpath(path)


def _refuse_not_removable(files: tuple[str, ...]) -> None:
    for path in files:
        directory = os.path.dirname(path)
        if os.path.lexists(path) and not os.access(directory, os.W_OK | os.X_OK):
            raise OperationInvalid(
                f"you may not remove '{path}'", cure=f"run it as the owner of '{directory}'"
            )


async def _refuse_shared(host: Host, name: str, own: set[str]) -> None:
    """Linked clones of this one, or whoever else was given its files."""
    for other in await host.list_domains():
        used = own & await _images(host, other) if other.name != name else set()
        if used:
            raise OperationInvalid(
                f"machine '{other.name}' uses {min(used)} as well",
                cure=f"remove '{other.name}' first, or make it whole: virtory blockpull"
                f" {other.name} vda --wait",
            )


async def _images(host: Host, domain: Domain) -> set[str]:
    """Every file of its disks, of now and of its next start, those below included."""
    from virtory.model.domain import parse_domain

    paths: set[str] = set()
    try:
        texts = [await domain.xml(inactive=True), await domain.xml()]
    except DomainNotFound:
        return paths
    for text in texts:
        for disk in parse_domain(text).devices.disks:
            source, below = disk.source, disk.backing_store
            while source is not None:
                path = source.path
                if path is None and source.pool and source.volume:
                    path = await volume_path(host, source.pool, source.volume)
                if path:
                    paths.add(_real(path))
                source, below = (below.source, below.backing_store) if below else (None, None)
    return paths


async def volume_path(host: Host, pool: str, volume: str) -> str | None:
    """Where the volume is, when it is a file that the daemon knows now."""
    try:
        found = await (await host.storage_pool(pool)).volume(volume)
        return await found.path() if (await found.info()).type == 0 else None
    except VirtoryError:
        return None
