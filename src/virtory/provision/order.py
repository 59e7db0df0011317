"""What the user asks for when making a machine, before anything is chosen or made.

The rule kept here: an order is complete and checked before the first file is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from virtory.errors import InvalidArgument
from virtory.provision.user_data import read_user_data

if TYPE_CHECKING:
    from virtory.model.values import Size

HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

LONGEST_NAME = 128
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")

Boot = Literal["auto", "direct", "disk"]
Virtualisation = Literal["auto", "kvm", "qemu"]


@dataclass(frozen=True, slots=True)
class Forward:
    """A port of the host's loopback (0: any free one) that leads to a port of the guest."""

    host_port: int
    guest_port: int
    protocol: Literal["tcp", "udp"] = "tcp"
    address: str = "127.0.0.1"

    @classmethod
    def parse(cls, text: str) -> Forward:
        """`8080:80`, `127.0.0.1:8080:80`, `5353:53/udp`; raises `InvalidArgument`."""
        match = re.fullmatch(r"(?:(\d+(?:\.\d+){3}):)?(\d+):(\d+)(?:/(tcp|udp))?", text)
        if match is None or not all(int(port) < 65536 for port in match.group(2, 3)):
            raise InvalidArgument(
                f"'{text}' is not a port forward", cure="write HOSTPORT:GUESTPORT, as in 8080:80"
            )
        address, host_port, guest_port, protocol = match.groups()
        kind: Literal["tcp", "udp"] = "udp" if protocol == "udp" else "tcp"
        return cls(int(host_port), int(guest_port), kind, address or "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Order:
    """A machine wanted.

    Attributes:
        image: name or alias in the image store.
        vcpus: how many; None for what the image likes.
        disk_size: bytes; None for the image's own size or `DISK_SIZE`, the larger one.
        memory: bytes; None for what the image likes.
        hostname: None for the name, made fit for a host name.
        ssh_key: a key file; None for the user's own or virtory's.
        ssh_port: of the host's loopback; 0 for any free one.
        user_data: a cloud-config of the user's own, merged after virtory's: a file, or its bytes.
        boot: "direct" gives the kernel to QEMU, "disk" uses the firmware; "auto" takes what the
            image likes best on this host.
        virtualisation: "auto" takes KVM where the daemon says it works.
        network: a network of the daemon; None for user mode, with a port of this host for SSH.
        graphics: add a VNC display on a UNIX socket.
    """

    name: str
    image: str = "debian-12"
    vcpus: int | None = None
    memory: Size | None = None
    disk_size: Size | None = None
    hostname: str | None = None
    ssh_key: Path | None = None
    ssh_port: int = 0
    forwards: tuple[Forward, ...] = ()
    user_data: Path | bytes | None = None
    boot: Boot = "auto"
    virtualisation: Virtualisation = "auto"
    graphics: bool = False
    network: str | None = None

    def checked(self) -> Order:
        """Itself, its user data read; raises `InvalidArgument` naming what can not be.

        A pipe gives its data once: who keeps what is returned need not read it again.
        """
        if (why := _unfit(self.name)) is not None:
            raise InvalidArgument(
                f"{self.name[:LONGEST_NAME]!r} can not name a machine: {why}",
                cure="use letters, digits, '-' and '.'",
            )
        if not HOSTNAME.fullmatch(self.guest_hostname):
            raise InvalidArgument(
                f"'{self.guest_hostname}' is not a host name",
                cure="name one with --hostname: letters, digits and hyphens, at most 63",
            )
        if self.vcpus is not None and self.vcpus < 1:
            raise InvalidArgument(f"a machine with {self.vcpus} vCPUs can not be")
        if not 0 <= self.ssh_port < 65536:
            raise InvalidArgument(f"there is no port {self.ssh_port}")
        self._check_ports()
        if self.network is not None:
            self._check_network(self.network)
        if isinstance(self.user_data, Path):
            return replace(self, user_data=read_user_data(self.user_data))
        return self

    def _check_ports(self) -> None:
        ssh = [Forward(self.ssh_port, 22)] if self.ssh_port else []
        seen = set()
        for forward in [*ssh, *self.forwards]:
            place = (forward.protocol, forward.address, forward.host_port)
            if place in seen:
                raise InvalidArgument(
                    f"{forward.protocol} port {forward.host_port} of {forward.address} is asked for"
                    " twice",
                    cure="take another for one of them",
                )
            if forward.host_port:
                seen.add(place)

    def _check_network(self, network: str) -> None:
        if not network.strip():
            raise InvalidArgument(
                "'' can not name a network", cure="'virtory net-list --all' shows what there is"
            )
        if self.forwards or self.ssh_port:
            raise InvalidArgument(
                f"'{self.name}' on network '{network}' has an address of its own: no port of this"
                " host leads to it",
                cure="leave out --publish and --ssh-port, or leave out --network",
            )

    @property
    def guest_hostname(self) -> str:
        """The host name asked for, or one made of the machine's name."""
        if self.hostname is not None:
            return self.hostname
        return re.sub(r"[^A-Za-z0-9-]+", "-", self.name).strip("-")[:63].strip("-") or "machine"


def _unfit(name: str) -> str | None:
    """Why a machine can not have this name."""
    if not name.strip() or name in (".", ".."):
        return "it names nothing"
    if len(name.encode()) > LONGEST_NAME:
        return f"it is longer than {LONGEST_NAME} bytes"
    if "/" in name or not name.isprintable() or name != name.strip():
        return "a slash, a blank at an end or a character that can not be printed is in it"
    if name.startswith("-"):
        return "it looks like an option"
    if name.isdecimal() or _UUID.fullmatch(name):
        return "commands would take it for the id or UUID of another machine"
    return None
