"""Domains: block jobs (commit, pull, copy), thresholds, clones.

The rule kept here: that of the package. A disk is named by its target or its source's
path. A job goes on when the call that began it has returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virtory.driver.interface.values import DomainRef, DomainUuid


class BlockJobInfo(NamedTuple):
    """How far a job is: `kind` is DomainBlockJob.TYPE_*, `bandwidth` bytes or MiB a second."""

    kind: int
    bandwidth: int
    current: int
    end: int


class DomainBlocks(Protocol):
    """What happens to a machine's disks while it goes on."""

    async def block_commit(
        self,
        uuid: DomainUuid,
        disk: str,
        base: str | None,
        top: str | None,
        bandwidth: int,
        flags: int,
    ) -> None: ...
    async def block_pull(
        self, uuid: DomainUuid, disk: str, base: str | None, bandwidth: int, flags: int
    ) -> None:
        """Pull down to `base` (None: everything); `flags` of DomainBlockRebase, which it serves."""

    async def block_copy(
        self, uuid: DomainUuid, disk: str, xml: str, params: Mapping[str, int], flags: int
    ) -> None:
        """`params`: `bandwidth` (bytes/s), `granularity`, `buf-size`."""

    async def block_rebase(
        self, uuid: DomainUuid, disk: str, base: str | None, bandwidth: int, flags: int
    ) -> None: ...
    async def block_job_abort(self, uuid: DomainUuid, disk: str, flags: int) -> None: ...
    async def block_job_info(
        self, uuid: DomainUuid, disk: str, flags: int
    ) -> BlockJobInfo | None: ...
    async def block_job_set_speed(
        self, uuid: DomainUuid, disk: str, bandwidth: int, flags: int
    ) -> None: ...
    async def set_block_threshold(
        self, uuid: DomainUuid, device: str, threshold: int, flags: int
    ) -> None: ...

    async def clone(self, uuid: DomainUuid, xml: str, flags: int) -> DomainRef:
        """A new domain as `xml` says; its disks are the original's of now. `flags`: DomainClone."""

    async def clone_progress(self, name: str) -> tuple[int, int]:
        """Bytes done, and in all, of the clone of this name that is being made; else zeros."""

    async def clone_give_up(self, name: str) -> None:
        """Have the clone of this name that is being made, if there is one, fail as aborted."""
