"""Answers of the right form that mean harm: a count is believed only as far as its data goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.client.domain import Domain
from virtory.wire.remote import domain_processor, domain_stats, node
from virtory.wire.remote.types import NonnullDomain

if TYPE_CHECKING:
    import virtory

MANY = 2**31 - 1
REF = NonnullDomain("web", bytes(16), 3)


async def test_counts_beyond_their_data_are_not_counted_to(host: virtory.Host, daemon: Any) -> None:
    daemon.script |= {
        "NODE_GET_CPU_MAP": node.NodeGetCpuMapRet(b"\x05", 2, MANY),
        "DOMAIN_GET_VCPUS_FLAGS": domain_processor.DomainGetVcpusFlagsRet(MANY),
        "DOMAIN_GET_VCPU_PIN_INFO": domain_processor.DomainGetVcpuPinInfoRet(b"\x03", MANY),
        "DOMAIN_GET_CPU_STATS": domain_stats.DomainGetCpuStatsRet([], MANY),
    }
    assert (await host.cpu_map()).online == [True, False, True, *[False] * 5]
    domain = Domain(host, REF)
    assert await domain.vcpu_pins() == []
    assert await domain.cpu_stats_by_cpu() == []
    assert daemon.names.count("DOMAIN_GET_CPU_STATS") == 3
