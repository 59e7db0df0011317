"""Domains: virtual machines, running or defined.

The rule kept here: `Domain` is put together from topics, one file each; this file only says which.

    definition   xml undefine rename autostart metadata title attach_device …
    lifecycle    start shutdown reboot suspend resume destroy save managed_save …
    state        info state is_active refresh job_info …
    stats        stats memory_stats block_stats interface_addresses …
    tuning       set_memory_kib set_vcpus vcpus pin_vcpu …
    blocks       block_resize block_copy block_job backup_begin …
    agent        monitor_command agent_command guest_info hostname …
    screen       open_console open_channel screenshot open_graphics send_key …
    snapshots    create_snapshot snapshots create_checkpoint …
    migration    migrate_to_uri and the steps of a migration
    inside       inspect publish unpublish, of virtoryd only
"""

from __future__ import annotations

from virtory.client.domain_agent import DomainAgent
from virtory.client.domain_blocks import DomainBlocks
from virtory.client.domain_definition import DomainDefinition
from virtory.client.domain_inside import DomainInside
from virtory.client.domain_lifecycle import DomainLifecycle
from virtory.client.domain_migration import DomainMigration
from virtory.client.domain_screen import DomainScreen
from virtory.client.domain_snapshots import DomainSnapshots
from virtory.client.domain_state import DomainState
from virtory.client.domain_stats import DomainStats
from virtory.client.domain_tuning import DomainTuning


class Domain(
    DomainLifecycle,
    DomainDefinition,
    DomainState,
    DomainStats,
    DomainTuning,
    DomainBlocks,
    DomainAgent,
    DomainScreen,
    DomainSnapshots,
    DomainMigration,
    DomainInside,
):
    """A virtual machine of a host; two are equal when host and UUID are."""

    __slots__ = ()
