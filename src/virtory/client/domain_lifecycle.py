"""A domain's life: start, shutdown, reboot, pause, destroy, save, restore.

The rule kept here: a method returns when the daemon has answered; what the guest makes of a request
(`shutdown`, `reboot`) is told by events.
"""

from __future__ import annotations

from virtory.client.domain_handle import DomainHandle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.wire.remote import domain_device as w_device
    from virtory.wire.remote import domain_save as w_save
    from virtory.wire.remote import domain_state as w
else:
    w_device = Later("virtory.wire.remote.domain_device")
    w_save = Later("virtory.wire.remote.domain_save")
    w = Later("virtory.wire.remote.domain_state")


class DomainLifecycle(DomainHandle):
    """What happens to a domain."""

    __slots__ = ()

    async def start(
        self,
        *,
        paused: bool = False,
        autodestroy: bool = False,
        bypass_cache: bool = False,
        force_boot: bool = False,
        reset_nvram: bool = False,
        files: Sequence[int] = (),
        flags: int = 0,
    ) -> None:
        """`DOMAIN_CREATE_WITH_FLAGS` (supersedes `DOMAIN_CREATE`), or with `files`
        `DOMAIN_CREATE_WITH_FILES`: power on, or restore its managed save.

        `paused` leaves the CPUs stopped; `autodestroy` ties it to this connection; `force_boot`
        drops a managed save. `flags`: `DomainStart`. Raises `OperationInvalid` when it runs.
        """
        flags |= paused | autodestroy << 1 | bypass_cache << 2 | force_boot << 3
        flags |= reset_nvram << 5
        if files:
            with_files = w.DomainCreateWithFilesArgs(self.ref, flags)
            self.ref = (await self._call(w.DOMAIN_CREATE_WITH_FILES, with_files, files)).dom
        else:
            args = w.DomainCreateWithFlagsArgs(self.ref, flags)
            self.ref = (await self._call(w.DOMAIN_CREATE_WITH_FLAGS, args)).dom

    async def shutdown(self, *, acpi: bool = False, agent: bool = False, flags: int = 0) -> None:
        """`DOMAIN_SHUTDOWN_FLAGS` (supersedes `DOMAIN_SHUTDOWN`): ask the guest to power off.

        By its ACPI button or its agent, as the daemon sees fit when neither is named.
        `flags`: `DomainShutdown`.
        """
        flags |= acpi | agent << 1
        await self._call(w.DOMAIN_SHUTDOWN_FLAGS, w.DomainShutdownFlagsArgs(self.ref, flags))

    async def reboot(self, *, acpi: bool = False, agent: bool = False, flags: int = 0) -> None:
        """`DOMAIN_REBOOT`: ask the guest to reboot. `flags`: `DomainReboot`."""
        flags |= acpi | agent << 1
        await self._call(w.DOMAIN_REBOOT, w.DomainRebootArgs(self.ref, flags))

    async def reset(self, *, flags: int = 0) -> None:
        """`DOMAIN_RESET`: press the reset button; the guest is not asked."""
        await self._call(w.DOMAIN_RESET, w.DomainResetArgs(self.ref, flags))

    async def suspend(self) -> None:
        """`DOMAIN_SUSPEND`: stop its CPUs; memory stays."""
        await self._call(w.DOMAIN_SUSPEND, w.DomainSuspendArgs(self.ref))

    async def resume(self) -> None:
        """`DOMAIN_RESUME`: let its CPUs run again."""
        await self._call(w.DOMAIN_RESUME, w.DomainResumeArgs(self.ref))

    async def destroy(self, *, graceful: bool = False, flags: int = 0) -> None:
        """`DOMAIN_DESTROY_FLAGS` (supersedes `DOMAIN_DESTROY`): pull the plug.

        `graceful` never kills a QEMU that has unwritten data: it raises instead.
        """
        flags |= int(graceful)
        await self._call(w.DOMAIN_DESTROY_FLAGS, w.DomainDestroyFlagsArgs(self.ref, flags))
        self.ref = self.ref._replace(id=-1)

    async def inject_nmi(self, *, flags: int = 0) -> None:
        """`DOMAIN_INJECT_NMI`: send the guest a non-maskable interrupt."""
        await self._call(w_device.DOMAIN_INJECT_NMI, w_device.DomainInjectNmiArgs(self.ref, flags))

    async def pm_suspend(self, target: int, *, duration_s: int = 0, flags: int = 0) -> None:
        """`DOMAIN_PM_SUSPEND_FOR_DURATION`: let the guest sleep: 0 memory, 1 disk, 2 hybrid."""
        args = w.DomainPmSuspendForDurationArgs(self.ref, target, duration_s, flags)
        await self._call(w.DOMAIN_PM_SUSPEND_FOR_DURATION, args)

    async def pm_wakeup(self, *, flags: int = 0) -> None:
        """`DOMAIN_PM_WAKEUP`: wake a guest that sleeps in memory."""
        await self._call(w.DOMAIN_PM_WAKEUP, w.DomainPmWakeupArgs(self.ref, flags))

    # -- saved states ------------------------------------------------------------------------
    async def save(self, path: str, *, xml: str | None = None, flags: int = 0) -> None:
        """`DOMAIN_SAVE_FLAGS` (supersedes `DOMAIN_SAVE`): write memory to `path` and stop.

        `path` is on the daemon's host. `flags`: `DomainSaveRestore`.
        """
        args = w_save.DomainSaveFlagsArgs(self.ref, path, xml, flags)
        await self._call(w_save.DOMAIN_SAVE_FLAGS, args)

    async def managed_save(self, *, flags: int = 0) -> None:
        """`DOMAIN_MANAGED_SAVE`: write memory where the daemon keeps it, and stop."""
        await self._call(w_save.DOMAIN_MANAGED_SAVE, w_save.DomainManagedSaveArgs(self.ref, flags))

    async def has_managed_save(self, *, flags: int = 0) -> bool:
        """`DOMAIN_HAS_MANAGED_SAVE_IMAGE`: whether the next start restores a managed save."""
        args = w_save.DomainHasManagedSaveImageArgs(self.ref, flags)
        return bool((await self._call(w_save.DOMAIN_HAS_MANAGED_SAVE_IMAGE, args)).result)

    async def remove_managed_save(self, *, flags: int = 0) -> None:
        """`DOMAIN_MANAGED_SAVE_REMOVE`: drop the managed save; the next start boots."""
        args = w_save.DomainManagedSaveRemoveArgs(self.ref, flags)
        await self._call(w_save.DOMAIN_MANAGED_SAVE_REMOVE, args)

    async def managed_save_xml(self, *, flags: int = 0) -> str:
        """`DOMAIN_MANAGED_SAVE_GET_XML_DESC`: the description inside the managed save."""
        args = w_save.DomainManagedSaveGetXmlDescArgs(self.ref, flags)
        return (await self._call(w_save.DOMAIN_MANAGED_SAVE_GET_XML_DESC, args)).xml

    async def define_managed_save_xml(self, xml: str, *, flags: int = 0) -> None:
        """`DOMAIN_MANAGED_SAVE_DEFINE_XML`: change the description inside the managed save."""
        args = w_save.DomainManagedSaveDefineXmlArgs(self.ref, xml, flags)
        await self._call(w_save.DOMAIN_MANAGED_SAVE_DEFINE_XML, args)

    async def core_dump(self, path: str, *, dump_format: int = 0, flags: int = 0) -> None:
        """`DOMAIN_CORE_DUMP_WITH_FORMAT` (supersedes `DOMAIN_CORE_DUMP`): memory to `path`.

        `dump_format` 0 raw, 1–3 kdump with zlib, lzo, snappy. `flags`: `DomainDump`.
        """
        if dump_format == 0:
            await self._call(
                w_save.DOMAIN_CORE_DUMP, w_save.DomainCoreDumpArgs(self.ref, path, flags)
            )
            return
        args = w_save.DomainCoreDumpWithFormatArgs(self.ref, path, dump_format, flags)
        await self._call(w_save.DOMAIN_CORE_DUMP_WITH_FORMAT, args)
