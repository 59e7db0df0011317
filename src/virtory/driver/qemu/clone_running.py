"""Clones of a machine that runs: whole by backup jobs, linked by overlays; all disks of one moment.

The rule kept here: an agent that answers freezes the file systems for that moment, and no longer.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from virtory.driver import new_files, qcow2
from virtory.driver.qemu import growth
from virtory.driver.qemu.clone_files import remove_planned, write_overlay
from virtory.driver.qemu.disks import block_job, block_job_course, disk_chain
from virtory.driver.qemu.disks.block_job import BlockJob
from virtory.errors import InternalError, OperationFailed, VirtoryError
from virtory.model.flags import DomainBlockJob

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from virtory.driver.qemu.clone_files import DiskCopy, Log, Progress
    from virtory.driver.qemu.disks.image_chain import Link
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.table import Entry
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.disk import Disk

FREEZE_S = 5.0
_LOOK_S = 0.5


@contextlib.asynccontextmanager
async def quiet(guest: Guest) -> AsyncIterator[None]:
    """The guest's file systems frozen, if its agent is there and does so soon."""
    agent = guest.agent
    if agent is None or not agent.connected:
        yield
        return
    try:
        async with asyncio.timeout(FREEZE_S):
            await agent.call("guest-fsfreeze-freeze")
    except (TimeoutError, VirtoryError):
        pass  # as after a power cut, then: file systems are made for that
    try:
        yield
    finally:
        with contextlib.suppress(TimeoutError, VirtoryError):
            async with asyncio.timeout(FREEZE_S):
                await agent.call("guest-fsfreeze-thaw")


# -- whole -------------------------------------------------------------------------------------


async def whole(
    entry: Entry, disks: list[DiskCopy], own: list[str], log: Log, progress: Progress
) -> dict[str, list[Link]]:
    """Point-in-time copies of all disks, made by QEMU while the guest goes on."""
    guest = entry.running()
    async with guest.job("clone"):
        for disk in disks:
            block_job.refuse(guest, disk.target)
            await asyncio.to_thread(log.made.file, disk.path, disk.top.path)
        await log.note()
        guest.runtime.checkpoint("clone files made")
        jobs = await _begun(guest, disks, progress)
        guest.runtime.checkpoint("clone jobs begun")
        ends = [block_job_course.waiter(guest, job) for job in jobs]
    try:
        await _watched(guest, jobs, ends, progress)
    except BaseException:
        await _stopped(guest, jobs)
        raise
    return {disk.target: [] for disk in disks}


async def _begun(guest: Guest, disks: list[DiskCopy], progress: Progress) -> list[BlockJob]:
    """The backup jobs of all disks, begun at one moment; when it raises none is left."""
    jobs: list[BlockJob] = []
    actions: list[dict[str, Any]] = []
    try:
        for disk in disks:
            top = guest.plan.chain(disk.target)[0]
            size = await disk_chain.size_of(guest, top.node)
            progress.total += size
            await asyncio.to_thread(_empty, disk, size)
            more = disk_chain.beside(guest.plan, disk.target, disk.path, disk.image_format)
            await growth.grow(guest, more)
            await disk_chain.plug(guest, more.images[0])
            chain = tuple(image.index for image in guest.plan.chain(disk.target))
            kind = DomainBlockJob.TYPE_BACKUP
            job = BlockJob(
                block_job.new_id(kind, disk.target),
                disk.target,
                kind,
                chain,
                chain,
                more.images[0].index,
            )
            jobs.append(job)
            guest.block_jobs[disk.target] = job
            data = {
                "job-id": job.id,
                "device": top.node,
                "target": more.images[0].node,
                "sync": "full",
                "auto-finalize": False,
                "auto-dismiss": False,
            }
            actions.append({"type": "blockdev-backup", "data": data})
        await guest.runtime.commit(guest.entry)
        async with quiet(guest):
            if actions:
                await guest.execute("transaction", {"actions": actions})
    except BaseException:
        for disk in disks:
            guest.block_jobs.pop(disk.target, None)
            await disk_chain.give_back(guest, disk.target)
        raise
    return [await block_job_course.note(guest, job.at("running")) for job in jobs]


def _empty(disk: DiskCopy, size: int) -> None:
    if disk.image_format == "qcow2":
        qcow2.write_empty(disk.path, size)
    else:
        new_files.lengthen(disk.path, size)


async def _watched(
    guest: Guest,
    jobs: list[BlockJob],
    ends: list[asyncio.Future[str | None]],
    progress: Progress,
) -> None:
    """Until all jobs have ended well; who asks meanwhile is told how far they are."""
    sizes: dict[str, int] = {}
    ids = {job.id for job in jobs}
    finished: asyncio.Future[Any] = guest.finished
    while waiting := [end for end in ends if not end.done()]:
        await asyncio.wait(
            [*waiting, finished], timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED
        )
        if finished.done():
            raise OperationFailed(f"domain '{guest.entry.name}' ended while it was cloned")
        for told in await guest.execute("query-block-jobs"):
            if told["device"] in ids:
                sizes[told["device"]] = int(told["offset"])
        progress.reach(min(sum(sizes.values()), progress.total))
    problems = [problem for end in ends if (problem := end.result()) is not None]
    if problems:
        raise OperationFailed(f"cannot clone '{guest.entry.name}': {problems[0]}")


