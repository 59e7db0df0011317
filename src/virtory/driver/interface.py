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

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from virtory.model import refs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.bus import Bus

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
"""A client connection, compared by identity: what is auto-destroyed when it ends."""


class ConnectDriver(Protocol):
    """The host as a whole."""

    uri: str  # "qemu:///system"
    kind: str  # "QEMU"

    def version(self) -> int:
        """The hypervisor's version, major * 1_000_000 + minor * 1000 + micro."""

    def hostname(self) -> str: ...

    def node_info(self) -> NodeInfo: ...

    async def capabilities(self) -> str: ...

    async def domain_capabilities(
        self,
        emulator: str | None,
        arch: str | None,
        machine: str | None,
        virt_type: str | None,
        flags: int,
    ) -> str: ...

    def max_vcpus(self, virt_type: str | None) -> int: ...

    def sysinfo(self, flags: int) -> str: ...

    def cpu_map(self) -> tuple[bytes, int, int]:
        """Bitmap of online CPUs, count online, count present."""

    def cpu_stats(self, cpu: int, flags: int) -> list[tuple[str, int]]:
        """Nanoseconds by state for one CPU, or for all with -1 (`kernel user idle iowait`)."""

    def memory_stats(self, cell: int, flags: int) -> list[tuple[str, int]]:
        """KiB by kind (`total free buffers cached`) for one cell, or for all with -1."""

    def free_memory(self) -> int:
        """Bytes."""

    def cells_free_memory(self, start: int, count: int) -> list[int]:
        """Bytes free on each NUMA cell."""

    async def cpu_model_names(self, arch: str, flags: int) -> list[str]: ...

    async def baseline_cpu(self, cpus: Sequence[str], flags: int) -> str: ...

    async def compare_cpu(self, cpu: str, flags: int) -> int: ...

    def security_model(self) -> tuple[str, str]:
        """Model and domain of interpretation; two empty strings without one."""

    async def domain_xml_to_native(self, native_format: str, xml: str, flags: int) -> str: ...

    async def host_report(self) -> str:
        """JSON: what this host has and lacks, each with its cure (`virtory doctor`)."""


