"""The small values that a daemon and its drivers exchange.

The rule kept here: plain data with libvirt's fields and units, made without any driver.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from virtory.model import refs

DomainRef = refs.DomainRef
NamedRef = refs.NamedRef
Param = refs.Param
INT, UINT, LLONG, ULLONG = refs.INT, refs.UINT, refs.LLONG, refs.ULLONG
DOUBLE, BOOLEAN, STRING = refs.DOUBLE, refs.BOOLEAN, refs.STRING

DomainUuid = bytes


class DomainInfo(NamedTuple):
    """`virDomainInfo`: memory in KiB, CPU time in nanoseconds."""

    state: int
    max_memory_kib: int
    memory_kib: int
    vcpus: int
    cpu_time_ns: int


class NodeInfo(NamedTuple):
    """`virNodeInfo`: memory in KiB, clock in MHz."""

    model: str
    memory_kib: int
    cpus: int
    mhz: int
    nodes: int
    sockets: int
    cores: int
    threads: int


class Vcpu(NamedTuple):
    """One virtual CPU; `state` 0 offline, 1 running, 2 blocked; `cpu` -1 when unknown.

    `affinity` is a bitmap of host CPUs, lowest bit first.
    """

    number: int
    state: int
    cpu_time_ns: int
    cpu: int
    affinity: bytes


class DomainStats(NamedTuple):
    domain: DomainRef
    params: list[Param]


class BlockStats(NamedTuple):
    """Requests and bytes since power-on; `errors` -1 when not counted."""

    rd_req: int
    rd_bytes: int
    wr_req: int
    wr_bytes: int
    errors: int


class BlockInfo(NamedTuple):
    """Bytes: `capacity` the guest sees, `allocation` in use, `physical` size of the file."""

    capacity: int
    allocation: int
    physical: int


class InterfaceStats(NamedTuple):
    rx_bytes: int
    rx_packets: int
    rx_errs: int
    rx_drop: int
    tx_bytes: int
    tx_packets: int
    tx_errs: int
    tx_drop: int


class IpAddress(NamedTuple):
    family: int  # 0 IPv4, 1 IPv6
    address: str
    prefix: int


class InterfaceAddress(NamedTuple):
    name: str
    mac: str | None
    addresses: list[IpAddress]


class Screenshot(NamedTuple):
    mime: str
    stream: ByteStream


class ByteStream(Protocol):
    """A two-way stream of bytes; reads and writes wait, so that a slow peer slows the other."""

    async def read(self, limit: int = 262120) -> bytes:
        """At most `limit` bytes; empty at the end."""

    async def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        """Release everything; idempotent."""


Owner = object
"""A client connection, compared by identity: what is auto-destroyed when it ends.

One that is `closed` has ended while its call was under way.
"""
