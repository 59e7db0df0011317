"""A domain explained, and its ports published: what virtoryd has beyond libvirt.

The rule kept here: against libvirtd every method raises `NotSupported`.
"""

from __future__ import annotations

from virtory.client.domain_handle import DomainHandle
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class DomainInside(DomainHandle):
    """How it is made, and the way in."""

    __slots__ = ()

    async def inspect(self) -> Mapping[str, Any]:
        """`DOMAIN_INSPECT`: how it is virtualised: processors, memory, devices, as plain data."""
        return await self.host.inspect(self)

    async def publish(
        self,
        host_port: int,
        guest_port: int,
        *,
        protocol: str = "tcp",
        address: str | None = None,
        flags: int = 0,
    ) -> None:
        """`DOMAIN_PUBLISH`: lead a port of the host to one of the guest.

        `flags`: `DomainAffect`. The guest is on user-mode networking. Raises `OperationFailed`
        when the port is taken.
        """
        await self.host.publish(self, protocol, address, host_port, guest_port, 0, flags)

    async def unpublish(
        self,
        host_port: int,
        *,
        protocol: str = "tcp",
        address: str | None = None,
        flags: int = 0,
    ) -> None:
        """`DOMAIN_PUBLISH` with `remove`: the host's port leads nowhere again."""
        await self.host.publish(self, protocol, address, host_port, 1, 1, flags)
