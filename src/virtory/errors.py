"""Every error virtory raises, in one tree: the same class embedded, remote and on the wire.

The rule kept here: a libvirt error code belongs to exactly one class, checked at import.

    VirtoryError                       everything below; also any code that has no class of its own
    ├── InternalError                  1   something unforeseen, logged by the daemon
    ├── NotSupported                   3   the driver has no such function
    ├── InvalidArgument                8
    ├── OperationFailed                9
    ├── XmlError                      27
    ├── AlreadyExists                 28
    ├── OperationDenied               29   a read-only connection, or no permission by configuration
    ├── OpenFailed                    30
    ├── SystemCallFailed              38   carries `errno`
    ├── RpcError                      39
    │   ├── PeerMisbehaved                 bytes that break the protocol; the connection is closed
    │   └── ConnectionLost                 the peer is gone; ends every pending call
    ├── AuthenticationFailed          45
    ├── OperationInvalid              55   not in this state
    ├── ConfigUnsupported             67
    ├── OperationTimeout              68
    ├── ArgumentUnsupported           74
    ├── OperationAborted              78
    ├── BlockCopyActive               83
    ├── OperationUnsupported          84
    ├── AgentUnresponsive             86
    ├── ResourceBusy                  87
    ├── AccessDenied                  88
    ├── CpuIncompatible               91
    ├── MigrationUnsafe               81
    └── NotFound                           lookups
        ├── DomainNotFound            42
        ├── NetworkNotFound           43
        ├── StoragePoolNotFound       49
        ├── StorageVolumeNotFound     50
        ├── NodeDeviceNotFound        53
        ├── InterfaceNotFound         57
        ├── NwfilterNotFound          62
        ├── SecretNotFound            66
        ├── SnapshotNotFound          72
        ├── MetadataNotFound          80
        ├── DeviceNotFound            99
        ├── CheckpointNotFound       103
        ├── BackupNotFound           104
        └── NetworkPortNotFound      107
    LocalMisuse                        not of the tree: a caller broke a protocol object's rules

Codes, domains and message templates are those of libvirt's public `virterror.h` and of the messages
libvirt 9.0.0 sends.
"""

from __future__ import annotations

from virtory.lean import ClassVar

LEVEL_ERROR = 2

FROM_NONE = 0
FROM_XML = 5
FROM_DOM = 6
FROM_RPC = 7
FROM_CONF = 9
FROM_QEMU = 10
FROM_TEST = 12
FROM_REMOTE = 13
FROM_STORAGE = 18
FROM_NETWORK = 19
FROM_DOMAIN = 20
FROM_NODEDEV = 22
FROM_SECURITY = 24
FROM_INTERFACE = 26
FROM_SECRET = 30
FROM_CPU = 31
FROM_NWFILTER = 33
FROM_DOMAIN_SNAPSHOT = 35
FROM_STREAMS = 38
FROM_URI = 45
FROM_AUTH = 46
FROM_ACCESS = 55


