"""What can happen: one class per kind of event, with libvirt's names and numbers.

The rule kept here: a kind is declared once, as a class; its fields are those of the message, and
the number is what libvirt registers it by. `KINDS` names them all; numbers in fields are explained
by the groups of `virtory.flags` (`DomainEventLifecycle`, `DomainEventStopped` …).

    async with host.events("lifecycle", "reboot") as events:
        await domain.start()
        async for event in events:
            match event:
                case Lifecycle(domain=domain, event=DomainEventLifecycle.STARTED): ...
"""

from __future__ import annotations

from virtory.client.parameters import values_of
from virtory.lean import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from virtory.client.connect import Host
    from virtory.client.domain import Domain
    from virtory.client.network import Network
    from virtory.client.node_device import NodeDevice
    from virtory.client.results import Params
    from virtory.client.secret import Secret
    from virtory.client.storage import StoragePool
    from virtory.wire.incoming import Event as Received

KINDS: dict[str, type[Event]] = {}
"""The name of each kind → its class."""

_SUBJECTS = {
    "domain": ("dom", "domain", "Domain"),
    "qemu": ("dom", "domain", "Domain"),
    "network": ("net", "network", "Network"),
    "storage_pool": ("pool", "storage", "StoragePool"),
    "node_device": ("dev", "node_device", "NodeDevice"),
    "secret": ("secret", "secret", "Secret"),
}


class Event:
    """Something that happened. `kind` is its name in `KINDS`, `subject` what it happened to."""

    kind: ClassVar[str] = ""
    family: ClassVar[str] = "domain"
    number: ClassVar[int] = 0

    def __init_subclass__(cls, kind: str = "", family: str = "domain", number: int = 0) -> None:
        cls.kind, cls.family, cls.number = kind, family, number
        if kind:
            KINDS[kind] = cls

    def __init__(self, subject: Any, fields: dict[str, Any]) -> None:
        self.subject = subject
        self.__dict__[_SUBJECTS[self.family][1]] = subject
        self.__dict__.update(fields)

    def __repr__(self) -> str:
        fields = ", ".join(f"{key}={value!r}" for key, value in self.details.items())
        return f"<{type(self).__name__} {self.subject!r}{' ' if fields else ''}{fields}>"

    @property
    def details(self) -> dict[str, Any]:
        """Its own fields by name, without what it happened to."""
        return {name: getattr(self, name) for name in field_names(type(self))}


class DomainEvent(Event):
    """Something that happened to a domain."""

    domain: Domain


class Lifecycle(DomainEvent, kind="lifecycle", number=0):
    """`DOMAIN_EVENT_CALLBACK_LIFECYCLE`: defined, started, stopped …: `DomainEventLifecycle`."""

    event: int
    detail: int


class Reboot(DomainEvent, kind="reboot", number=1):
    """`DOMAIN_EVENT_CALLBACK_REBOOT`: the guest rebooted."""


class RtcChange(DomainEvent, kind="rtc-change", number=2):
    """`DOMAIN_EVENT_CALLBACK_RTC_CHANGE`: `offset` of the guest's clock to UTC, in seconds."""

    offset: int


class Watchdog(DomainEvent, kind="watchdog", number=3):
    """`DOMAIN_EVENT_CALLBACK_WATCHDOG`: it fired: `DomainEventWatchdog`."""

    action: int


class IoError(DomainEvent, kind="io-error", number=4):
    """`DOMAIN_EVENT_CALLBACK_IO_ERROR`: a disk failed: `DomainEventIoError`."""

    src_path: str
    dev_alias: str
    action: int


class Graphics(DomainEvent, kind="graphics", number=5):
    """`DOMAIN_EVENT_CALLBACK_GRAPHICS`: somebody looks at the screen, or left."""

    phase: int
    local: tuple[int, str, str]
    remote: tuple[int, str, str]
    auth_scheme: str
    subject_identities: list[tuple[str, str]]


class IoErrorReason(DomainEvent, kind="io-error-reason", number=6):
    """`DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON`: a disk failed, and why (`enospc`)."""

    src_path: str
    dev_alias: str
    action: int
    reason: str


class ControlError(DomainEvent, kind="control-error", number=7):
    """`DOMAIN_EVENT_CALLBACK_CONTROL_ERROR`: the daemon lost its monitor."""


class BlockJob(DomainEvent, kind="block-job", number=8):
    """`DOMAIN_EVENT_CALLBACK_BLOCK_JOB`: a disk's job, named by path, changed state."""

    path: str
    type: int
    status: int


class DiskChange(DomainEvent, kind="disk-change", number=9):
    """`DOMAIN_EVENT_CALLBACK_DISK_CHANGE`: another image is behind a disk."""

    old_src_path: str | None
    new_src_path: str | None
    dev_alias: str
    reason: int


class TrayChange(DomainEvent, kind="tray-change", number=10):
    """`DOMAIN_EVENT_CALLBACK_TRAY_CHANGE`: a tray opened (0) or closed (1)."""

    dev_alias: str
    reason: int


class PmWakeup(DomainEvent, kind="pm-wakeup", number=11):
    """`DOMAIN_EVENT_CALLBACK_PMWAKEUP`: the guest woke up."""

    reason: int


class PmSuspend(DomainEvent, kind="pm-suspend", number=12):
    """`DOMAIN_EVENT_CALLBACK_PMSUSPEND`: the guest sleeps in memory."""

    reason: int


class BalloonChange(DomainEvent, kind="balloon-change", number=13):
    """`DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE`: the guest has `actual` KiB."""

    actual: int


