"""A host's domains: list, look up, define, create; all their statistics at once.

The rule kept here: a lookup that finds nothing raises `DomainNotFound`.
"""

from __future__ import annotations

from virtory.client.domain import Domain
from virtory.client.handle import uuid_bytes
from virtory.client.host_part import HostPart
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.client import parameters, results
    from virtory.client.domain_handle import DomainHandle
    from virtory.wire import qemu
    from virtory.wire.remote import domain as w
    from virtory.wire.remote import domain_save as w_save
    from virtory.wire.remote import domain_state as w_state
    from virtory.wire.remote import domain_stats as w_stats
else:
    parameters = Later("virtory.client.parameters")
    results = Later("virtory.client.results")
    qemu = Later("virtory.wire.qemu")
    w = Later("virtory.wire.remote.domain")
    w_save = Later("virtory.wire.remote.domain_save")
    w_state = Later("virtory.wire.remote.domain_state")
    w_stats = Later("virtory.wire.remote.domain_stats")

MOST_NAMES = 16384


class HostDomains(HostPart):
    """Which domains a host has."""

    async def list_domains(
        self,
        *,
        active: bool | None = None,
        persistent: bool | None = None,
        autostart: bool | None = None,
        flags: int = 0,
    ) -> list[Domain]:
        """`CONNECT_LIST_ALL_DOMAINS`: running and defined ones; the words choose among them.

        `flags`: `flags.ConnectListDomains` for finer filters.
        """
        for word, bit in ((active, 1), (persistent, 4), (autostart, 0x400)):
            if word is not None:
                flags |= bit if word else bit << 1
        args = w.ConnectListAllDomainsArgs(1, flags)
        ret = await self.caller.call(w.CONNECT_LIST_ALL_DOMAINS, args)
        return [Domain(self._host, ref) for ref in ret.domains]

    async def domain(self, name: str) -> Domain:
        """`DOMAIN_LOOKUP_BY_NAME`: raises `DomainNotFound`."""
        ret = await self.caller.call(w.DOMAIN_LOOKUP_BY_NAME, w.DomainLookupByNameArgs(name))
        return Domain(self._host, ret.dom)

    async def domain_by_uuid(self, uuid: str | bytes) -> Domain:
        """`DOMAIN_LOOKUP_BY_UUID`: raises `DomainNotFound`."""
        args = w.DomainLookupByUuidArgs(uuid_bytes(uuid))
        return Domain(self._host, (await self.caller.call(w.DOMAIN_LOOKUP_BY_UUID, args)).dom)

    async def domain_by_id(self, number: int) -> Domain:
        """`DOMAIN_LOOKUP_BY_ID`: a running domain; raises `DomainNotFound`."""
        args = w.DomainLookupByIdArgs(number)
        return Domain(self._host, (await self.caller.call(w.DOMAIN_LOOKUP_BY_ID, args)).dom)

    async def domain_ids(self) -> list[int]:
        """`CONNECT_LIST_DOMAINS`: the numbers of the running domains."""
        args = w.ConnectListDomainsArgs(MOST_NAMES)
        return (await self.caller.call(w.CONNECT_LIST_DOMAINS, args)).ids

    async def count_running_domains(self) -> int:
        """`CONNECT_NUM_OF_DOMAINS`: how many run."""
        return (await self.caller.call(w.CONNECT_NUM_OF_DOMAINS)).num

    async def stopped_domain_names(self) -> list[str]:
        """`CONNECT_LIST_DEFINED_DOMAINS`: the names of those that are defined and do not run."""
        args = w.ConnectListDefinedDomainsArgs(MOST_NAMES)
        return (await self.caller.call(w.CONNECT_LIST_DEFINED_DOMAINS, args)).names

    async def count_stopped_domains(self) -> int:
        """`CONNECT_NUM_OF_DEFINED_DOMAINS`: how many are defined and do not run."""
        return (await self.caller.call(w.CONNECT_NUM_OF_DEFINED_DOMAINS)).num

    async def define_domain(self, xml: str, *, validate: bool = False, flags: int = 0) -> Domain:
        """`DOMAIN_DEFINE_XML_FLAGS` (supersedes `DOMAIN_DEFINE_XML`): keep a definition.

        Replaces that of the same name and UUID. Raises `XmlError`, `ConfigUnsupported`,
        `OperationFailed` when the name belongs to another UUID.
        """
        args = w.DomainDefineXmlFlagsArgs(xml, flags | validate)
        return Domain(self._host, (await self.caller.call(w.DOMAIN_DEFINE_XML_FLAGS, args)).dom)

    async def create_domain(
        self,
        xml: str,
        *,
        paused: bool = False,
        autodestroy: bool = False,
        validate: bool = False,
        files: Sequence[int] = (),
        flags: int = 0,
    ) -> Domain:
        """`DOMAIN_CREATE_XML`, or with `files` `DOMAIN_CREATE_XML_WITH_FILES`: run it at once.

        It is transient: it ends with its power-off. `flags`: `flags.DomainStart`.
        """
        flags |= paused | autodestroy << 1 | validate << 4
        if files:
            with_files = w_state.DomainCreateXmlWithFilesArgs(xml, flags)
            found = await self.caller.call(w_state.DOMAIN_CREATE_XML_WITH_FILES, with_files, files)
            return Domain(self._host, found.dom)
        args = w_state.DomainCreateXmlArgs(xml, flags)
        return Domain(self._host, (await self.caller.call(w_state.DOMAIN_CREATE_XML, args)).dom)

    async def attach_process(self, pid: int, *, flags: int = 0) -> Domain:
        """`QEMU_PROC_DOMAIN_ATTACH`: adopt a QEMU that runs already."""
        args = qemu.DomainAttachArgs(pid, flags)
        return Domain(self._host, (await self.caller.call(qemu.DOMAIN_ATTACH, args)).dom)

    async def domain_stats(
        self, stats: int = 0, *, domains: Sequence[DomainHandle] = (), flags: int = 0
    ) -> list[results.DomainStats]:
        """`CONNECT_GET_ALL_DOMAIN_STATS`: of all domains, or of these, in one call.

        `stats`: groups of `flags.DomainStats`, 0 for all; `flags`:
        `flags.ConnectGetAllDomainsStats`.
        """
        args = w_stats.ConnectGetAllDomainStatsArgs(
            [domain.ref for domain in domains], stats, flags
        )
        ret = await self.caller.call(w_stats.CONNECT_GET_ALL_DOMAIN_STATS, args)
        return [
            results.DomainStats(Domain(self._host, item.dom), parameters.values_of(item.params))
            for item in ret.ret_stats
        ]

    # -- saved states --------------------------------------------------------------------------
    async def restore_domain(self, path: str, *, xml: str | None = None, flags: int = 0) -> None:
        """`DOMAIN_RESTORE_FLAGS` (supersedes `DOMAIN_RESTORE`): go on from a file of `save`."""
        args = w_save.DomainRestoreFlagsArgs(path, xml, flags)
        await self.caller.call(w_save.DOMAIN_RESTORE_FLAGS, args)

    async def saved_xml(self, path: str, *, flags: int = 0) -> str:
        """`DOMAIN_SAVE_IMAGE_GET_XML_DESC`: the description inside a file of `save`."""
        args = w_save.DomainSaveImageGetXmlDescArgs(path, flags)
        return (await self.caller.call(w_save.DOMAIN_SAVE_IMAGE_GET_XML_DESC, args)).xml

    async def define_saved_xml(self, path: str, xml: str, *, flags: int = 0) -> None:
        """`DOMAIN_SAVE_IMAGE_DEFINE_XML`: change the description inside a file of `save`."""
        args = w_save.DomainSaveImageDefineXmlArgs(path, xml, flags)
        await self.caller.call(w_save.DOMAIN_SAVE_IMAGE_DEFINE_XML, args)
