"""The host's own network interfaces, as far as the daemon configures them.

The rule kept here: an interface is named by its name and MAC.
"""

from __future__ import annotations

from virtory.client.handle import Handle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.wire.remote import interface as w
else:
    w = Later("virtory.wire.remote.interface")


class Interface(Handle):
    """A network interface of the host."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Interface {self.name!r}>"

    @property
    def name(self) -> str:
        """Its device name."""
        return str(self.ref.name)

    @property
    def mac(self) -> str:
        """Its hardware address."""
        return str(self.ref.mac)

    async def xml(self, *, inactive: bool = False, flags: int = 0) -> str:
        """`INTERFACE_GET_XML_DESC`: its description."""
        args = w.InterfaceGetXmlDescArgs(self.ref, flags | inactive)
        return (await self._call(w.INTERFACE_GET_XML_DESC, args)).xml

    async def start(self, *, flags: int = 0) -> None:
        """`INTERFACE_CREATE`: bring it up."""
        await self._call(w.INTERFACE_CREATE, w.InterfaceCreateArgs(self.ref, flags))

    async def destroy(self, *, flags: int = 0) -> None:
        """`INTERFACE_DESTROY`: bring it down."""
        await self._call(w.INTERFACE_DESTROY, w.InterfaceDestroyArgs(self.ref, flags))

    async def undefine(self) -> None:
        """`INTERFACE_UNDEFINE`: forget its definition."""
        await self._call(w.INTERFACE_UNDEFINE, w.InterfaceUndefineArgs(self.ref))

    async def is_active(self) -> bool:
        """`INTERFACE_IS_ACTIVE`: whether it is up."""
        args = w.InterfaceIsActiveArgs(self.ref)
        return bool((await self._call(w.INTERFACE_IS_ACTIVE, args)).active)
