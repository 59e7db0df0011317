"""The host's devices.

The rule kept here: that of the package, see its docstring.
"""

from __future__ import annotations

from typing import Protocol


class NodeDeviceDriver(Protocol):
    """The host's devices, as far as a client may know them; each is its name."""

    async def list_all(self, flags: int) -> list[str]: ...
    async def with_capability(self, capability: str | None) -> list[str]: ...
    async def by_name(self, name: str) -> str: ...
    async def by_wwn(self, wwnn: str, wwpn: str) -> str:
        """The SCSI host with these names of its node and port."""

    async def xml(self, name: str, flags: int) -> str: ...
    async def parent(self, name: str) -> str | None:
        """The device it hangs on; None for the machine itself."""

    async def is_persistent(self, name: str) -> bool:
        """Whether it is there whatever is plugged: the machine itself."""

    async def capabilities(self, name: str) -> list[str]: ...
    async def refuse_change(self, name: str, what: str) -> None:
        """Say clearly that `what` (detach, reset …) is not done to this device."""
