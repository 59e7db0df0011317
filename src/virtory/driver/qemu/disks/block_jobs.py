"""Block jobs of a running machine's disks: commit, pull, copy; how far they are; their end.

The rule kept here: a job's record and what it takes are on disk before QEMU is asked to begin it.
What follows afterwards is in `block_job_course`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.interface.domain_blocks import BlockJobInfo
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import transfer
from virtory.driver.qemu.disks import (
    block,
    block_job,
    block_job_course,
    chain_names,
    disk_chain,
    shared_images,
)
from virtory.driver.qemu.disks.block_job import BlockJob
from virtory.driver.qemu.part import Part
from virtory.errors import BlockCopyActive, InvalidArgument, OperationInvalid, VirtoryError
from virtory.model.flags import (
    DomainBlockCommit,
    DomainBlockCopy,
    DomainBlockJob,
    DomainBlockRebase,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virtory.driver.qemu.disks.block_copy import Destination
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.plan import Image

MIB = 1 << 20
_MOST = (1 << 63) - 1


class BlockJobs(Part):
    """What happens to a machine's disks while it goes on."""

    # -- beginning -----------------------------------------------------------------------------
    async def block_commit(
        self,
        uuid: bytes,
        disk: str,
        base: str | None,
        top: str | None,
        bandwidth: int,
        flags: int,
        *,
        merging: bool = False,
    ) -> None:
        """`merging`: for a snapshot that is deleted, and takes none with it."""
        refuse_unknown(flags, DomainBlockCommit.ALL, "qemuDomainBlockCommit")
        speed = _speed(bandwidth, bool(flags & DomainBlockCommit.BANDWIDTH_BYTES))
        guest = self._guest(uuid)
        await self._runtime.mending.again(uuid)
        async with guest.job("block commit"):
            target, chain = _chain(guest, disk)
            first, last = _commit_range(chain, target, base, top, flags)
            shared_images.refuse_writing(self._table, guest.entry, [chain[last].path])
            above = chain[first - 1] if first else None
            job = _job(
                DomainBlockJob.TYPE_COMMIT if above else DomainBlockJob.TYPE_ACTIVE_COMMIT,
                target,
                chain,
                [*chain[:first], *chain[last:]],
                target_image=None if above else chain[last].index,
                writable=[chain[last], *([above] if above and first > 1 else [])],
                delete=bool(flags & DomainBlockCommit.DELETE),
            )
            arguments: dict[str, Any] = {
                "device": chain[0].node,
                "top-node": chain[first].node,
                "base-node": chain[last].node,
                "speed": speed,
            }
            relative = bool(flags & DomainBlockCommit.RELATIVE)
            if above is not None:
                arguments["backing-file"] = chain_names.header_name(
                    above, chain[last], chain, relative=relative
                )
            if not merging:
                from virtory.driver.qemu.snapshot import overwritten

                await overwritten.mark(
                    self._runtime, guest.entry, chain[last].path, chain[first].path
                )
            await _begin(guest, job, "block-commit", arguments)

    async def block_pull(
        self, uuid: bytes, disk: str, base: str | None, bandwidth: int, flags: int
    ) -> None:
        known = DomainBlockRebase.RELATIVE | DomainBlockRebase.BANDWIDTH_BYTES
        refuse_unknown(flags, known, "qemuDomainBlockRebase")
        speed = _speed(bandwidth, bool(flags & DomainBlockRebase.BANDWIDTH_BYTES))
        relative = bool(flags & DomainBlockRebase.RELATIVE)
        if relative and base is None:
            raise InvalidArgument(
                "flag VIR_DOMAIN_BLOCK_REBASE_RELATIVE is valid only with non-null base"
            )
        guest = self._guest(uuid)
        await self._runtime.mending.again(uuid)
        async with guest.job("block pull"):
            target, chain = _chain(guest, disk)
            last = len(chain)
            if base is not None:
                last = chain_names.position(chain, base, target)
                if last == 0:
                    raise InvalidArgument(f"'{base}' is the active image of disk '{target}' itself")
            job = _job(DomainBlockJob.TYPE_PULL, target, chain, [chain[0], *chain[last:]])
            if last == 1:  # nothing to pull; QEMU 7.2 has been seen to end at that
                block_job_course.tell(guest, job, DomainBlockJob.COMPLETED)
                return
            arguments: dict[str, Any] = {"device": chain[0].node, "speed": speed}
            if last < len(chain):
                arguments["base-node"] = chain[last].node
                arguments["backing-file"] = chain_names.header_name(
                    chain[0], chain[last], chain, relative=relative
                )
            await _begin(guest, job, "block-stream", arguments)

    async def block_rebase(
        self, uuid: bytes, disk: str, base: str | None, bandwidth: int, flags: int
    ) -> None:
        refuse_unknown(flags, DomainBlockRebase.ALL, "qemuDomainBlockRebase")
        if not flags & DomainBlockRebase.COPY:
            await self.block_pull(uuid, disk, base, bandwidth, flags)
            return
        from virtory.driver.qemu.disks.block_copy import Destination

        if base is None:
            raise InvalidArgument("a block copy needs a destination")
        to = Destination(
            base,
            "raw" if flags & DomainBlockRebase.COPY_RAW else None,
            bool(flags & DomainBlockRebase.COPY_DEV),
            bool(flags & DomainBlockRebase.SHALLOW),
            bool(flags & DomainBlockRebase.REUSE_EXT),
        )
        speed = _speed(bandwidth, bool(flags & DomainBlockRebase.BANDWIDTH_BYTES))
        await self._copy(self._guest(uuid), disk, to, {"speed": speed}, transient_job=False)

    async def block_copy(
        self, uuid: bytes, disk: str, xml: str, params: Mapping[str, int], flags: int
    ) -> None:
        refuse_unknown(flags, DomainBlockCopy.ALL, "qemuDomainBlockCopy")
        from virtory.driver.qemu.disks.block_copy import destination
        from virtory.model.domain.copy_destination import parse_copy_destination

        known = {"bandwidth": "speed", "granularity": "granularity", "buf-size": "buf-size"}
        if unknown := [name for name in params if name not in known]:
            raise InvalidArgument(f"parameter '{unknown[0]}' not supported")
        granularity = params.get("granularity", 0)
        if granularity & (granularity - 1):
            raise InvalidArgument("granularity must be power of 2")
        to = destination(
            parse_copy_destination(xml),
            shallow=bool(flags & DomainBlockCopy.SHALLOW),
            reuse=bool(flags & DomainBlockCopy.REUSE_EXT),
        )
        options: dict[str, Any] = {known[name]: value for name, value in params.items() if value}
        if flags & DomainBlockCopy.SYNCHRONOUS_WRITES:
            options["copy-mode"] = "write-blocking"
        transient = bool(flags & DomainBlockCopy.TRANSIENT_JOB)
        await self._copy(self._guest(uuid), disk, to, options, transient_job=transient)

    async def _copy(
        self,
        guest: Guest,
        disk: str,
        to: Destination,
        options: dict[str, Any],
        *,
        transient_job: bool,
    ) -> None:
        from virtory.driver.qemu.disks.block_copy import prepare

        await self._runtime.mending.again(guest.entry.uuid)
        async with guest.job("block copy"):
            target, chain = _chain(guest, disk)
            if guest.entry.is_persistent and not transient_job:
                raise OperationInvalid(
                    "domain is not transient",
                    cure="a copy ends with the machine's run; say that this is fine: "
                    "--transient-job",
                )
            if to.reuse:
                shared_images.refuse_losing(self._table, to.path, guest.entry)
            image, below = await prepare(guest, target, to)
            job = _job(
                DomainBlockJob.TYPE_COPY, target, chain, [image, *below], target_image=image.index
            )
            arguments: dict[str, Any] = {
                "device": chain[0].node,
                "target": image.node,
                "sync": "top" if to.shallow else "full",
                **options,
            }
            await _begin(guest, job, "blockdev-mirror", arguments)

    # -- while it goes on ----------------------------------------------------------------------
    async def block_job_info(self, uuid: bytes, disk: str, flags: int) -> BlockJobInfo | None:
        refuse_unknown(flags, DomainBlockJob.INFO_BANDWIDTH_BYTES, "qemuDomainGetBlockJobInfo")
        guest = self._guest(uuid)
        job = guest.block_jobs.get(_target(guest, disk))
        if job is None:
            return None
        for told in await guest.soon("query-block-jobs"):
            if told["device"] == job.id:
                speed = int(told["speed"])
                current, end = int(told["offset"]), int(told["len"])
                # Full bars are for jobs that are done, or ready and may be pivoted.
                if current == end and (not told["ready"] or job.stage in ("begun", "running")):
                    current, end = (current - 1, end) if current else (0, 1)
                whole = bool(flags & DomainBlockJob.INFO_BANDWIDTH_BYTES)
                return BlockJobInfo(job.kind, speed if whole else -(-speed // MIB), current, end)
        return None

    async def block_job_set_speed(self, uuid: bytes, disk: str, bandwidth: int, flags: int) -> None:
        refuse_unknown(flags, DomainBlockJob.SPEED_BANDWIDTH_BYTES, "qemuDomainBlockJobSetSpeed")
        speed = _speed(bandwidth, bool(flags & DomainBlockJob.SPEED_BANDWIDTH_BYTES))
        guest = self._guest(uuid)
        async with guest.job("block job speed"):
            job = _active(guest, _target(guest, disk))
            await guest.execute("block-job-set-speed", {"device": job.id, "speed": speed})

    async def block_job_abort(self, uuid: bytes, disk: str, flags: int) -> None:
        known = DomainBlockJob.ABORT_ASYNC | DomainBlockJob.ABORT_PIVOT
        refuse_unknown(flags, known, "qemuDomainBlockJobAbort")
        guest = self._guest(uuid)
        pivot = bool(flags & DomainBlockJob.ABORT_PIVOT)
        async with guest.job("block job abort"):
            job = _active(guest, _target(guest, disk))
            if job.stage in ("abort", "pivot", "finalizing"):
                raise OperationInvalid(
                    f"block job on disk '{job.target}' is still being ended", domain=10
                )
            if pivot:
                _refuse_pivot(job)
            was_ready = job.stage == "ready"
            job = await block_job_course.note(guest, job.at("pivot" if pivot else "abort"))
            guest.runtime.checkpoint("block job end noted")
            future = block_job_course.waiter(guest, job)
            if pivot or was_ready:
                await block_job_course.ask_to_end(guest, job)
            else:
                await guest.execute("job-cancel", {"id": job.id})
        if not flags & DomainBlockJob.ABORT_ASYNC:
            await block_job_course.wait(guest, future)

    async def set_block_threshold(
        self, uuid: bytes, device: str, threshold: int, flags: int
    ) -> None:
        refuse_unknown(flags, 0, "qemuDomainSetBlockThreshold")
        guest = self._guest(uuid)
        async with guest.job("block threshold"):
            target = device.split("[", 1)[0]
            chain = guest.plan.chain(target)
            if not chain:
                if disk_chain.disk_named(guest.domain, target) is not None:
                    raise InvalidArgument(f"disk '{target}' has no medium that could be written")
                raise InvalidArgument(f"failed to find disk '{device}'")
            name = device.removesuffix("[0]")
            named = [image for image in chain if name in (target, f"{target}[{image.index}]")]
            if not named:
                indexes = ", ".join(f"{target}[{image.index}]" for image in chain)
                raise InvalidArgument(
                    f"failed to find disk '{device}'", cure=f"name one of: {indexes}"
                )
            arguments = {"node-name": named[0].file_node, "write-threshold": threshold}
            await guest.execute("block-set-write-threshold", arguments)
            guest.bounded = True


# -- choosing ----------------------------------------------------------------------------------


def _target(guest: Guest, disk: str) -> str:
    found = block.find(guest.domain, disk, "disk '{}' not found in domain")
    return found.target.dev


def _chain(guest: Guest, name: str) -> tuple[str, list[Image]]:
    """The disk's target and images; raises when it has none, or a job."""
    target = _target(guest, name)
    block_job.refuse(guest, target)
    transfer.refuse_written_out(guest)
    chain = guest.plan.chain(target)
    if not chain:
        raise InvalidArgument(f"disk '{target}' has no source file to be operated on")
    disk = disk_chain.disk_named(guest.domain, target)
    if disk is not None and disk.readonly:
        raise OperationInvalid(f"disk '{target}' is read-only, a block job would write it")
    return target, chain


def _commit_range(
    chain: list[Image], target: str, base: str | None, top: str | None, flags: int
) -> tuple[int, int]:
    """Positions of the image that is committed and of the one that it is written into."""
    first = 0 if top is None else chain_names.position(chain, top, target)
    active = bool(flags & DomainBlockCommit.ACTIVE)
    if first == 0 and not active:
        raise InvalidArgument(
            f"commit of '{target}' active layer requires active flag",
            cure="use --active, with --pivot or --keep-overlay",
        )
    if first and active:
        raise InvalidArgument(f"active commit requested but '{top}' is not active")
    if first + 1 == len(chain):
        raise InvalidArgument(
            f"top '{chain[first].path}' in chain for '{target}' has no backing file"
        )
    shallow = bool(flags & DomainBlockCommit.SHALLOW)
    last = first + 1 if shallow else len(chain) - 1
    if base is not None:
        last = chain_names.position(chain, base, target)
        if last <= first:
            raise InvalidArgument(
                f"could not find image '{base}' beneath '{chain[first].path}' in chain for "
                f"'{target}'"
            )
        if shallow and last != first + 1:
            raise InvalidArgument(
                f"base '{base}' is not immediately below '{chain[first].path}' in chain for "
                f"'{target}'"
            )
    return first, last


def _job(
    kind: int,
    target: str,
    before: list[Image],
    after: list[Image],
    *,
    target_image: int | None = None,
    writable: list[Image] | None = None,
    delete: bool = False,
) -> BlockJob:
    return BlockJob(
        id=block_job.new_id(kind, target),
        target=target,
        kind=kind,
        before=tuple(image.index for image in before),
        after=tuple(image.index for image in after),
        target_image=target_image,
        writable=tuple(image.index for image in writable or ()),
        delete=delete,
    )


async def _begin(guest: Guest, job: BlockJob, command: str, arguments: dict[str, Any]) -> None:
    """Write the job down, open for writing what it writes, and let QEMU begin."""
    checkpoint = guest.runtime.checkpoint
    guest.block_jobs[job.target] = job
    try:
        await guest.runtime.commit(guest.entry)
        checkpoint("block job begun")
        for image in guest.plan.chain(job.target):
            if image.index in job.writable:
                await disk_chain.make_writable(guest, image)
        await guest.execute(
            command,
            {
                "job-id": job.id,
                "auto-finalize": False,
                "auto-dismiss": False,
                **{name: value for name, value in arguments.items() if value != 0},
            },
        )
        checkpoint("block job started")
    except BaseException:
        await _unbegin(guest, job)
        raise
    await block_job_course.note(guest, job.at("running"))


async def _unbegin(guest: Guest, job: BlockJob) -> None:
    del guest.block_jobs[job.target]
    for image in guest.plan.chain(job.target)[1:]:
        if image.index in job.writable:
            try:
                await disk_chain.make_read_only(guest, image)
            except VirtoryError:
                break  # the guest has ended
    await disk_chain.give_back(guest, job.target)
    await guest.runtime.commit(guest.entry)


def _active(guest: Guest, target: str) -> BlockJob:
    job = guest.block_jobs.get(target)
    if job is None:
        raise InvalidArgument(f"disk {target} does not have an active block job")
    return job


def _refuse_pivot(job: BlockJob) -> None:
    if not job.can_pivot:
        raise OperationInvalid(f"job type '{job.word}' does not support pivot")
    if job.stage != "ready":
        raise BlockCopyActive(
            f"block job '{job.word}' on disk '{job.target}' not ready for pivot yet",
            cure="wait until `blockjob` shows 100 %, or for the event READY",
        )


def _speed(bandwidth: int, in_bytes: bool) -> int:
    """Bytes a second."""
    speed = bandwidth if in_bytes else bandwidth * MIB
    if speed > _MOST:
        raise InvalidArgument(f"bandwidth must be less than {_MOST // MIB} MiB/s")
    return speed
