"""A port of the host's loopback for each machine's SSH: free now, and not another machine's.

The rule kept here: a port is chosen below the range the kernel hands out by itself, so that a
machine that is off finds its port free when it comes back.
"""

from __future__ import annotations

import errno
import re
import socket
import zlib
from typing import TYPE_CHECKING

from virtory.errors import ResourceBusy

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

FIRST, LAST = 22000, 31999
ADDRESS = "127.0.0.1"
_PORT = re.compile(r'<[\w:]*ssh [^>]*\bport="(\d+)"')


def choose(name: str, wanted: int, taken: Collection[int]) -> int:
    """`wanted` when it is free, or with 0 a free one, the same for the same name where possible.

    Raises `ResourceBusy` when `wanted` is in use.
    """
    if wanted:
        if wanted in taken:
            raise ResourceBusy(
                f"port {wanted} belongs to another machine", cure="choose another with --ssh-port"
            )
        if not is_free(wanted):
            raise ResourceBusy(
                f"port {wanted} of {ADDRESS} is in use by another program",
                cure=f"see which with 'ss -tlnp sport = {wanted}', or leave out --ssh-port",
            )
        return wanted
    count = LAST - FIRST + 1
    start = zlib.crc32(name.encode()) % count
    for step in range(count):
        port = FIRST + (start + step) % count
        if port not in taken and is_free(port):
            return port
    raise ResourceBusy(f"no port from {FIRST} to {LAST} of {ADDRESS} is free")


def is_free(port: int) -> bool:
    """Whether somebody could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def taken(machines: Path) -> set[int]:
    """The ports of all machines made by `create`, running or not."""
    found = set()
    for path in machines.glob("*/machine.xml"):
        try:
            match = _PORT.search(path.read_text("utf-8"))
        except OSError:
            continue
        if match:
            found.add(int(match.group(1)))
    return found
