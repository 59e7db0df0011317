"""Domains under QEMU: the whole of `DomainDriver`, put together from its parts.

The rule kept here: lists and lookups only; everything else is in the part that its name says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu.domain_agent import DomainAgents
from virtory.driver.qemu.domain_blocks import DomainDisks
from virtory.driver.qemu.domain_definition import DomainDefinitions
from virtory.driver.qemu.domain_devices import DomainDevices
from virtory.driver.qemu.domain_inside import DomainInsides
from virtory.driver.qemu.domain_iothreads import DomainIothreads
from virtory.driver.qemu.domain_jobs import DomainJobs
from virtory.driver.qemu.domain_lifecycle import DomainLives
from virtory.driver.qemu.domain_limits import DomainLimits
from virtory.driver.qemu.domain_publishing import DomainPublishing
from virtory.driver.qemu.domain_resources import DomainResourceLimits
from virtory.driver.qemu.domain_saves import DomainSaves
from virtory.driver.qemu.domain_state import DomainStates
from virtory.driver.qemu.domain_statistics import DomainStatistics
from virtory.driver.qemu.domain_streams import DomainStreams
from virtory.driver.qemu.domain_tuning import DomainTuning
from virtory.model.flags import ConnectListDomains

if TYPE_CHECKING:
    from virtory.driver.interface import DomainRef


class Domains(
    DomainDefinitions,
    DomainLives,
    DomainStates,
    DomainStatistics,
    DomainStreams,
    DomainAgents,
    DomainTuning,
    DomainInsides,
    DomainResourceLimits,
    DomainPublishing,
    DomainDevices,
    DomainSaves,
    DomainJobs,
    DomainDisks,
    DomainIothreads,
    DomainLimits,
):
    """Every domain of this host."""

    def list_all(self, flags: int) -> list[DomainRef]:
        refuse_unknown(flags, ConnectListDomains.ALL, "qemuConnectListAllDomains")
        return [entry.ref for entry in self._table.select(flags)]

    def by_name(self, name: str) -> DomainRef:
        return self._table.get_name(name).ref

    def by_uuid(self, uuid: bytes) -> DomainRef:
        return self._table.get(uuid).ref

    def by_id(self, domain_id: int) -> DomainRef:
        return self._table.get_id(domain_id).ref
