"""The definition that would make a running machine again: what a save image and a snapshot keep.

The rule kept here: the opposite of what `aliases` and `live` add for one run goes; whatever the
guest can see stays as it is now, hot-plugged devices and their addresses included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.codec.xml import replaced as replace
from virtory.driver.qemu.aliases import without_aliases
from virtory.driver.qemu.table import parsed
from virtory.model.values import Size

if TYPE_CHECKING:
    from virtory.driver.qemu.guest import Guest
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.disk import BackingStore, Disk
    from virtory.model.domain.devices.graphics import Graphics
    from virtory.model.domain.devices.interface import Interface

_CHARACTERS = ("serials", "parallels", "consoles", "channels")
_TELLING = ("<cpu", "<backingStore")
_OUR_LINKS = ("vnet", "vtap", "macvtap")


def definition_of(guest: Guest) -> Domain:
    """What the guest is now, as a definition."""
    live = without_aliases(guest.domain)
    devices = live.devices
    asked = _asked(guest)
    changes: dict[str, Any] = {
        "disks": tuple(_disk(each, asked) for each in devices.disks),
        "graphics": tuple(_graphics(each) for each in devices.graphics),
        "interfaces": tuple(_interface(each) for each in devices.interfaces),
    }
    run = guest.plan.directory
    for field in _CHARACTERS:
        changes[field] = tuple(_character(each, run) for each in getattr(devices, field))
    if devices.vsock is not None and devices.vsock.cid is not None and devices.vsock.cid.auto:
        changes["vsock"] = replace(devices.vsock, cid=replace(devices.vsock.cid, address=None))
    return replace(
        live,
        id=None,
        cpu=_cpu(guest, asked),
        current_memory=_memory(guest),
        devices=replace(devices, **changes),
        seclabels=tuple(each for each in live.seclabels if each.type != "dynamic"),
    )


def _memory(guest: Guest) -> Size:
    kib = guest.balloon_kib or (guest.domain.current_memory or guest.domain.memory).kib
    return Size.of_kib(min(kib, guest.domain.memory.kib))


def _asked(guest: Guest) -> Domain | None:
    """Its definition, where that says more than the live description does."""
    row = guest.entry.row
    text = row.xml if row is not None else guest.configuration_text
    if text is None or not any(each in text for each in _TELLING):
        return None
    return parsed(text)


def _cpu(guest: Guest, asked: Domain | None) -> Any:
    """As it was asked for: live, what QEMU made of that is spelled out."""
    return asked.cpu if asked is not None and asked.cpu is not None else guest.domain.cpu


def _disk(disk: Disk, asked: Domain | None) -> Disk:
    """The chain is told by the images themselves, unless the definition said otherwise."""
    source = replace(disk.source, index=None) if disk.source is not None else None
    target = replace(disk.target, tray=None)
    stores = {
        each.target.dev: each.backing_store
        for each in (asked.devices.disks if asked is not None else ())
    }
    explicit = stores.get(disk.target.dev) is not None
    store = without_indexes(disk.backing_store) if explicit else None
    return replace(disk, source=source, target=target, mirror=None, backing_store=store)


def without_indexes(store: BackingStore | None) -> BackingStore | None:
    """A backing chain without the numbers of one run."""
    if store is None:
        return None
    return replace(store, index=None, backing_store=without_indexes(store.backing_store))


def _graphics(graphics: Graphics) -> Graphics:
    if graphics.autoport:
        graphics = replace(graphics, port=-1 if graphics.type == "vnc" else None, tls_port=None)
    return graphics


def _interface(interface: Interface) -> Interface:
    target = interface.target
    if target is not None and target.dev is not None and target.dev.startswith(_OUR_LINKS):
        return replace(interface, target=replace(target, dev=None) if target.managed else None)
    return interface


def _character(device: Any, run: str) -> Any:
    changes: dict[str, Any] = {"tty": None}
    path = device.source.path if device.source is not None else None
    if device.type == "pty" or (path or "").startswith(f"{run}/"):
        changes["sources"] = ()
    if getattr(device.target, "state", None) is not None:
        changes["target"] = replace(device.target, state=None)
    return replace(device, **changes)
