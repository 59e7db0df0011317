"""What devices leave unsaid: models, buses, ports, and the devices that a machine has anyway.

The rule kept here: as libvirt 9.0 does it, in its order, so that stored XML is the same; where
libvirt refuses (a microvm has no PCI bus) the device is put on the bus that is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.codec.xml import replaced as replace
from virtory.driver.qemu.definition import usb2
from virtory.driver.qemu.definition.machine_kind import family
from virtory.model.domain.devices.address import IsaAddress, bus_number
from virtory.model.domain.devices.balloon import Balloon
from virtory.model.domain.devices.console import Console, ConsoleTarget
from virtory.model.domain.devices.controller import Controller
from virtory.model.domain.devices.disk import Disk, DiskDriver
from virtory.model.domain.devices.graphics import Graphics, Listen
from virtory.model.domain.devices.input import Input
from virtory.model.domain.devices.interface import GENERATED_NAMES
from virtory.model.domain.devices.limits import MOST_CONTROLLERS, MOST_DRIVES
from virtory.model.domain.devices.serial import Serial, SerialTarget
from virtory.model.domain.devices.sound import Audio
from virtory.model.domain.devices.video import Video, VideoModel
from virtory.model.domain.order import bus_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.model.domain import Devices
    from virtory.model.domain.devices.channel import Channel
    from virtory.model.domain.devices.controller import ControllerType
    from virtory.model.domain.devices.filesystem import Filesystem
    from virtory.model.domain.devices.hostdev import Hostdev
    from virtory.model.domain.devices.interface import Interface
    from virtory.model.domain.devices.panic import Panic
    from virtory.model.domain.devices.rng import Rng, RngBackend

_STREAMS = ("serials", "parallels", "consoles", "channels", "redirdevs", "smartcards")

_SERIAL_MODEL = {"isa-serial": "isa-serial", "pci-serial": "pci-serial", "usb-serial": "usb-serial",
                 "isa-debug": "isa-debugcon"}  # fmt: skip


def with_device_defaults(devices: Devices, machine: str, capabilities: Capabilities) -> Devices:
    """The same with every device's defaults and the machine's own devices."""
    kind = family(machine)
    if streams := _raw_streams(devices):
        devices = replace(devices, **streams)
    serials, consoles = _serials(devices.serials, devices.consoles)
    changes: dict[str, Any] = {
        "emulator": devices.emulator or capabilities.path,
        "serials": serials,
        "consoles": consoles,
        "inputs": _inputs(devices.inputs, kind),
        "audios": _audios(devices),
        "videos": _videos(devices),
        "balloon": devices.balloon or Balloon(model="virtio"),
    }
    for field, complete in (
        ("disks", _disk),
        ("channels", _channel),
        ("graphics", _graphics),
        ("filesystems", _filesystem),
        ("rngs", _rng),
        ("hostdevs", _hostdev),
        ("tpms", _tpm),
        ("panics", _panic),
    ):
        if held := getattr(devices, field):
            changes[field] = tuple(map(complete, held))
    if devices.interfaces:
        changes["interfaces"] = tuple(_interface(each, kind) for each in devices.interfaces)
    if devices.parallels:
        changes["parallels"] = _numbered_parallels(devices)
    if devices.vsock is not None:
        changes["vsock"] = _vsock(devices)
    whole = replace(devices, **changes)
    return replace(whole, controllers=_controllers(whole, kind))


def _raw_streams(devices: Devices) -> dict[str, Any]:
    return {
        field: tuple(map(_raw, held))
        for field in _STREAMS
        if (held := getattr(devices, field)) and any(each.type == "tcp" for each in held)
    }


def _raw(stream: Any) -> Any:
    """A connection by TCP carries bytes as they are unless it says how else."""
    return (
        replace(stream, protocol="raw") if stream.type == "tcp" and not stream.protocol else stream
    )


def _rng(rng: Rng) -> Rng:
    return replace(rng, backend=_backend(rng.backend))


def _panic(panic: Panic) -> Panic:
    return panic if panic.model else replace(panic, model="isa")


def _backend(backend: RngBackend) -> RngBackend:
    if backend.model == "random" and not backend.path:
        return replace(backend, path="/dev/random")
    raw: RngBackend = _raw(backend)
    return raw


def _filesystem(share: Filesystem) -> Filesystem:
    named = share.accessmode or share.type != "mount"
    return share if named else replace(share, accessmode="passthrough")


def _hostdev(device: Hostdev) -> Hostdev:
    changes: dict[str, Any] = {}
    if device.managed is None and device.mode == "subsystem":
        changes["managed"] = False
    if device.type == "mdev" and device.display is None:
        changes["display"] = False
    source = device.source
    address = source.address if source is not None else None
    if source is not None and address is not None and address.bus:
        number = bus_number(address.bus)
        spelled = f"{number:#04x}" if device.type == "pci" else str(number)
        bus = address.bus if number is None else spelled
        changes["source"] = replace(source, address=replace(address, bus=bus))
    return replace(device, **changes) if changes else device


def insert_controller(controllers: Sequence[Controller], new: Controller) -> tuple[Controller, ...]:
    """At the end, or before the first of its type with a greater index."""
    index = new.index or 0
    for position, each in enumerate(controllers):
        if each.type == new.type and (each.index or 0) > index:
            return (*controllers[:position], new, *controllers[position:])
    return (*controllers, new)


# -- storage -----------------------------------------------------------------------------------


def _disk(disk: Disk) -> Disk:
    changes: dict[str, Any] = {}
    if disk.target.bus is None:
        bus: Any = bus_of(disk)
        changes["target"] = replace(disk.target, bus=bus)
    driver = disk.driver
    if driver is None:
        changes["driver"] = DiskDriver(name="qemu", type="raw")
    elif driver.name is None or driver.type is None or driver.cache == "default":
        cache = None if driver.cache == "default" else driver.cache  # which says nothing
        changes["driver"] = replace(
            driver, name=driver.name or "qemu", type=driver.type or "raw", cache=cache
        )
    if disk.device == "cdrom" and not disk.readonly:
        changes["readonly"] = True
    return replace(disk, **changes) if changes else disk


def _controllers(devices: Devices, kind: str) -> tuple[Controller, ...]:
    """The definition's, numbered, and those that the machine or its disks need."""
    found: tuple[Controller, ...] = ()
    for each in devices.controllers:
        found = (*found, _modelled(_numbered(each, found, devices.controllers), kind))
    have = {(each.type, each.index) for each in found}
    for new in _own_controllers(devices, kind):
        if (new.type, new.index) not in have:
            found = insert_controller(found, new) if new.type == "pci" else (*found, new)
            have.add((new.type, new.index))
    return found


