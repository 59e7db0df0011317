"""What becomes of block jobs: ready, done, failed; told by QEMU's events, or found at a restart.

The rule kept here: QEMU never changes a chain or forgets a job by itself. When the work is done
QEMU holds the disk's requests and waits; the chain after it is saved; only then QEMU is told to
make it true. So there is no moment at which the definition names images that lack what the guest
wrote, and a daemon killed anywhere finds the job in QEMU's list and goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.disks import disk_chain
from virtory.driver.qemu.disks.block import image_path
from virtory.driver.qemu.disks.block_job import PREFIX, BlockJob, mirrored
from virtory.errors import OperationFailed, VirtoryError
from virtory.model.domain.devices.disk import BackingStore
from virtory.model.events import BlockJob as BlockJobEvent
from virtory.model.events import BlockJob2
from virtory.model.flags import DomainBlockJob

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.plan import Image, Plan
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.disk import Disk

_log = logging.getLogger(__name__)
_NEVER_BEGUN = "the daemon ended before it began"

TELLING = frozenset({"ready", "pending", "concluded"})
"""The states of a job after which something is for us to do."""


def react(guest: Guest, data: dict[str, Any]) -> None:
    """JOB_STATUS_CHANGE of a job of ours."""
    if str(data.get("id", "")).startswith(PREFIX) and data.get("status") in TELLING:
        guest.runtime.run(_review_later(guest), f"block job '{data['id']}'")


async def _review_later(guest: Guest) -> None:
    with guest.while_it_runs():
        async with guest.job("block job", patient=True):
            await review(guest)


async def review(guest: Guest) -> None:
    """Look at every job and take the step that is due; to be called with the guest's lock held."""
    told = {str(one["id"]): one for one in await guest.execute("query-jobs")}
    for job in list(guest.block_jobs.values()):
        await _step(guest, job, told.pop(job.id, None))
    for one in told.values():  # ended and forgotten by a daemon that died before it said so
        if str(one["id"]).startswith(PREFIX) and one["status"] == "concluded":
            await guest.execute("job-dismiss", {"id": one["id"]})


async def catch_up(guest: Guest) -> None:
    """After a restart: go on with the jobs, and close what was left beside a chain."""
    await review(guest)
    await _adopt_tops(guest)
    busy = set(guest.block_jobs)
    for disk in guest.domain.devices.disks:
        if disk.target.dev not in busy:
            await disk_chain.give_back(guest, disk.target.dev)


async def _adopt_tops(guest: Guest) -> None:
    """An overlay that QEMU writes to already, though nobody was left to say so."""
    waiting = {image.node: image for image in guest.plan.images if _is_beside(image)}
    if not waiting:
        return
    plan, moved = guest.plan, []
    for block in await guest.execute("query-block"):
        image = waiting.get(str(block.get("inserted", {}).get("node-name")))
        if image is not None:
            target = image.target.removesuffix(disk_chain.BESIDE)
            plan = disk_chain.rechained(plan, target, [image, *plan.chain(target)])
            moved.append(target)
    if moved:
        await disk_chain.settle(guest, plan, shown=partial(disk_chain.all_live, plan, moved))


def _is_beside(image: Image) -> bool:
    return image.target.endswith(disk_chain.BESIDE)


async def _step(guest: Guest, job: BlockJob, told: dict[str, Any] | None) -> None:
    checkpoint = guest.runtime.checkpoint
    status = "unknown" if told is None else str(told["status"])
    if told is None:
        await _conclude(guest, job, _NEVER_BEGUN)
        return
    if job.stage == "begun" and status not in ("pending", "concluded"):
        # What has ended goes on at once: its disk waits, also when nothing can be saved.
        job = await note(guest, job.at("running"))
    if status == "ready":
        if job.stage == "running":
            await note(guest, job.at("ready"))
            checkpoint("block job ready")
            tell(guest, job, DomainBlockJob.READY)
        elif job.stage in ("pivot", "abort"):
            await ask_to_end(guest, job)
    elif status == "pending":
        await _finalize(guest, job)
    elif status == "concluded":
        await _conclude(guest, job, told.get("error"))


