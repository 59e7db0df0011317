"""Ports of the host that a machine asks for by number: whether QEMU or its helper will get them.

The rule kept here: asked before anything is started, because QEMU tells neither port nor reason.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from virtory.errors import FROM_DOMAIN, SystemCallFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from virtory.model.domain import Domain

    BindError = Callable[[str, int, str], int]

_FIRST_UNPRIVILEGED = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
_CURES = {
    errno.EADDRINUSE: "end what listens on it (ss -tulnp 'sport = :{port}' names it), or take"
    " another port",
    errno.EACCES: "take a port that ordinary users may have, or allow this one: "
    "sudo sysctl net.ipv4.ip_unprivileged_port_start={port}",
    errno.EADDRNOTAVAIL: "name an address of this host; `ip address` shows them",
}


def bind_error(address: str, port: int, protocol: str = "tcp") -> int:
    """Why a process without privileges can not have the port of a numeric address; 0 when it can.

    The answer is an errno.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    if 0 < port < _first_unprivileged():
        return errno.EACCES
    try:
        socket.inet_pton(family, address)  # a name is not looked up here
        with socket.socket(family, kind | socket.SOCK_CLOEXEC) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        return error.errno if error.errno in _CURES else 0  # all else is for QEMU to judge
    return 0


def _first_unprivileged() -> int:
    try:
        with open(_FIRST_UNPRIVILEGED) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 1024


def nothing_in_the_way(address: str, port: int, protocol: str) -> int:
    """What a host answers where every port is free."""
    return 0


def refuse_without_ports(domain: Domain, why_not: BindError) -> None:
    """Raise SystemCallFailed for the first port that `domain` names and can not have."""
    for what, address, port, protocol in _wanted(domain):
        code = why_not(address, port, protocol)
        if code:
            raise SystemCallFailed(
                f"domain '{domain.name}' can not have {protocol} port {port} of {address} "
                f"for {what}: {os.strerror(code)}",
                errno=code,
                cure=_CURES[code].format(port=port),
                domain=FROM_DOMAIN,
            )


def _wanted(domain: Domain) -> Iterator[tuple[str, str, int, str]]:
    devices = domain.devices
    for card in devices.interfaces:
        for forward in card.port_forwards:
            for span in forward.ranges:
                for port in range(span.start, (span.end or span.start) + 1):
                    if not span.exclude:
                        address = forward.address or "0.0.0.0"
                        yield f"its forward of {card.alias}", address, port, forward.proto
    for screen in devices.graphics:
        listen = screen.listens[0] if screen.listens else None
        if listen is None or listen.type not in ("address", "network"):
            continue
        if screen.type in ("vnc", "spice") and screen.port is not None and screen.port > 0:
            what = f"its {screen.type.upper()} display"
            yield what, listen.address or "127.0.0.1", screen.port, "tcp"
    for device in (*devices.serials, *devices.parallels, *devices.consoles, *devices.channels):
        source = device.source
        if device.type != "tcp" or source is None or source.mode != "bind":
            continue
        if source.service is not None and source.service.isdigit():
            yield f"its {device.alias}", source.host or "0.0.0.0", int(source.service), "tcp"
