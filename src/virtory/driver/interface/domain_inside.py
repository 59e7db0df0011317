"""Domains: what their agent shows and changes inside, beyond the everyday.

The rule kept here: that of the package, see its docstring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.interface.values import DomainUuid
    from virtory.driver.publishing import Forward


class GuestFilesystem(NamedTuple):
    """One mounted in the guest; `targets` are the disks (`vda`) that it is on."""

    mountpoint: str
    name: str
    fstype: str
    targets: list[str]


class DomainInside(Protocol):
    """File systems and keys of the guest, and how long its agent is waited for."""

    async def filesystems(self, uuid: DomainUuid, flags: int) -> list[GuestFilesystem]: ...
    async def ssh_keys(self, uuid: DomainUuid, user: str, flags: int) -> list[str]: ...
    async def set_ssh_keys(
        self, uuid: DomainUuid, user: str, keys: Sequence[str], flags: int
    ) -> None:
        """Flag 1 appends, 2 removes; without one the keys are replaced."""

    async def pm_suspend(self, uuid: DomainUuid, target: int, duration_s: int, flags: int) -> None:
        """Have the guest go to sleep: 0 in memory, 1 on disk, 2 both."""

    def set_agent_timeout(self, uuid: DomainUuid, timeout_s: int, flags: int) -> None: ...

    async def guest_vcpu_count(self, uuid: DomainUuid, flags: int) -> int:
        """How many the guest uses, or could (`DomainVcpu.MAXIMUM`), as its agent tells."""

    async def inspect(self, uuid: DomainUuid, flags: int) -> str:
        """JSON: how the machine is virtualised (`virtory inspect`)."""

    async def publish(self, uuid: DomainUuid, forward: Forward, flags: int) -> None:
        """Lead a port of the host into the guest; `flags` are `DomainAffect`."""

    async def unpublish(self, uuid: DomainUuid, forward: Forward, flags: int) -> None: ...
