"""A domain's move to another host.

The rule kept here: the source daemon drives the migration (peer to peer); a client only starts it
and reads its figures.
"""

from __future__ import annotations

from virtory.client.domain_handle import DomainHandle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virtory.client import parameters
    from virtory.wire.remote import domain_device as w_device
    from virtory.wire.remote import domain_migration as w
    from virtory.wire.remote import domain_stats as w_stats
else:
    parameters = Later("virtory.client.parameters")
    w_device = Later("virtory.wire.remote.domain_device")
    w = Later("virtory.wire.remote.domain_migration")
    w_stats = Later("virtory.wire.remote.domain_stats")

PEER_TO_PEER = 2


class DomainMigration(DomainHandle):
    """Where a domain goes."""

    __slots__ = ()

    async def migrate_to_uri(
        self, uri: str, params: Mapping[str, Any] | None = None, *, flags: int = 0
    ) -> None:
        """`DOMAIN_MIGRATE_PERFORM3_PARAMS`: have its daemon move it to the daemon at `uri`."""
        args = w.DomainMigratePerform3ParamsArgs(
            self.ref, uri, parameters.typed(params or {}), b"", flags | PEER_TO_PEER
        )
        await self._call(w.DOMAIN_MIGRATE_PERFORM3_PARAMS, args)

    async def migrate_max_speed(self, *, flags: int = 0) -> int:
        """`DOMAIN_MIGRATE_GET_MAX_SPEED`: in MiB/s."""
        args = w.DomainMigrateGetMaxSpeedArgs(self.ref, flags)
        return (await self._call(w.DOMAIN_MIGRATE_GET_MAX_SPEED, args)).bandwidth

    async def set_migrate_max_speed(self, bandwidth: int, *, flags: int = 0) -> None:
        """`DOMAIN_MIGRATE_SET_MAX_SPEED`: in MiB/s."""
        args = w.DomainMigrateSetMaxSpeedArgs(self.ref, bandwidth, flags)
        await self._call(w.DOMAIN_MIGRATE_SET_MAX_SPEED, args)

    async def migrate_max_downtime_ms(self, *, flags: int = 0) -> int:
        """`DOMAIN_MIGRATE_GET_MAX_DOWNTIME`: in milliseconds."""
        args = w.DomainMigrateGetMaxDowntimeArgs(self.ref, flags)
        return (await self._call(w.DOMAIN_MIGRATE_GET_MAX_DOWNTIME, args)).downtime

    async def set_migrate_max_downtime_ms(self, downtime_ms: int, *, flags: int = 0) -> None:
        """`DOMAIN_MIGRATE_SET_MAX_DOWNTIME`: in milliseconds."""
        args = w.DomainMigrateSetMaxDowntimeArgs(self.ref, downtime_ms, flags)
        await self._call(w.DOMAIN_MIGRATE_SET_MAX_DOWNTIME, args)

    async def migrate_compression_cache(self, *, flags: int = 0) -> int:
        """`DOMAIN_MIGRATE_GET_COMPRESSION_CACHE`: in bytes."""
        args = w.DomainMigrateGetCompressionCacheArgs(self.ref, flags)
        return (await self._call(w.DOMAIN_MIGRATE_GET_COMPRESSION_CACHE, args)).cache_size

    async def set_migrate_compression_cache(self, size: int, *, flags: int = 0) -> None:
        """`DOMAIN_MIGRATE_SET_COMPRESSION_CACHE`: in bytes."""
        args = w.DomainMigrateSetCompressionCacheArgs(self.ref, size, flags)
        await self._call(w.DOMAIN_MIGRATE_SET_COMPRESSION_CACHE, args)

    async def migrate_start_post_copy(self, *, flags: int = 0) -> None:
        """`DOMAIN_MIGRATE_START_POST_COPY`: run it on the other host already, fetch the rest."""
        args = w.DomainMigrateStartPostCopyArgs(self.ref, flags)
        await self._call(w.DOMAIN_MIGRATE_START_POST_COPY, args)

    async def start_dirty_rate(self, seconds: int, *, flags: int = 0) -> None:
        """`DOMAIN_START_DIRTY_RATE_CALC`: measure how fast it writes memory, for `stats`."""
        args = w_stats.DomainStartDirtyRateCalcArgs(self.ref, seconds, flags)
        await self._call(w_stats.DOMAIN_START_DIRTY_RATE_CALC, args)

    async def set_launch_security(self, params: Mapping[str, Any], *, flags: int = 0) -> None:
        """`DOMAIN_SET_LAUNCH_SECURITY_STATE`: hand it a secret before it starts."""
        args = w_device.DomainSetLaunchSecurityStateArgs(self.ref, parameters.typed(params), flags)
        await self._call(w_device.DOMAIN_SET_LAUNCH_SECURITY_STATE, args)

    async def launch_security(self, *, flags: int = 0) -> Mapping[str, Any]:
        """`DOMAIN_GET_LAUNCH_SECURITY_INFO`: what attests its start."""
        args = w_device.DomainGetLaunchSecurityInfoArgs(self.ref, flags)
        ret = await self._call(w_device.DOMAIN_GET_LAUNCH_SECURITY_INFO, args)
        return parameters.values_of(ret.params)

    async def associate_files(self, name: str, fds: list[int], *, flags: int = 0) -> None:
        """`DOMAIN_FD_ASSOCIATE`: descriptors that its definition names as the group `name`."""
        args = w_device.DomainFdAssociateArgs(self.ref, name, flags)
        await self._call(w_device.DOMAIN_FD_ASSOCIATE, args, fds)