class DomainDriver(Protocol):
    """Domains, running or defined. `owner` is the connection that asks."""

    # -- lists and lookups -------------------------------------------------------------
    def list_all(self, flags: int) -> list[DomainRef]: ...
    def by_name(self, name: str) -> DomainRef: ...
    def by_uuid(self, uuid: DomainUuid) -> DomainRef: ...
    def by_id(self, domain_id: int) -> DomainRef: ...

    # -- definition ----------------------------------------------------------------------
    async def define(self, xml: str, flags: int) -> DomainRef: ...
    async def undefine(self, uuid: DomainUuid, flags: int) -> None: ...
    async def rename(self, uuid: DomainUuid, name: str, flags: int) -> None: ...
    async def xml(self, uuid: DomainUuid, flags: int) -> str: ...
    def set_autostart(self, uuid: DomainUuid, autostart: bool) -> None: ...
    def autostart(self, uuid: DomainUuid) -> bool: ...
    def metadata(self, uuid: DomainUuid, kind: int, uri: str | None, flags: int) -> str: ...
    async def set_metadata(
        self,
        uuid: DomainUuid,
        kind: int,
        metadata: str | None,
        key: str | None,
        uri: str | None,
        flags: int,
    ) -> None: ...

    # -- lifecycle -----------------------------------------------------------------------
    async def create_xml(
        self, xml: str, flags: int, owner: Owner, fds: Sequence[int] = ()
    ) -> DomainRef: ...
    async def create(
        self, uuid: DomainUuid, flags: int, owner: Owner, fds: Sequence[int] = ()
    ) -> DomainRef: ...
    async def shutdown(self, uuid: DomainUuid, flags: int) -> None: ...
    async def reboot(self, uuid: DomainUuid, flags: int) -> None: ...
    async def reset(self, uuid: DomainUuid, flags: int) -> None: ...
    async def suspend(self, uuid: DomainUuid) -> None: ...
    async def resume(self, uuid: DomainUuid) -> None: ...
    async def destroy(self, uuid: DomainUuid, flags: int) -> None: ...
    async def inject_nmi(self, uuid: DomainUuid, flags: int) -> None: ...
    async def pm_wakeup(self, uuid: DomainUuid, flags: int) -> None: ...

    def owner_gone(self, owner: Owner) -> None:
        """The connection ended: destroy what it started with AUTODESTROY, close its consoles."""

    # -- state ---------------------------------------------------------------------------
    def info(self, uuid: DomainUuid) -> DomainInfo: ...
    def state(self, uuid: DomainUuid, flags: int) -> tuple[int, int]: ...
    def control_info(self, uuid: DomainUuid, flags: int) -> tuple[int, int, int]: ...
    def is_active(self, uuid: DomainUuid) -> bool: ...
    def is_persistent(self, uuid: DomainUuid) -> bool: ...
    def is_updated(self, uuid: DomainUuid) -> bool: ...
    def os_type(self, uuid: DomainUuid) -> str: ...
    def max_memory_kib(self, uuid: DomainUuid) -> int: ...
    def max_vcpus(self, uuid: DomainUuid) -> int: ...
    def vcpus_flags(self, uuid: DomainUuid, flags: int) -> int: ...
    def vcpus(self, uuid: DomainUuid) -> list[Vcpu]: ...
    def vcpu_pins(self, uuid: DomainUuid, flags: int) -> list[bytes]: ...
    def emulator_pin(self, uuid: DomainUuid, flags: int) -> bytes: ...
    def scheduler_type(self, uuid: DomainUuid) -> tuple[str, int]: ...
    def security_label(self, uuid: DomainUuid) -> tuple[str, bool]: ...
    def messages(self, uuid: DomainUuid, flags: int) -> list[str]: ...
    def has_managed_save(self, uuid: DomainUuid, flags: int) -> bool: ...
    def job_info(self, uuid: DomainUuid) -> list[int]:
        """The twelve numbers of `virDomainJobInfo`, in its order (type first)."""

    def job_stats(self, uuid: DomainUuid, flags: int) -> tuple[int, list[Param]]: ...

    # -- statistics ------------------------------------------------------------------------
    async def stats(self, uuids: Sequence[DomainUuid], stats: int, flags: int) -> list[DomainStats]:
        """No `uuids`: every domain that the list flags in `flags` select."""

    async def memory_stats(self, uuid: DomainUuid, flags: int) -> list[tuple[int, int]]: ...
    async def set_memory_stats_period(
        self, uuid: DomainUuid, period_s: int, flags: int
    ) -> None: ...
    async def block_stats(self, uuid: DomainUuid, path: str) -> BlockStats: ...
    async def block_stats_params(self, uuid: DomainUuid, path: str, flags: int) -> list[Param]: ...
    async def block_info(self, uuid: DomainUuid, path: str, flags: int) -> BlockInfo: ...
    async def disk_errors(self, uuid: DomainUuid, flags: int) -> list[tuple[str, int]]: ...
    async def interface_stats(self, uuid: DomainUuid, device: str) -> InterfaceStats: ...
    async def interface_addresses(
        self, uuid: DomainUuid, source: int, flags: int
    ) -> list[InterfaceAddress]: ...
    async def cpu_stats(
        self, uuid: DomainUuid, start: int, count: int, flags: int
    ) -> tuple[list[list[Param]], int]:
        """Parameters of each CPU asked for (`start` -1: the total), and how many CPUs there are."""

    # -- memory and vCPUs ------------------------------------------------------------------
    async def set_memory(self, uuid: DomainUuid, memory_kib: int, flags: int) -> None: ...
    async def set_vcpus(self, uuid: DomainUuid, count: int, flags: int) -> None: ...

    # -- streams, screen, keyboard -----------------------------------------------------------
    async def open_console(
        self, uuid: DomainUuid, device: str | None, flags: int, owner: Owner
    ) -> ByteStream: ...
    async def open_channel(
        self, uuid: DomainUuid, name: str | None, flags: int, owner: Owner
    ) -> ByteStream: ...
    async def console_history(self, uuid: DomainUuid, device: str | None, limit: int) -> bytes:
        """The last `limit` bytes that the console printed since power-on."""

    async def open_graphics(self, uuid: DomainUuid, index: int, fd: int, flags: int) -> None:
        """Hand the client's end `fd` to the display; the caller closes its own copy."""

    async def open_graphics_fd(self, uuid: DomainUuid, index: int, flags: int) -> int:
        """A connected descriptor; the caller owns it."""

    async def screenshot(self, uuid: DomainUuid, screen: int, flags: int) -> Screenshot: ...
    async def send_key(
        self,
        uuid: DomainUuid,
        codeset: int,
        hold_ms: int,
        keycodes: Sequence[int],
        flags: int,
    ) -> None: ...

    # -- QEMU and the guest agent ------------------------------------------------------------
    async def monitor_command(self, uuid: DomainUuid, command: str, flags: int) -> str: ...
    async def agent_command(
        self, uuid: DomainUuid, command: str, timeout_s: int, flags: int
    ) -> str | None: ...
    async def guest_hostname(self, uuid: DomainUuid, flags: int) -> str: ...
    async def guest_time(self, uuid: DomainUuid, flags: int) -> tuple[int, int]:
        """Seconds since the epoch, nanoseconds."""

    async def set_guest_time(
        self, uuid: DomainUuid, seconds: int, nanoseconds: int, flags: int
    ) -> None: ...
    async def guest_info(self, uuid: DomainUuid, types: int, flags: int) -> list[Param]: ...
    async def fs_freeze(self, uuid: DomainUuid, mountpoints: Sequence[str], flags: int) -> int: ...
    async def fs_thaw(self, uuid: DomainUuid, mountpoints: Sequence[str], flags: int) -> int: ...
    async def fs_trim(
        self, uuid: DomainUuid, mountpoint: str | None, minimum: int, flags: int
    ) -> None: ...
    async def set_user_password(
        self, uuid: DomainUuid, user: str, password: str, flags: int
    ) -> None: ...


Access = Literal["read-write", "read-only"]


class Driver(Protocol):
    """Everything a daemon serves; the kinds that come later are None until they exist."""

    connect: ConnectDriver
    domain: DomainDriver
    bus: Bus
    network: None
    storage: None
    node_device: None
    secret: None
    nwfilter: None
    interface: None

    async def start(self) -> None:
        """Open the store, find running guests again, start autostart domains."""

    async def stop(self) -> None:
        """Let go of everything; guests keep running."""
