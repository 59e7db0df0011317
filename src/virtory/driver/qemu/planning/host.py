"""What plans depend on: directories, users, helpers, firmware, all in one value.

The rule kept here: looked at when the daemon starts and on reload, never in the middle of a plan.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from virtory.driver.network.attachment import no_networks
from virtory.driver.network.netlink import exists
from virtory.driver.qemu.host.host_memory import free_huge_pages, plenty
from virtory.driver.qemu.planning.ports import bind_error, nothing_in_the_way
from virtory.errors import StoragePoolNotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.network.attachment import Attachment
    from virtory.driver.qemu.host.accelerator import Verdict
    from virtory.driver.qemu.host.firmware import Firmware
    from virtory.driver.qemu.host.host_memory import FreeHugePages
    from virtory.driver.qemu.planning.ports import BindError

FIRST_UID: Final = 1_900_000_000
# Of the year 2023 and before (Debian 12's is of March 2023), passt loses forwarded connections once
# some came before the guest listened: measured, they hang and passt spins. Such a one, or one that
# can not tell its age, serves only interfaces that ask for it by name.
RELIABLE_PASST: Final = 20240101
VHOST_VSOCK: Final = "/dev/vhost-vsock"
VHOST_NET: Final = "/dev/vhost-net"


def no_volumes(pool: str, volume: str) -> str:
    """Where there are no pools at all."""
    raise StoragePoolNotFound(f"no storage pool with matching name '{pool}'")


@dataclass(frozen=True, slots=True)
class Host:
    """What plans depend on. `user` is (uid, gid) for all guests; None: one uid for each.

    `privileged` says that the daemon is root, hence guests must be someone else. `port_is_free`
    asks whether a TCP port of an address can be had; `given_ports` have machines that may not
    have bound them yet. `attachment` says where an interface on a
    virtual network is plugged in, `volume` where a pool's volume is, `free_device` finds a name
    for a tap.
    """

    run_directory: str
    state_directory: str
    verdict: Verdict
    firmware: tuple[Firmware, ...] = ()
    privileged: bool = False
    user: tuple[int, int] | None = None
    first_uid: int = FIRST_UID
    kvm_gid: int | None = None
    passt: str | None = None
    prefers_passt: bool = False
    swtpm: str | None = None
    virtiofsd: str | None = None
    has_vsock: bool = False
    nodes: frozenset[int] = frozenset()  # of NUMA, and processors online; empty: not looked at
    processors: frozenset[int] = frozenset()
    smbios: str = "/sys/class/dmi/id"
    now: Callable[[], float] = time.time
    free_huge_pages: FreeHugePages = plenty
    port_is_free: Callable[[str, int], bool] = lambda address, port: True
    given_ports: frozenset[int] = frozenset()
    bind_error: BindError = nothing_in_the_way
    attachment: Callable[[str, str | None], Attachment] = no_networks
    volume: Callable[[str, str], str] = no_volumes
    free_device: Callable[[str], str] = lambda prefix: f"{prefix}0"
    has_vhost_net: bool = False


def here(run_directory: str, state_directory: str, verdict: Verdict, **settings: Any) -> Host:
    """This host, looked at now; `settings` are fields of Host that win over what is found."""
    from virtory.driver.qemu.host import firmware
    from virtory.driver.qemu.host.hardware import cpus_online, numa_nodes

    passt = shutil.which("passt")
    found: dict[str, Any] = {
        "firmware": firmware.installed(),
        "privileged": os.geteuid() == 0,
        "kvm_gid": _group_of("/dev/kvm"),
        "passt": passt,
        "prefers_passt": _may_unshare() and _has_default_route() and forwards_reliably(passt),
        "swtpm": shutil.which("swtpm"),
        "virtiofsd": _virtiofsd(),
        "has_vsock": os.path.exists(VHOST_VSOCK),
        "nodes": frozenset(numa_nodes()),
        "processors": frozenset(cpus_online()),
        "free_huge_pages": free_huge_pages,
        "port_is_free": can_bind,
        "bind_error": bind_error,
        "free_device": DeviceNames().free,
        "has_vhost_net": os.access(VHOST_NET, os.R_OK | os.W_OK),
    }
    return Host(run_directory, state_directory, verdict, **{**found, **settings})


class DeviceNames:
    """Gives out names of taps, ever increasing, past what the host has."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def free(self, prefix: str) -> str:
        """The next name with this prefix that no device has."""
        while True:
            number = self._next.get(prefix, 0)
            self._next[prefix] = number + 1
            name = f"{prefix}{number}"
            if not exists(name):
                return name


def can_bind(address: str, port: int) -> bool:
    """Whether a TCP port of a numeric address can be listened on at this moment."""
    import socket

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def forwards_reliably(passt: str | None) -> bool:
    """Whether this passt is new enough to be taken without being asked for."""
    if passt is None:
        return False
    import re
    import subprocess

    try:
        shown = subprocess.run([passt, "--version"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return False
    dated = re.match(r"passt .*?(20\d\d)_?(\d\d)_?(\d\d)", shown.stdout)
    return dated is not None and int("".join(dated.groups())) >= RELIABLE_PASST


def _virtiofsd() -> str | None:
    """Where distributions keep it: in no directory that a shell looks into."""
    for path in ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd"):
        if os.access(path, os.X_OK):
            return path
    return shutil.which("virtiofsd")


def _group_of(path: str) -> int | None:
    try:
        return os.stat(path).st_gid
    except OSError:
        return None


def _may_unshare() -> bool:
    """Whether ordinary users may make user namespaces, which passt's sandbox is made of."""
    for path in (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "/proc/sys/user/max_user_namespaces",
    ):
        try:
            with open(path) as file:
                if int(file.read()) == 0:
                    return False
        except (OSError, ValueError):
            continue
    return True


def _has_default_route() -> bool:
    try:
        with open("/proc/net/route") as file:
            rows = [line.split() for line in file][1:]
    except OSError:
        return False
    return any(row[1] == row[7] == "00000000" for row in rows if len(row) > 7)
