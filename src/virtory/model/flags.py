"""libvirt's public constants, as plain integers grouped by the call that takes them.

The rule kept here: names and values are those of libvirt's public headers (9.0.0), without the
`VIR_` prefix and the group's own. Plain integers, because they travel as such and are masked in hot
paths; `ALL` of a group is the union of its single bits, for refusing unknown ones.
"""

from __future__ import annotations

from virtory.lean import Final


class ConnectListDomains:
    ACTIVE: Final = 1
    INACTIVE: Final = 2
    PERSISTENT: Final = 4
    TRANSIENT: Final = 8
    RUNNING: Final = 0x10
    PAUSED: Final = 0x20
    SHUTOFF: Final = 0x40
    OTHER: Final = 0x80
    MANAGEDSAVE: Final = 0x100
    NO_MANAGEDSAVE: Final = 0x200
    AUTOSTART: Final = 0x400
    NO_AUTOSTART: Final = 0x800
    HAS_SNAPSHOT: Final = 0x1000
    NO_SNAPSHOT: Final = 0x2000
    HAS_CHECKPOINT: Final = 0x4000
    NO_CHECKPOINT: Final = 0x8000
    ALL: Final = 0xFFFF


class ConnectGetAllDomainsStats:
    ACTIVE: Final = 1
    INACTIVE: Final = 2
    PERSISTENT: Final = 4
    TRANSIENT: Final = 8
    RUNNING: Final = 0x10
    PAUSED: Final = 0x20
    SHUTOFF: Final = 0x40
    OTHER: Final = 0x80
    NOWAIT: Final = 0x20000000
    BACKING: Final = 0x40000000
    ENFORCE_STATS: Final = 0x80000000
    ALL: Final = 0xE00000FF


class ConnectBaselineCpu:
    EXPAND_FEATURES: Final = 1
    MIGRATABLE: Final = 2


class ConnectCompareCpu:
    FAIL_INCOMPATIBLE: Final = 1
    VALIDATE_XML: Final = 2


class DomainState:
    NOSTATE: Final = 0
    RUNNING: Final = 1
    BLOCKED: Final = 2
    PAUSED: Final = 3
    SHUTDOWN: Final = 4
    SHUTOFF: Final = 5
    CRASHED: Final = 6
    PMSUSPENDED: Final = 7


class DomainNostateReason:
    UNKNOWN: Final = 0


class DomainRunningReason:
    UNKNOWN: Final = 0
    BOOTED: Final = 1
    MIGRATED: Final = 2
    RESTORED: Final = 3
    FROM_SNAPSHOT: Final = 4
    UNPAUSED: Final = 5
    MIGRATION_CANCELED: Final = 6
    SAVE_CANCELED: Final = 7
    WAKEUP: Final = 8
    CRASHED: Final = 9
    POSTCOPY: Final = 10
    POSTCOPY_FAILED: Final = 11


class DomainPausedReason:
    UNKNOWN: Final = 0
    USER: Final = 1
    MIGRATION: Final = 2
    SAVE: Final = 3
    DUMP: Final = 4
    IOERROR: Final = 5
    WATCHDOG: Final = 6
    FROM_SNAPSHOT: Final = 7
    SHUTTING_DOWN: Final = 8
    SNAPSHOT: Final = 9
    CRASHED: Final = 10
    STARTING_UP: Final = 11
    POSTCOPY: Final = 12
    POSTCOPY_FAILED: Final = 13


class DomainShutdownReason:
    UNKNOWN: Final = 0
    USER: Final = 1


class DomainShutoffReason:
    UNKNOWN: Final = 0
    SHUTDOWN: Final = 1
    DESTROYED: Final = 2
    CRASHED: Final = 3
    MIGRATED: Final = 4
    SAVED: Final = 5
    FAILED: Final = 6
    FROM_SNAPSHOT: Final = 7
    DAEMON: Final = 8


class DomainCrashedReason:
    UNKNOWN: Final = 0
    PANICKED: Final = 1


class DomainPmsuspendedReason:
    DISK_UNKNOWN: Final = 0
    UNKNOWN: Final = 0


