"""`<pm>` and the `on_…` actions: sleep states, and what follows the end of a run.

The rule kept here: without a word, power-off and crash destroy, reboot restarts.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Element, YesNo

Action = Literal["destroy", "restart", "preserve", "rename-restart"]
CrashAction = Literal[
    "destroy", "restart", "preserve", "rename-restart", "coredump-destroy", "coredump-restart"
]
LockFailureAction = Literal["poweroff", "restart", "pause", "ignore"]


class PowerManagement(Element):
    """`<pm>`: which sleep states the firmware offers."""

    suspend_to_mem: Annotated[YesNo | None, At("suspend-to-mem/@enabled")] = None
    suspend_to_disk: Annotated[YesNo | None, At("suspend-to-disk/@enabled")] = None
