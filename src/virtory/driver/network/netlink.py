"""Links, addresses, routes and neighbours of the host, over a routing socket (rtnetlink(7)).

The rule kept here: a request waits for the kernel's word; what failed raises OSError with the
kernel's number. Messages are short and few, hence written out here: pyroute2 takes 155 ms to
import, more than a network takes to start.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=BBBBBBBBI")
_NEIGHBOUR = struct.Struct("=BxxxiHBB")
_ATTRIBUTE = struct.Struct("=HH")

_NEWLINK, _DELLINK, _GETLINK, _SETLINK = 16, 17, 18, 19
_NEWADDR, _GETADDR, _NEWROUTE, _GETROUTE, _GETNEIGH = 20, 22, 24, 26, 30
_REQUEST, _ACK, _DUMP, _CREATE, _EXCLUSIVE = 1, 4, 0x300, 0x400, 0x200
_ERROR, _DONE = 2, 3
_NESTED = 0x8000

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK = 1, 3, 4, 5
_IFLA_MASTER, _IFLA_LINKINFO, _IFLA_PROTINFO = 10, 18, 12
_INFO_KIND, _INFO_DATA = 1, 2
_BR_FORWARD_DELAY, _BR_STP_STATE = 1, 5
_MACVTAP_MODE = 1
_BRPORT_ISOLATED = 33
_IFF_UP = 1
MACVTAP_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthrough": 8}
_STALE_STATES = 0x20 | 0x40  # failed, no ARP


class Link(NamedTuple):
    """A network device of the host; `number` is the kernel's."""

    number: int
    name: str
    mac: str
    kind: str | None
    master: int


class Route(NamedTuple):
    """One route of the main table; `destination` None: everything."""

    family: int
    destination: str | None
    prefix: int
    device: int
    protocol: int