async def note(guest: Guest, job: BlockJob) -> BlockJob:
    """Save the job as it is now, and show it."""
    former = guest.block_jobs.get(job.target)
    guest.block_jobs[job.target] = job
    plan = guest.plan
    if job.stage in ("ready", "pivot", "finalizing"):  # a whole copy stays, half of one goes
        plan = kept(plan, job.target_image)
    try:
        await disk_chain.settle(guest, plan, shown=lambda domain: _shown(domain, job, plan))
    except BaseException:
        if former is not None:
            guest.block_jobs[job.target] = former
        raise
    return job


def kept(plan: Plan, index: int | None) -> Plan:
    """The plan whose release no longer removes the file of this image."""
    slots = {image.slot for image in plan.images if image.index == index}
    files = tuple(
        replace(file, remove=False, create=False) if file.slot in slots else file
        for file in plan.files
    )
    return replace(plan, files=files)


def _shown(domain: Domain, job: BlockJob, plan: Plan) -> Domain:
    disk = disk_chain.disk_named(domain, job.target)
    return (
        domain if disk is None else disk_chain.with_disk(domain, mirrored(disk, job, plan.images))
    )


async def ask_to_end(guest: Guest, job: BlockJob) -> None:
    """Tell QEMU what is wanted of a job: to switch over to the copy, or to stop."""
    if job.stage == "pivot":
        await guest.execute("job-complete", {"id": job.id})
    else:
        # Of a job that is ready this leaves the copy whole, as of now.
        await guest.execute("block-job-cancel", {"device": job.id})


# -- the end -----------------------------------------------------------------------------------


async def _finalize(guest: Guest, job: BlockJob) -> None:
    """QEMU waits with the work done: save what is about to become true, then let it."""
    checkpoint = guest.runtime.checkpoint
    checkpoint("block job pending")
    if job.stage not in ("abort", "finalizing"):
        former = job
        job = job.at("finalizing")
        guest.block_jobs[job.target] = job
        plan = _after(guest.plan, job)

        def shown(domain: Domain) -> Domain:
            return disk_chain.live(_shown(domain, job, plan), plan, job.target)

        try:
            for image in _chain(guest.plan, _written(job)):
                await disk_chain.flush(guest, image)
            before = _chain(guest.plan, job.before), _chain(guest.plan, job.after)
            await disk_chain.settle(guest, plan, lambda: _defined(guest, job, *before), shown)
        except VirtoryError as error:
            guest.block_jobs[job.target] = former.at("abort")
            if guest.is_ending:
                raise
            _log.error("job '%s' is given up, its end can not be saved: %s", job.id, error)
            await guest.execute("job-cancel", {"id": job.id})
            return
    checkpoint("block job saved")
    await guest.execute("job-finalize", {"id": job.id})
    checkpoint("block job finalized")


def _chain(plan: Plan, indexes: tuple[int, ...]) -> list[Image]:
    by_index = {image.index: image for image in plan.images}
    return [by_index[index] for index in indexes if index in by_index]


def _written(job: BlockJob) -> tuple[int, ...]:
    """The image that the job has written, and that the rest of the chain after it relies on."""
    if job.target_image is not None:
        return (job.target_image,)
    if job.kind == DomainBlockJob.TYPE_PULL:
        return job.before[:1]
    gone = [job.before.index(index) for index in job.before if index not in job.after]
    return (job.before[max(gone) + 1],)  # right below those that are merged


def _after(plan: Plan, job: BlockJob) -> Plan:
    return disk_chain.rechained(plan, job.target, _chain(plan, job.after))


def _defined(guest: Guest, job: BlockJob, before: list[Image], after: list[Image]) -> Domain | None:
    """The definition that goes with the chain after the job, when it has this disk as it is."""
    gone = {image.path for image in before if image.index not in job.after}
    top = after[0]

    def change(disk: Disk) -> Disk:
        if job.kind == DomainBlockJob.TYPE_COPY:
            changed = disk_chain.with_source(disk, top)
            shallow = len(after) > 1
            below = disk.backing_store if shallow else BackingStore()
            return replace(changed, backing_store=below)
        if job.kind == DomainBlockJob.TYPE_ACTIVE_COMMIT:
            store = disk.backing_store
            while store is not None and not _names(store, top.path):
                store = store.backing_store
            changed = disk_chain.with_source(disk, top)
            return replace(changed, backing_store=None if store is None else store.backing_store)
        if disk.backing_store is None or disk.backing_store.type is None:
            return disk
        return replace(disk, backing_store=_without(disk.backing_store, gone))

    return disk_chain.definition(guest.entry, job.target, before[0].path, change)


