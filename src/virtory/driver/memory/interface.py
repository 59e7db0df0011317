"""The network interface of `test:///default`.

The rule kept here: written down, nothing is read from the real host.
"""

from __future__ import annotations

from virtory.driver.interface.interface import InterfaceRef
from virtory.driver.memory.flags_check import only
from virtory.errors import InterfaceNotFound
from virtory.model.list_flags import ConnectListInterfaces

_ONE = InterfaceRef("eth1", "aa:bb:cc:dd:ee:ff")
_XML = """\
<interface type='ethernet' name='eth1'>
  <mtu size='1492'/>
  <link state='up'/>
  <mac address='aa:bb:cc:dd:ee:ff'/>
</interface>
"""


class MemoryInterfaces:
    """The `InterfaceDriver` of the test host."""

    async def list_all(self, flags: int) -> list[InterfaceRef]:
        only(flags, 3, "testConnectListAllInterfaces")
        return [_ONE] if not flags or flags & ConnectListInterfaces.ACTIVE else []

    async def by_name(self, name: str) -> InterfaceRef:
        if name != _ONE.name:
            raise InterfaceNotFound(f"couldn't find interface named '{name}'")
        return _ONE

    async def by_mac(self, mac: str) -> InterfaceRef:
        if mac.lower() != _ONE.mac:
            raise InterfaceNotFound(f"couldn't find interface with MAC address '{mac}'")
        return _ONE

    async def xml(self, name: str, flags: int) -> str:
        only(flags, 1, "testInterfaceGetXMLDesc")
        await self.by_name(name)
        return _XML

    async def is_active(self, name: str) -> bool:
        return bool(await self.by_name(name))