class Neighbour(NamedTuple):
    """An address that the host has seen on a link."""

    address: str
    mac: str
    device: int


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(len(value) + 4, kind) + value + bytes(-len(value) % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _number(value: int) -> bytes:
    return struct.pack("=I", value)


def mac_bytes(mac: str) -> bytes:
    """The six bytes of an address."""
    return bytes.fromhex(mac.replace(":", ""))


def index_of(name: str) -> int:
    """The number of a device; OSError when there is none."""
    return socket.if_nametoindex(name)


def exists(name: str) -> bool:
    """Whether there is a device of that name."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


class Netlink:
    """One conversation with the kernel; a context manager."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._serial = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    # -- links ---------------------------------------------------------------------------------
    def add_bridge(self, name: str, mac: str, *, stp: bool, delay_s: int) -> None:
        """A bridge with an address of its own, which it keeps whatever is plugged into it."""
        data = _attribute(_BR_FORWARD_DELAY, _number(delay_s * 100))
        data += _attribute(_BR_STP_STATE, _number(int(stp)))
        self._add(name, mac, "bridge", data)

    def add_macvtap(self, name: str, mac: str, parent: str, mode: str) -> None:
        """A tap that shares the host's device `parent`."""
        data = _attribute(_MACVTAP_MODE, _number(MACVTAP_MODES[mode]))
        link = _attribute(_IFLA_LINK, _number(index_of(parent)))
        self._add(name, mac, "macvtap", data, link)

    def _add(self, name: str, mac: str, kind: str, data: bytes, more: bytes = b"") -> None:
        info = _attribute(_INFO_KIND, kind.encode()) + _attribute(_INFO_DATA | _NESTED, data)
        body = _LINK.pack(0, 0, 0, 0, 0) + _attribute(_IFLA_IFNAME, _text(name))
        body += _attribute(_IFLA_ADDRESS, mac_bytes(mac)) + more
        body += _attribute(_IFLA_LINKINFO | _NESTED, info)
        self._ask(_NEWLINK, _CREATE | _EXCLUSIVE, body)

    def set_link(
        self,
        name: str,
        *,
        up: bool | None = None,
        mac: str | None = None,
        mtu: int | None = None,
        master: str | None = None,
    ) -> None:
        """Change a device; what is None stays. An empty `master` takes it off its bridge."""
        flags, mask = (int(up), _IFF_UP) if up is not None else (0, 0)
        body = _LINK.pack(0, 0, index_of(name), flags, mask)
        if mac is not None:
            body += _attribute(_IFLA_ADDRESS, mac_bytes(mac))
        if mtu is not None:
            body += _attribute(_IFLA_MTU, _number(mtu))
        if master is not None:
            body += _attribute(_IFLA_MASTER, _number(index_of(master) if master else 0))
        self._ask(_NEWLINK, 0, body)

    def isolate(self, name: str) -> None:
        """A bridge's port that talks to no other isolated one."""
        body = _LINK.pack(socket.AF_BRIDGE, 0, index_of(name), 0, 0)
        body += _attribute(_IFLA_PROTINFO | _NESTED, _attribute(_BRPORT_ISOLATED, b"\1"))
        self._ask(_SETLINK, 0, body)

    def delete_link(self, name: str) -> None:
        """Remove a device; one that is not there is no error."""
        try:
            self._ask(_DELLINK, 0, _LINK.pack(0, 0, index_of(name), 0, 0))
        except OSError:
            if exists(name):
                raise

    def link(self, name: str) -> Link | None:
        """The device of that name; None when there is none."""
        body = _LINK.pack(0, 0, 0, 0, 0) + _attribute(_IFLA_IFNAME, _text(name))
        self._send(_GETLINK, 0, body)
        for answer, content in self._messages():
            return None if answer == _ERROR else _link(content)
        return None

    def links(self) -> list[Link]:
        """Every device of the host."""
        return [_link(body) for body in self._dump(_GETLINK, _LINK.pack(0, 0, 0, 0, 0))]

    # -- addresses and routes ------------------------------------------------------------------
    def add_address(self, name: str, address: str, prefix: int) -> None:
        """Give a device an address; one that it has already is no error."""
        family, raw = _packed(address)
        body = _ADDRESS.pack(family, prefix, 0, 0, index_of(name))
        body += _attribute(2, raw) + _attribute(1, raw)
        if family == socket.AF_INET:
            if prefix < 31:
                mask = (1 << (32 - prefix)) - 1
                last = int.from_bytes(raw, "big") | mask
                body += _attribute(4, last.to_bytes(4, "big"))
        else:  # no duplicate detection: nobody could answer on a bridge without ports
            body += _attribute(8, _number(0x02))
        self._ask(_NEWADDR, _CREATE, body, fine=(17,))

    def add_route(
        self, name: str, destination: str, prefix: int, gateway: str, metric: int | None
    ) -> None:
        """A route by a gateway on the device."""
        family, raw = _packed(destination)
        body = _ROUTE.pack(family, prefix, 0, 0, 254, 4, 0, 1, 0)
        body += _attribute(1, raw) + _attribute(5, _packed(gateway)[1])
        body += _attribute(4, struct.pack("=i", index_of(name)))
        if metric is not None:
            body += _attribute(6, _number(metric))
        self._ask(_NEWROUTE, _CREATE, body, fine=(17,))

    def routes(self) -> list[Route]:
        """The unicast routes of the host's main table, both families."""
        found = []
        for family in (socket.AF_INET, socket.AF_INET6):
            empty = _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
            for body in self._dump(_GETROUTE, empty):
                fields = _ROUTE.unpack_from(body)
                if fields[0] != family or fields[4] != 254 or fields[7] != 1:
                    continue
                values = dict(_attributes(body[_ROUTE.size :]))
                raw = values.get(1)
                destination = None if raw is None else socket.inet_ntop(family, raw)
                device = struct.unpack("=i", values[4])[0] if 4 in values else 0
                found.append(Route(family, destination, fields[1], device, fields[5]))
        return found

    def neighbours(self) -> list[Neighbour]:
        """Addresses and MACs that the host has learnt."""
        found = []
        for body in self._dump(_GETNEIGH, _NEIGHBOUR.pack(0, 0, 0, 0, 0)):
            family, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
            values = dict(_attributes(body[_NEIGHBOUR.size :]))
            if state & _STALE_STATES or family not in (2, 10):
                continue
            if 1 in values and len(values.get(2, b"")) == 6:
                address = socket.inet_ntop(family, values[1])
                found.append(Neighbour(address, values[2].hex(":"), index))
        return found

    # -- the conversation ----------------------------------------------------------------------
    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._serial += 1
        length = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(length, kind, flags | _REQUEST, self._serial, 0) + body)

    def _ask(self, kind: int, flags: int, body: bytes, fine: tuple[int, ...] = ()) -> None:
        self._send(kind, flags | _ACK, body)
        for answer, content in self._messages():
            if answer == _ERROR:
                code = -struct.unpack_from("=i", content)[0]
                if code and code not in fine:
                    raise OSError(code, os.strerror(code))
                return

    def _dump(self, kind: int, body: bytes) -> Iterator[bytes]:
        self._send(kind, _DUMP, body)
        for answer, content in self._messages():
            if answer == _DONE:
                return
            if answer == _ERROR:
                code = -struct.unpack_from("=i", content)[0]
                raise OSError(code, os.strerror(code))
            yield content

    def _messages(self) -> Iterator[tuple[int, bytes]]:
        while True:
            data = self._socket.recv(1 << 17)
            offset = 0
            while offset + _HEADER.size <= len(data):
                length, kind, _, serial, _ = _HEADER.unpack_from(data, offset)
                if serial == self._serial:
                    yield kind, data[offset + _HEADER.size : offset + length]
                offset += (length + 3) & ~3


def _packed(address: str) -> tuple[int, bytes]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)


def _link(body: bytes) -> Link:
    index = _LINK.unpack_from(body)[2]
    values = dict(_attributes(body[_LINK.size :]))
    info = dict(_attributes(values.get(_IFLA_LINKINFO, b"")))
    kind = info.get(_INFO_KIND)
    return Link(
        index,
        values[_IFLA_IFNAME].rstrip(b"\0").decode(errors="replace"),
        values.get(_IFLA_ADDRESS, b"").hex(":"),
        None if kind is None else kind.rstrip(b"\0").decode(),
        struct.unpack("=I", values[_IFLA_MASTER])[0] if _IFLA_MASTER in values else 0,
    )
