"""Network filters, and the bindings of filters to ports.

The rule kept here: a filter is named by its UUID, a binding by its port's device.
"""

from __future__ import annotations

from virtory.client.handle import Handle, NamedHandle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.wire.remote import nwfilter as w
else:
    w = Later("virtory.wire.remote.nwfilter")


class Nwfilter(NamedHandle):
    """Rules for what may pass."""

    __slots__ = ()

    async def xml(self, *, flags: int = 0) -> str:
        """`NWFILTER_GET_XML_DESC`: its rules."""
        args = w.NwfilterGetXmlDescArgs(self.ref, flags)
        return (await self._call(w.NWFILTER_GET_XML_DESC, args)).xml

    async def undefine(self) -> None:
        """`NWFILTER_UNDEFINE`: forget it; refused while a guest uses it."""
        await self._call(w.NWFILTER_UNDEFINE, w.NwfilterUndefineArgs(self.ref))


class NwfilterBinding(Handle):
    """A filter in force on a port."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<NwfilterBinding {self.port!r} {self.filter_name!r}>"

    @property
    def port(self) -> str:
        """The port's device, such as `vnet0`."""
        return str(self.ref.portdev)

    @property
    def filter_name(self) -> str:
        """The filter that is in force."""
        return str(self.ref.filtername)

    async def xml(self, *, flags: int = 0) -> str:
        """`NWFILTER_BINDING_GET_XML_DESC`: its description."""
        args = w.NwfilterBindingGetXmlDescArgs(self.ref, flags)
        return (await self._call(w.NWFILTER_BINDING_GET_XML_DESC, args)).xml

    async def delete(self) -> None:
        """`NWFILTER_BINDING_DELETE`: take the filter off the port."""
        await self._call(w.NWFILTER_BINDING_DELETE, w.NwfilterBindingDeleteArgs(self.ref))