def _numbered(
    controller: Controller, before: Sequence[Controller], all_: Sequence[Controller]
) -> Controller:
    if controller.index is not None:
        return controller
    index = usb2.index_after(controller, before)
    if index is not None:
        return replace(controller, index=index)
    others = (*before, *all_)
    taken = {each.index for each in others if each.type == controller.type}
    if controller.type == "pci" and not str(controller.model).endswith("-root"):
        taken.add(0)
    return replace(controller, index=next(n for n in range(len(others) + 2) if n not in taken))


def _modelled(controller: Controller, kind: str) -> Controller:
    if controller.model is not None:
        return controller
    if controller.type == "usb":
        return replace(controller, model="piix3-uhci")
    if controller.type == "scsi":
        return replace(controller, model="lsilogic" if kind != "microvm" else "virtio-scsi")
    return controller


def _own_controllers(devices: Devices, kind: str) -> list[Controller]:
    own: list[Controller] = []
    if kind == "i440fx":
        own.append(Controller(type="usb", index=0, model="piix3-uhci"))
        own.append(Controller(type="pci", index=0, model="pci-root"))
    elif kind == "q35":
        own.append(Controller(type="usb", index=0, model="qemu-xhci"))
        own.append(Controller(type="sata", index=0))
        own.append(Controller(type="pci", index=0, model="pcie-root"))
    if any(c.type == "usb" for c in devices.controllers):
        own = [each for each in own if each.type != "usb"]
    scsi = "virtio-scsi" if kind == "microvm" else "lsilogic"
    widths: tuple[tuple[ControllerType, int, str | None], ...] = (
        ("scsi", 7, scsi),
        ("fdc", 2, None),
        ("ide", 4, None),
        ("sata", 6, None),
    )
    for bus, width, model in widths:
        places = [
            getattr(disk.address, "controller", None)
            if disk.address is not None
            else min(disk_number(disk.target.dev), MOST_DRIVES) // width
            for disk in devices.disks
            if disk.target.bus == bus
        ]
        highest = max((place for place in places if place is not None), default=-1)
        count = min(highest, MOST_CONTROLLERS) + 1
        own += [Controller(type=bus, index=n, model=model) for n in range(count)]
    if devices.channels or any(_is_virtio(each) for each in devices.consoles):
        own.append(Controller(type="virtio-serial", index=0))
    if devices.smartcards:
        own.append(Controller(type="ccid", index=0))
    return own


