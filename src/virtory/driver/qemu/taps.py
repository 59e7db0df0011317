"""Tap devices: the host's side of network cards.

The rule kept here: a tap that we made has no life of its own: it goes when QEMU ends, so that no
crash leaves one behind.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from typing import TYPE_CHECKING

from virtory.driver.network.netlink import Netlink, exists
from virtory.driver.qemu import traffic
from virtory.errors import FROM_NETWORK, SystemCallFailed

if TYPE_CHECKING:
    from virtory.driver.qemu.plan import Tap

_TUN = "/dev/net/tun"
_VHOST = "/dev/vhost-net"
_TUNSETIFF = 0x400454CA
_TAP, _NO_PI, _VNET_HDR, _MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100
_REQUEST = struct.Struct("16sH22x")


def acquire(tap: Tap) -> dict[int, int]:
    """Make the tap, or open it, and put it where it belongs; slot → descriptor.

    Raises SystemCallFailed.
    """
    fds: dict[int, int] = {}
    try:
        with Netlink() as netlink:
            if tap.mode is not None:
                netlink.add_macvtap(tap.name, tap.mac, tap.device or "", tap.mode)
                netlink.set_link(tap.name, up=True, mtu=tap.mtu)
            for slot in tap.slots:
                fds[slot] = _open_macvtap(tap) if tap.mode is not None else _open(tap)
            if tap.mode is None and tap.made:
                netlink.set_link(tap.name, mac=tap.mac, mtu=tap.mtu, master=tap.device)
                if tap.isolated:
                    netlink.isolate(tap.name)
                netlink.set_link(tap.name, up=True)
        if tap.inbound or tap.outbound:
            traffic.limit(tap)
        for slot in tap.vhost_slots:
            fds[slot] = os.open(_VHOST, os.O_RDWR | os.O_CLOEXEC)
    except BaseException as error:
        for descriptor in fds.values():
            os.close(descriptor)
        if isinstance(error, OSError):
            raise _explained(tap, error) from None
        raise
    return fds


def move(tap: Tap) -> None:
    """Put a tap that is there on the bridge that its row names now.

    Raises SystemCallFailed.
    """
    try:
        with Netlink() as netlink:
            netlink.set_link(tap.name, master=tap.device)
    except OSError as error:
        raise _explained(tap, error) from None


def release(tap: Tap) -> None:
    """Give it back: of a macvtap the device too, if it is still ours."""
    if tap.inbound or tap.outbound:
        traffic.free(tap)
    if tap.mode is None:
        return
    with contextlib.suppress(OSError), Netlink() as netlink:
        link = netlink.link(tap.name)
        if link is not None and link.mac == tap.mac:
            netlink.delete_link(tap.name)


def _open(tap: Tap) -> int:
    if not tap.made and not exists(tap.name):  # the kernel would make it
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    return _queue(_TUN, tap)


def _open_macvtap(tap: Tap) -> int:
    """Its character device; the kernel names it by the link's number."""
    import socket

    path = f"/dev/tap{socket.if_nametoindex(tap.name)}"
    if not os.path.exists(path):  # in a namespace without udev
        with open(f"/sys/class/net/{tap.name}/macvtap/tap{path[8:]}/dev") as file:
            major, minor = (int(part) for part in file.read().split(":"))
        with contextlib.suppress(FileExistsError):
            os.mknod(path, 0o600 | 0o020000, os.makedev(major, minor))
    return _queue(path, tap)


def _queue(path: str, tap: Tap) -> int:
    """One queue of the tap, through the character device at `path`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        flags = _TAP | _NO_PI | _VNET_HDR | (_MULTI_QUEUE if len(tap.slots) > 1 else 0)
        fcntl.ioctl(descriptor, _TUNSETIFF, _REQUEST.pack(tap.name.encode(), flags))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _explained(tap: Tap, error: OSError) -> SystemCallFailed:
    what = f"cannot make tap device '{tap.name}'"
    cure = None
    if tap.device is not None and not exists(tap.device):
        what = f"cannot plug '{tap.name}' into '{tap.device}': the host has no such device"
        cure = "name one that exists ('ip link' lists them), or use a virtual network"
        if tap.network is not None:
            cure = "its network's bridge was removed: 'net-destroy' and 'net-start' the network"
    elif error.errno in (errno.EPERM, errno.EACCES):
        cure = "run virtoryd as root, with CAP_NET_ADMIN"
    elif not tap.made:
        what = f"cannot open tap device '{tap.name}', which <target managed='no'> says is there"
        cure = f"make it: ip tuntap add dev {tap.name} mode tap"
    elif error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        cure = "load the kernel's module: sudo modprobe tun (macvtap for type 'direct')"
    elif error.errno in (errno.EBUSY, errno.EINVAL):
        cure = "another program uses it: leave <target dev> away to have a name chosen"
    return SystemCallFailed(
        f"{what}: {error.strerror}" if cure is None or "no such device" not in what else what,
        errno=error.errno,
        cure=cure,
        domain=FROM_NETWORK,
    )