async def _stopped(guest: Guest, jobs: list[BlockJob]) -> None:
    """Give the jobs up, and wait until QEMU has let go of the files."""
    ends = []
    with contextlib.suppress(VirtoryError):
        async with guest.job("stop clone", patient=True):
            for job in jobs:
                now = guest.block_jobs.get(job.target)
                if now is not None and now.id == job.id:
                    await block_job_course.note(guest, now.at("abort"))
                    ends.append(block_job_course.waiter(guest, job))
                    await guest.execute("job-cancel", {"id": job.id})
    for end in ends:
        with contextlib.suppress(VirtoryError):
            await block_job_course.wait(guest, end)


# -- linked ------------------------------------------------------------------------------------


async def linked(
    entry: Entry, disks: list[DiskCopy], own: list[str], log: Log, progress: Progress
) -> dict[str, list[Link]]:
    """The images of now become shared ones; the guest goes on in overlays, the clone has its own.

    The definition names the overlay before QEMU switches: an overlay that nobody wrote reads like
    the image below it, so either is right whenever this is cut off.
    """
    guest = entry.running()
    async with guest.job("linked clone"):
        for disk in disks:
            block_job.refuse(guest, disk.target)
        log.overlays = [[disk.target, path] for disk, path in zip(disks, own, strict=True)]
        await log.note()
        try:
            await _switch(guest, disks, own)
        except BaseException:
            for disk in disks:
                await disk_chain.give_back(guest, disk.target)
            raise
        guest.runtime.checkpoint("clone switched")

        def make() -> None:
            for disk in disks:
                log.made.file(disk.path, disk.top.path)
                write_overlay(disk.path, disk.top)

        await asyncio.to_thread(make)
    return {disk.target: list(disk.chain) for disk in disks}


async def _switch(guest: Guest, disks: list[DiskCopy], paths: list[str]) -> None:
    from virtory.driver.qemu.clone import on_overlay

    entry = guest.entry
    actions, tops = [], {}
    for disk, path in zip(disks, paths, strict=True):
        top = guest.plan.chain(disk.target)[0]
        more = disk_chain.beside(guest.plan, disk.target, path, "qcow2", create=True)
        await growth.grow(guest, more)
        await asyncio.to_thread(write_overlay, path, disk.top)
        image = tops[disk.target] = more.images[0]
        await disk_chain.plug(guest, image)
        data = {"node": top.node, "overlay": image.node}
        actions.append({"type": "blockdev-snapshot", "data": data})
    if not actions:
        return
    plan = guest.plan
    for image in tops.values():
        plan = block_job_course.kept(plan, image.index)

    def defined() -> Domain:
        domain = entry.configuration()
        for disk, path in zip(disks, paths, strict=True):
            if disk_chain.definition(entry, disk.target, disk.top.path, lambda one: one):
                domain = on_overlay(domain, disk.target, path, list(disk.chain))
        return domain

    await disk_chain.settle(guest, plan, defined)
    guest.runtime.checkpoint("clone overlays saved")
    try:
        async with quiet(guest):
            await guest.execute("transaction", {"actions": actions})
    except InternalError:
        for disk, path in zip(disks, paths, strict=True):
            await _renamed_back(guest, disk.target, path)
        plan = block_job_course.doomed(guest.plan, {image.index for image in tops.values()})
        await disk_chain.settle(guest, plan)
        raise
    await adopt(guest, tops)


async def adopt(guest: Guest, tops: dict[str, Any]) -> None:
    """QEMU writes to these images now: plan and live description say so."""
    plan = guest.plan
    for target, image in tops.items():
        plan = disk_chain.rechained(plan, target, [image, *plan.chain(target)])
    await disk_chain.settle(guest, plan, shown=partial(disk_chain.all_live, plan, list(tops)))


# -- after a crash -----------------------------------------------------------------------------


async def mend(guest: Guest, step: dict[str, Any]) -> None:
    """Stop what still copies for a clone that nobody makes any more."""
    kind = DomainBlockJob.TYPE_BACKUP
    await _stopped(guest, [job for job in guest.block_jobs.values() if job.kind == kind])
    for target, path in step["overlays"]:
        await _unnamed(guest, target, path)


async def _unnamed(guest: Guest, target: str, path: str) -> None:
    """A definition that names an overlay which QEMU was never switched to, names it no more."""
    chain = guest.plan.chain(target)
    if not chain or chain[0].path == path:
        return
    await _renamed_back(guest, target, path)
    await asyncio.to_thread(remove_planned, [path])


async def _renamed_back(guest: Guest, target: str, path: str) -> None:
    """The definition names the image that QEMU writes to instead of an overlay."""
    chain = guest.plan.chain(target)

    def former(disk: Disk) -> Disk:
        store = disk.backing_store
        changed = disk_chain.with_source(disk, chain[0])
        return replace(changed, backing_store=store.backing_store if store is not None else None)

    await disk_chain.settle(
        guest, guest.plan, lambda: disk_chain.definition(guest.entry, target, path, former)
    )
