"""What every object of a host has: the host, its reference on the wire, and calls about it.

The rule kept here: an object is a name for something that the daemon keeps; it holds no state of it
but what identifies it, and equal references are equal objects.
"""

from __future__ import annotations

from virtory.lean import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from virtory.client.caller import Caller
    from virtory.client.connect import Host
    from virtory.codec.xdr import Record
    from virtory.wire.procedure import Procedure

A = TypeVar("A", bound="Record | None")
R = TypeVar("R", bound="Record | None")


class Handle:
    """An object of `host`, named on the wire by `ref`."""

    __slots__ = ("host", "ref")

    def __init__(self, host: Host, ref: Any) -> None:
        self.host = host
        self.ref = ref

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handle) or type(self) is not type(other):
            return NotImplemented
        return self.host is other.host and bool(self._identity == other._identity)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._identity))

    @property
    def _identity(self) -> Any:
        return self.ref

    @property
    def caller(self) -> Caller:
        return self.host.caller

    def _call(
        self, procedure: Procedure[A, R], args: A | None = None, fds: Sequence[int] = ()
    ) -> Coroutine[Any, Any, R]:
        """The awaitable answer of `procedure`."""
        return self.host.caller.call(procedure, args, fds)


class NamedHandle(Handle):
    """An object with a name and a UUID: a domain, a network, a storage pool, a filter."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.ref.name!r}>"

    @property
    def _identity(self) -> Any:
        return self.ref.uuid

    @property
    def name(self) -> str:
        """Its name when it was looked up."""
        return str(self.ref.name)

    @property
    def uuid(self) -> str:
        """Its UUID in lower case with hyphens."""
        return uuid_text(self.ref.uuid)


def uuid_text(raw: bytes) -> str:
    """16 bytes as text."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid_bytes(uuid: str | bytes) -> bytes:
    """A UUID in any usual spelling as 16 bytes; raises `InvalidArgument`."""
    if isinstance(uuid, bytes) and len(uuid) == 16:
        return uuid
    digits = str(uuid).replace("-", "").strip()
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if len(raw) != 16:
        from virtory.errors import InvalidArgument

        raise InvalidArgument(
            f"'{uuid!s}' is not a UUID", cure="write 32 hexadecimal digits, hyphens do not matter"
        )
    return raw
