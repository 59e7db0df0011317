"""What calls answer: small named tuples, with units in their names.

The rule kept here: values only, as the peer sent them; nothing here asks for more.
"""

from __future__ import annotations

from virtory.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from virtory.client.domain import Domain

Value = int | float | str | bool
Params = dict[str, Value]


class DomainInfo(NamedTuple):
    """`state` is one of `flags.DomainState`."""

    state: int
    max_memory_kib: int
    memory_kib: int
    vcpus: int
    cpu_time_ns: int


class DomainState(NamedTuple):
    """`state` is one of `flags.DomainState`; what `reason` means depends on it."""

    state: int
    reason: int


class ControlInfo(NamedTuple):
    """`state` is one of `flags.DomainControl`; `since_ms` how long it has been in it."""

    state: int
    details: int
    since_ms: int


class NodeInfo(NamedTuple):
    model: str
    memory_kib: int
    cpus: int
    mhz: int
    nodes: int
    sockets: int
    cores: int
    threads: int


class CpuMap(NamedTuple):
    """`online` says of each CPU whether it is; `total` counts those present."""

    online: list[bool]
    total: int


class SecurityModel(NamedTuple):
    model: str
    doi: str


class SecurityLabel(NamedTuple):
    label: str
    enforcing: bool


class Version(NamedTuple):
    """A version as libvirt counts it; `str()` is the usual spelling."""

    major: int
    minor: int
    micro: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.micro}"


class Vcpu(NamedTuple):
    """`state` 0 offline, 1 running, 2 blocked; `cpu` -1 when unknown; `affinity` host CPUs."""

    number: int
    state: int
    cpu_time_ns: int
    cpu: int
    affinity: list[int]


class IOThread(NamedTuple):
    number: int
    affinity: list[int]


class BlockInfo(NamedTuple):
    """Bytes: `capacity` the guest sees, `allocation` in use, `physical` size of the file."""

    capacity: int
    allocation: int
    physical: int


class BlockStats(NamedTuple):
    """Requests and bytes since power-on; `errors` -1 when not counted."""

    rd_req: int
    rd_bytes: int
    wr_req: int
    wr_bytes: int
    errors: int


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
    """`family` 4 or 6."""

    family: int
    address: str
    prefix: int


class InterfaceAddress(NamedTuple):
    name: str
    mac: str | None
    addresses: list[IpAddress]


class DomainStats(NamedTuple):
    domain: Domain
    params: Params


class JobInfo(NamedTuple):
    """`type` is 0 when no job runs; times in milliseconds, amounts in bytes."""

    type: int
    time_elapsed_ms: int
    time_remaining_ms: int
    data_total: int
    data_processed: int
    data_remaining: int
    memory_total: int
    memory_processed: int
    memory_remaining: int
    file_total: int
    file_processed: int
    file_remaining: int


class JobStats(NamedTuple):
    type: int
    params: Params


class BlockJobInfo(NamedTuple):
    """`bandwidth` in bytes/s or MiB/s, as asked for; `current` of `end` is done."""

    type: int
    bandwidth: int
    current: int
    end: int


class GuestTime(NamedTuple):
    """Since the epoch, in UTC."""

    seconds: int
    nanoseconds: int


class GuestFilesystem(NamedTuple):
    mountpoint: str
    name: str
    fstype: str
    devices: list[str]


class SchedulerType(NamedTuple):
    name: str
    parameters: int


class PoolInfo(NamedTuple):
    """`state` 0 inactive, 1 building, 2 running, 3 degraded, 4 inaccessible; sizes in bytes."""

    state: int
    capacity: int
    allocation: int
    available: int


class VolumeInfo(NamedTuple):
    """`type` 0 file, 1 block, 2 directory, 3 network, 4 network directory, 5 ploop; bytes."""

    type: int
    capacity: int
    allocation: int


class DhcpLease(NamedTuple):
    """`expires` in seconds since the epoch; `family` 4 or 6."""

    interface: str
    expires: int
    family: int
    mac: str | None
    iaid: str | None
    address: str
    prefix: int
    hostname: str | None
    client_id: str | None


class Screenshot(NamedTuple):
    """An image and its MIME type, such as `image/png` or `image/x-portable-pixmap`."""

    mime: str
    data: bytes
