"""The host's network interfaces.

The rule kept here: that of the package, see its docstring.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class InterfaceRef(NamedTuple):
    """What a client needs to name an interface."""

    name: str
    mac: str


class InterfaceDriver(Protocol):
    """The host's network interfaces: seen, never changed."""

    async def list_all(self, flags: int) -> list[InterfaceRef]: ...
    async def by_name(self, name: str) -> InterfaceRef: ...
    async def by_mac(self, mac: str) -> InterfaceRef:
        """MultipleInterfaces when several have it."""

    async def xml(self, name: str, flags: int) -> str: ...
    async def is_active(self, name: str) -> bool: ...
