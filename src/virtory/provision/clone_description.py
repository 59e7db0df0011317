"""A clone's description: that of the original with another identity and other disks.

The rule kept here: pure. Whatever names one machine (name, UUID, generation id, addresses of cards,
ports, sockets) is new or left to be chosen; whatever says what kind of machine it is stays.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.errors import InvalidArgument
from virtory.model.values import Mac, Uuid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from virtory.model.domain import Devices, Domain
    from virtory.model.domain.devices.disk import Disk


def described(
    original: Domain, name: str, uuid: str, files: Mapping[str, str], macs: Sequence[str] = ()
) -> Domain:
    """The clone. `files`: target → path of each disk that it gets for itself; `macs`: in order.

    Raises InvalidArgument for a disk that the original lacks, or more addresses than cards.
    """
    devices = original.devices
    targets = [disk.target.dev for disk in devices.disks]
    for target in files:
        if target not in targets:
            raise InvalidArgument(
                f"'{original.name}' has no disk '{target}'", cure=f"it has {', '.join(targets)}"
            )
    if len(macs) > len(devices.interfaces):
        raise InvalidArgument(
            f"{len(macs)} MAC addresses for {len(devices.interfaces)} network cards",
            cure="give at most one for each card of the original",
        )
    addresses = [_address(mac) for mac in macs]
    genid = original.genid
    nvram = original.os.nvram
    return replace(
        original,
        id=None,
        name=name,
        uuid=Uuid.parse(uuid),
        genid=replace(genid, uuid=Uuid.random()) if genid is not None else None,
        sysinfos=tuple(_sysinfo(each, uuid) for each in original.sysinfos),
        os=replace(original.os, nvram=replace(nvram, path=None) if nvram is not None else None),
        seclabels=tuple(each for each in original.seclabels if each.type != "dynamic"),
        devices=_devices(devices, files, addresses),
    )


def own_disks(original: Domain) -> list[Disk]:
    """The disks of which a clone gets its own: neither media nor shared."""
    return [
        disk
        for disk in original.devices.disks
        if disk.device in ("disk", "lun")
        and not disk.readonly
        and not disk.shareable
        and disk.source is not None
        and (disk.source.path or disk.source.volume)
    ]


def path_beside(disk: Disk, original: str, name: str, *, linked: bool) -> str:
    """Where a clone's disk goes by itself: beside the original's, named after the clone."""
    assert disk.source is not None
    path = disk.source.file or ""
    if not path:
        raise InvalidArgument(
            f"disk '{disk.target.dev}' of '{original}' is no file, so there is no place beside it",
            cure=f"name one: --file {disk.target.dev}=/path/of/{name}.qcow2",
        )
    directory, base = os.path.split(path)
    stem, extension = os.path.splitext(base)
    stem = stem.split(".overlay", 1)[0]
    fresh = stem.replace(original, name, 1) if original in stem else f"{stem}-{name}"
    if linked:
        extension = ".qcow2"
    return os.path.join(directory, fresh + extension)


def _devices(devices: Devices, files: Mapping[str, str], macs: Sequence[Mac]) -> Devices:
    cards = [
        _card(card, macs[number] if number < len(macs) else None)
        for number, card in enumerate(devices.interfaces)
    ]
    vsock = devices.vsock
    if vsock is not None and vsock.cid is not None:
        vsock = replace(vsock, cid=replace(vsock.cid, auto=True, address=None))
    changes: dict[str, Any] = {
        "disks": tuple(_disk(disk, files.get(disk.target.dev)) for disk in devices.disks),
        "interfaces": tuple(cards),
        "graphics": tuple(_graphics(each) for each in devices.graphics),
        "vsock": vsock,
    }
    for row in ("channels", "serials", "consoles", "parallels"):
        changes[row] = tuple(_character(each) for each in getattr(devices, row))
    return replace(devices, **changes)


def _disk(disk: Disk, path: str | None) -> Disk:
    if path is None:
        return disk
    from virtory.model.domain.devices.disk import Source

    return replace(disk, type="file", source=Source(file=path), backing_store=None, mirror=None)


def _address(text: str) -> Mac:
    try:
        return Mac.parse(text)
    except ValueError as error:
        raise InvalidArgument(str(error), cure="leave it out for a new one") from None


def _card(card: Any, mac: Mac | None) -> Any:
    from virtory.model.domain.devices.interface import InterfaceMac

    address = mac if mac is not None else Mac.random()
    target = card.target
    if target is not None and target.dev is not None and target.managed is None:
        target = None
    return replace(card, mac=InterfaceMac(address=address), target=target)


def _graphics(graphics: Any) -> Any:
    """A fixed port is the original's; the clone's is chosen at its start."""
    if graphics.type in ("vnc", "spice") and (graphics.port or -1) > 0:
        return replace(graphics, port=None, tls_port=None, websocket=None, autoport=True)
    return graphics


def _character(device: Any) -> Any:
    """Where the original listens, the clone can not: a place of its own is chosen."""
    source = device.source
    if device.type == "unix" and source is not None and source.mode != "connect" and source.path:
        return replace(device, sources=(replace(source, path=None),))
    return device


def _sysinfo(sysinfo: Any, uuid: str) -> Any:
    """libvirt's rule: the machine's UUID and that in its SMBIOS tables are the same."""
    system = sysinfo.system
    if system is None:
        return sysinfo
    entries = tuple(
        replace(each, value=uuid) if each.name == "uuid" else each for each in system.entries
    )
    return replace(sysinfo, system=replace(system, entries=entries))
