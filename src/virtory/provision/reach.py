"""Where a machine answers: at a port of this host, or at the address that its network gave it.

The rule kept here: an address is asked for anew each time; what is kept is only how to ask.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from virtory.provision.errors import SshFailed

if TYPE_CHECKING:
    from virtory.client.domain import Domain
    from virtory.provision.manifest import Manifest


async def reached(domain: Domain, manifest: Manifest) -> Manifest | None:
    """The manifest with the host to speak to; None while the machine has no address."""
    if manifest.host:
        return manifest
    leased = [
        (address.family, address.address)
        for card in await domain.interface_addresses()
        for address in card.addresses
    ]
    return replace(manifest, host=min(leased)[1]) if leased else None


async def to_log_in(domain: Domain, manifest: Manifest) -> Manifest:
    """As `reached`; raises `SshFailed` while the machine is off or has no address."""
    if not await domain.is_active():
        raise SshFailed(
            f"machine '{domain.name}' is off", cure=f"start it: virtory start {domain.name}"
        )
    found = await reached(domain, manifest)
    if found is None:
        raise SshFailed(
            f"machine '{domain.name}' has no address of its network yet",
            cure=f"wait until it is ready: virtory wait {domain.name}",
        )
    return found
