"""What a disk takes: the images of its chain, each opened by the daemon.

The rule kept here: only the top of a chain may be written; the format is what the definition says.
Images have the numbers that libvirt would give them, by which clients name them.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from virtory.driver.qemu.disks.image_chain import chain
from virtory.driver.qemu.plan import Image
from virtory.errors import VirtoryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.qemu.plan import OpenMode
    from virtory.driver.qemu.planning.draft import Draft
    from virtory.model.domain.devices.disk import Disk


def plan_disk(disk: Disk, draft: Draft) -> None:
    """Add a disk's images; a drive without a medium takes nothing. Headers of images are read.

    Raises SystemCallFailed when an image is not there; OperationInvalid when the pool of a volume
    does not run, StoragePoolNotFound and StorageVolumeNotFound when there is none.
    """
    source = disk.source
    path = source.path if source is not None else None
    if disk.type == "volume" and source is not None and source.pool and source.volume:
        try:
            path = draft.host.volume(source.pool, source.volume)
        except VirtoryError:
            if source.startup_policy != "optional":
                raise
    if source is None or path is None:
        return
    if source.startup_policy == "optional" and not os.path.exists(path):
        return  # then the drive is empty
    target = disk.target.dev
    for depth, link in enumerate(chain(path, disk.format, disk.backing_store)):
        read_only = depth > 0 or disk.readonly or disk.device == "cdrom"
        mode: OpenMode = "r" if read_only else "rw"
        slot = draft.open(link.path, mode, f"disk:{target}:{depth}")
        data = link.data_file
        data_slot = None
        if data is not None:
            data_slot = draft.open(data, mode, f"disk:{target}:{depth}:data")
        draft.images.append(
            Image(
                target=target,
                depth=depth,
                index=draft.image_index(),
                path=link.path,
                format=link.format,
                is_device=link.is_device,
                read_only=read_only,
                slot=slot,
                data_slot=data_slot,
            )
        )


def plan_disks(disks: Sequence[Disk], draft: Draft) -> int:
    """Add the images of all disks of a start; the highest of their numbers.

    From the last disk to the first the drives are numbered, empty ones too, then what is below
    each.
    """
    for disk in disks:
        plan_disk(disk, draft)
    order = [disk.target.dev for disk in reversed(disks)]
    tops = {target: number for number, target in enumerate(order, 1)}
    below = sorted((tops[image.target], image.depth) for image in draft.images if image.depth > 0)
    numbers = {place: number for number, place in enumerate(below, len(order) + 1)}
    numbers |= {(number, 0): number for number in tops.values()}
    draft.images = [
        replace(image, index=numbers[tops[image.target], image.depth]) for image in draft.images
    ]
    return len(order) + len(below)
