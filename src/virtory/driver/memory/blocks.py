"""Domains in memory: block jobs, as far as a client can see them.

The rule kept here: there are no images, hence nothing to copy. A job is done as soon as it is
begun; one that ends in a pivot stays ready until its client ends it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

from virtory.driver.interface.domain_blocks import BlockJobInfo
from virtory.driver.memory.flags_check import only
from virtory.errors import BlockCopyActive, InvalidArgument, OperationInvalid
from virtory.model import flags as f
from virtory.model.domain.copy_destination import parse_copy_destination
from virtory.model.domain.devices.disk import Mirror, Source
from virtory.model.events import BlockJob, BlockJob2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virtory.driver.memory.definition import Definitions
    from virtory.driver.memory.host import Host
    from virtory.driver.memory.machine import Machine
    from virtory.model.domain.devices.disk import Disk
    from virtory.model.refs import DomainRef

_PIVOTS = {f.DomainBlockJob.TYPE_COPY: "copy", f.DomainBlockJob.TYPE_ACTIVE_COMMIT: "active-commit"}
_LENGTH = 1 << 30


class Blocks:
    """The part of the driver for jobs on disks."""

    _host: Host

    async def block_commit(
        self,
        uuid: bytes,
        disk: str,
        base: str | None,
        top: str | None,
        bandwidth: int,
        flags: int,
    ) -> None:
        only(flags, f.DomainBlockCommit.ALL, "testDomainBlockCommit")
        machine, found = self._disk(uuid, disk)
        if top is None and not flags & f.DomainBlockCommit.ACTIVE:
            raise InvalidArgument(
                f"commit of '{found.target.dev}' active layer requires active flag",
                cure="use --active, with --pivot or --keep-overlay",
            )
        kind = f.DomainBlockJob.TYPE_COMMIT
        if top is None:
            kind = f.DomainBlockJob.TYPE_ACTIVE_COMMIT
        self._begin(machine, found, kind, base)

    async def block_pull(
        self, uuid: bytes, disk: str, base: str | None, bandwidth: int, flags: int
    ) -> None:
        only(flags, f.DomainBlockPull.ALL, "testDomainBlockPull")
        machine, found = self._disk(uuid, disk)
        self._begin(machine, found, f.DomainBlockJob.TYPE_PULL, None)

    async def block_rebase(
        self, uuid: bytes, disk: str, base: str | None, bandwidth: int, flags: int
    ) -> None:
        only(flags, f.DomainBlockRebase.ALL, "testDomainBlockRebase")
        machine, found = self._disk(uuid, disk)
        copies = flags & f.DomainBlockRebase.COPY
        kind = f.DomainBlockJob.TYPE_COPY if copies else f.DomainBlockJob.TYPE_PULL
        self._begin(machine, found, kind, base)

    async def block_copy(
        self, uuid: bytes, disk: str, xml: str, params: Mapping[str, int], flags: int
    ) -> None:
        only(flags, f.DomainBlockCopy.ALL, "testDomainBlockCopy")
        machine, found = self._disk(uuid, disk)
        source = parse_copy_destination(xml).source
        path = source.file if source is not None else None
        self._begin(machine, found, f.DomainBlockJob.TYPE_COPY, path)

    async def block_job_info(self, uuid: bytes, disk: str, flags: int) -> BlockJobInfo | None:
        only(flags, f.DomainBlockJob.INFO_BANDWIDTH_BYTES, "testDomainGetBlockJobInfo")
        _, found = self._disk(uuid, disk)
        if found.mirror is None:
            return None
        return BlockJobInfo(_kind(found.mirror), 0, _LENGTH, _LENGTH)

    async def block_job_set_speed(self, uuid: bytes, disk: str, bandwidth: int, flags: int) -> None:
        only(flags, f.DomainBlockJob.SPEED_BANDWIDTH_BYTES, "testDomainBlockJobSetSpeed")
        self._job(uuid, disk)

    async def block_job_abort(self, uuid: bytes, disk: str, flags: int) -> None:
        known = f.DomainBlockJob.ABORT_ASYNC | f.DomainBlockJob.ABORT_PIVOT
        only(flags, known, "testDomainBlockJobAbort")
        machine, found, mirror = self._job(uuid, disk)
        kind, status = _kind(mirror), f.DomainBlockJob.CANCELED
        changed = dataclasses.replace(found, mirror=None)
        if flags & f.DomainBlockJob.ABORT_PIVOT:
            status = f.DomainBlockJob.COMPLETED
            changed = dataclasses.replace(changed, source=mirror.source or changed.source)
        _put(machine, changed)
        self._tell(machine, changed, kind, status)

    async def set_block_threshold(
        self, uuid: bytes, device: str, threshold: int, flags: int
    ) -> None:
        only(flags, 0, "testDomainSetBlockThreshold")
        self._disk(uuid, device)

    async def clone(self, uuid: bytes, xml: str, flags: int) -> DomainRef:
        only(flags, f.DomainClone.ALL, "testDomainClone")
        self._host.machine(uuid)
        return await cast("Definitions", self).define(xml, 0)

    async def clone_progress(self, name: str) -> tuple[int, int]:
        return 0, 0

    async def clone_give_up(self, name: str) -> None:
        """Clones of pretended machines are done at once."""

    # -- inside --------------------------------------------------------------------------------
    def _disk(self, uuid: bytes, name: str) -> tuple[Machine, Disk]:
        machine = self._host.machine(uuid)
        machine.require_active()
        for disk in machine.current.devices.disks:
            source = disk.source
            if name in (disk.target.dev, source.file if source is not None else None):
                return machine, disk
        raise InvalidArgument(f"disk '{name}' not found in domain")

    def _job(self, uuid: bytes, name: str) -> tuple[Machine, Disk, Mirror]:
        machine, disk = self._disk(uuid, name)
        if disk.mirror is None:
            raise InvalidArgument(f"disk {disk.target.dev} does not have an active block job")
        return machine, disk, disk.mirror

    def _begin(self, machine: Machine, disk: Disk, kind: int, path: str | None) -> None:
        if disk.mirror is not None:
            raise BlockCopyActive(f"disk '{disk.target.dev}' already in active block job")
        if kind not in _PIVOTS:
            self._tell(machine, disk, kind, f.DomainBlockJob.COMPLETED)
            return
        if kind == f.DomainBlockJob.TYPE_COPY and path is None:
            raise OperationInvalid("a block copy needs a destination")
        mirror = Mirror(
            type="file",
            job="copy" if kind == f.DomainBlockJob.TYPE_COPY else "active-commit",
            ready="yes",
            source=Source(file=path) if path is not None else disk.source,
        )
        changed = dataclasses.replace(disk, mirror=mirror)
        _put(machine, changed)
        self._tell(machine, changed, kind, f.DomainBlockJob.READY)

    def _tell(self, machine: Machine, disk: Disk, kind: int, status: int) -> None:
        source = disk.source
        path = (source.file or "") if source is not None else ""
        target = disk.target.dev
        self._host.bus.publish(
            BlockJob(machine.ref, path, kind, status), BlockJob2(machine.ref, target, kind, status)
        )


def _kind(mirror: Mirror) -> int:
    return next(kind for kind, word in _PIVOTS.items() if word == mirror.job)


def _put(machine: Machine, disk: Disk) -> None:
    assert machine.live is not None
    devices = machine.live.devices
    disks = tuple(disk if d.target.dev == disk.target.dev else d for d in devices.disks)
    machine.live = dataclasses.replace(
        machine.live, devices=dataclasses.replace(devices, disks=disks)
    )