class VirtoryError(Exception):
    """An error with libvirt's fields and, where one is known, a cure.

    `detail` says what went wrong with which object; `cure` what to do next. `str(error)` is the
    message libvirt's clients print: the class's template around the detail, then the cure.

    Args:
        detail: what was attempted and what was found, naming the object.
        cure: what the user does about it, as an imperative sentence; None when unknown.
        domain: libvirt's `virErrorDomain`, the part of the software that reports; the class's
            default when None.
        code: libvirt's `virErrorNumber`; only for codes that have no class of their own.
    """

    default_code: ClassVar[int] = 1
    template: ClassVar[str] = "%s"
    from_domain: ClassVar[int] = FROM_QEMU

    def __init__(
        self,
        detail: str,
        *,
        cure: str | None = None,
        domain: int | None = None,
        code: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.cure = cure
        self.domain = self.from_domain if domain is None else domain
        self.code = self.default_code if code is None else code
        self.int1 = -1
        self.int2 = -1

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "default_code" not in cls.__dict__:
            return
        other = _BY_CODE.setdefault(cls.default_code, cls)
        if other is not cls:
            raise TypeError(f"{cls.__name__} and {other.__name__} claim code {cls.default_code}")

    @property
    def message(self) -> str:
        """The text without the cure: the class's template around the detail."""
        return self.template.replace("%s", self.detail, 1)

    def __str__(self) -> str:
        return f"{self.message}; {self.cure}" if self.cure else self.message


_BY_CODE: dict[int, type[VirtoryError]] = {}


def error_from_wire(
    code: int,
    domain: int,
    message: str | None,
    detail: str | None = None,
    cure: str | None = None,
) -> VirtoryError:
    """The error a peer sent, as the class that owns its code; never raises.

    `message` is what the peer built; it wins over our own template, so that a foreign daemon's
    words reach the user as they were.
    """
    cls = _BY_CODE.get(code, VirtoryError)
    text = message or detail or f"the peer reported error {code} without a message"
    if cure and text.endswith(f"; {cure}"):
        text = text[: -len(cure) - 2]
    else:
        cure = None
    head, _, tail = cls.template.partition("%s")
    if cls.template != "%s" and text.startswith(head) and text.endswith(tail):
        text = text[len(head) : len(text) - len(tail)]
        return cls(text, cure=cure, domain=domain, code=code)
    error = cls(text, cure=cure, domain=domain, code=code)
    if cls.template != "%s":
        error.template = "%s"  # type: ignore[misc]  # this instance keeps the peer's wording
    return error


class LocalMisuse(Exception):
    """A protocol object was used against its rules: a bug in the caller, never the peer's fault."""


class InternalError(VirtoryError):
    default_code = 1
    template = "internal error: %s"


class NotSupported(VirtoryError):
    default_code = 3
    template = "this function is not supported by the connection driver: %s"


class InvalidArgument(VirtoryError):
    default_code = 8
    template = "invalid argument: %s"

    def __init__(
        self,
        detail: str,
        *,
        cure: str | None = None,
        domain: int | None = None,
        code: int | None = None,
    ) -> None:
        super().__init__(detail, cure=cure, domain=domain, code=code)
        self.int1 = self.int2 = 0


class UnsupportedFlags(InvalidArgument):
    """Flag bits that the function does not know; `flags` holds only the unknown bits."""

    template = "%s"

    def __init__(self, flags: int, function: str, *, domain: int | None = None) -> None:
        super().__init__(f"unsupported flags (0x{flags:x}) in function {function}", domain=domain)


class OperationFailed(VirtoryError):
    default_code = 9
    template = "operation failed: %s"


NOT_WELL_FORMED = 35
"""The code of an XmlError about text that is no XML at all."""


class XmlError(VirtoryError):
    """A description that says what can not be, or (with code 35) that is malformed."""

    default_code = 27
    template = "XML error: %s"
    from_domain = FROM_DOMAIN


_BY_CODE[NOT_WELL_FORMED] = XmlError


class AlreadyExists(VirtoryError):
    default_code = 28
    template = "this domain exists already: %s"


class OperationDenied(VirtoryError):
    default_code = 29
    template = "operation forbidden: %s"


class OpenFailed(VirtoryError):
    default_code = 30


class SystemCallFailed(VirtoryError):
    """A system call failed; `errno` is its number (None when unknown)."""

    default_code = 38

    def __init__(
        self,
        detail: str,
        *,
        errno: int | None = None,
        cure: str | None = None,
        domain: int | None = None,
        code: int | None = None,
    ) -> None:
        super().__init__(detail, cure=cure, domain=domain, code=code)
        self.errno = errno
        if errno is not None:
            self.int1 = errno


class RpcError(VirtoryError):
    default_code = 39
    from_domain = FROM_RPC


class PeerMisbehaved(RpcError):
    """The peer sent bytes that break the protocol; the connection can not go on."""


class ConnectionLost(RpcError):
    """The connection ended while it was needed; the daemon may have done the work or not."""


class AuthenticationFailed(VirtoryError):
    default_code = 45
    template = "authentication failed: %s"
    from_domain = FROM_AUTH


class OperationInvalid(VirtoryError):
    default_code = 55
    template = "Requested operation is not valid: %s"


class ConfigUnsupported(VirtoryError):
    """A valid description that this host or this version can not serve."""

    default_code = 67
    template = "unsupported configuration: %s"


class OperationTimeout(VirtoryError):
    default_code = 68
    template = "Timed out during operation: %s"


class ArgumentUnsupported(VirtoryError):
    default_code = 74
    template = "argument unsupported: %s"


class OperationAborted(VirtoryError):
    default_code = 78
    template = "operation aborted: %s"


class MigrationUnsafe(VirtoryError):
    default_code = 81
    template = "Unsafe migration: %s"


class BlockCopyActive(VirtoryError):
    """A disk's job is in the way, or not yet far enough."""

    default_code = 83
    template = "block copy still active: %s"


class OperationUnsupported(VirtoryError):
    default_code = 84
    template = "Operation not supported: %s"


class AgentUnresponsive(VirtoryError):
    default_code = 86
    template = "Guest agent is not responding: %s"


class ResourceBusy(VirtoryError):
    default_code = 87
    template = "resource busy: %s"


class AccessDenied(VirtoryError):
    default_code = 88
    template = "access denied: %s"
    from_domain = FROM_ACCESS


class CpuIncompatible(VirtoryError):
    default_code = 91
    template = "the CPU is incompatible with host CPU: %s"
    from_domain = FROM_CPU


class NotFound(VirtoryError):
    """A lookup found nothing; the subclass says of which kind."""


class DomainNotFound(NotFound):
    default_code = 42
    template = "Domain not found: %s"


class NetworkNotFound(NotFound):
    default_code = 43
    template = "Network not found: %s"
    from_domain = FROM_NETWORK


class StoragePoolNotFound(NotFound):
    default_code = 49
    template = "Storage pool not found: %s"
    from_domain = FROM_STORAGE


class StorageVolumeNotFound(NotFound):
    default_code = 50
    template = "Storage volume not found: %s"
    from_domain = FROM_STORAGE


class NodeDeviceNotFound(NotFound):
    default_code = 53
    template = "Node device not found: %s"
    from_domain = FROM_NODEDEV


class InterfaceNotFound(NotFound):
    default_code = 57
    template = "Interface not found: %s"
    from_domain = FROM_INTERFACE


class NwfilterNotFound(NotFound):
    default_code = 62
    template = "Network filter not found: %s"
    from_domain = FROM_NWFILTER


class SecretNotFound(NotFound):
    default_code = 66
    template = "Secret not found: %s"
    from_domain = FROM_SECRET


class SnapshotNotFound(NotFound):
    default_code = 72
    template = "Domain snapshot not found: %s"
    from_domain = FROM_DOMAIN_SNAPSHOT


class MetadataNotFound(NotFound):
    default_code = 80
    template = "metadata not found: %s"


class DeviceNotFound(NotFound):
    default_code = 99
    template = "device not found: %s"


class CheckpointNotFound(NotFound):
    default_code = 103
    template = "Domain checkpoint not found: %s"


class BackupNotFound(NotFound):
    default_code = 104
    template = "Domain backup job id not found: %s"


class NetworkPortNotFound(NotFound):
    default_code = 107
    template = "network port not found: %s"
    from_domain = FROM_NETWORK
