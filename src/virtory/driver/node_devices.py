"""The host's devices as the kernel shows them: list, look up, describe.

The rule kept here: nothing is kept between two calls: devices come and go, and the kernel is always
right. Giving a device to a guest is refused by name.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from virtory.driver.known_flags import refuse_unknown
from virtory.driver.sysfs import Sysfs
from virtory.errors import FROM_NODEDEV, NodeDeviceNotFound, OperationUnsupported
from virtory.model.list_flags import ConnectListNodeDevices

if TYPE_CHECKING:
    from virtory.driver.node_scan import Found

_INACTIVE, _ACTIVE = 1 << 30, 1 << 31
_XML_INACTIVE = 1


class NodeDevices:
    """The `NodeDeviceDriver` of a real host; `root` is where /sys is found."""

    def __init__(self, root: str = "/") -> None:
        self._sysfs = Sysfs(root)

    async def list_all(self, flags: int) -> list[str]:
        known = ConnectListNodeDevices.ALL | _ACTIVE | _INACTIVE
        refuse_unknown(flags, known, "nodeConnectListAllNodeDevices")
        if flags & _INACTIVE and not flags & _ACTIVE:
            return []  # a definition without a device is only of mediated ones
        wanted = flags & ConnectListNodeDevices.ALL
        found = await self._scan()
        return [one.name for one in found.values() if not wanted or wanted & _bits(one)]

    async def with_capability(self, capability: str | None) -> list[str]:
        """Names of those that have it; None: of all."""
        found = await self._scan()
        return [
            one.name
            for one in found.values()
            if capability is None or capability in one.capabilities
        ]

    async def by_name(self, name: str) -> str:
        return (await self._found(name)).name

    async def by_wwn(self, wwnn: str, wwpn: str) -> str:
        from virtory.driver.node_describe import describe
        from virtory.model.node_device import ScsiHostCapability

        for one in (await self._scan()).values():
            if "fc_host" in one.capabilities:
                host = (await asyncio.to_thread(describe, self._sysfs, one)).capability
                assert isinstance(host, ScsiHostCapability)
                if any((f.wwnn, f.wwpn) == (wwnn, wwpn) for f in host.features):
                    return one.name
        raise NodeDeviceNotFound(f"no SCSI host with WWNN '{wwnn}' and WWPN '{wwpn}'")

    async def xml(self, name: str, flags: int) -> str:
        from virtory.driver.node_describe import describe
        from virtory.model.node_device import format_node_device

        refuse_unknown(flags, _XML_INACTIVE, "nodeDeviceGetXMLDesc")
        found = await self._found(name)
        try:
            return format_node_device(await asyncio.to_thread(describe, self._sysfs, found))
        except OSError:
            raise _unknown(name) from None

    async def parent(self, name: str) -> str | None:
        return (await self._found(name)).parent

    async def is_persistent(self, name: str) -> bool:
        return (await self._found(name)).parent is None

    async def capabilities(self, name: str) -> list[str]:
        return list((await self._found(name)).capabilities)

    async def refuse_change(self, name: str, what: str) -> None:
        """Every change of a device ends here."""
        found = await self._found(name)
        raise OperationUnsupported(
            f"cannot {what} node device '{found.name}': giving devices of the host to guests is "
            "not served by this version of virtoryd",
            cure=f"{what} it with the host's own tools (driverctl, /sys/bus/pci)",
            domain=FROM_NODEDEV,
        )

    async def _scan(self) -> dict[str, Found]:
        from virtory.driver.node_scan import scan

        return await asyncio.to_thread(scan, self._sysfs)

    async def _found(self, name: str) -> Found:
        found = (await self._scan()).get(name)
        if found is None:
            raise _unknown(name)
        return found


def _bits(found: Found) -> int:
    from virtory.model.list_flags import NODE_DEVICE_CAPABILITIES

    return sum(NODE_DEVICE_CAPABILITIES[name] for name in found.capabilities)


def _unknown(name: str) -> NodeDeviceNotFound:
    return NodeDeviceNotFound(f"no node device with matching name '{name}'")
