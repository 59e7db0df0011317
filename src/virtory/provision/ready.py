"""Waiting for a machine: a stream of `Progress` values from its console, its port and its agent.

The rule kept here: it only observes. However the wait ends, the machine goes on running.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from virtory.provision.phases import Phase, Progress

if TYPE_CHECKING:
    from virtory.provision.machine import Machine

STALL_S = 45.0


async def watch(
    machine: Machine, *, until: Phase = Phase.CLOUD_INIT, stall_s: float = STALL_S
) -> AsyncIterator[Progress]:
    """Yield reports until the phase `until` is over or the machine is beyond waiting (FAILED).

    A STALLED report is given after `stall_s` seconds without any sign of life, then again after
    each doubling; the wait goes on. Breaking out of the loop or cancelling leaves the machine as
    it is.
    """
    ...
    yield  # type: ignore[misc]