def disk_number(name: str) -> int:
    """The place that a target's letters mean: `vda` 0, `hdb` 1, `sdaa` 26; 0 without letters."""
    letters = name[3:] if name.startswith("xvd") else name[2:]
    number = 0
    for letter in letters:
        if not "a" <= letter <= "z":
            break
        number = number * 26 + ord(letter) - ord("a") + 1
    return max(number - 1, 0)


# -- networks, characters ----------------------------------------------------------------------


def _interface(interface: Interface, kind: str) -> Interface:
    """With a model; of a pasted live description without what was chosen for that run."""
    changes: dict[str, Any] = {}
    if not interface.model:
        changes["model"] = _network_model(kind)
    target, source = interface.target, interface.source
    if (
        interface.type != "user"
        and target is not None
        and (target.dev or "").startswith(GENERATED_NAMES)
    ):
        changes["target"] = replace(target, dev=None) if target.managed is not None else None
    if interface.type == "network" and source is not None:
        kept = replace(source, portid=None, bridge=None, dev=None, mode=None)
        changes["source"] = kept
    return replace(interface, **changes) if changes else interface


def _network_model(kind: str) -> str:
    return "virtio" if kind == "microvm" else "rtl8139"


def _is_virtio(console: Console) -> bool:
    return console.target is not None and console.target.type == "virtio"


def _serials(
    serials: Sequence[Serial], consoles: Sequence[Console]
) -> tuple[tuple[Serial, ...], tuple[Console, ...]]:
    """Serial ports numbered; the first is the first console, and the other way round."""
    rest = list(consoles)
    made = list(serials)
    has_mirror = bool(rest) and not _is_virtio(rest[0])
    if has_mirror:
        first = rest.pop(0)
        if not made:
            made = [Serial(type=first.type, sources=first.sources, protocol=first.protocol,
                           log=first.log, alias=first.alias)]  # fmt: skip
    numbered = tuple(_serial(each, number) for number, each in enumerate(made))
    shift = 1 if has_mirror else 0
    others = tuple(_console(each, number + shift) for number, each in enumerate(rest))
    if not numbered:
        return (), others
    mirror = Console(
        type=numbered[0].type,
        sources=numbered[0].sources,
        protocol=numbered[0].protocol,
        log=numbered[0].log,
        target=ConsoleTarget(type="serial", port=0),
        address=numbered[0].address if isinstance(numbered[0].address, IsaAddress) else None,
    )
    return numbered, (mirror, *others)


def _console(console: Console, number: int) -> Console:
    target = console.target or ConsoleTarget(type="virtio")
    port = number if target.port is None else target.port
    return replace(console, target=replace(target, port=port))


def _serial(serial: Serial, number: int) -> Serial:
    target = serial.target or SerialTarget()
    kind = target.type or "isa-serial"
    port = number if target.port is None else target.port
    model: Any = target.model or _SERIAL_MODEL.get(kind)
    return replace(serial, target=replace(target, type=kind, port=port, model=model))


def _channel(channel: Channel) -> Channel:
    """A socket whose place is left to us has no source."""
    source = channel.source
    if channel.type != "unix" or source is None or source.path or source.mode == "connect":
        return channel
    return replace(channel, sources=())


def _numbered_parallels(devices: Devices) -> tuple[Any, ...]:
    from virtory.model.domain.devices.serial import ParallelTarget

    return tuple(
        replace(each, target=replace(each.target or ParallelTarget(), port=number))
        for number, each in enumerate(devices.parallels)
    )


# -- what a person looks at and types on ----------------------------------------------------------


def _inputs(inputs: Sequence[Input], kind: str) -> tuple[Input, ...]:
    made = [each if each.bus else replace(each, bus=_input_bus(each)) for each in inputs]
    have = {each.type for each in made if each.bus == "ps2"}
    for name in ("mouse", "keyboard"):
        if kind != "microvm" and name not in have:
            made.append(Input(type=name, bus="ps2"))
    return tuple(made)


