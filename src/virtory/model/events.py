"""What can be observed: one small class per kind of event, with libvirt's fields and numbers.

The rule kept here: an event is a value. It names its object, can be compared, printed and made
again from its fields, and never changes; numbers are those of `virtory.model.flags`.

A class is made by writing down its fields: `Event` reads the annotations, in order, when the first
one is constructed. (NamedTuples would cost a compilation each at import.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

from virtory.model.flags import (
    DomainEventId,
    NetworkEventId,
    NodeDeviceEventId,
    SecretEventId,
    StoragePoolEventId,
)

if TYPE_CHECKING:
    from virtory.model.refs import DomainRef, NamedRef, Param

DOMAIN_EVENTS: dict[int, type[DomainEvent]] = {}
"""The class of each of libvirt's domain event numbers."""


@dataclass_transform(frozen_default=True)
class Event:
    """Something that happened. `kind` is the kind of object, `number` libvirt's event number."""

    kind: ClassVar[str] = ""
    number: ClassVar[int] = -1
    fields: ClassVar[tuple[str, ...]] = ()

    @property
    def about(self) -> bytes | None:
        """The UUID of the object that it is about; None for one that has none."""
        return None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = cls.__annotations__
        cls.fields += tuple(name for name, text in own.items() if "ClassVar" not in text)

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self.fields
        if len(values) + len(named) != len(fields):
            raise TypeError(f"{type(self).__name__} takes {', '.join(fields)}")
        mine = self.__dict__
        mine.update(zip(fields, values, strict=False))
        for name in fields[len(values) :]:
            if name not in named:
                raise TypeError(f"{type(self).__name__} misses {name}")
            mine[name] = named[name]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is a value: {name} can not be set")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *(self.__dict__[name] for name in self.fields)))

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self.fields)
        return f"{type(self).__name__}({inside})"


class DomainEvent(Event):
    """Something that happened to one domain."""

    kind: ClassVar[str] = "domain"
    domain: DomainRef

    @property
    def about(self) -> bytes:
        return self.domain.uuid

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        number = cls.__dict__.get("number", -1)
        if number >= 0 and DOMAIN_EVENTS.setdefault(number, cls) is not cls:
            raise TypeError(f"{cls.__name__} claims the number of {DOMAIN_EVENTS[number].__name__}")


class Lifecycle(DomainEvent):
    """Defined, started, stopped …: `event` is DomainEventLifecycle, `detail` its own reason."""

    number: ClassVar[int] = DomainEventId.LIFECYCLE
    event: int
    detail: int


class Reboot(DomainEvent):
    """The guest restarted without its process ending."""

    number: ClassVar[int] = DomainEventId.REBOOT


class RtcChange(DomainEvent):
    """The guest set its clock; `offset` in seconds from UTC."""

    number: ClassVar[int] = DomainEventId.RTC_CHANGE
    offset: int


class Watchdog(DomainEvent):
    """The watchdog fired; `action` is DomainEventWatchdog."""

    number: ClassVar[int] = DomainEventId.WATCHDOG
    action: int


class IoError(DomainEvent):
    """A disk failed; `action` is DomainEventIoError."""

    number: ClassVar[int] = DomainEventId.IO_ERROR
    path: str
    alias: str
    action: int


class IoErrorReason(DomainEvent):
    """A disk failed, with QEMU's reason, such as `enospc`."""

    number: ClassVar[int] = DomainEventId.IO_ERROR_REASON
    path: str
    alias: str
    action: int
    reason: str


class Graphics(DomainEvent):
    """A display client came or went.

    `phase` is DomainEventGraphics; `local` and `remote` are (family, node, service); `subject` is
    pairs of type and name, proved by authentication.
    """

    number: ClassVar[int] = DomainEventId.GRAPHICS
    phase: int
    local: tuple[int, str, str]
    remote: tuple[int, str, str]
    auth_scheme: str
    subject: tuple[tuple[str, str], ...]


class ControlError(DomainEvent):
    """The monitor is no longer usable."""

    number: ClassVar[int] = DomainEventId.CONTROL_ERROR


class BlockJob(DomainEvent):
    """A block job changed `status` (DomainBlockJob); named by the disk's path."""

    number: ClassVar[int] = DomainEventId.BLOCK_JOB
    path: str
    job: int
    status: int


class BlockJob2(DomainEvent):
    """A block job changed `status` (DomainBlockJob); named by the disk's target."""

    number: ClassVar[int] = DomainEventId.BLOCK_JOB_2
    target: str
    job: int
    status: int


class DiskChange(DomainEvent):
    """A disk's source changed; `reason` is DomainEventDiskChange."""

    number: ClassVar[int] = DomainEventId.DISK_CHANGE
    old_path: str | None
    new_path: str | None
    alias: str
    reason: int


class TrayChange(DomainEvent):
    """A tray opened or closed; `reason` is DomainEventTrayChange."""

    number: ClassVar[int] = DomainEventId.TRAY_CHANGE
    alias: str
    reason: int


