"""What devices ask for that can not be given: the part of `unsupported` that looks at `<devices>`.

The rule kept here: one function for each kind; an XPath counts devices of a kind from 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.definition.machine_kind import family
from virtory.driver.qemu.definition.share_unsupported import share_problems
from virtory.driver.qemu.devices.controller import PCI, SCSI, USB, VIRTIO_SCSI
from virtory.driver.qemu.devices.display import VIDEO_DRIVERS, driver
from virtory.driver.qemu.devices.interface import MODELS
from virtory.driver.qemu.devices.sound import DRIVERS as SOUNDS
from virtory.driver.qemu.devices.watchdog import MODELS as WATCHDOGS
from virtory.driver.qemu.devices.watchdog import PANICS
from virtory.driver.qemu.disks.image_chain import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.model.domain import Devices, Domain
    from virtory.model.domain.devices.character import CharacterDevice
    from virtory.model.domain.devices.disk import Disk
    from virtory.model.domain.devices.graphics import Graphics
    from virtory.model.domain.devices.interface import Interface
    from virtory.model.domain.devices.serial import Serial

    Problems = Iterator[tuple[str, str]]

_ALL = "/domain/devices"
_CHARACTERS = ("pty", "unix", "tcp", "udp", "file", "dev", "null")
_CARRIED = ("spicevmc", "spiceport", "qemu-vdagent")  # by a channel, or a USB redirection

_PLUGS = ("user", "network", "bridge", "ethernet", "direct")


def device_problems(domain: Domain, capabilities: Capabilities) -> list[tuple[str, str]]:
    """Every (XPath, message) about devices."""
    devices, kind = domain.devices, family(domain.os.type.machine or "")
    found: list[tuple[str, str]] = []
    for number, disk in enumerate(devices.disks, 1):
        found += _disk(f"{_ALL}/disk[{number}]", disk, kind)
    for number, interface in enumerate(devices.interfaces, 1):
        found += _interface(f"{_ALL}/interface[{number}]", interface, kind, capabilities)
    return [
        *found,
        *_controllers(devices, kind, capabilities),
        *_characters(devices),
        *_screens(devices, kind, capabilities),
        *_inputs(devices, kind),
        *_without_usb(devices),
        *_others(devices, kind),
        *_absent(devices),
        *share_problems(domain),
        *iommu_problems(domain, capabilities),
    ]


def _disk(path: str, disk: Disk, kind: str) -> Problems:
    source = disk.source
    if disk.type not in ("file", "block", "volume"):
        yield f"{path}/@type", f"'{disk.type}' is not served; file, block and volume are"
    if disk.type == "volume" and source is not None and source.mode is not None:
        yield f"{path}/source/@mode", "is of iSCSI pools, which are not served"
    if disk.device == "lun":
        yield f"{path}/@device", "passing SCSI commands through (lun) is not served"
    bus = disk.target.bus
    buses = {"q35": ("virtio", "sata", "scsi", "usb", "fdc"), "microvm": ("virtio", "scsi")}.get(
        kind, ("virtio", "ide", "sata", "scsi", "usb", "fdc")
    )
    if bus not in buses:
        what = "a machine of this type" if bus in ("ide", "fdc", "sata", "usb") else "QEMU"
        yield f"{path}/target/@bus", f"bus '{bus}' is not served on {what}; {', '.join(buses)} are"
    image = disk.driver.type if disk.driver is not None else None
    if image not in (None, *FORMATS):
        cure = f"convert it: qemu-img convert -O qcow2 {(source and source.file) or 'IMAGE'} NEW"
        yield f"{path}/driver/@type", f"format '{image}' is not served; {cure}"
    if disk.driver is not None and disk.driver.name not in (None, "qemu"):
        yield f"{path}/driver/@name", f"'{disk.driver.name}' is not served; qemu is"
    if disk.driver is not None and disk.driver.copy_on_read and disk.readonly:
        yield f"{path}/driver/@copy_on_read", "a read-only disk keeps nothing of what is read"
    if disk.geometry is not None and disk.geometry.trans and bus != "ide":
        yield f"{path}/geometry/@trans", f"bus '{bus}' has no translation; ide has"
    for name in ("encryption", "auth", "mirror"):
        if getattr(disk, name) is not None:
            yield f"{path}/{name}", "is not served"
    if source is not None:
        for name in ("encryption", "slices", "fdgroup"):
            if getattr(source, name) is not None:
                yield f"{path}/source/{name}", "is not served"
    if disk.transient:
        yield f"{path}/transient", "is not served; start from an overlay image instead"
    if disk.rawio or disk.sgio:
        yield f"{path}/@{'rawio' if disk.rawio else 'sgio'}", "is not served"
    if disk.device == "disk" and source is None:
        yield f"{path}/source", "a disk needs one; only CD-ROM and floppy drives may be empty"


def _interface(path: str, card: Interface, kind: str, capabilities: Capabilities) -> Problems:
    if card.type not in _PLUGS:
        yield f"{path}/@type", f"'{card.type}' is not served; {', '.join(_PLUGS)} are"
    model = card.model or "rtl8139"
    if model not in MODELS:
        yield f"{path}/model/@type", f"'{model}' is not served; virtio is"
    elif kind == "microvm" and not model.startswith("virtio"):
        yield f"{path}/model/@type", f"a microvm has no PCI bus for '{model}'; virtio is served"
    elif not model.startswith("virtio") and not capabilities.has_device(model):
        yield f"{path}/model/@type", f"{capabilities.path} has no '{model}'; virtio is served"
    on_user = card.type == "user"
    where = "user-mode networking" if on_user else "a tap"
    for name in ("virtualport", "vlan", "teaming", "script", "downscript", "filterref",
                 "coalesce", *(("tune", "isolated", "bandwidth") if on_user else ())):  # fmt: skip
        if getattr(card, name) is not None:
            yield f"{path}/{name}", f"is not served on {where}"
    if not on_user:
        yield from _tap(path, card)
        return
    if card.routes:
        yield f"{path}/route", "is not served on user-mode networking"
    if card.driver is not None and (card.driver.queues or 1) > 1:
        yield f"{path}/driver/@queues", "user-mode networking has one queue"
    if card.backend is not None and card.backend.type == "passt":
        if not capabilities.has("netdev_add/stream"):
            yield f"{path}/backend", "passt needs QEMU 7.2 or newer"
        if card.backend.log_file is not None:
            yield f"{path}/backend/@logFile", "is not served; why passt ends is told where it fails"
        return
    for number, forward in enumerate(card.port_forwards, 1):
        if any(each.exclude for each in forward.ranges):
            where = f"{path}/portForward[{number}]/range/@exclude"
            yield where, "needs <backend type='passt'/>"


def _tap(path: str, card: Interface) -> Problems:
    if card.port_forwards:
        yield f"{path}/portForward", "is of user-mode networking; on a network use its addresses"
    if card.ips or card.routes:
        yield f"{path}/ip", "is not served on a tap: nobody would tell the guest"
    if card.backend is not None and card.backend.type == "passt":
        yield f"{path}/backend/@type", "'passt' is of user-mode networking"
    if card.bandwidth is not None and card.type == "direct":
        yield f"{path}/bandwidth", "is not served on type 'direct'"
    inbound = card.bandwidth.inbound if card.bandwidth is not None else None
    if inbound is not None and inbound.floor:
        yield f"{path}/bandwidth/inbound/@floor", "is not served: no network shares out bandwidth"
    queues = card.driver.queues if card.driver is not None else None
    if queues and queues > 1 and not (card.model or "").startswith("virtio"):
        yield f"{path}/driver/@queues", f"'{card.model}' has one queue; virtio has more"
    if card.type == "direct" and card.source is not None and card.source.mode == "passthrough":
        yield f"{path}/source/@mode", "'passthrough' is not served; bridge, vepa, private are"


def _controllers(devices: Devices, kind: str, capabilities: Capabilities) -> Problems:
    known = {"usb": {*USB, "none"}, "scsi": {*SCSI, *VIRTIO_SCSI}}
    drives = {each.target.bus for each in devices.disks}
    for each in devices.controllers:  # some were made here: they are named by what they are
        path, model = f"{_ALL}/controller[@type='{each.type}'][@index='{each.index}']", each.model
        if each.type in ("xenbus", "isa"):
            yield f"{path}/@type", f"'{each.type}' is not served"
        elif each.type == "pci":
            roots = {"q35": "pcie-root", "i440fx": "pci-root"}.get(kind)
            if model not in PCI and model != roots:
                yield f"{path}/@model", f"'{model}' is not served on this machine type"
        elif each.type in known and model is not None and model not in known[each.type]:
            yield f"{path}/@model", f"'{model}' is not served"
        elif each.type == "usb" and model not in (None, "none"):
            name = USB[model or ""]
            if kind == "microvm":
                yield f"{path}/@model", "a microvm has no PCI bus for USB; model='none' is served"
            elif not capabilities.has_device(name):
                yield f"{path}/@model", f"{capabilities.path} has no '{name}'"
        elif each.type == "ide" and kind != "i440fx" and "ide" not in drives:
            yield path, "only machines of the pc family have IDE; use sata"
        is_root = each.type == "pci" and model in (None, "pci-root", "pcie-root")
        if each.pcihole64 is not None and not is_root:
            yield f"{path}/pcihole64", "is of the root bus only"


def _characters(devices: Devices) -> Problems:
    rows: tuple[tuple[str, tuple[CharacterDevice, ...]], ...] = (
        ("serial", devices.serials),
        ("parallel", devices.parallels),
        ("console", devices.consoles),
        ("channel", devices.channels),
        ("redirdev", devices.redirdevs),
    )
    has_spice = any(each.type == "spice" for each in devices.graphics)
    for name, row in rows:
        for number, device in enumerate(row, 1):
            path = f"{_ALL}/{name}[{number}]"
            carried = name in ("channel", "redirdev") and device.type in _CARRIED
            if device.type not in _CHARACTERS and not carried:
                served = ", ".join(_CHARACTERS)
                yield f"{path}/@type", f"'{device.type}' is not served; {served} are"
            elif device.type.startswith("spice") and not has_spice:
                yield f"{path}/@type", f"'{device.type}' needs a <graphics type='spice'/>"
            source = device.source
            if source is not None and source.tls:
                yield f"{path}/source/@tls", "is not served"
            if device.type == "file" and (source is None or source.path is None):
                yield f"{path}/source/@path", "a file needs a path"
    isa = [n for n, each in enumerate(devices.serials, 1) if _is_isa(each)]
    for number in isa[4:]:
        yield f"{_ALL}/serial[{number}]", "a machine has 4 ISA serial ports; use pci-serial"
    for number, channel in enumerate(devices.channels, 1):
        if (target := channel.target.type) != "virtio":
            yield f"{_ALL}/channel[{number}]/target/@type", f"'{target}' is not served; virtio is"
    for number, console in enumerate(devices.consoles, 1):
        kind = (console.target.type if console.target is not None else None) or "serial"
        if kind not in ("serial", "virtio"):
            where = f"{_ALL}/console[{number}]/target/@type"
            yield where, f"'{kind}' is not served; serial and virtio are"


def _is_isa(serial: Serial) -> bool:
    return serial.target is None or serial.target.type in (None, "isa-serial")


def _screens(devices: Devices, kind: str, capabilities: Capabilities) -> Problems:
    for number, graphics in enumerate(devices.graphics, 1):
        path = f"{_ALL}/graphics[{number}]"
        if graphics.type not in ("vnc", "spice"):
            yield f"{path}/@type", f"'{graphics.type}' is not served; vnc and spice are"
            continue
        if any(each.type == graphics.type for each in devices.graphics[: number - 1]):
            yield path, f"one display of type '{graphics.type}' is served"
        if graphics.type == "spice":
            yield from _spice(path, graphics, capabilities)
        elif not capabilities.has("display-update"):
            yield path, "VNC needs QEMU 7.1 or newer"
        if graphics.type == "vnc" and graphics.connected not in (None, "keep"):
            yield f"{path}/@connected", "VNC can only 'keep' who is connected"
        if graphics.websocket is not None:
            yield f"{path}/@websocket", "is not served; `virtory proxy` carries VNC over ssh"
        yield from _valid_until(path, graphics)
    for number, video in enumerate(devices.videos, 1):
        path, model = f"{_ALL}/video[{number}]", video.model
        if model is None or model.type == "none":
            continue
        if model.type not in VIDEO_DRIVERS:
            yield f"{path}/model/@type", f"'{model.type}' is not served; virtio, vga, bochs are"
        elif kind == "microvm":
            yield path, "a microvm has no PCI bus for a graphics card"
        elif not capabilities.has_device(driver(video)):
            name = driver(video)
            yield f"{path}/model/@type", f"{capabilities.path} has no '{name}' ({model.type})"
        if model.acceleration is not None and model.acceleration.accel3d:
            yield f"{path}/model/acceleration/@accel3d", "is not served"
        if video.driver is not None and video.driver.vgaconf is not None:
            yield f"{path}/driver/@vgaconf", "is not of QEMU"
        if video.driver is not None and video.driver.name == "vhostuser":
            yield f"{path}/driver/@name", "'vhostuser' is not served"


def _spice(path: str, graphics: Graphics, capabilities: Capabilities) -> Problems:
    if not capabilities.has("query-spice"):
        yield f"{path}/@type", f"{capabilities.path} has no SPICE; vnc is served"
    if (graphics.tls_port or 0) > 0:
        yield f"{path}/@tlsPort", "TLS is not served; leave it away, and use ssh or a socket"
    if graphics.default_mode == "secure" or any(c.mode == "secure" for c in graphics.channels):
        yield f"{path}/@defaultMode", "'secure' needs TLS, which is not served"
    if graphics.gl is not None and graphics.gl.enable:
        yield f"{path}/gl/@enable", "OpenGL on the host is not served"


def _valid_until(path: str, graphics: Graphics) -> Problems:
    from virtory.driver.qemu.devices.display import moment

    if graphics.passwd_valid_to is None:
        return
    try:
        moment(graphics.passwd_valid_to)
    except ValueError:
        yield (
            f"{path}/@passwdValidTo",
            f"'{graphics.passwd_valid_to}' is no time of the form YYYY-MM-DDTHH:MM:SS",
        )


def _inputs(devices: Devices, kind: str) -> Problems:
    for number, device in enumerate(devices.inputs, 1):
        path = f"{_ALL}/input[{number}]"
        if device.type in ("passthrough", "evdev"):
            source = device.source
            if source is None or not (source.evdev or source.dev):
                yield f"{path}/source", "which event device of the host is meant is not said"
        elif device.bus not in ("ps2", "usb", "virtio"):
            yield f"{path}/@bus", f"'{device.bus}' is not served; usb and virtio are"
        elif kind == "microvm" and device.bus != "virtio":
            yield f"{path}/@bus", f"a microvm has no '{device.bus}'; virtio is served"


def _without_usb(devices: Devices) -> Problems:
    """USB devices of a machine whose only USB controllers are `none`."""
    models = [each.model for each in devices.controllers if each.type == "usb"]
    if not models or set(models) != {"none"}:
        return
    serials = [each.target.type if each.target is not None else None for each in devices.serials]
    for name, buses, usb in (
        ("disk", [each.target.bus for each in devices.disks], "usb"),
        ("input", [each.bus for each in devices.inputs], "usb"),
        ("serial", serials, "usb-serial"),
        ("hub", [each.type for each in devices.hubs], "usb"),
    ):
        for number, bus in enumerate(buses, 1):
            if bus == usb:
                why = "needs USB, which the controller's model='none' switches off"
                yield f"{_ALL}/{name}[{number}]", why


def _others(devices: Devices, kind: str) -> Problems:
    for number, sound in enumerate(devices.sounds, 1):
        if sound.model not in (*SOUNDS, "pcspk"):
            yield f"{_ALL}/sound[{number}]/@model", f"'{sound.model}' is not served; ich9 is"
        elif kind == "microvm":
            yield f"{_ALL}/sound[{number}]", "a microvm has no PCI bus for a sound card"
    for number, audio in enumerate(devices.audios, 1):
        if audio.type not in ("none", "spice"):
            where = f"{_ALL}/audio[{number}]/@type"
            yield where, f"'{audio.type}' is not served: guests do not reach it; none, spice are"
        elif audio.type == "spice" and all(g.type != "spice" for g in devices.graphics):
            yield f"{_ALL}/audio[{number}]/@type", "'spice' needs a <graphics type='spice'/>"
    for number, rng in enumerate(devices.rngs, 1):
        end = rng.backend
        if end.model == "egd" and end.type not in ("unix", "tcp", "udp"):
            where = f"{_ALL}/rng[{number}]/backend/@type"
            yield where, f"'{end.type}' is not served; unix, tcp, udp are"
    for number, dog in enumerate(devices.watchdogs, 1):
        path = f"{_ALL}/watchdog[{number}]"
        if dog.model not in WATCHDOGS or (dog.model == "itco") > (kind == "q35"):
            yield f"{path}/@model", f"'{dog.model}' is not served on this machine; i6300esb is"
    for number, panic in enumerate(devices.panics, 1):
        if (panic.model or "isa") not in (*PANICS, "hyperv"):
            yield f"{_ALL}/panic[{number}]/@model", f"'{panic.model}' is not served; isa is"
        elif kind == "microvm":
            yield f"{_ALL}/panic[{number}]", "a microvm has no bus for it"
    for number, tpm in enumerate(devices.tpms, 1):
        path = f"{_ALL}/tpm[{number}]"
        if tpm.backend.type == "external":
            yield f"{path}/backend/@type", "'external' is not served; emulator is"
        if tpm.backend.encryption is not None:
            yield f"{path}/backend/encryption", "is not served: secrets are not kept here"
        if tpm.backend.active_pcr_banks is not None:
            yield f"{path}/backend/active_pcr_banks", "is not served; swtpm's own choice is"
        if tpm.model not in ("tpm-tis", "tpm-crb"):
            yield f"{path}/@model", f"'{tpm.model}' is not served; tpm-crb is"
        if number > 1:
            yield path, "one TPM is served"
    if devices.balloon is not None and devices.balloon.model == "xen":
        yield f"{_ALL}/memballoon/@model", "'xen' is not served; virtio is"


def _absent(devices: Devices) -> Problems:
    """Kinds of devices that are not served at all."""
    for number, hostdev in enumerate(devices.hostdevs, 1):
        if hostdev.mode != "subsystem" or hostdev.type not in ("usb", "pci"):
            where = f"{_ALL}/hostdev[{number}]/@type"
            yield where, f"'{hostdev.type}' is not served; usb and pci are"
    for number, card in enumerate(devices.smartcards, 1):
        if card.mode != "passthrough":
            where = f"{_ALL}/smartcard[{number}]/@mode"
            yield where, f"'{card.mode}' is not served: guests see no card of the host"
        elif card.type not in (*_CHARACTERS, "spicevmc"):
            where = f"{_ALL}/smartcard[{number}]/@type"
            yield where, f"'{card.type}' is not served; spicevmc is"
        elif card.type == "spicevmc" and all(g.type != "spice" for g in devices.graphics):
            where = f"{_ALL}/smartcard[{number}]/@type"
            yield where, "'spicevmc' needs a <graphics type='spice'/>"
        if number > 1:
            yield f"{_ALL}/smartcard[{number}]", "one card is served"
    for number, module in enumerate(devices.memories, 1):
        if module.model != "dimm":
            yield f"{_ALL}/memory[{number}]/@model", f"'{module.model}' is not served; dimm is"
    for number in range(1, len(devices.shmems) + 1):
        yield f"{_ALL}/shmem[{number}]", "is not served: guests share no memory with each other"


def iommu_problems(domain: Domain, capabilities: Capabilities) -> Problems:
    """What an IOMMU needs of the machine."""
    iommu, features = domain.devices.iommu, domain.features
    if iommu is None:
        return
    path, kind = f"{_ALL}/iommu", family(domain.os.type.machine or "")
    if iommu.model == "smmuv3":
        yield f"{path}/@model", "'smmuv3' is of ARM machines; intel and virtio are served"
    elif kind != "q35":
        yield path, "only machines of the q35 family have an IOMMU"
    if iommu.model == "virtio" and not (features is not None and features.acpi):
        yield path, "model 'virtio' needs ACPI: add <acpi/> to <features>"
    driver = iommu.driver
    split = features is not None and features.ioapic == "qemu"
    if iommu.model == "intel" and driver is not None and driver.intremap and not split:
        yield f"{path}/driver/@intremap", "needs <ioapic driver='qemu'/> in <features>"
    if iommu.model == "intel" and not capabilities.has_device("intel-iommu"):
        yield f"{path}/@model", f"{capabilities.path} has no 'intel-iommu'"
