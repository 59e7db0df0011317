"""What the parts of a `Host` share.

The rule kept here: a part is never used alone; `Host` is put together from all of them.
"""

from __future__ import annotations

from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.client.caller import Caller
    from virtory.client.connect import Host


class HostPart:
    """One topic of `Host`."""

    caller: Caller

    @property
    def _host(self) -> Host:
        return self  # type: ignore[return-value]  # a part is only ever part of a Host
