"""`<shmem>`: memory that several machines share.

The rule kept here: the name is the host's, below /dev/shm.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, OnOff, Scaled
from virtory.model.domain.devices.device import Device
from virtory.model.values import Size


class ShmemInterrupts(Element):
    """`<msi>`: interrupts between the machines."""

    enabled: Attr[OnOff | None] = None
    vectors: Attr[int | None] = None
    ioeventfd: Attr[OnOff | None] = None


class Shmem(Device, tag="shmem"):
    """`<shmem>`: one device."""

    name: Attr[str]
    role: Attr[Literal["master", "peer"] | None] = None
    model: Annotated[
        Literal["ivshmem", "ivshmem-plain", "ivshmem-doorbell"] | None, At("model/@type")
    ] = None
    size: Annotated[Size | None, Scaled("largest", "MiB")] = None
    server: Annotated[str | None, At("server/@path")] = None
    msi: ShmemInterrupts | None = None
