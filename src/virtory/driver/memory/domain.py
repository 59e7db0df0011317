"""Domains in memory, all parts together.

The rule kept here: nothing of its own; each part is in the file named after it.
"""

from __future__ import annotations

from virtory.driver.memory.blocks import Blocks
from virtory.driver.memory.definition import Definitions
from virtory.driver.memory.devices import Devices
from virtory.driver.memory.guest import Guests
from virtory.driver.memory.lifecycle import Lifecycles
from virtory.driver.memory.resources import Resources
from virtory.driver.memory.saves import Saves
from virtory.driver.memory.state import States
from virtory.driver.memory.stats import Statistics
from virtory.driver.memory.tuning import Tuning


class MemoryDomains(
    Definitions,
    Lifecycles,
    States,
    Statistics,
    Guests,
    Devices,
    Saves,
    Resources,
    Blocks,
    Tuning,
):
    """The DomainDriver of `test:///default`."""
