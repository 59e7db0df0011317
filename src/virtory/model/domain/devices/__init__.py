"""`<devices>`: everything that is plugged into the machine.

The rule kept here: kinds of devices are written in libvirt's order, devices of one kind in theirs.
"""

from __future__ import annotations

from typing import Annotated

from virtory.codec.xml import At, Element
from virtory.model.domain.devices.balloon import Balloon
from virtory.model.domain.devices.channel import Channel
from virtory.model.domain.devices.console import Console
from virtory.model.domain.devices.controller import Controller
from virtory.model.domain.devices.disk import Disk
from virtory.model.domain.devices.filesystem import Filesystem
from virtory.model.domain.devices.graphics import Graphics
from virtory.model.domain.devices.hostdev import Hostdev
from virtory.model.domain.devices.input import Input
from virtory.model.domain.devices.interface import Interface
from virtory.model.domain.devices.iommu import Iommu
from virtory.model.domain.devices.memory import MemoryModule
from virtory.model.domain.devices.panic import Panic
from virtory.model.domain.devices.redirdev import Hub, Redirdev, Redirfilter
from virtory.model.domain.devices.rng import Rng
from virtory.model.domain.devices.serial import Parallel, Serial
from virtory.model.domain.devices.shmem import Shmem
from virtory.model.domain.devices.smartcard import Smartcard
from virtory.model.domain.devices.sound import Audio, Sound
from virtory.model.domain.devices.tpm import Tpm
from virtory.model.domain.devices.video import Video
from virtory.model.domain.devices.vsock import Vsock
from virtory.model.domain.devices.watchdog import Watchdog


class Devices(Element, opened=True):
    """`<devices>`: one field for each kind."""

    emulator: str | None = None
    disks: tuple[Disk, ...] = ()
    controllers: tuple[Controller, ...] = ()
    filesystems: tuple[Filesystem, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    smartcards: tuple[Smartcard, ...] = ()
    serials: tuple[Serial, ...] = ()
    parallels: tuple[Parallel, ...] = ()
    consoles: tuple[Console, ...] = ()
    channels: tuple[Channel, ...] = ()
    inputs: tuple[Input, ...] = ()
    tpms: tuple[Tpm, ...] = ()
    graphics: tuple[Graphics, ...] = ()
    sounds: tuple[Sound, ...] = ()
    audios: tuple[Audio, ...] = ()
    videos: tuple[Video, ...] = ()
    hostdevs: tuple[Hostdev, ...] = ()
    redirdevs: tuple[Redirdev, ...] = ()
    redirfilter: Redirfilter | None = None
    hubs: tuple[Hub, ...] = ()
    watchdogs: tuple[Watchdog, ...] = ()
    balloon: Annotated[Balloon | None, At("memballoon")] = None
    rngs: tuple[Rng, ...] = ()
    panics: tuple[Panic, ...] = ()
    shmems: tuple[Shmem, ...] = ()
    memories: tuple[MemoryModule, ...] = ()
    iommu: Iommu | None = None
    vsock: Vsock | None = None
