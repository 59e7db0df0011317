"""Snapshots of domains.

The rule kept here: that of the package. A snapshot is named by its domain's UUID and
its own name; flags are those of `model.snapshot_flags`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from virtory.driver.interface.values import DomainUuid


class SnapshotDriver(Protocol):
    """Moments of a machine, to which it can go back."""

    def names(self, uuid: DomainUuid, flags: int, below: str | None = None) -> list[str]:
        """Of all of a domain's, or of those below one of them."""

    def require(self, uuid: DomainUuid, name: str) -> None:
        """Raises SnapshotNotFound."""

    def current(self, uuid: DomainUuid) -> str | None: ...
    def parent(self, uuid: DomainUuid, name: str) -> str: ...
    async def xml(self, uuid: DomainUuid, name: str, flags: int) -> str: ...

    async def create(self, uuid: DomainUuid, xml: str, flags: int) -> str:
        """Take one; its name."""

    async def revert(self, uuid: DomainUuid, name: str, flags: int) -> None: ...
    async def delete(self, uuid: DomainUuid, name: str, flags: int) -> None: ...
