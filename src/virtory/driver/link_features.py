"""Which off-loads of a network device are on (`ethtool -k`), by the kernel's ethtool ioctls.

The rule kept here: a question that the driver does not understand is answered "no".
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
import sys

_SIOCETHTOOL = 0x8946
_VALUES = (("rx", 0x14), ("tx", 0x16), ("sg", 0x18), ("tso", 0x1E), ("gso", 0x23), ("gro", 0x2B))
_FLAGS = (
    ("lro", 1 << 15),
    ("rxvlan", 1 << 8),
    ("txvlan", 1 << 7),
    ("ntuple", 1 << 27),
    ("rxhash", 1 << 28),
)
_GET_FLAGS = 0x25
_GET_FEATURES = 0x3A
_TX_UDP_TUNNEL = 1 << 25


def features(name: str) -> list[str]:
    """The names of those that are on, in libvirt's order."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        found = [word for word, command in _VALUES if _value(control, name, command)]
        flags = _value(control, name, _GET_FLAGS)
        found += [word for word, bit in _FLAGS if flags & bit]
        if _active(control, name) & _TX_UDP_TUNNEL:
            found.append("txudptnl")
    return found


def _value(control: socket.socket, name: str, command: int) -> int:
    answer = _ask(control, name, struct.pack("=II", command, 0))
    return int.from_bytes(answer[4:8], sys.byteorder) if answer else 0


def _active(control: socket.socket, name: str) -> int:
    """The first 32 features: each block has available, requested, active, never changed."""
    answer = _ask(control, name, struct.pack("=II16x", _GET_FEATURES, 1))
    return int.from_bytes(answer[16:20], sys.byteorder) if answer else 0


def _ask(control: socket.socket, name: str, question: bytes) -> bytes:
    data = array.array("B", question)
    request = struct.pack("16sP", name.encode()[:15], data.buffer_info()[0]) + bytes(16)
    try:
        fcntl.ioctl(control, _SIOCETHTOOL, request)
    except OSError:
        return b""
    return data.tobytes()
