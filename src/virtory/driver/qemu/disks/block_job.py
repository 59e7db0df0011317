"""A block job: one disk's images are merged, copied or pulled together while the guest runs.

The rule kept here: a job's record is a value that is saved with the guest. It has the chain before
and after, so that whoever finds the guest again can finish what was begun, or undo it.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from virtory.errors import BlockCopyActive, OperationUnsupported
from virtory.model.flags import DomainBlockJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.plan import Image
    from virtory.model.domain.devices.disk import BackingStore, Disk

PREFIX = "block-"
"""How the ids of our jobs in QEMU begin."""

Stage = Literal["begun", "running", "ready", "pivot", "abort", "finalizing"]

_WORDS = {
    DomainBlockJob.TYPE_PULL: "pull",
    DomainBlockJob.TYPE_COPY: "copy",
    DomainBlockJob.TYPE_COMMIT: "commit",
    DomainBlockJob.TYPE_ACTIVE_COMMIT: "active-commit",
    DomainBlockJob.TYPE_BACKUP: "backup",
}


@dataclass(frozen=True, slots=True)
class BlockJob:
    """One job; images are named by their index in the plan.

    `stage`: `begun` until QEMU is known to have it; `ready` when the copy is whole and goes along
    with the guest's writes; `pivot` and `abort` once that is wanted; `finalizing` when the chain
    after it is saved and QEMU is told to make it true. `target_image` is what a copy or an active
    commit writes to. `writable`: images that are open for writing only because of it. `delete`:
    the images that are no longer needed are removed.
    """

    id: str
    target: str
    kind: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    target_image: int | None = None
    writable: tuple[int, ...] = ()
    delete: bool = False
    stage: Stage = "begun"

    @property
    def word(self) -> str:
        """What `<mirror job='…'>` and people call this kind."""
        return _WORDS[self.kind]

    @property
    def can_pivot(self) -> bool:
        return self.kind in (DomainBlockJob.TYPE_COPY, DomainBlockJob.TYPE_ACTIVE_COMMIT)

    def at(self, stage: Stage) -> BlockJob:
        return replace(self, stage=stage)

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_plain(cls, data: dict[str, Any]) -> BlockJob:
        known = {name.name: data[name.name] for name in fields(cls) if name.name in data}
        for name in ("before", "after", "writable"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)


def new_id(kind: int, target: str) -> str:
    """A name for QEMU, not used before."""
    return f"{PREFIX}{_WORDS[kind]}-{target}-{os.urandom(4).hex()}"


def refuse(guest: Guest, target: str) -> None:
    """Raise when a job works on the disk already."""
    job = guest.block_jobs.get(target)
    if job is None:
        return
    kind = BlockCopyActive if job.can_pivot else OperationUnsupported
    raise kind(
        f"disk '{target}' already in active block job",
        cure=f"wait for it, or end it: virsh blockjob {guest.entry.name} {target} --abort",
    )


def refuse_any(guest: Guest) -> None:
    """Raise when a job works on any disk: what concerns the whole machine has to wait."""
    if guest.block_jobs:
        targets = ", ".join(guest.block_jobs)
        raise BlockCopyActive(
            "domain has active block job",
            cure=f"wait for the jobs of {targets}, or end them with blockjob --abort",
        )


def mirrored(disk: Disk, job: BlockJob, images: Sequence[Image]) -> Disk:
    """The live description of the disk while this job runs: with the mirror that it writes."""
    from virtory.driver.qemu.disks import disk_chain
    from virtory.model.domain.devices.disk import Mirror

    if not job.can_pivot or job.target_image is None:
        return replace(disk, mirror=None)
    by_index = {image.index: image for image in images}
    image = by_index[job.target_image]
    source = disk_chain.source_of(image.path, is_device=image.is_device)
    below = [by_index[index] for index in job.after[1:] if index in by_index]
    is_copy = job.kind == DomainBlockJob.TYPE_COPY
    mirror = Mirror(
        type="block" if image.is_device else "file",
        file=image.path if is_copy and not image.is_device else None,
        file_format=image.format if is_copy and not image.is_device else None,
        job="copy" if is_copy else "active-commit",
        ready=_ready(job),
        format=image.format,
        source=replace(source, index=image.index),
        backing_store=_store(below) if is_copy else None,
    )
    return replace(disk, mirror=mirror)


def _ready(job: BlockJob) -> Literal["yes", "abort", "pivot"] | None:
    if job.stage == "ready":
        return "yes"
    if job.stage == "pivot" or job.stage == "finalizing":
        return "pivot"
    return "abort" if job.stage == "abort" else None


def _store(below: Sequence[Image]) -> BackingStore:
    from virtory.driver.qemu.disks import disk_chain
    from virtory.model.domain.devices.disk import BackingStore

    store = BackingStore()
    for image in reversed(below):
        source = disk_chain.source_of(image.path, is_device=image.is_device)
        store = BackingStore(
            type="block" if image.is_device else "file",
            index=image.index,
            format=image.format,
            source=replace(source, index=None),
            backing_store=store,
        )
    return store
