"""A domain's disks while it runs: resize, limits, copy, commit, pull, their jobs, backup.

The rule kept here: a disk is named by its target (`vda`) or its path; a job that was started goes
on after the call has returned, and `block_job` and events tell how far it is.
"""

from __future__ import annotations

from virtory.client.domain_handle import DomainHandle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virtory.client import parameters, results
    from virtory.client.results import Params
    from virtory.wire.remote import domain_block as w
    from virtory.wire.remote import domain_device as w_device
else:
    parameters = Later("virtory.client.parameters")
    results = Later("virtory.client.results")
    w = Later("virtory.wire.remote.domain_block")
    w_device = Later("virtory.wire.remote.domain_device")

MOST_IO_TUNE_PARAMETERS = 32
RESIZE_BYTES = 1


class DomainBlocks(DomainHandle):
    """What happens to a domain's disks."""

    __slots__ = ()

    async def block_resize(self, disk: str, size: int, *, flags: int = 0) -> None:
        """`DOMAIN_BLOCK_RESIZE`: make the disk `size` bytes large, and tell the guest."""
        args = w.DomainBlockResizeArgs(self.ref, disk, size, flags | RESIZE_BYTES)
        await self._call(w.DOMAIN_BLOCK_RESIZE, args)

    async def block_peek(self, disk: str, offset: int, size: int, *, flags: int = 0) -> bytes:
        """`DOMAIN_BLOCK_PEEK`: at most 4 MiB of the disk's bytes."""
        args = w.DomainBlockPeekArgs(self.ref, disk, offset, size, flags)
        return (await self._call(w.DOMAIN_BLOCK_PEEK, args)).buffer

    async def memory_peek(self, offset: int, size: int, *, flags: int = 1) -> bytes:
        """`DOMAIN_MEMORY_PEEK`: the guest's memory; flags 1 virtual, 2 physical addresses."""
        args = w_device.DomainMemoryPeekArgs(self.ref, offset, size, flags)
        return (await self._call(w_device.DOMAIN_MEMORY_PEEK, args)).buffer

    async def block_io_tune(self, disk: str | None = None, *, flags: int = 0) -> Params:
        """`DOMAIN_GET_BLOCK_IO_TUNE`: the disk's limits: `total_bytes_sec read_iops_sec …`."""
        flags |= parameters.STRING_OKAY
        args = w.DomainGetBlockIoTuneArgs(self.ref, disk, MOST_IO_TUNE_PARAMETERS, flags)
        return parameters.values_of((await self._call(w.DOMAIN_GET_BLOCK_IO_TUNE, args)).params)

    async def set_block_io_tune(
        self, disk: str, params: Mapping[str, Any], *, flags: int = 0
    ) -> None:
        """`DOMAIN_SET_BLOCK_IO_TUNE`: as `block_io_tune` names them; 0 is no limit."""
        values = parameters.typed(params)
        args = w.DomainSetBlockIoTuneArgs(self.ref, disk, values, flags)
        await self._call(w.DOMAIN_SET_BLOCK_IO_TUNE, args)

    async def set_block_threshold(self, device: str, threshold: int, *, flags: int = 0) -> None:
        """`DOMAIN_SET_BLOCK_THRESHOLD`: one event when a write goes beyond `threshold` bytes."""
        args = w.DomainSetBlockThresholdArgs(self.ref, device, threshold, flags)
        await self._call(w.DOMAIN_SET_BLOCK_THRESHOLD, args)

    # -- jobs ----------------------------------------------------------------------------------
    async def block_job(self, disk: str, *, flags: int = 0) -> results.BlockJobInfo | None:
        """`DOMAIN_GET_BLOCK_JOB_INFO`: how far the disk's job is; None when it has none."""
        args = w.DomainGetBlockJobInfoArgs(self.ref, disk, flags)
        ret = await self._call(w.DOMAIN_GET_BLOCK_JOB_INFO, args)
        if not ret.found:
            return None
        return results.BlockJobInfo(ret.type, ret.bandwidth, ret.cur, ret.end)

    async def block_job_abort(
        self, disk: str, *, asynchronous: bool = False, pivot: bool = False, flags: int = 0
    ) -> None:
        """`DOMAIN_BLOCK_JOB_ABORT`: end the disk's job; `pivot` switches to the copy."""
        flags |= asynchronous | pivot << 1
        args = w.DomainBlockJobAbortArgs(self.ref, disk, flags)
        await self._call(w.DOMAIN_BLOCK_JOB_ABORT, args)

    async def block_job_set_speed(self, disk: str, bandwidth: int, *, flags: int = 0) -> None:
        """`DOMAIN_BLOCK_JOB_SET_SPEED`: in MiB/s, or with flags 1 in bytes/s."""
        args = w.DomainBlockJobSetSpeedArgs(self.ref, disk, bandwidth, flags)
        await self._call(w.DOMAIN_BLOCK_JOB_SET_SPEED, args)

    async def block_pull(self, disk: str, *, bandwidth: int = 0, flags: int = 0) -> None:
        """`DOMAIN_BLOCK_PULL`: copy the backing chain into the disk; bandwidth in MiB/s."""
        args = w.DomainBlockPullArgs(self.ref, disk, bandwidth, flags)
        await self._call(w.DOMAIN_BLOCK_PULL, args)

    async def block_rebase(
        self, disk: str, base: str | None = None, *, bandwidth: int = 0, flags: int = 0
    ) -> None:
        """`DOMAIN_BLOCK_REBASE`: pull down to `base`, or copy to it, as `flags` say."""
        args = w.DomainBlockRebaseArgs(self.ref, disk, base, bandwidth, flags)
        await self._call(w.DOMAIN_BLOCK_REBASE, args)

    async def block_copy(
        self, disk: str, xml: str, params: Mapping[str, Any] | None = None, *, flags: int = 0
    ) -> None:
        """`DOMAIN_BLOCK_COPY`: mirror the disk to what `xml` describes."""
        args = w.DomainBlockCopyArgs(self.ref, disk, xml, parameters.typed(params or {}), flags)
        await self._call(w.DOMAIN_BLOCK_COPY, args)

    async def block_commit(
        self,
        disk: str,
        *,
        base: str | None = None,
        top: str | None = None,
        bandwidth: int = 0,
        flags: int = 0,
    ) -> None:
        """`DOMAIN_BLOCK_COMMIT`: write `top` down into `base`; bandwidth in MiB/s."""
        args = w.DomainBlockCommitArgs(self.ref, disk, base, top, bandwidth, flags)
        await self._call(w.DOMAIN_BLOCK_COMMIT, args)

    # -- backup --------------------------------------------------------------------------------
    async def backup_begin(
        self, xml: str, *, checkpoint_xml: str | None = None, flags: int = 0
    ) -> None:
        """`DOMAIN_BACKUP_BEGIN`: start a push or pull backup, with a checkpoint when given."""
        args = w.DomainBackupBeginArgs(self.ref, xml, checkpoint_xml, flags)
        await self._call(w.DOMAIN_BACKUP_BEGIN, args)

    async def backup_xml(self, *, flags: int = 0) -> str:
        """`DOMAIN_BACKUP_GET_XML_DESC`: the running backup; raises `BackupNotFound`."""
        args = w.DomainBackupGetXmlDescArgs(self.ref, flags)
        return (await self._call(w.DOMAIN_BACKUP_GET_XML_DESC, args)).xml
