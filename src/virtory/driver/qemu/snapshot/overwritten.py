"""External snapshots whose images a block commit writes: what they were is gone.

The rule kept here: the commit is the user's to ask for, as every live backup does; but nobody is
taken back to something that only has the snapshot's name. It is written down before the commit
begins.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from virtory.driver.qemu.disks.image_chain import chain
from virtory.driver.qemu.snapshot.overlays import overlays_of
from virtory.errors import OperationInvalid, VirtoryError
from virtory.model.snapshot import parse_snapshot

if TYPE_CHECKING:
    from virtory.driver.qemu.runtime import Runtime
    from virtory.driver.qemu.table import Entry
    from virtory.driver.snapshot_family import Kept

_OVERWRITTEN = "overwritten"


async def mark(runtime: Runtime, entry: Entry, base: str, top: str) -> None:
    """What is in `top` and below it is about to go into `base`."""
    family = entry.snapshots
    if family is None:
        return
    external = [kept for kept in family.by_name.values() if kept.external]
    lost = await asyncio.to_thread(lambda: [k for k in external if _is_lost(k, base, top)])
    changes = []
    for kept in lost:
        if kept.name in family.by_name:
            files = {**kept.files, _OVERWRITTEN: base}
            changes += family.put(kept._replace(files=files), current=False)
    if changes:
        await runtime.records.store.save(*changes)


def refuse(entry: Entry, kept: Kept) -> None:
    """OperationInvalid when there is nothing left to go back to."""
    base = kept.files.get(_OVERWRITTEN)
    if base is not None:
        raise OperationInvalid(
            f"snapshot '{kept.name}' is no more: a block commit has written into '{base}' since",
            cure=f"forget it: virsh snapshot-delete --metadata {entry.name} '{kept.name}'",
        )


def _is_lost(kept: Kept, base: str, top: str) -> bool:
    """Whether its state shows `base` otherwise than through `top`, whose content stays. Blocking"""
    snapshot = parse_snapshot(kept.xml, lenient=True)
    frozen = overlays_of(snapshot)
    for disk in snapshot.domain.devices.disks if snapshot.domain is not None else ():
        source = disk.source
        path = (source.file or source.dev) if source is not None else None
        if disk.target.dev not in frozen or path is None:
            continue
        image_format = (disk.driver.type if disk.driver is not None else None) or "raw"
        try:
            found = [link.path for link in chain(path, image_format, disk.backing_store)]
        except VirtoryError:
            continue  # it can not be gone back to anyway
        if base in found and top not in found:
            return True
    return False
