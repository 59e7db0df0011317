"""The domain a machine is: an order, an image and what was chosen for it, as a value of the model.

The rule kept here: pure. Everything that had to be found out or made is in `Choice`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from virtory.model.values import Size
from virtory.provision.manifest import NAMESPACE, PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from virtory.model.domain import Devices, Domain
    from virtory.model.domain.devices.disk import Disk
    from virtory.model.domain.devices.interface import Interface, PortForward
    from virtory.model.domain.os import Os
    from virtory.provision.images import Image
    from virtory.provision.manifest import Manifest
    from virtory.provision.order import Order

AGENT = "org.qemu.guest_agent.0"
DEFAULT_MEMORY = Size.of_mib(512)
DISK_FILE = "disk.qcow2"
SEED_FILE = "seed.iso"
PORTS = 14


@dataclass(frozen=True, slots=True)
class Choice:
    """What `machine.create` found out or chose: how it runs and boots, who it is."""

    kvm: bool
    direct: bool
    uuid: str
    mac: str
    serial: str

    @property
    def spoken(self) -> str:
        """How the machine runs, as words for the user."""
        run = "by KVM" if self.kvm else "emulated (no usable KVM)"
        boot = "booting its kernel directly" if self.direct else "booting from its disk"
        return f"{run}, {boot}"


def describe(order: Order, image: Image, manifest: Manifest, choice: Choice) -> Domain:
    """The domain of the order."""
    from virtory.model.domain import Domain
    from virtory.model.domain.clock import Clock
    from virtory.model.domain.cpu import Cpu, Vcpu
    from virtory.model.domain.domain import GenId
    from virtory.model.domain.features import Apic, Features
    from virtory.model.domain.metadata import with_metadata
    from virtory.model.domain.sysinfo import Entry, EntryBlock, Sysinfo
    from virtory.model.values import Uuid

    memory = memory_of(order, image)
    bare = Domain(
        type="kvm" if choice.kvm else "qemu",
        name=order.name,
        uuid=Uuid.parse(choice.uuid),
        genid=GenId(),
        memory=memory,
        current_memory=memory,
        vcpu=Vcpu(count=vcpus_of(order, image)),
        sysinfos=(
            Sysinfo(
                type="smbios",
                system=EntryBlock(entries=(Entry(name="serial", value=choice.serial),)),
            ),
        ),
        os=_os(image, choice),
        features=Features(acpi=True, apic=Apic()),
        cpu=Cpu(mode="host-passthrough") if choice.kvm else None,
        clock=Clock(offset="utc"),
        devices=_devices(order, manifest, choice),
    )
    return with_metadata(bare, NAMESPACE, PREFIX, manifest.to_xml())


def memory_of(order: Order, image: Image) -> Size:
    """The memory asked for, else what the image is comfortable with."""
    if order.memory is not None:
        return order.memory
    if image.cloud_init == "minimal":
        return Size(max(Size.of_mib(256), image.min_memory))
    return Size(max(DEFAULT_MEMORY, image.min_memory))


def vcpus_of(order: Order, image: Image) -> int:
    """The vCPUs asked for; else two for a full system, whose start-up is parallel, where the host
    has two."""
    if order.vcpus is not None:
        return order.vcpus
    return 1 if image.cloud_init == "minimal" else min(2, os.cpu_count() or 1)


def _os(image: Image, choice: Choice) -> Os:
    from virtory.model.domain.os import BootDevice, Os, OsType

    kind = OsType(arch=image.arch, machine="q35")
    if choice.direct:
        return Os(
            type=kind,
            kernel=str(image.kernel),
            initrd=str(image.initrd) if image.initrd else None,
            cmdline=image.cmdline or None,
            smbios="sysinfo",
        )
    return Os(
        firmware_auto="efi" if image.firmware == "uefi" else None,
        type=kind,
        boots=(BootDevice(dev="hd"),),
        smbios="sysinfo",
    )


def _devices(order: Order, manifest: Manifest, choice: Choice) -> Devices:
    from virtory.model.domain import Devices
    from virtory.model.domain.devices.balloon import Balloon
    from virtory.model.domain.devices.channel import Channel, ChannelTarget
    from virtory.model.domain.devices.character import CharacterSource
    from virtory.model.domain.devices.console import Console, ConsoleTarget
    from virtory.model.domain.devices.controller import Controller
    from virtory.model.domain.devices.panic import Panic
    from virtory.model.domain.devices.rng import Rng, RngBackend
    from virtory.model.domain.devices.serial import Serial, SerialTarget

    bare = Devices(
        # Places for devices plugged in while it runs: each needs a port that is there already.
        controllers=(Controller(type="pci", model="pcie-root-port"),) * PORTS,
        disks=_disks(manifest.directory),
        interfaces=(_interface(order, manifest, choice),),
        serials=(Serial(type="pty", target=SerialTarget(type="isa-serial", port=0)),),
        consoles=(
            Console(type="pty", target=ConsoleTarget(type="serial", port=0)),
            Console(type="pty", target=ConsoleTarget(type="virtio", port=1)),
        ),
        channels=(
            Channel(
                type="unix",
                sources=(CharacterSource(mode="bind"),),
                target=ChannelTarget(type="virtio", name=AGENT),
            ),
        ),
        rngs=(Rng(model="virtio", backend=RngBackend(model="random", path="/dev/urandom")),),
        balloon=Balloon(model="virtio"),
        panics=(Panic(model="isa"),),
    )
    return _with_screen(bare) if order.graphics else bare


def _with_screen(devices: Devices) -> Devices:
    from dataclasses import replace

    from virtory.model.domain.devices.graphics import Graphics, Listen
    from virtory.model.domain.devices.video import Video, VideoModel

    return replace(
        devices,
        graphics=(Graphics(type="vnc", listens=(Listen(type="socket"),)),),
        videos=(Video(model=VideoModel(type="virtio")),),
    )


def _disks(directory: Path) -> tuple[Disk, ...]:
    from virtory.model.domain.devices.disk import Disk, DiskDriver, Source, Target

    return (
        Disk(
            driver=DiskDriver(name="qemu", type="qcow2", discard="unmap"),
            source=Source(file=str(directory / DISK_FILE)),
            target=Target(dev="vda", bus="virtio"),
        ),
        # A virtio disk rather than a CD-ROM drive: cloud kernels carry no driver for SATA.
        Disk(
            driver=DiskDriver(name="qemu", type="raw"),
            source=Source(file=str(directory / SEED_FILE)),
            target=Target(dev="vdb", bus="virtio"),
            readonly=True,
        ),
    )


def _interface(order: Order, manifest: Manifest, choice: Choice) -> Interface:
    from virtory.model.domain.devices.interface import (
        Backend,
        Interface,
        InterfaceMac,
        InterfaceSource,
    )
    from virtory.model.values import Mac

    mac = InterfaceMac(address=Mac.parse(choice.mac))
    if order.network is not None:
        source = InterfaceSource(network=order.network)
        return Interface(type="network", mac=mac, source=source, model="virtio")
    return Interface(
        type="user",
        mac=mac,
        model="virtio",
        port_forwards=_forwards(order, manifest),
        # QEMU's own: it needs no other program, no default route of the host, and reaches
        # a guest whose network is not up yet as soon as it is.
        backend=Backend(type="default"),
    )


def _forwards(order: Order, manifest: Manifest) -> tuple[PortForward, ...]:
    from virtory.model.domain.devices.interface import PortForward, PortRange

    wanted = [("tcp", manifest.host, manifest.port, 22)]
    wanted += [(f.protocol, f.address, f.host_port, f.guest_port) for f in order.forwards]
    return tuple(
        PortForward(
            proto="udp" if protocol == "udp" else "tcp",
            address=address,
            ranges=(PortRange(start=host_port, to=guest_port),),
        )
        for protocol, address, host_port, guest_port in wanted
    )