class DomainControl:
    ERROR_REASON_NONE: Final = 0
    OK: Final = 0
    ERROR_REASON_UNKNOWN: Final = 1
    JOB: Final = 1
    ERROR_REASON_MONITOR: Final = 2
    OCCUPIED: Final = 2
    ERROR_REASON_INTERNAL: Final = 3
    ERROR: Final = 3


class DomainStart:
    PAUSED: Final = 1
    AUTODESTROY: Final = 2
    BYPASS_CACHE: Final = 4
    FORCE_BOOT: Final = 8
    VALIDATE: Final = 0x10
    RESET_NVRAM: Final = 0x20
    ALL: Final = 0x3F


class DomainDefine:
    VALIDATE: Final = 1
    ALL: Final = 0x1


class DomainUndefine:
    MANAGED_SAVE: Final = 1
    SNAPSHOTS_METADATA: Final = 2
    NVRAM: Final = 4
    KEEP_NVRAM: Final = 8
    CHECKPOINTS_METADATA: Final = 0x10
    TPM: Final = 0x20
    KEEP_TPM: Final = 0x40
    ALL: Final = 0x7F


class DomainDestroy:
    DEFAULT: Final = 0
    GRACEFUL: Final = 1
    REMOVE_LOGS: Final = 2
    ALL: Final = 0x3


class DomainShutdown:
    DEFAULT: Final = 0
    ACPI_POWER_BTN: Final = 1
    GUEST_AGENT: Final = 2
    INITCTL: Final = 4
    SIGNAL: Final = 8
    PARAVIRT: Final = 0x10
    ALL: Final = 0x1F


class DomainReboot:
    DEFAULT: Final = 0
    ACPI_POWER_BTN: Final = 1
    GUEST_AGENT: Final = 2
    INITCTL: Final = 4
    SIGNAL: Final = 8
    PARAVIRT: Final = 0x10
    ALL: Final = 0x1F


class DomainXml:
    SECURE: Final = 1
    INACTIVE: Final = 2
    UPDATE_CPU: Final = 4
    MIGRATABLE: Final = 8
    ALL: Final = 0xF


class DomainAffect:
    CURRENT: Final = 0
    LIVE: Final = 1
    CONFIG: Final = 2
    ALL: Final = 0x3


class DomainMemory:
    CURRENT: Final = 0
    LIVE: Final = 1
    CONFIG: Final = 2
    MAXIMUM: Final = 4
    ALL: Final = 0x7


class DomainVcpu:
    CURRENT: Final = 0
    LIVE: Final = 1
    CONFIG: Final = 2
    MAXIMUM: Final = 4
    GUEST: Final = 8
    HOTPLUGGABLE: Final = 0x10
    ALL: Final = 0x1F


class DomainConsole:
    FORCE: Final = 1
    SAFE: Final = 2
    ALL: Final = 0x3


class DomainChannel:
    FORCE: Final = 1
    ALL: Final = 0x1


class DomainOpenGraphics:
    SKIPAUTH: Final = 1
    ALL: Final = 0x1


class DomainStats:
    STATE: Final = 1
    CPU_TOTAL: Final = 2
    BALLOON: Final = 4
    VCPU: Final = 8
    INTERFACE: Final = 0x10
    BLOCK: Final = 0x20
    PERF: Final = 0x40
    IOTHREAD: Final = 0x80
    MEMORY: Final = 0x100
    DIRTYRATE: Final = 0x200
    VM: Final = 0x400
    ALL: Final = 0x7FF


class DomainMemoryStat:
    SWAP_IN: Final = 0
    SWAP_OUT: Final = 1
    MAJOR_FAULT: Final = 2
    MINOR_FAULT: Final = 3
    UNUSED: Final = 4
    AVAILABLE: Final = 5
    ACTUAL_BALLOON: Final = 6
    RSS: Final = 7
    USABLE: Final = 8
    LAST_UPDATE: Final = 9
    DISK_CACHES: Final = 10
    HUGETLB_PGALLOC: Final = 11
    HUGETLB_PGFAIL: Final = 12
    NR: Final = 13


class DomainMetadata:
    DESCRIPTION: Final = 0
    TITLE: Final = 1
    ELEMENT: Final = 2


