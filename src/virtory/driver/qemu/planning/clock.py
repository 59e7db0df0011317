"""What a clock of variable offset starts with: the time at this start, moved by its seconds.

The rule kept here: the host's time is asked for once, when planning.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.driver.qemu.planning.host import Host
    from virtory.model.domain import Domain


def clock_base(domain: Domain, host: Host) -> str | None:
    """The `base` of QEMU's `-rtc`; None for a clock that just follows the host's."""
    clock = domain.clock
    if clock.offset == "absolute" and clock.start is not None:
        return _spelled(clock.start, local=False)
    if clock.offset != "variable":
        return None
    return _spelled(int(host.now()) + adjustment(domain), local=clock.basis == "localtime")


def adjustment(domain: Domain) -> int:
    """The seconds by which a clock of variable offset differs from the host's."""
    clock = domain.clock
    return int(clock.adjustment or 0) if clock.offset == "variable" else 0


def _spelled(seconds: int, *, local: bool) -> str:
    moment = datetime.fromtimestamp(seconds, None if local else UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S")
