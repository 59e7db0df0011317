"""Domains: devices that come, go and change.

The rule kept here: of the package, see its docstring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from virtory.driver.interface.values import DomainUuid


class DomainDevices(Protocol):
    """What changes of a machine, live or in its definition (`DomainDeviceModify` flags)."""

    async def attach_device(self, uuid: DomainUuid, xml: str, flags: int) -> None: ...
    async def detach_device(self, uuid: DomainUuid, xml: str, flags: int) -> None: ...
    async def detach_device_alias(self, uuid: DomainUuid, alias: str, flags: int) -> None: ...
    async def update_device(self, uuid: DomainUuid, xml: str, flags: int) -> None: ...