def _names(store: BackingStore, path: str) -> bool:
    source = store.source
    return source is not None and path in (source.file, source.dev)


def _without(store: BackingStore | None, gone: set[str]) -> BackingStore | None:
    if store is None or store.type is None:
        return store
    below = _without(store.backing_store, gone)
    if any(_names(store, path) for path in gone):
        return below if below is not None else BackingStore()
    return replace(store, backing_store=below)


async def _conclude(guest: Guest, job: BlockJob, error: str | None) -> None:
    """QEMU is through with it: what it did stands, or nothing does."""
    done = job.stage == "finalizing" and error is None
    aborted = job.stage == "abort"
    plan, back = guest.plan, job.stage == "finalizing" and not done
    if back:
        plan = disk_chain.rechained(plan, job.target, _chain(plan, job.before))
    if done and job.delete:
        plan = doomed(plan, set(job.before) - set(job.after))

    def shown(domain: Domain) -> Domain:
        domain = disk_chain.live(domain, plan, job.target) if back else domain
        disk = disk_chain.disk_named(domain, job.target)
        if disk is None:
            return domain
        return disk_chain.with_disk(domain, replace(disk, mirror=None))

    del guest.block_jobs[job.target]
    try:
        await disk_chain.settle(guest, plan, shown=shown)
    except VirtoryError as problem:  # QEMU keeps it: it is dismissed with the next that is saved
        _answer(guest, job, str(problem))
        raise
    guest.runtime.checkpoint("block job forgotten")
    try:
        await _tidy(guest, job, plan)
    except VirtoryError as problem:  # what is left is found at the guest's end
        if not guest.is_ending:
            _log.error("job '%s' has left something open: %s", job.id, problem)
    status = DomainBlockJob.CANCELED if aborted else DomainBlockJob.FAILED
    tell(guest, job, DomainBlockJob.COMPLETED if done else status)
    if not done and not aborted:
        known = job.stage == "begun" and error == _NEVER_BEGUN  # nobody was told that it goes on
        level = logging.INFO if known else logging.WARNING
        _log.log(level, "job '%s' of domain '%s' failed: %s", job.id, guest.entry.name, error)
    await guest.settled()
    _answer(guest, job, None if done or aborted else (error or "it was cut off"))


def _answer(guest: Guest, job: BlockJob, problem: str | None) -> None:
    """Tell those who wait for its end."""
    for waiter in guest.block_waiters.pop(job.id, []):
        if not waiter.done():
            waiter.set_result(problem)


async def _tidy(guest: Guest, job: BlockJob, plan: Plan) -> None:
    """QEMU forgets the job, and closes what was open only for it."""
    with contextlib.suppress(VirtoryError):  # the one that was never begun is not in the list
        await guest.execute("job-dismiss", {"id": job.id})
    for image in plan.chain(job.target)[1:]:
        if image.index in job.writable:
            await disk_chain.make_read_only(guest, image)
    await disk_chain.give_back(guest, job.target)
    guest.runtime.checkpoint("block job closed")


def doomed(plan: Plan, indexes: set[int]) -> Plan:
    """The plan whose images of these indexes are removed when they are given back."""
    slots = {image.slot for image in plan.images if image.index in indexes}
    files = tuple(replace(file, remove=True) if file.slot in slots else file for file in plan.files)
    return replace(plan, files=files)


def tell(guest: Guest, job: BlockJob, status: int) -> None:
    """Announce what has become of a job."""
    disk = disk_chain.disk_named(guest.domain, job.target)
    path = "" if disk is None else image_path(disk, guest)
    guest.runtime.announce(
        guest.entry,
        BlockJobEvent(guest.ref, path, job.kind, status),
        BlockJob2(guest.ref, job.target, job.kind, status),
        save=False,
    )


def waiter(guest: Guest, job: BlockJob) -> asyncio.Future[str | None]:
    """Becomes None when the job has ended as was wanted, else the reason why not."""
    future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    guest.block_waiters.setdefault(job.id, []).append(future)
    return future


async def wait(guest: Guest, future: asyncio.Future[str | None]) -> None:
    """Wait for a job's end, or the guest's; the lock must not be held."""
    ends: list[asyncio.Future[Any]] = [future, guest.finished]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if not future.done():
        raise guest.gone()
    if (problem := future.result()) is not None:
        raise OperationFailed(f"block job failed: {problem}")
