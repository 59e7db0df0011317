"""Domains: limits, priorities and measurements that the host's kernel keeps for them.

The rule kept here: that of the package, see its docstring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from virtory.driver.interface.values import DomainUuid, Param


class DomainResources(Protocol):
    """What a machine may use of the host; `flags` are `DomainAffect`."""

    def memory_parameters(self, uuid: DomainUuid, flags: int) -> list[Param]: ...
    def blkio_parameters(self, uuid: DomainUuid, flags: int) -> list[Param]: ...
    def numa_parameters(self, uuid: DomainUuid, flags: int) -> list[Param]: ...
    def scheduler_parameters(self, uuid: DomainUuid, flags: int) -> list[Param]: ...
    def refuse_limits(self, uuid: DomainUuid, what: str) -> None:
        """Say clearly that limits of `what` are not set on this domain."""

    def perf_events(self, uuid: DomainUuid, flags: int) -> list[Param]: ...
    def set_perf_events(self, uuid: DomainUuid, events: list[Param], flags: int) -> None: ...
    def launch_security(self, uuid: DomainUuid, flags: int) -> list[Param]: ...
    async def iothreads(self, uuid: DomainUuid, flags: int) -> list[tuple[int, bytes]]:
        """Each one's number, and the host CPUs it may run on."""

    async def start_dirty_rate(self, uuid: DomainUuid, seconds: int, flags: int) -> None: ...
