"""What a running machine's description says beyond its definition.

The rule kept here: only what is true of this run: the images in use, sockets, ports, terminals, the
CPU that QEMU gives, the user it runs as.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.codec.xml import replaced as replace
from virtory.driver.qemu.cpu import live_cpu
from virtory.driver.qemu.planning.displays import spice_socket
from virtory.model.domain.devices.address import HostAddress
from virtory.model.domain.devices.channel import Channel
from virtory.model.domain.devices.character import CharacterSource
from virtory.model.domain.devices.disk import BackingStore, Disk, Source
from virtory.model.domain.devices.filesystem import FilesystemBinary
from virtory.model.domain.devices.interface import InterfaceTarget
from virtory.model.domain.seclabel import Seclabel
from virtory.model.values import Uuid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.driver.qemu.plan import Image, Plan
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.filesystem import Filesystem
    from virtory.model.domain.devices.graphics import Graphics
    from virtory.model.domain.devices.hostdev import Hostdev
    from virtory.model.domain.devices.interface import Interface

_CHARACTERS = ("serials", "parallels", "consoles", "channels", "redirdevs")


def with_plan(live: Domain, plan: Plan) -> Domain:
    """The same with what the plan has chosen."""
    devices = live.devices
    changes: dict[str, Any] = {
        "disks": tuple(disk_of_plan(each, plan) for each in devices.disks),
        "interfaces": tuple(live_interface(each, plan) for each in devices.interfaces),
        "graphics": tuple(_graphics(g, n, plan) for n, g in enumerate(devices.graphics)),
    }
    for field in _CHARACTERS:
        changes[field] = tuple(_character(each, plan) for each in getattr(devices, field))
    changes["filesystems"] = tuple(_filesystem(each, plan) for each in devices.filesystems)
    changes["hostdevs"] = tuple(_hostdev(each, plan) for each in devices.hostdevs)
    if devices.vsock is not None and devices.vsock.cid is not None and plan.cids:
        cid = replace(devices.vsock.cid, address=plan.cids[0])
        changes["vsock"] = replace(devices.vsock, cid=cid)
    seclabels = live.seclabels
    if plan.uid is not None and not any(each.model == "dac" for each in seclabels):
        label = f"+{plan.uid}:+{plan.gid}"
        mine = Seclabel(type="dynamic", model="dac", relabel=False, label=label, imagelabel=label)
        seclabels = (*seclabels, mine)
    return replace(live, devices=replace(devices, **changes), seclabels=seclabels)


def with_cpu(live: Domain, capabilities: Capabilities, accelerator: str) -> Domain:
    """The same with the CPU that the guest sees."""
    if live.cpu is None:
        return live
    return replace(live, cpu=live_cpu(live.cpu, capabilities, accelerator))


def with_terminals(live: Domain, terminals: Mapping[str, str]) -> Domain:
    """The same with the paths of pseudo-terminals, by alias, that QEMU has opened."""
    changes: dict[str, Any] = {}
    for field in _CHARACTERS:
        row: list[Any] = []
        for device in getattr(live.devices, field):
            path = terminals.get(device.alias or "")
            if device.type == "pty" and path is not None:
                device = replace(device, sources=(CharacterSource(path=path),))
                if field == "consoles" and not row:
                    device = replace(device, tty=path)
            row.append(device)
        changes[field] = tuple(row)
    return replace(live, devices=replace(live.devices, **changes))


def live_interface(interface: Interface, plan: Plan) -> Interface:
    """The card with its tap's name, and where that is plugged in."""
    tap = plan.tap(interface.alias)
    if tap is None:
        return interface
    target = replace(interface.target or InterfaceTarget(), dev=tap.name)
    source = interface.source
    if source is not None and tap.network is not None and tap.port is not None:
        port = Uuid.parse(tap.port)
        if tap.mode is None:
            source = replace(source, portid=port, bridge=tap.device)
        else:
            mode: Any = tap.mode
            source = replace(source, portid=port, dev=tap.device, mode=mode)
    return replace(interface, target=target, source=source)


def disk_of_plan(disk: Disk, plan: Plan) -> Disk:
    """The disk with the images that its plan has, numbered."""
    images = plan.chain(disk.target.dev)
    if disk.source is None or not images:  # an optional medium that is not there
        driver = replace(disk.driver, type=None) if disk.driver is not None else None
        return replace(disk, source=None, backing_store=None, driver=driver)
    source = replace(disk.source, index=images[0].index)
    return replace(disk, source=source, backing_store=_below(images[1:]))


def _below(images: list[Image]) -> BackingStore:
    """The chain as elements; an empty one says that nothing is below."""
    store = BackingStore()
    for image in reversed(images):
        source = Source(dev=image.path) if image.is_device else Source(file=image.path)
        store = BackingStore(
            type="block" if image.is_device else "file",
            index=image.index,
            format=image.format,
            source=source,
            backing_store=store,
        )
    return store


def _character(device: Any, plan: Plan) -> Any:
    changes: dict[str, Any] = {}
    path = plan.path(f"char:{device.alias}")
    if device.type == "unix" and path is not None:
        source = device.source or CharacterSource()
        changes["sources"] = (replace(source, mode="bind", path=path),)
    if isinstance(device, Channel) and device.target.type == "virtio":
        changes["target"] = replace(device.target, state="disconnected")
    return replace(device, **changes) if changes else device


def _filesystem(share: Filesystem, plan: Plan) -> Filesystem:
    """A share with the program that serves it."""
    name = f"virtiofsd-{share.alias}"
    program = next((each.argv[0] for each in plan.helpers if each.name == name), None)
    if program is None:
        return share
    return replace(share, binary=replace(share.binary or FilesystemBinary(), path=program))


def _hostdev(device: Hostdev, plan: Plan) -> Hostdev:
    """A USB device with the numbers that it was found under."""
    path = plan.path(f"hostdev:{device.alias}")
    if path is None or device.source is None:
        return device
    bus, number = path.split("/")[-2:]
    address = replace(device.source.address or HostAddress(), bus=str(int(bus)), device=int(number))
    return replace(device, source=replace(device.source, address=address))


def _graphics(graphics: Graphics, number: int, plan: Plan) -> Graphics:
    if graphics.type not in ("vnc", "spice") or not graphics.listens:
        return graphics
    listen = graphics.listens[0]
    if listen.type == "socket":
        path = plan.path(f"{graphics.type}:{number}") or spice_socket(plan.directory, number)
        listen = replace(listen, socket=path)
        shown = path if graphics.type == "vnc" else graphics.socket
        return replace(graphics, socket=shown, listens=(listen, *graphics.listens[1:]))
    if listen.type in ("address", "network"):
        listen = replace(listen, address=listen.address or "127.0.0.1")
        return replace(
            graphics,
            port=plan.vnc_ports[number],
            listen=listen.address,
            listens=(listen, *graphics.listens[1:]),
        )
    return graphics
