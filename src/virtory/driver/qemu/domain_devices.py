"""Devices attached to a domain, detached from it and changed: live, in its definition, or both.

The rule kept here: both or neither. The new definition is made first and becomes true in the same
save as the change of the running machine.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from virtory.driver import device_edit
from virtory.driver.device_match import found, with_alias
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu.part import Edit, Part, affected
from virtory.errors import (
    ConfigUnsupported,
    DeviceNotFound,
    InternalError,
    InvalidArgument,
    OperationFailed,
    OperationInvalid,
    OperationUnsupported,
    XmlError,
)
from virtory.model.domain.devices.device import is_users_alias
from virtory.model.domain.order import bus_of, ordered
from virtory.model.flags import DomainAffect, DomainDeviceModify

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.device_edit import Held
    from virtory.driver.qemu.table import Entry
    from virtory.model.domain import Domain

_PLUGGED = ("disk", "controller", "interface", "hostdev", "redirdev", "chr", "rng", "memory",
            "shmem", "watchdog", "input", "vsock", "filesystem")  # fmt: skip
_PLUGGED_DISKS = ("virtio", "scsi", "usb")
_PLUGGED_CONTROLLERS = ("scsi", "virtio-serial", "usb")
_SINGLE = {"memballoon": "memballoon", "vsock": "vsock", "iommu": "iommu", "watchdog": "watchdog"}


class DomainDevices(Part):
    """Attach, detach, update."""

    async def attach_device(self, uuid: bytes, xml: str, flags: int) -> None:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainAttachDeviceFlags")
        entry = self._entry(uuid)
        live, config = affected(entry, flags)
        device = _identified(_parsed(xml))
        if not live:
            await self._configured(entry, partial(self._attached, device=device))
            return
        await entry.running().patiently(self._attach(entry, device, config=config))

    async def _attach(self, entry: Entry, device: Any, *, config: bool) -> None:
        from virtory.driver.qemu.hotplug import plugging

        guest = entry.running()
        async with guest.job("attach device"):
            change = partial(self._attached, device=device)
            edit = await Edit.of(entry, change) if config else None
            medium = _drive_of(guest.domain, device)
            if medium is not None:
                await self._update_live(entry, medium, device, edit, force=False)
                return
            _refuse_plugging(guest.domain, device)
            needed = await plugging.placed(guest, self._preparation, device)
            if needed[:-1]:
                await plugging.rehearse(guest, self._preparation, needed[-1])
            for carrier in needed[:-1]:
                await plugging.plug(guest, self._preparation, carrier)
            await plugging.plug(guest, self._preparation, needed[-1], edit)

    async def _attached(self, domain: Domain, device: Any) -> Domain:
        domain = ordered(domain)
        medium = _drive_of(domain, device)
        if medium is not None:
            return await self._updated(domain, device)
        _refuse_twice(domain, device, OperationInvalid)
        return await self._preparation.completed(device_edit.added(domain, device))

    async def detach_device(self, uuid: bytes, xml: str, flags: int) -> None:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainDetachDeviceFlags")
        wanted = _parsed(xml)
        await self._detach(uuid, flags, lambda domain: found(domain, wanted))

    async def detach_device_alias(self, uuid: bytes, alias: str, flags: int) -> None:
        """The definition has few aliases: there the device is found by what it is, too."""
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainDetachDeviceAlias")
        guest = self._entry(uuid).guest

        def find(domain: Domain) -> Held:
            try:
                return with_alias(domain, alias)
            except InternalError:
                if guest is None or domain is guest.domain:
                    raise
                return found(domain, replace(with_alias(guest.domain, alias).device, alias=None))

        await self._detach(uuid, flags, find)

    async def _detach(self, uuid: bytes, flags: int, find: Any) -> None:
        entry = self._entry(uuid)
        live, config = affected(entry, flags)

        def without(domain: Domain) -> Domain:
            domain = ordered(domain)
            try:
                gone = find(domain)
            except DeviceNotFound as error:
                if "character" in error.detail:  # libvirt has another code for these
                    raise InvalidArgument("device not present in domain configuration") from None
                raise
            _refuse_needed(domain, gone)
            return device_edit.removed(domain, gone)

        if not live:
            await self._configured(entry, without)
            return
        await entry.running().patiently(self._unplug(entry, find, without if config else None))

    async def _unplug(self, entry: Entry, find: Any, without: Any) -> None:
        from virtory.driver.qemu.disks import block_job
        from virtory.driver.qemu.hotplug import plugging

        guest = entry.running()
        async with guest.job("detach device"):
            edit = None
            if without is not None:
                edit = await Edit.of(entry, without, partial(_if_there, without))
            gone = find(guest.domain)
            _refuse_unplugging(gone.device)
            _refuse_needed(guest.domain, gone)
            if gone.field == "disks":
                block_job.refuse(guest, gone.device.target.dev)
            await plugging.unplug(guest, gone.device, edit)

    async def update_device(self, uuid: bytes, xml: str, flags: int) -> None:
        refuse_unknown(flags, DomainDeviceModify.ALL, "qemuDomainUpdateDeviceFlags")
        entry = self._entry(uuid)
        live, config = affected(entry, flags)
        device = _parsed(xml)
        if not live:
            await self._configured(entry, partial(self._updated, device=device))
            return
        await entry.running().patiently(
            self._update(entry, device, config=config, force=bool(flags & DomainDeviceModify.FORCE))
        )

    async def _update(self, entry: Entry, device: Any, *, config: bool, force: bool) -> None:
        guest = entry.running()
        async with guest.job("update device"):
            change = partial(self._updated, device=device)
            edit = await Edit.of(entry, change) if config else None
            try:
                former = found(guest.domain, device)
            except DeviceNotFound:
                if device_edit.tag_of(device) == "disk":
                    raise InternalError(f"disk '{device.target.dev}' not found") from None
                raise
            await self._update_live(entry, former, device, edit, force=force)

    async def _update_live(
        self, entry: Entry, former: Held, device: Any, edit: Edit | None, *, force: bool
    ) -> None:
        from virtory.driver.qemu.hotplug import media, updating

        guest = entry.running()
        if former.field == "disks" and updating.is_medium(former.device, device):
            await media.change(guest, self._preparation, former, device, edit, force=force)
            return
        await updating.update(guest, self._preparation, former, device, edit)

    async def _updated(self, domain: Domain, device: Any) -> Domain:
        """The definition with the device in the place of the one that it means."""
        domain = ordered(domain)
        try:
            former = found(domain, device)
        except DeviceNotFound:
            if device_edit.tag_of(device) == "disk":
                raise InvalidArgument(f"target {device.target.dev} doesn't exist.") from None
            raise
        kept: dict[str, Any] = {}
        if getattr(device, "address", None) is None and hasattr(device, "address"):
            kept["address"] = former.device.address
        alias = getattr(former.device, "alias", None)
        kept["alias"] = alias if is_users_alias(alias) else None
        if not hasattr(device, "alias"):
            kept.pop("alias")
        if former.field == "disks":
            kept["target"] = replace(
                device.target, bus=device.target.bus or former.device.target.bus
            )
        changed = device_edit.changed(domain, former, replace(device, **kept))
        return await self._preparation.completed(changed)


def _if_there(without: Callable[[Domain], Domain], domain: Domain) -> Domain:
    """Without the device; as it is when it was defined anew without it meanwhile."""
    with contextlib.suppress(DeviceNotFound, InvalidArgument):
        return without(domain)
    return domain


def _parsed(xml: str) -> Any:
    """The device that a client describes; one of no known kind is "unsupported", as in libvirt."""
    from virtory.model.domain import parse_device
    from virtory.model.domain.text import device_kinds

    try:
        return parse_device(xml)
    except XmlError as error:
        _, begun, rest = error.detail.partition("the root element is <")
        name = rest.partition(">")[0]
        if not begun or name in device_kinds():
            raise
        raise ConfigUnsupported(
            f"unknown device type '{name}'", cure=f"one of {', '.join(sorted(device_kinds()))}"
        ) from None


def _identified(device: Any) -> Any:
    """With everything random drawn, so that the machine and its definition get the same."""
    if device_edit.tag_of(device) == "interface" and device.mac is None:
        from virtory.model.domain.devices.interface import InterfaceMac
        from virtory.model.values import Mac

        return replace(device, mac=InterfaceMac(address=Mac.random()))
    return device


def _drive_of(domain: Domain, device: Any) -> Held | None:
    """The CD or floppy drive that is there already: attaching to it changes its medium."""
    if device_edit.tag_of(device) != "disk" or not device.is_removable:
        return None
    for one in device_edit.held(domain.devices, "disks"):
        drive = one.device
        if drive.target.dev == device.target.dev and drive.is_removable:
            return one
    return None


# -- refusals ----------------------------------------------------------------------------------


def _refuse_plugging(domain: Domain, device: Any) -> None:
    kind = device_edit.kind_of(device)
    if kind not in _PLUGGED:
        raise OperationUnsupported(
            f"live attach of device '{kind}' is not supported",
            cure="add it with --config and restart the domain",
        )
    if kind == "disk":
        bus = bus_of(device)
        if bus not in _PLUGGED_DISKS:
            raise OperationUnsupported(
                f"disk bus '{bus}' cannot be hotplugged.",
                cure="use bus virtio, scsi or usb, or --config and a restart",
            )
    if kind == "filesystem" and (device.driver is None or device.driver.type != "virtiofs"):
        raise OperationUnsupported(
            "only virtiofs filesystems can be hotplugged",
            cure="use <driver type='virtiofs'/>, or --config and a restart",
        )
    if kind == "controller" and device.type not in _PLUGGED_CONTROLLERS:
        raise OperationUnsupported(
            f"'{device.type}' controller cannot be hot plugged.",
            cure="add it with --config and restart the domain",
        )
    _refuse_twice(domain, device, OperationFailed)


def _refuse_twice(domain: Domain, device: Any, error: type[Exception]) -> None:
    """What the machine has already."""
    kind, devices = device_edit.kind_of(device), domain.devices
    for disk in devices.disks if kind == "disk" else ():
        if disk.target.dev == device.target.dev:
            name = device.target.dev
            if error is OperationInvalid:
                raise error(f"target {name} already exists")
            raise XmlError(
                f"target '{name}' duplicated for disk sources '{disk.path or ''}' and "
                f"'{device.path or ''}'"
            )
    if kind == "chr" and device.target is not None and getattr(device.target, "name", None):
        for channel in devices.channels:
            if channel.target is not None and channel.target.name == device.target.name:
                raise OperationInvalid("chardev already exists", cure="give it another name")
    if kind == "controller" and device.index is not None:
        for each in devices.controllers:
            if (each.type, each.index) == (device.type, device.index):
                raise error(f"target {device.type}:{device.index} already exists")
    if kind in _SINGLE:
        field = device_edit.field_of(device, devices)
        there = [one.device for one in device_edit.held(devices, field)]
        if kind == "memballoon" and all(each.model == "none" for each in there):
            return
        if there and kind != "watchdog":
            raise OperationInvalid(f"domain already has a {kind} device")
        if kind == "watchdog" and any(each.model == device.model for each in there):
            raise OperationInvalid("domain already has a watchdog")


def _refuse_unplugging(device: Any) -> None:
    kind = device_edit.kind_of(device)
    if kind not in _PLUGGED:
        raise OperationUnsupported(
            f"live detach of device '{kind}' is not supported",
            cure="remove it with --config and restart the domain",
        )
    if kind == "disk" and device.target.bus not in _PLUGGED_DISKS:
        if device.is_removable:
            raise OperationUnsupported(
                f"disk device type '{device.device}' cannot be detached",
                cure="eject its medium instead (change-media)",
            )
        raise OperationUnsupported(
            "This type of disk cannot be hot unplugged",
            cure="remove it with --config and restart the domain",
        )
    if kind == "input" and device.bus == "ps2":
        raise OperationUnsupported("ps2 input devices cannot be hot unplugged")
    if kind == "controller" and device.type not in _PLUGGED_CONTROLLERS:
        raise OperationUnsupported(f"'{device.type}' controller cannot be hot unplugged.")


def _refuse_needed(domain: Domain, gone: Held) -> None:
    """A controller that has devices stays."""
    if gone.field != "controllers":
        return
    controller = gone.device
    users = [
        one.device
        for one in device_edit.every(domain.devices)
        if one != gone and _hangs_on(getattr(one.device, "address", None), controller, one.device)
    ]
    if users:
        names = ", ".join(
            str(each.alias or getattr(getattr(each, "target", None), "dev", None) or "one")
            for each in users
        )
        raise OperationFailed(
            "device cannot be detached: device is busy", cure=f"detach what hangs on it: {names}"
        )


def _hangs_on(address: Any, controller: Any, device: Any) -> bool:
    from virtory.model.domain.devices.address import DriveAddress, UsbAddress, VirtioSerialAddress

    if isinstance(address, DriveAddress):
        return bool(device.target.bus == controller.type and address.controller == controller.index)
    if isinstance(address, UsbAddress):
        return bool(controller.type == "usb" and address.bus == controller.index)
    if isinstance(address, VirtioSerialAddress):
        return bool(controller.type == "virtio-serial" and address.controller == controller.index)
    return False