class DomainDeviceModify:
    CURRENT: Final = 0
    LIVE: Final = 1
    CONFIG: Final = 2
    FORCE: Final = 4
    ALL: Final = 0x7


class DomainInterfaceAddressesSource:
    LEASE: Final = 0
    AGENT: Final = 1
    ARP: Final = 2


class DomainGuestInfo:
    USERS: Final = 1
    OS: Final = 2
    TIMEZONE: Final = 4
    HOSTNAME: Final = 8
    FILESYSTEM: Final = 0x10
    DISKS: Final = 0x20
    INTERFACES: Final = 0x40
    ALL: Final = 0x7F


class DomainSetUserPassword:
    ENCRYPTED: Final = 1


class DomainTime:
    SYNC: Final = 1
    ALL: Final = 0x1


class DomainBlockJob:
    COMPLETED: Final = 0
    TYPE_UNKNOWN: Final = 0
    FAILED: Final = 1
    ABORT_ASYNC: Final = 1
    INFO_BANDWIDTH_BYTES: Final = 1
    SPEED_BANDWIDTH_BYTES: Final = 1
    TYPE_PULL: Final = 1
    CANCELED: Final = 2
    ABORT_PIVOT: Final = 2
    TYPE_COPY: Final = 2
    READY: Final = 3
    TYPE_COMMIT: Final = 3
    TYPE_ACTIVE_COMMIT: Final = 4
    TYPE_BACKUP: Final = 5


class DomainBlockPull:
    BANDWIDTH_BYTES: Final = 0x40
    ALL: Final = 0x40


class DomainBlockRebase:
    SHALLOW: Final = 1
    REUSE_EXT: Final = 2
    COPY_RAW: Final = 4
    COPY: Final = 8
    RELATIVE: Final = 0x10
    COPY_DEV: Final = 0x20
    BANDWIDTH_BYTES: Final = 0x40
    ALL: Final = 0x7F


class DomainBlockCopy:
    SHALLOW: Final = 1
    REUSE_EXT: Final = 2
    TRANSIENT_JOB: Final = 4
    SYNCHRONOUS_WRITES: Final = 8
    ALL: Final = 0xF


class DomainBlockCommit:
    SHALLOW: Final = 1
    DELETE: Final = 2
    ACTIVE: Final = 4
    RELATIVE: Final = 8
    BANDWIDTH_BYTES: Final = 0x10
    ALL: Final = 0x1F


class DomainClone:
    """Of our own program."""

    LINKED: Final = 1
    REFLINK: Final = 2
    NO_REFLINK: Final = 4
    NO_HOLES: Final = 8
    ALL: Final = 0xF


class DomainBlockResize:
    BYTES: Final = 1
    ALL: Final = 0x1


class DomainSaveRestore:
    IMAGE_XML_SECURE: Final = 1
    BYPASS_CACHE: Final = 1
    RUNNING: Final = 2
    PAUSED: Final = 4
    RESET_NVRAM: Final = 8
    ALL: Final = 0xF


class DomainDump:
    CRASH: Final = 1
    LIVE: Final = 2
    BYPASS_CACHE: Final = 4
    RESET: Final = 8
    MEMORY_ONLY: Final = 0x10
    ALL: Final = 0x1F


class KeycodeSet:
    LINUX: Final = 0
    XT: Final = 1
    ATSET1: Final = 2
    ATSET2: Final = 3
    ATSET3: Final = 4
    OSX: Final = 5
    XT_KBD: Final = 6
    USB: Final = 7
    WIN32: Final = 8
    QNUM: Final = 9


class DomainEventId:
    LIFECYCLE: Final = 0
    REBOOT: Final = 1
    RTC_CHANGE: Final = 2
    WATCHDOG: Final = 3
    IO_ERROR: Final = 4
    GRAPHICS: Final = 5
    IO_ERROR_REASON: Final = 6
    CONTROL_ERROR: Final = 7
    BLOCK_JOB: Final = 8
    DISK_CHANGE: Final = 9
    TRAY_CHANGE: Final = 10
    PMWAKEUP: Final = 11
    PMSUSPEND: Final = 12
    BALLOON_CHANGE: Final = 13
    PMSUSPEND_DISK: Final = 14
    DEVICE_REMOVED: Final = 15
    BLOCK_JOB_2: Final = 16
    TUNABLE: Final = 17
    AGENT_LIFECYCLE: Final = 18
    DEVICE_ADDED: Final = 19
    MIGRATION_ITERATION: Final = 20
    JOB_COMPLETED: Final = 21
    DEVICE_REMOVAL_FAILED: Final = 22
    METADATA_CHANGE: Final = 23
    BLOCK_THRESHOLD: Final = 24
    MEMORY_FAILURE: Final = 25
    MEMORY_DEVICE_SIZE_CHANGE: Final = 26


