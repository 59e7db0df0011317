"""A domain's definition: XML, name, metadata, autostart.

The rule kept here: what is on disk changes; a running guest does not, unless flags say so.
"""

from __future__ import annotations

from virtory.client.domain_handle import DomainHandle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.wire.remote import domain as w
    from virtory.wire.remote import domain_device as w_device
    from virtory.wire.remote import domain_state as w_state
else:
    w = Later("virtory.wire.remote.domain")
    w_device = Later("virtory.wire.remote.domain_device")
    w_state = Later("virtory.wire.remote.domain_state")

METADATA_DESCRIPTION, METADATA_TITLE, METADATA_ELEMENT = range(3)


class DomainDefinition(DomainHandle):
    """What a domain is."""

    __slots__ = ()

    async def xml(
        self,
        *,
        inactive: bool = False,
        secure: bool = False,
        update_cpu: bool = False,
        migratable: bool = False,
        flags: int = 0,
    ) -> str:
        """`DOMAIN_GET_XML_DESC`: the description, live while it runs unless `inactive`.

        `secure` includes passwords and needs a read-write connection. `flags`: `DomainXml`.
        """
        flags |= secure | inactive << 1 | update_cpu << 2 | migratable << 3
        ret = await self._call(w.DOMAIN_GET_XML_DESC, w.DomainGetXmlDescArgs(self.ref, flags))
        return ret.xml

    async def undefine(
        self,
        *,
        managed_save: bool = False,
        snapshots_metadata: bool = False,
        nvram: bool = False,
        keep_nvram: bool = False,
        checkpoints_metadata: bool = False,
        tpm: bool = False,
        keep_tpm: bool = False,
        flags: int = 0,
    ) -> None:
        """`DOMAIN_UNDEFINE_FLAGS` (supersedes `DOMAIN_UNDEFINE`): forget the definition.

        Each word also removes (or keeps) what it names; without it, a domain that has such a thing
        raises `OperationInvalid`. `flags`: `DomainUndefine`.
        """
        flags |= managed_save | snapshots_metadata << 1 | nvram << 2 | keep_nvram << 3
        flags |= checkpoints_metadata << 4 | tpm << 5 | keep_tpm << 6
        await self._call(w.DOMAIN_UNDEFINE_FLAGS, w.DomainUndefineFlagsArgs(self.ref, flags))

    async def rename(self, name: str, *, flags: int = 0) -> None:
        """`DOMAIN_RENAME`: give a stopped domain another name."""
        await self._call(w.DOMAIN_RENAME, w.DomainRenameArgs(self.ref, name, flags))
        self.ref = self.ref._replace(name=name)

    async def autostart(self) -> bool:
        """`DOMAIN_GET_AUTOSTART`: whether it starts with the daemon."""
        ret = await self._call(w.DOMAIN_GET_AUTOSTART, w.DomainGetAutostartArgs(self.ref))
        return bool(ret.autostart)

    async def set_autostart(self, autostart: bool = True) -> None:
        """`DOMAIN_SET_AUTOSTART`: start it with the daemon, or not."""
        await self._call(w.DOMAIN_SET_AUTOSTART, w.DomainSetAutostartArgs(self.ref, int(autostart)))

    async def metadata(self, uri: str, *, flags: int = 0) -> str:
        """`DOMAIN_GET_METADATA`: the metadata element of the namespace `uri`, as XML.

        Raises `MetadataNotFound`. `flags`: `DomainAffect`.
        """
        return await self._metadata(METADATA_ELEMENT, uri, flags)

    async def title(self, *, flags: int = 0) -> str:
        """`DOMAIN_GET_METADATA`: its title; raises `MetadataNotFound` when it has none."""
        return await self._metadata(METADATA_TITLE, None, flags)

    async def description(self, *, flags: int = 0) -> str:
        """`DOMAIN_GET_METADATA`: its description; raises `MetadataNotFound` when it has none."""
        return await self._metadata(METADATA_DESCRIPTION, None, flags)

    async def _metadata(self, kind: int, uri: str | None, flags: int) -> str:
        args = w.DomainGetMetadataArgs(self.ref, kind, uri, flags)
        return (await self._call(w.DOMAIN_GET_METADATA, args)).metadata

    async def set_metadata(
        self, uri: str, key: str, metadata: str | None, *, flags: int = 0
    ) -> None:
        """`DOMAIN_SET_METADATA`: put the XML element for namespace `uri` (None removes it).

        `key` is the namespace's prefix. `flags`: `DomainAffect`.
        """
        args = w.DomainSetMetadataArgs(self.ref, METADATA_ELEMENT, metadata, key, uri, flags)
        await self._call(w.DOMAIN_SET_METADATA, args)

    async def set_title(self, title: str | None, *, flags: int = 0) -> None:
        """`DOMAIN_SET_METADATA`: its one-line title; None removes it."""
        args = w.DomainSetMetadataArgs(self.ref, METADATA_TITLE, title, None, None, flags)
        await self._call(w.DOMAIN_SET_METADATA, args)

    async def set_description(self, description: str | None, *, flags: int = 0) -> None:
        """`DOMAIN_SET_METADATA`: its description; None removes it."""
        args = w.DomainSetMetadataArgs(
            self.ref, METADATA_DESCRIPTION, description, None, None, flags
        )
        await self._call(w.DOMAIN_SET_METADATA, args)

    async def attach_device(self, xml: str, *, flags: int = 0) -> None:
        """`DOMAIN_ATTACH_DEVICE_FLAGS` (supersedes `DOMAIN_ATTACH_DEVICE`): add a device.

        `flags`: `DomainDeviceModify`.
        """
        args = w_device.DomainAttachDeviceFlagsArgs(self.ref, xml, flags)
        await self._call(w_device.DOMAIN_ATTACH_DEVICE_FLAGS, args)

    async def detach_device(self, xml: str, *, flags: int = 0) -> None:
        """`DOMAIN_DETACH_DEVICE_FLAGS` (supersedes `DOMAIN_DETACH_DEVICE`): remove a device."""
        args = w_device.DomainDetachDeviceFlagsArgs(self.ref, xml, flags)
        await self._call(w_device.DOMAIN_DETACH_DEVICE_FLAGS, args)

    async def detach_device_alias(self, alias: str, *, flags: int = 0) -> None:
        """`DOMAIN_DETACH_DEVICE_ALIAS`: ask the guest to let go of the device named `alias`."""
        args = w_device.DomainDetachDeviceAliasArgs(self.ref, alias, flags)
        await self._call(w_device.DOMAIN_DETACH_DEVICE_ALIAS, args)

    async def update_device(self, xml: str, *, flags: int = 0) -> None:
        """`DOMAIN_UPDATE_DEVICE_FLAGS`: change a device: a medium, a link state, a password."""
        args = w_device.DomainUpdateDeviceFlagsArgs(self.ref, xml, flags)
        await self._call(w_device.DOMAIN_UPDATE_DEVICE_FLAGS, args)

    async def set_lifecycle_action(self, event: int, action: int, *, flags: int = 0) -> None:
        """`DOMAIN_SET_LIFECYCLE_ACTION`: what happens on power-off (0), reboot (1), crash (2)."""
        args = w_state.DomainSetLifecycleActionArgs(self.ref, event, action, flags)
        await self._call(w_state.DOMAIN_SET_LIFECYCLE_ACTION, args)
