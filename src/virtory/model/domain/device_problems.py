"""What is wrong with a machine's devices, each alone and all together.

The rule kept here: only what no host could serve is a problem; what a driver can not do is its own
to say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from virtory.model.domain.devices.address import (
    CcidAddress,
    DriveAddress,
    PciAddress,
    UsbAddress,
    VirtioSerialAddress,
    bus_number,
)
from virtory.model.domain.devices.device import is_users_alias
from virtory.model.domain.devices.limits import (
    MOST_CONTROLLERS,
    MOST_DRIVES,
    MOST_NETWORK_QUEUES,
    MOST_SERIAL_PORTS,
    MOST_USB_PORTS,
)
from virtory.model.domain.order import disk_index
from virtory.model.domain.tuning_problems import threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.codec.xml import Element
    from virtory.model.domain.devices import Devices
    from virtory.model.domain.devices.disk import Disk
    from virtory.model.domain.devices.interface import Interface
    from virtory.model.domain.domain import Domain

    Problems = Iterator[tuple[str, str]]

_DISK_SOURCES = {
    "file": "file",
    "block": "dev",
    "dir": "dir",
    "network": "protocol",
    "volume": "pool",
}
_INTERFACE_SOURCES = {"network": "network", "bridge": "bridge", "direct": "dev", "vdpa": "dev"}
_PATHS = ("file", "dev", "pipe")
LONGEST_VNC_PASSWORD = 8
_DEVICE = re.compile(r"[A-Za-z0-9_.:-]{1,15}")
_NUMBER = re.compile(r"-1|0[xX][0-9a-fA-F]{1,4}|\d{1,5}", re.ASCII)
_WWN = re.compile(r"(0x)?[0-9a-fA-F]{16}", re.ASCII)
_VERSION = re.compile(r"-1|\d{1,2}\.\d{1,2}", re.ASCII)


def device_problems(domain: Domain) -> Problems:
    """Every (XPath, message) about the devices of `domain`."""
    devices = domain.devices
    for place, disk in places(devices.disks, "disk"):
        yield from _disk(place, disk, domain)
    for place, interface in places(devices.interfaces, "interface"):
        yield from _interface(place, interface)
    yield from _scsi_threads(domain)
    yield from _counts(devices)
    yield from _streams(devices)
    yield from _others(devices)
    yield from _same(devices)


def places(held: tuple[Any, ...], tag: str) -> Iterator[tuple[str, Any]]:
    """Each device with its XPath."""
    for number, device in enumerate(held, 1):
        index = f"[{number}]" if len(held) > 1 else ""
        yield f"/domain/devices/{tag}{index}", device


def every_device(devices: Devices) -> Iterator[tuple[str, Element]]:
    """All devices that can have an address, with their XPaths, in the order of the XML."""
    for tag, held in (
        ("disk", devices.disks),
        ("controller", devices.controllers),
        ("filesystem", devices.filesystems),
        ("interface", devices.interfaces),
        ("smartcard", devices.smartcards),
        ("serial", devices.serials),
        ("parallel", devices.parallels),
        ("channel", devices.channels),
        ("input", devices.inputs),
        ("tpm", devices.tpms),
        ("sound", devices.sounds),
        ("video", devices.videos),
        ("hostdev", devices.hostdevs),
        ("redirdev", devices.redirdevs),
        ("hub", devices.hubs),
        ("watchdog", devices.watchdogs),
        ("rng", devices.rngs),
        ("panic", devices.panics),
    ):
        if held:
            yield from places(held, tag)
    for tag, device in (
        ("memballoon", devices.balloon),
        ("iommu", devices.iommu),
        ("vsock", devices.vsock),
    ):
        if device is not None:
            yield f"/domain/devices/{tag}", device
    for place, console in places(devices.consoles, "console"):
        if console.target is None or console.target.type != "serial":
            yield place, console


def _disk(place: str, disk: Disk, domain: Domain) -> Problems:
    source, bus = disk.source, disk.target.bus
    index = disk_index(disk.target.dev)
    if index is not None and index >= MOST_DRIVES:
        yield (
            f"{place}/target/@dev",
            f"{disk.target.dev!r} would be drive {index + 1}; there are at most {MOST_DRIVES}",
        )
    if index is None:
        yield (
            f"{place}/target/@dev",
            f"{disk.target.dev!r} is no name of a drive; use one such as vda, sda or hda",
        )
    wanted = _DISK_SOURCES.get(disk.type)
    given = getattr(source, wanted) if source is not None and wanted is not None else None
    if wanted is not None and not given and not disk.is_removable:
        yield f"{place}/source/@{wanted}", f"the disk {disk.target.dev!r} has no source"
    if disk.type == "volume" and given and source is not None and not source.volume:
        yield f"{place}/source/@volume", f"the disk {disk.target.dev!r} names no volume"
    if disk.device == "floppy" and bus not in (None, "fdc"):
        yield f"{place}/target/@bus", f"a floppy drive is on bus 'fdc', not {bus!r}"
    if bus == "fdc" and disk.device != "floppy":
        yield f"{place}/target/@bus", f"bus 'fdc' has floppy drives only, not a {disk.device}"
    if disk.device == "cdrom" and bus == "virtio":
        yield f"{place}/target/@bus", "bus 'virtio' has no CD-ROM drives; use 'sata' or 'scsi'"
    if disk.target.tray is not None and not disk.is_removable:
        yield f"{place}/target/@tray", f"a drive of device {disk.device!r} has no tray"
    tune = disk.iotune
    for kind in ("bytes_sec", "iops_sec", "bytes_sec_max", "iops_sec_max"):
        parts = [getattr(tune, f"{part}_{kind}", None) for part in ("total", "read", "write")]
        if parts[0] and any(parts[1:]):
            yield f"{place}/iotune/total_{kind}", "total excludes read and write"
    thread = disk.driver.iothread if disk.driver else None
    if thread is not None and thread not in threads(domain):
        yield f"{place}/driver/@iothread", f"there is no I/O thread {thread}; see <iothreads>"


def _counts(devices: Devices) -> Problems:
    """Numbers beyond what there can be."""
    for place, controller in places(devices.controllers, "controller"):
        most = {"usb": MOST_USB_PORTS, "virtio-serial": MOST_SERIAL_PORTS}.get(controller.type)
        if most is not None and controller.ports is not None and not 1 <= controller.ports <= most:
            yield f"{place}/@ports", f"{controller.ports} ports; it has from 1 to {most}"
    for place, disk in places(devices.disks, "disk"):
        address = disk.address
        if isinstance(address, DriveAddress) and address.controller > MOST_CONTROLLERS:
            where = f"{place}/address/@controller"
            yield where, f"controller {address.controller} is beyond the last, {MOST_CONTROLLERS}"
        if disk.wwn is not None and _WWN.fullmatch(disk.wwn) is None:
            yield f"{place}/wwn", f"{disk.wwn!r} is no world wide name of 16 hexadecimal digits"
    for place, card in places(devices.interfaces, "interface"):
        queues = card.driver.queues if card.driver is not None else None
        if queues is not None and not 1 <= queues <= MOST_NETWORK_QUEUES:
            where = f"{place}/driver/@queues"
            yield where, f"{queues} queues; a card has from 1 to {MOST_NETWORK_QUEUES}"


def _scsi_threads(domain: Domain) -> Problems:
    for place, each in places(domain.devices.controllers, "controller"):
        thread = each.driver.iothread if each.driver else None
        if thread is not None and thread not in threads(domain):
            yield f"{place}/driver/@iothread", f"there is no I/O thread {thread}; see <iothreads>"


def _interface(place: str, interface: Interface) -> Problems:
    source = interface.source
    wanted = _INTERFACE_SOURCES.get(interface.type)
    if wanted is not None and not (source is not None and getattr(source, wanted)):
        yield (
            f"{place}/source/@{wanted}",
            f"an interface of type {interface.type!r} needs a {wanted}",
        )
    if interface.mac is not None and interface.mac.address.is_multicast:
        address = interface.mac.address
        yield f"{place}/mac/@address", f"{address} is a multicast address; its first byte is odd"
    target = interface.target
    if target is not None and target.dev is not None and not _DEVICE.fullmatch(target.dev):
        yield (
            f"{place}/target/@dev",
            f"{target.dev!r} is no name of a device: at most 15 letters, digits, '._:-'",
        )
    for number, forward in enumerate(interface.port_forwards, 1):
        for index, ports in enumerate(forward.ranges, 1):
            if ports.end is not None and ports.end < ports.start:
                yield (
                    f"{place}/portForward[{number}]/range[{index}]/@end",
                    f"the range ends at {ports.end}, before its start {ports.start}",
                )


def _streams(devices: Devices) -> Problems:
    """Serial ports and their like: does the source say where?"""
    for tag, held in (
        ("serial", devices.serials),
        ("parallel", devices.parallels),
        ("console", devices.consoles),
        ("channel", devices.channels),
        ("redirdev", devices.redirdevs),
    ):
        for place, device in places(held, tag):
            source = device.source
            path = source.path if source is not None else None
            needs = device.type in _PATHS or (device.type == "unix" and tag != "channel")
            if needs and not path:
                yield f"{place}/source/@path", f"type {device.type!r} needs a path"
            if device.type == "tcp":
                for part in ("host", "service"):
                    if source is None or not getattr(source, part):
                        yield f"{place}/source/@{part}", f"type 'tcp' needs a {part}"
    for place, console in places(devices.consoles, "console"):
        kind = console.target.type if console.target is not None else None
        if console is not devices.consoles[0] and kind in (None, "serial"):
            yield f"{place}/target/@type", "only the first console can be a serial port; use virtio"
    for place, channel in places(devices.channels, "channel"):
        target = channel.target
        if target.type == "guestfwd" and (target.address is None or target.port is None):
            yield f"{place}/target", "type 'guestfwd' needs an address and a port"


def _others(devices: Devices) -> Problems:
    for place, graphics in places(devices.graphics, "graphics"):
        if graphics.type == "vnc" and len(graphics.passwd or "") > LONGEST_VNC_PASSWORD:
            yield (
                f"{place}/@passwd",
                f"VNC passwords have at most {LONGEST_VNC_PASSWORD} characters, this one has "
                f"{len(graphics.passwd or '')}",
            )
    for place, filesystem in places(devices.filesystems, "filesystem"):
        if not filesystem.target:
            yield f"{place}/target/@dir", "a share needs a name for the guest"
        if filesystem.source is None:
            yield f"{place}/source", "a share needs a directory of the host"
    for place, rng in places(devices.rngs, "rng"):
        if rng.backend.model == "egd" and not rng.backend.sources:
            yield f"{place}/backend/source", "backend 'egd' needs a source"
    for place, hostdev in places(devices.hostdevs, "hostdev"):
        if hostdev.source is None:
            yield f"{place}/source", "which device of the host is meant is not said"
            continue
        bus = hostdev.source.address.bus if hostdev.source.address is not None else None
        if bus is not None and hostdev.type in ("usb", "pci") and bus_number(bus) is None:
            yield f"{place}/source/address/@bus", f"{bus!r} is no number of a bus"
    yield from _filter(devices)
    usb = [(p, c) for p, c in places(devices.controllers, "controller") if c.type == "usb"]
    if len(usb) > 1 and any(each.model == "none" for _, each in usb):
        where = next(place for place, each in usb if each.model == "none")
        yield f"{where}/@model", "'none' switches USB off, yet there are other USB controllers"
    vsock = devices.vsock
    if vsock is not None and vsock.cid is not None:
        cid = vsock.cid.address
        if cid is not None and not 3 <= cid < 2**32 - 1:
            yield "/domain/devices/vsock/cid/@address", f"{cid} is reserved; guests have 3 or more"
    balloon = devices.balloon
    if balloon is not None and balloon.model == "none" and balloon.stats_period:
        yield "/domain/devices/memballoon/stats", "without a balloon there are no statistics"


def _filter(devices: Devices) -> Problems:
    """Rules about lent USB devices: numbers as libvirt takes them."""
    rules = devices.redirfilter.rules if devices.redirfilter is not None else ()
    for number, rule in enumerate(rules, 1):
        place = f"/domain/devices/redirfilter/usbdev[{number}]"
        for name, text in (
            ("class", rule.device_class),
            ("vendor", rule.vendor),
            ("product", rule.product),
        ):
            if text is not None and _NUMBER.fullmatch(text) is None:
                yield f"{place}/@{name}", f"{text!r} is no number such as 0x08, nor -1 for any"
        if rule.version is not None and _VERSION.fullmatch(rule.version) is None:
            yield f"{place}/@version", f"{rule.version!r} is no version such as 2.56, nor -1"


def _same(devices: Devices) -> Problems:
    """Names, numbers and addresses that two devices claim."""
    claims = [
        (f"{p}/target/@dev", f"the drive {d.target.dev!r}")
        for p, d in places(devices.disks, "disk")
    ]
    claims += [
        (f"{p}/mac/@address", f"the MAC address {i.mac.address}")
        for p, i in places(devices.interfaces, "interface")
        if i.mac is not None
    ]
    claims += [
        (f"{p}/@index", f"the {c.type} controller {c.index}")
        for p, c in places(devices.controllers, "controller")
        if c.index is not None and c.type != "usb"
    ]
    claims += [
        (f"{p}/target/@dir", f"the share {f.target!r}")
        for p, f in places(devices.filesystems, "filesystem")
        if f.target
    ]
    claims += [
        (f"{p}/@id", f"the audio back end {a.id}") for p, a in places(devices.audios, "audio")
    ]
    aliases: list[tuple[str, str]] = []
    addresses: list[tuple[str, str]] = []
    for place, device in every_device(devices):
        alias = getattr(device, "alias", None)
        if is_users_alias(alias):
            aliases.append((f"{place}/alias/@name", f"the alias {alias!r}"))
        spelled = _address(device)
        if spelled is not None:
            addresses.append((f"{place}/address", spelled))
    return _twice([*claims, *aliases, *addresses])


def _twice(claims: list[tuple[str, str]]) -> Problems:
    first: dict[str, str] = {}
    for place, claim in claims:
        other = first.setdefault(claim, place)
        if other != place:
            yield place, f"{claim} is also at {other.rpartition('/')[0]}"


def _address(device: Any) -> str | None:
    """The address as words that are equal for devices which exclude each other."""
    match device.address:
        case PciAddress() as pci:
            where = f"{pci.domain:04x}:{pci.bus:02x}:{pci.slot:02x}.{pci.function}"
            return f"the PCI address {where}"
        case DriveAddress() as drive:
            bus = getattr(getattr(device, "target", None), "bus", None) or "drive"
            where = f"{drive.controller}:{drive.bus}:{drive.target}:{drive.unit}"
            return f"the {bus} address {where}"
        case VirtioSerialAddress() as port if port.port is not None:
            return f"the virtio-serial port {port.controller}:{port.bus}:{port.port}"
        case UsbAddress() as usb if usb.port is not None:
            return f"the USB port {usb.bus}:{usb.port}"
        case CcidAddress() as card:
            return f"the smartcard slot {card.controller}:{card.slot}"
    return None