class DomainEventLifecycle:
    DEFINED: Final = 0
    UNDEFINED: Final = 1
    STARTED: Final = 2
    SUSPENDED: Final = 3
    RESUMED: Final = 4
    STOPPED: Final = 5
    SHUTDOWN: Final = 6
    PMSUSPENDED: Final = 7
    CRASHED: Final = 8


class DomainEventDefined:
    ADDED: Final = 0
    UPDATED: Final = 1
    RENAMED: Final = 2
    FROM_SNAPSHOT: Final = 3


class DomainEventUndefined:
    REMOVED: Final = 0
    RENAMED: Final = 1


class DomainEventStarted:
    BOOTED: Final = 0
    MIGRATED: Final = 1
    RESTORED: Final = 2
    FROM_SNAPSHOT: Final = 3
    WAKEUP: Final = 4


class DomainEventSuspended:
    PAUSED: Final = 0
    MIGRATED: Final = 1
    IOERROR: Final = 2
    WATCHDOG: Final = 3
    RESTORED: Final = 4
    FROM_SNAPSHOT: Final = 5
    API_ERROR: Final = 6
    POSTCOPY: Final = 7
    POSTCOPY_FAILED: Final = 8


class DomainEventResumed:
    UNPAUSED: Final = 0
    MIGRATED: Final = 1
    FROM_SNAPSHOT: Final = 2
    POSTCOPY: Final = 3
    POSTCOPY_FAILED: Final = 4


class DomainEventStopped:
    SHUTDOWN: Final = 0
    DESTROYED: Final = 1
    CRASHED: Final = 2
    MIGRATED: Final = 3
    SAVED: Final = 4
    FAILED: Final = 5
    FROM_SNAPSHOT: Final = 6


class DomainEventShutdown:
    FINISHED: Final = 0
    GUEST: Final = 1
    HOST: Final = 2


class DomainEventPmsuspended:
    MEMORY: Final = 0
    DISK: Final = 1


class DomainEventCrashed:
    PANICKED: Final = 0
    CRASHLOADED: Final = 1


class DomainEventWatchdog:
    NONE: Final = 0
    PAUSE: Final = 1
    RESET: Final = 2
    POWEROFF: Final = 3
    SHUTDOWN: Final = 4
    DEBUG: Final = 5
    INJECTNMI: Final = 6


class DomainEventIoError:
    NONE: Final = 0
    PAUSE: Final = 1
    REPORT: Final = 2


class DomainEventGraphics:
    ADDRESS_IPV4: Final = 0
    CONNECT: Final = 0
    ADDRESS_IPV6: Final = 1
    INITIALIZE: Final = 1
    ADDRESS_UNIX: Final = 2
    DISCONNECT: Final = 2


class DomainEventDiskChange:
    CHANGE_MISSING_ON_START: Final = 0
    DROP_MISSING_ON_START: Final = 1


class DomainEventTrayChange:
    CHANGE_OPEN: Final = 0
    CHANGE_CLOSE: Final = 1


class DomainEventAgentState:
    CONNECTED: Final = 1
    DISCONNECTED: Final = 2


class DomainEventAgentReason:
    UNKNOWN: Final = 0
    DOMAIN_STARTED: Final = 1
    CHANNEL: Final = 2


class NetworkEventId:
    LIFECYCLE: Final = 0


class StoragePoolEventId:
    LIFECYCLE: Final = 0
    REFRESH: Final = 1


class NodeDeviceEventId:
    LIFECYCLE: Final = 0
    UPDATE: Final = 1


class SecretEventId:
    LIFECYCLE: Final = 0
    VALUE_CHANGED: Final = 1
