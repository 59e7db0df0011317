"""The contract of every driver: one Protocol per object kind, and the small values they exchange.

The rule kept here: plain `def` answers from memory at once (a handler runs it inline); `async def`
may wait for QEMU, a disk or another call. Objects are named by UUID (16 raw bytes), as on the wire;
XML travels as text. Every method raises `virtory.errors` classes and nothing else; a method whose
object does not exist raises that kind's NotFound. Flags are `virtory.model.flags` bits; a driver
refuses bits it does not know with `UnsupportedFlags`.

A driver leaves out a kind by setting its attribute to None: the daemon then answers that kind's
procedures as unknown, which libvirt's clients tolerate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from virtory.driver.interface.values import (
    BOOLEAN,
    DOUBLE,
    INT,
    LLONG,
    STRING,
    UINT,
    ULLONG,
    BlockInfo,
    BlockStats,
    ByteStream,
    DomainInfo,
    DomainRef,
    DomainStats,
    DomainUuid,
    InterfaceAddress,
    InterfaceStats,
    IpAddress,
    NamedRef,
    NodeInfo,
    Owner,
    Param,
    Screenshot,
    Vcpu,
)

if TYPE_CHECKING:
    from virtory.driver.bus import Bus
    from virtory.driver.interface.connect import ConnectDriver
    from virtory.driver.interface.domain import DomainDriver
    from virtory.driver.interface.interface import InterfaceDriver
    from virtory.driver.interface.network import NetworkDriver
    from virtory.driver.interface.node_device import NodeDeviceDriver
    from virtory.driver.interface.secret import SecretDriver
    from virtory.driver.interface.snapshot import SnapshotDriver
    from virtory.driver.interface.storage import StorageDriver

__all__ = [
    "BOOLEAN",
    "DOUBLE",
    "INT",
    "LLONG",
    "STRING",
    "UINT",
    "ULLONG",
    "Access",
    "BlockInfo",
    "BlockStats",
    "ByteStream",
    "DomainInfo",
    "DomainRef",
    "DomainStats",
    "DomainUuid",
    "Driver",
    "InterfaceAddress",
    "InterfaceStats",
    "IpAddress",
    "NamedRef",
    "NodeInfo",
    "Owner",
    "Param",
    "Screenshot",
    "Vcpu",
]

Access = Literal["read-write", "read-only"]


class Driver(Protocol):
    """Everything a daemon serves; the kinds that come later are None until they exist."""

    connect: ConnectDriver
    domain: DomainDriver
    snapshot: SnapshotDriver | None
    bus: Bus
    network: NetworkDriver | None
    node_device: NodeDeviceDriver | None
    nwfilter: None
    interface: InterfaceDriver | None

    @property
    def storage(self) -> StorageDriver | None:
        """A property, so that a driver may load it when it is first asked for."""

    @property
    def secret(self) -> SecretDriver | None:
        """As `storage`."""

    async def start(self) -> None:
        """Open the store, find running guests again, start autostart domains."""

    async def stop(self) -> bool:
        """Let go of everything; guests keep running. False: something did not end, as `leave`."""

    def leave(self) -> None:
        """From here on nothing is written down: what is under way is as at a crash."""