class PmSuspendDisk(DomainEvent, kind="pm-suspend-disk", number=14):
    """`DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK`: the guest sleeps on disk."""

    reason: int


class DeviceRemoved(DomainEvent, kind="device-removed", number=15):
    """`DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED`: the guest let go of a device."""

    dev_alias: str


class BlockJob2(DomainEvent, kind="block-job-2", number=16):
    """`DOMAIN_EVENT_BLOCK_JOB_2`: a disk's job, named by target, changed state."""

    dst: str
    type: int
    status: int


class Tunable(DomainEvent, kind="tunable", number=17):
    """`DOMAIN_EVENT_CALLBACK_TUNABLE`: limits changed."""

    params: Params


class AgentLifecycle(DomainEvent, kind="agent-lifecycle", number=18):
    """`DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE`: the agent is there (1) or gone (2)."""

    state: int
    reason: int


class DeviceAdded(DomainEvent, kind="device-added", number=19):
    """`DOMAIN_EVENT_CALLBACK_DEVICE_ADDED`: a device was plugged in."""

    dev_alias: str


class MigrationIteration(DomainEvent, kind="migration-iteration", number=20):
    """`DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION`: memory is sent for the n-th time."""

    iteration: int


class JobCompleted(DomainEvent, kind="job-completed", number=21):
    """`DOMAIN_EVENT_CALLBACK_JOB_COMPLETED`: a job ended, with its figures."""

    params: Params


class DeviceRemovalFailed(DomainEvent, kind="device-removal-failed", number=22):
    """`DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED`: the guest kept a device."""

    dev_alias: str


class MetadataChange(DomainEvent, kind="metadata-change", number=23):
    """`DOMAIN_EVENT_CALLBACK_METADATA_CHANGE`: `type` 0 description, 1 title, 2 element."""

    type: int
    nsuri: str | None


class BlockThreshold(DomainEvent, kind="block-threshold", number=24):
    """`DOMAIN_EVENT_BLOCK_THRESHOLD`: a write went `excess` bytes beyond `threshold`."""

    dev: str
    path: str | None
    threshold: int
    excess: int


class MemoryFailure(DomainEvent, kind="memory-failure", number=25):
    """`DOMAIN_EVENT_MEMORY_FAILURE`: memory of the host or the guest is broken."""

    recipient: int
    action: int
    flags: int


class MemoryDeviceSizeChange(DomainEvent, kind="memory-device-size-change", number=26):
    """`DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE`: a memory device has `size` KiB now."""

    alias: str
    size: int


class MonitorEvent(DomainEvent, kind="qemu", family="qemu"):
    """`QEMU_PROC_DOMAIN_MONITOR_EVENT`: what QEMU itself said; `details_json` is its data."""

    event: str
    seconds: int
    micros: int
    details_json: str | None


class NetworkLifecycle(Event, kind="network.lifecycle", family="network"):
    """`NETWORK_EVENT_LIFECYCLE`: 0 defined, 1 undefined, 2 started, 3 stopped."""

    network: Network
    event: int
    detail: int


class StoragePoolLifecycle(Event, kind="storage-pool.lifecycle", family="storage_pool"):
    """`STORAGE_POOL_EVENT_LIFECYCLE`: defined, undefined, started, stopped, created, deleted."""

    storage: StoragePool
    event: int
    detail: int


class StoragePoolRefresh(Event, kind="storage-pool.refresh", family="storage_pool", number=1):
    """`STORAGE_POOL_EVENT_REFRESH`: it was looked at again."""

    storage: StoragePool


class NodeDeviceLifecycle(Event, kind="node-device.lifecycle", family="node_device"):
    """`NODE_DEVICE_EVENT_LIFECYCLE`: created, deleted, defined, undefined."""

    node_device: NodeDevice
    event: int
    detail: int


class NodeDeviceUpdate(Event, kind="node-device.update", family="node_device", number=1):
    """`NODE_DEVICE_EVENT_UPDATE`: it changed."""

    node_device: NodeDevice


class SecretLifecycle(Event, kind="secret.lifecycle", family="secret"):
    """`SECRET_EVENT_LIFECYCLE`: defined, undefined."""

    secret: Secret
    event: int
    detail: int


class SecretValueChanged(Event, kind="secret.value-changed", family="secret", number=1):
    """`SECRET_EVENT_VALUE_CHANGED`: it has another value."""

    secret: Secret


_WIRE_NAMES = {"subject_identities": "subject", "details_json": "details"}


def field_names(kind: type[Event]) -> list[str]:
    """The fields of a kind of event, what it happened to left out."""
    subjects = {words[1] for words in _SUBJECTS.values()}
    return [name for name in kind.__annotations__ if name not in subjects]


def key_of(received: Received) -> tuple[str, int]:
    """What routes a received event: its family and the callback id that the daemon chose."""
    name = received.procedure.name
    callback: int = getattr(received.message, "callback_id", -1)
    if name == "DOMAIN_MONITOR_EVENT":
        return "qemu", callback
    return name.partition("_EVENT_")[0].lower(), callback


def event_of(kind: type[Event], host: Host, message: Any) -> Event:
    """A received message as an event."""
    from importlib import import_module

    inner = getattr(message, "msg", message)
    reference, module, name = _SUBJECTS[kind.family]
    subject_class = getattr(import_module(f"virtory.client.{module}"), name)
    fields = {}
    for field in field_names(kind):
        wire_name = _WIRE_NAMES.get(field, field)
        value = getattr(inner if hasattr(inner, wire_name) else message, wire_name)
        fields[field] = values_of(value) if field == "params" else value
    return kind(subject_class(host, getattr(inner, reference)), fields)