class PmWakeup(DomainEvent):
    """The guest woke up."""

    number: ClassVar[int] = DomainEventId.PMWAKEUP
    reason: int


class PmSuspend(DomainEvent):
    """The guest suspended itself to memory."""

    number: ClassVar[int] = DomainEventId.PMSUSPEND
    reason: int


class BalloonChange(DomainEvent):
    """The balloon settled; `actual` in KiB."""

    number: ClassVar[int] = DomainEventId.BALLOON_CHANGE
    actual: int


class PmSuspendDisk(DomainEvent):
    """The guest suspended itself to disk."""

    number: ClassVar[int] = DomainEventId.PMSUSPEND_DISK
    reason: int


class DeviceRemoved(DomainEvent):
    """The guest let go of a device."""

    number: ClassVar[int] = DomainEventId.DEVICE_REMOVED
    alias: str


class Tunable(DomainEvent):
    """Tuning parameters changed."""

    number: ClassVar[int] = DomainEventId.TUNABLE
    params: tuple[Param, ...]


class AgentLifecycle(DomainEvent):
    """The guest agent came or went; DomainEventAgentState, DomainEventAgentReason."""

    number: ClassVar[int] = DomainEventId.AGENT_LIFECYCLE
    state: int
    reason: int


class DeviceAdded(DomainEvent):
    """A device was plugged in."""

    number: ClassVar[int] = DomainEventId.DEVICE_ADDED
    alias: str


class MigrationIteration(DomainEvent):
    """Migration began another pass over memory."""

    number: ClassVar[int] = DomainEventId.MIGRATION_ITERATION
    iteration: int


class JobCompleted(DomainEvent):
    """A long job ended; its statistics."""

    number: ClassVar[int] = DomainEventId.JOB_COMPLETED
    params: tuple[Param, ...]


class DeviceRemovalFailed(DomainEvent):
    """The guest refused to let go of a device."""

    number: ClassVar[int] = DomainEventId.DEVICE_REMOVAL_FAILED
    alias: str


class MetadataChange(DomainEvent):
    """Title, description or an element of the metadata changed; `metadata` is DomainMetadata."""

    number: ClassVar[int] = DomainEventId.METADATA_CHANGE
    metadata: int
    uri: str | None


class BlockThreshold(DomainEvent):
    """A disk was written beyond its threshold; bytes."""

    number: ClassVar[int] = DomainEventId.BLOCK_THRESHOLD
    device: str
    path: str | None
    threshold: int
    excess: int


class MemoryFailure(DomainEvent):
    """The host's memory failed under the guest."""

    number: ClassVar[int] = DomainEventId.MEMORY_FAILURE
    recipient: int
    action: int
    flags: int


class MemoryDeviceSizeChange(DomainEvent):
    """A memory device was resized by the guest; `size` in KiB."""

    number: ClassVar[int] = DomainEventId.MEMORY_DEVICE_SIZE_CHANGE
    alias: str
    size: int


class MonitorEvent(DomainEvent):
    """An event of QEMU's monitor as it came; `details` is JSON, or None without any."""

    kind: ClassVar[str] = "monitor"
    event: str
    seconds: int
    micros: int
    details: str | None


class NetworkEvent(Event):
    """Something that happened to one virtual network."""

    kind: ClassVar[str] = "network"
    network: NamedRef

    @property
    def about(self) -> bytes:
        return self.network.uuid


class NetworkLifecycle(NetworkEvent):
    number: ClassVar[int] = NetworkEventId.LIFECYCLE
    event: int
    detail: int


class StoragePoolEvent(Event):
    """Something that happened to one storage pool."""

    kind: ClassVar[str] = "storage_pool"
    pool: NamedRef

    @property
    def about(self) -> bytes:
        return self.pool.uuid


class StoragePoolLifecycle(StoragePoolEvent):
    number: ClassVar[int] = StoragePoolEventId.LIFECYCLE
    event: int
    detail: int


class StoragePoolRefresh(StoragePoolEvent):
    number: ClassVar[int] = StoragePoolEventId.REFRESH


class NodeDeviceEvent(Event):
    """Something that happened to one device of the host, named by its name alone."""

    kind: ClassVar[str] = "node_device"
    device: str


class NodeDeviceLifecycle(NodeDeviceEvent):
    number: ClassVar[int] = NodeDeviceEventId.LIFECYCLE
    event: int
    detail: int


class NodeDeviceUpdate(NodeDeviceEvent):
    number: ClassVar[int] = NodeDeviceEventId.UPDATE


class SecretEvent(Event):
    """Something that happened to one secret; `usage` is its usage type and id."""

    kind: ClassVar[str] = "secret"
    uuid: bytes
    usage_type: int
    usage_id: str

    @property
    def about(self) -> bytes:
        return self.uuid


class SecretLifecycle(SecretEvent):
    number: ClassVar[int] = SecretEventId.LIFECYCLE
    event: int
    detail: int


class SecretValueChanged(SecretEvent):
    number: ClassVar[int] = SecretEventId.VALUE_CHANGED
