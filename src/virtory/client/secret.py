"""Secrets: passwords and keys that the daemon keeps for disks and networks.

The rule kept here: a value is bytes and never part of a `repr`.
"""

from __future__ import annotations

from virtory.client.handle import Handle, uuid_text
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.wire.remote import secret as w
else:
    w = Later("virtory.wire.remote.secret")


class Secret(Handle):
    """A secret of a host."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Secret {self.uuid}>"

    @property
    def _identity(self) -> Any:
        return self.ref.uuid

    @property
    def uuid(self) -> str:
        """Its UUID in lower case with hyphens."""
        return uuid_text(self.ref.uuid)

    @property
    def usage_type(self) -> int:
        """What it is for: 0 none, 1 volume, 2 Ceph, 3 iSCSI, 4 TLS, 5 vTPM."""
        return int(self.ref.usage_type)

    @property
    def usage(self) -> str:
        """Which of those it is for."""
        return str(self.ref.usage_id)

    async def xml(self, *, flags: int = 0) -> str:
        """`SECRET_GET_XML_DESC`: its description, without the value."""
        args = w.SecretGetXmlDescArgs(self.ref, flags)
        return (await self._call(w.SECRET_GET_XML_DESC, args)).xml

    async def value(self, *, flags: int = 0) -> bytes:
        """`SECRET_GET_VALUE`: the secret itself; refused for private ones."""
        args = w.SecretGetValueArgs(self.ref, flags)
        return (await self._call(w.SECRET_GET_VALUE, args)).value

    async def set_value(self, value: bytes, *, flags: int = 0) -> None:
        """`SECRET_SET_VALUE`: at most 64 KiB."""
        await self._call(w.SECRET_SET_VALUE, w.SecretSetValueArgs(self.ref, value, flags))

    async def undefine(self) -> None:
        """`SECRET_UNDEFINE`: forget it and its value."""
        await self._call(w.SECRET_UNDEFINE, w.SecretUndefineArgs(self.ref))
