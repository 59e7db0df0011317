"""Block jobs and clones: the part of the domain driver that is asked for them.

The rule kept here: nothing but the way there. `block_jobs` and `clone` are imported when first
needed, since most daemons start and end without either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.part import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virtory.driver.interface import DomainRef
    from virtory.driver.interface.domain_blocks import BlockJobInfo
    from virtory.driver.qemu.clone import Clones
    from virtory.driver.qemu.disks.block_jobs import BlockJobs


class DomainDisks(Part):
    """What happens to a machine's disks."""

    def _jobs(self) -> BlockJobs:
        from virtory.driver.qemu.disks.block_jobs import BlockJobs

        return BlockJobs(self._runtime, self._preparation)

    def _clones(self) -> Clones:
        from virtory.driver.qemu.clone import Clones

        return Clones(self._runtime, self._preparation)

    async def block_commit(
        self,
        uuid: bytes,
        disk: str,
        base: str | None,
        top: str | None,
        bandwidth: int,
        flags: int,
    ) -> None:
        await self._jobs().block_commit(uuid, disk, base, top, bandwidth, flags)

    async def block_pull(
        self, uuid: bytes, disk: str, base: str | None, bandwidth: int, flags: int
    ) -> None:
        await self._jobs().block_pull(uuid, disk, base, bandwidth, flags)

    async def block_rebase(
        self, uuid: bytes, disk: str, base: str | None, bandwidth: int, flags: int
    ) -> None:
        await self._jobs().block_rebase(uuid, disk, base, bandwidth, flags)

    async def block_copy(
        self, uuid: bytes, disk: str, xml: str, params: Mapping[str, int], flags: int
    ) -> None:
        await self._jobs().block_copy(uuid, disk, xml, params, flags)

    async def block_job_info(self, uuid: bytes, disk: str, flags: int) -> BlockJobInfo | None:
        return await self._jobs().block_job_info(uuid, disk, flags)

    async def block_job_set_speed(self, uuid: bytes, disk: str, bandwidth: int, flags: int) -> None:
        await self._jobs().block_job_set_speed(uuid, disk, bandwidth, flags)

    async def block_job_abort(self, uuid: bytes, disk: str, flags: int) -> None:
        await self._jobs().block_job_abort(uuid, disk, flags)

    async def set_block_threshold(
        self, uuid: bytes, device: str, threshold: int, flags: int
    ) -> None:
        await self._jobs().set_block_threshold(uuid, device, threshold, flags)

    async def clone(self, uuid: bytes, xml: str, flags: int) -> DomainRef:
        return await self._clones().clone(uuid, xml, flags)

    async def clone_progress(self, name: str) -> tuple[int, int]:
        return await self._clones().clone_progress(name)

    async def clone_give_up(self, name: str) -> None:
        await self._clones().clone_give_up(name)
