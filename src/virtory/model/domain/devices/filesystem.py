"""`<filesystem>`: a directory of the host that the guest can mount.

The rule kept here: `target` is a name (tag) for the guest, not a path.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, Octal, OnOff
from virtory.model.domain.devices.device import Device, VirtioOptions
from virtory.model.values import Kib


class FilesystemDriver(VirtioOptions):
    """`<driver>`: 9p (`path`) or virtiofs."""

    type: Attr[Literal["path", "handle", "loop", "nbd", "ploop", "virtiofs"] | None] = None
    format: Attr[str | None] = None
    wrpolicy: Attr[Literal["immediate"] | None] = None
    queue: Attr[int | None] = None


class FilesystemLock(Element):
    """`<lock>`: which locks the guest may take on the host."""

    posix: Attr[OnOff | None] = None
    flock: Attr[OnOff | None] = None


class FilesystemBinary(Element):
    """`<binary>`: the virtiofsd program and its options."""

    path: Attr[str | None] = None
    xattr: Attr[OnOff | None] = None
    cache: Annotated[Literal["none", "auto", "always"] | None, At("cache/@mode")] = None
    sandbox: Annotated[Literal["namespace", "chroot"] | None, At("sandbox/@mode")] = None
    lock: FilesystemLock | None = None
    thread_pool: Annotated[int | None, At("thread_pool/@size")] = None


class FilesystemSource(Element):
    """`<source>`."""

    dir: Attr[str | None] = None
    file: Attr[str | None] = None
    dev: Attr[str | None] = None
    socket: Attr[str | None] = None


class Filesystem(Device, tag="filesystem"):
    """`<filesystem>`: one share."""

    type: Attr[Literal["mount", "block", "file", "template", "ram", "bind", "volume"]] = "mount"
    accessmode: Attr[Literal["passthrough", "mapped", "squash"] | None] = None
    multidevs: Attr[Literal["default", "remap", "forbid", "warn"] | None] = None
    fmode: Attr[Annotated[int | None, Octal(4)]] = None
    dmode: Attr[Annotated[int | None, Octal(4)]] = None
    model: Attr[Literal["virtio", "virtio-transitional", "virtio-non-transitional"] | None] = None
    driver: FilesystemDriver | None = None
    binary: FilesystemBinary | None = None
    source: FilesystemSource | None = None
    target: Annotated[str | None, At("target/@dir")] = None
    readonly: bool = False
    space_hard_limit: Kib | None = None
    space_soft_limit: Kib | None = None
