"""The host's network interfaces as the kernel shows them.

The rule kept here: read only. An interface is `active` while its link is up, as in libvirt.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Literal

from virtory.driver.interface.interface import InterfaceRef
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.sysfs import Sysfs
from virtory.errors import FROM_INTERFACE, InterfaceNotFound, VirtoryError
from virtory.model.list_flags import ConnectListInterfaces

if TYPE_CHECKING:
    from virtory.model import interface as model

_MULTIPLE = 61
_CLASS = "/sys/class/net"
_XML_INACTIVE = 1


class Interfaces:
    """The `InterfaceDriver` of a real host; `root` is where /sys is found."""

    def __init__(self, root: str = "/") -> None:
        self._sysfs = Sysfs(root)

    async def list_all(self, flags: int) -> list[InterfaceRef]:
        known = ConnectListInterfaces.ACTIVE | ConnectListInterfaces.INACTIVE
        refuse_unknown(flags, known, "udevConnectListAllInterfaces")
        wanted = flags or known
        return await asyncio.to_thread(self._listed, wanted)

    def _listed(self, wanted: int) -> list[InterfaceRef]:
        found = []
        for name in self._sysfs.names(_CLASS):
            mac = self._sysfs.text(f"{_CLASS}/{name}/address")
            bit = ConnectListInterfaces.ACTIVE if self._up(name) else ConnectListInterfaces.INACTIVE
            if mac is not None and bit & wanted:
                found.append(InterfaceRef(name, mac))
        return found

    async def by_name(self, name: str) -> InterfaceRef:
        for one in await self.list_all(0):
            if one.name == name:
                return one
        raise InterfaceNotFound(f"couldn't find interface named '{name}'")

    async def by_mac(self, mac: str) -> InterfaceRef:
        found = [one for one in await self.list_all(0) if one.mac == mac.lower()]
        if not found:
            raise InterfaceNotFound(f"couldn't find interface with MAC address '{mac}'")
        if len(found) > 1:
            names = ", ".join(one.name for one in found)
            raise VirtoryError(
                f"multiple interfaces with MAC address '{mac}': {names}",
                code=_MULTIPLE,
                domain=FROM_INTERFACE,
            )
        return found[0]

    async def xml(self, name: str, flags: int) -> str:
        from virtory.model.interface import format_interface

        refuse_unknown(flags, _XML_INACTIVE, "udevInterfaceGetXMLDesc")
        found = await self.by_name(name)
        return format_interface(await asyncio.to_thread(self._described, found))

    async def is_active(self, name: str) -> bool:
        return self._up((await self.by_name(name)).name)

    def _up(self, name: str) -> bool:
        return self._sysfs.text(f"{_CLASS}/{name}/operstate") == "up"

    def _kind(self, name: str) -> Literal["ethernet", "bridge", "bond", "vlan"]:
        if self._sysfs.exists(f"{_CLASS}/{name}/bridge"):
            return "bridge"
        if self._sysfs.exists(f"{_CLASS}/{name}/bonding"):
            return "bond"
        return "vlan" if self._sysfs.exists(f"/proc/net/vlan/{name}") else "ethernet"

    def _described(self, ref: InterfaceRef) -> model.HostInterface:
        from virtory.driver.node_describe import link_state
        from virtory.model import interface as model

        path = f"{_CLASS}/{ref.name}"
        kind = self._kind(ref.name)
        return model.HostInterface(
            type=kind,
            name=ref.name,
            mtu=self._sysfs.number(f"{path}/mtu"),
            link=link_state(self._sysfs, path),
            mac=ref.mac,
            bridge=self._bridge(path) if kind == "bridge" else None,
            bond=self._bond(path) if kind == "bond" else None,
            vlan=self._vlan(ref.name) if kind == "vlan" else None,
        )

    def _port(self, name: str) -> model.Port:
        from virtory.driver.node_describe import link_state
        from virtory.model.interface import Port

        path = f"{_CLASS}/{name}"
        mac = self._sysfs.text(f"{path}/address")
        link = link_state(self._sysfs, path)
        return Port(type=self._kind(name), name=name, link=link, mac=mac)

    def _bridge(self, path: str) -> model.BridgeOf:
        from virtory.model.interface import BridgeOf

        delay = (self._sysfs.number(f"{path}/bridge/forward_delay") or 0) / 100
        return BridgeOf(
            stp=self._sysfs.text(f"{path}/bridge/stp_state") not in (None, "0"),
            delay=f"{delay:.2f}",
            ports=tuple(self._port(name) for name in self._sysfs.names(f"{path}/brif")),
        )

    def _bond(self, path: str) -> model.BondOf:
        from virtory.model.interface import BondOf, Miimon

        def number(name: str) -> int:
            return self._sysfs.number(f"{path}/bonding/{name}") or 0

        ports = (self._sysfs.text(f"{path}/bonding/slaves") or "").split()
        watched = Miimon(
            freq=number("miimon"), updelay=number("updelay"), downdelay=number("downdelay")
        )
        return BondOf(
            mode=(self._sysfs.text(f"{path}/bonding/mode") or "").partition(" ")[0] or None,
            miimon=watched if watched.freq else None,
            ports=tuple(self._port(name) for name in ports),
        )

    def _vlan(self, name: str) -> model.VlanOf:
        """From the kernel's own table: `VID: 42` in the first line, `Device: eth0` in the last."""
        from virtory.model.interface import Port, VlanOf

        words = (self._sysfs.text(f"/proc/net/vlan/{name}") or "").split()
        after = dict(itertools.pairwise(words))
        return VlanOf(tag=int(after.get("VID:", 0)), on=Port(name=after.get("Device:", "")))