def _input_bus(device: Input) -> Any:
    if device.type in ("passthrough",):
        return "virtio"
    return None if device.type == "evdev" else "ps2" if device.type != "tablet" else "usb"


def _graphics(graphics: Graphics) -> Graphics:
    if graphics.type not in ("vnc", "spice"):
        return graphics
    listens = graphics.listens
    if not listens:
        if graphics.socket is not None and graphics.type == "vnc":
            listens = (Listen(type="socket", socket=graphics.socket),)
        else:
            listens = (Listen(type="address", address=graphics.listen),)
    if listens[0].type == "network":  # the address there is known when it starts
        listens = (replace(listens[0], address=None), *listens[1:])
    changes: dict[str, Any] = {"listens": listens}
    if graphics.type == "spice":
        changes["audio"] = None  # its sound is where its picture is
    first = listens[0]
    if graphics.type == "spice" and first.type == "address" and _has_no_port(graphics):
        changes["listens"] = (replace(first, type="none", address=None), *listens[1:])
    elif first.type == "address":
        changes["listen"] = first.address
    elif first.type == "socket" and graphics.type == "vnc":
        changes["socket"] = first.socket
    if changes["listens"][0].type in ("socket", "none"):
        changes["autoport"] = None
    if changes["listens"][0].type in ("address", "network"):
        changes |= _vnc_port(graphics) if graphics.type == "vnc" else _spice_ports(graphics)
    return replace(graphics, **changes)


def _has_no_port(graphics: Graphics) -> bool:
    return not graphics.autoport and not graphics.port and not graphics.tls_port


def _vnc_port(graphics: Graphics) -> dict[str, Any]:
    unsaid = graphics.port is None and graphics.autoport is None
    automatic = unsaid or graphics.port == -1 or bool(graphics.autoport)
    return {"autoport": True, "port": -1} if automatic else {"autoport": False}


def _spice_ports(graphics: Graphics) -> dict[str, Any]:
    """A stored definition says `autoport`; numbers are chosen at the start."""
    if graphics.autoport or graphics.port == graphics.tls_port == -1:
        return {"autoport": True, "port": None, "tls_port": None}
    return {"autoport": False, "port": graphics.port or None, "tls_port": graphics.tls_port or None}


def _audios(devices: Devices) -> tuple[Audio, ...]:
    """Sound goes where the last screen goes: by SPICE to the viewer, else nowhere."""
    if devices.audios:
        return devices.audios
    kinds = [each.type for each in devices.graphics if each.type in ("vnc", "spice")]
    return (Audio(id=1, type="spice" if kinds[-1:] == ["spice"] else "none"),)


def _videos(devices: Devices) -> tuple[Video, ...]:
    videos = devices.videos
    if not videos and devices.graphics:
        videos = (Video(model=VideoModel(type="cirrus")),)
    return tuple(_video(each, number == 0) for number, each in enumerate(videos))


def _video(video: Video, first: bool) -> Video:
    model = video.model or VideoModel(type="cirrus")
    if model.type == "none":
        return replace(video, model=model)
    changes: dict[str, Any] = {"heads": model.heads or 1}
    if first and model.primary is None:
        changes["primary"] = True
    if model.type in ("vga", "cirrus", "bochs", "vmvga") and model.vram is None:
        changes["vram"] = 16384
    if model.type == "qxl":
        changes["ram"], changes["vram"] = model.ram or 65536, model.vram or 65536
        changes["vgamem"] = model.vgamem or 16384
    return replace(video, model=replace(model, **changes))


def _tpm(tpm: Any) -> Any:
    model = tpm.model or "tpm-tis"
    backend = tpm.backend
    if backend.type == "emulator" and backend.version is None:
        backend = replace(backend, version="2.0" if model == "tpm-crb" else "1.2")
    return replace(tpm, model=model, backend=backend)


def _vsock(devices: Devices) -> Any:
    from virtory.model.domain.devices.vsock import Cid

    vsock = devices.vsock
    assert vsock is not None
    cid = vsock.cid or Cid(auto=True)
    if cid.auto is None and cid.address is None:
        cid = replace(cid, auto=True)
    return replace(vsock, model=vsock.model or "virtio", cid=cid)
