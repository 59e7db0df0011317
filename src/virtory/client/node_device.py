"""The host's devices: PCI, USB, network, storage, mediated.

The rule kept here: a device is named by its name alone.
"""

from __future__ import annotations

from virtory.client.handle import Handle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.wire.remote import node_device as w
else:
    w = Later("virtory.wire.remote.node_device")

MOST_NAMES = 65536


class NodeDevice(Handle):
    """A device of the host."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<NodeDevice {self.name!r}>"

    @property
    def name(self) -> str:
        """Its name, such as `pci_0000_00_1f_2`."""
        return str(self.ref.name)

    async def xml(self, *, flags: int = 0) -> str:
        """`NODE_DEVICE_GET_XML_DESC`: its description."""
        args = w.NodeDeviceGetXmlDescArgs(self.name, flags)
        return (await self._call(w.NODE_DEVICE_GET_XML_DESC, args)).xml

    async def parent_name(self) -> str | None:
        """`NODE_DEVICE_GET_PARENT`: the device it hangs on; None for the root."""
        args = w.NodeDeviceGetParentArgs(self.name)
        return (await self._call(w.NODE_DEVICE_GET_PARENT, args)).parent_name

    async def capability_names(self) -> list[str]:
        """`NODE_DEVICE_LIST_CAPS` (supersedes `NODE_DEVICE_NUM_OF_CAPS`): what it is."""
        args = w.NodeDeviceListCapsArgs(self.name, MOST_NAMES)
        return (await self._call(w.NODE_DEVICE_LIST_CAPS, args)).names

    async def detach(self, *, driver: str | None = None, flags: int = 0) -> None:
        """`NODE_DEVICE_DETACH_FLAGS` (supersedes `NODE_DEVICE_DETTACH`): take it from the host."""
        args = w.NodeDeviceDetachFlagsArgs(self.name, driver, flags)
        await self._call(w.NODE_DEVICE_DETACH_FLAGS, args)

    async def reattach(self) -> None:
        """`NODE_DEVICE_RE_ATTACH`: give it back to the host."""
        await self._call(w.NODE_DEVICE_RE_ATTACH, w.NodeDeviceReAttachArgs(self.name))

    async def reset(self) -> None:
        """`NODE_DEVICE_RESET`: reset it."""
        await self._call(w.NODE_DEVICE_RESET, w.NodeDeviceResetArgs(self.name))

    async def start(self, *, flags: int = 0) -> None:
        """`NODE_DEVICE_CREATE`: start a defined mediated device."""
        await self._call(w.NODE_DEVICE_CREATE, w.NodeDeviceCreateArgs(self.name, flags))

    async def destroy(self) -> None:
        """`NODE_DEVICE_DESTROY`: remove a device that was made."""
        await self._call(w.NODE_DEVICE_DESTROY, w.NodeDeviceDestroyArgs(self.name))

    async def undefine(self, *, flags: int = 0) -> None:
        """`NODE_DEVICE_UNDEFINE`: forget its definition."""
        await self._call(w.NODE_DEVICE_UNDEFINE, w.NodeDeviceUndefineArgs(self.name, flags))

    async def is_active(self) -> bool:
        """`NODE_DEVICE_IS_ACTIVE`: whether it is there."""
        args = w.NodeDeviceIsActiveArgs(self.name)
        return bool((await self._call(w.NODE_DEVICE_IS_ACTIVE, args)).active)

    async def is_persistent(self) -> bool:
        """`NODE_DEVICE_IS_PERSISTENT`: whether it has a definition."""
        args = w.NodeDeviceIsPersistentArgs(self.name)
        return bool((await self._call(w.NODE_DEVICE_IS_PERSISTENT, args)).persistent)

    async def autostart(self) -> bool:
        """`NODE_DEVICE_GET_AUTOSTART`: whether it is made when its parent appears."""
        args = w.NodeDeviceGetAutostartArgs(self.name)
        return bool((await self._call(w.NODE_DEVICE_GET_AUTOSTART, args)).autostart)

    async def set_autostart(self, autostart: bool = True) -> None:
        """`NODE_DEVICE_SET_AUTOSTART`: make it when its parent appears, or not."""
        args = w.NodeDeviceSetAutostartArgs(self.name, int(autostart))
        await self._call(w.NODE_DEVICE_SET_AUTOSTART, args)
