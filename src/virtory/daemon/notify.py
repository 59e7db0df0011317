"""What tells the service manager, or whoever started us, that the daemon serves.

The rule kept here: a missing or vanished receiver is never an error.
"""

from __future__ import annotations

import os
import socket


def notify(message: str) -> None:
    """Send one state line to systemd (`sd_notify(3)`), when it asked for them."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path[:1] not in ("/", "@"):
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(message.encode(), address)
    except OSError:
        pass


def ready_on(fd: int) -> None:
    """Write one line to the descriptor and close it."""
    try:
        os.write(fd, b"READY=1\n")
        os.close(fd)
    except OSError:
        pass


def passed_sockets() -> list[tuple[int, str]]:
    """The listening sockets that systemd passed (`sd_listen_fds(3)`), each with its name."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    told = os.environ.get("LISTEN_FDS", "0")
    count = int(told) if told.isdecimal() else 0
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    names += ["read-write"] * (count - len(names))
    for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(variable, None)
    return [(3 + index, names[index]) for index in range(count)]
