"""What every link offers: it moves bytes between a `Session` and the other side.

The rule kept here: a link knows nothing of calls. It hands received bytes to its session, hands the
values that come out to `on_incoming`, and sends what `session.outgoing()` holds.

How the daemon plugs in, and its hot path: one `recv` → `session.receive` → `on_incoming(values)` →
one `send`. `on_incoming` is called inside the loop's reader callback with the whole list; inline
handlers answer with `session.reply(...)` and need not call `flush`, since the link flushes once
after `on_incoming` returns. Whoever answers later (a task) calls `flush()` after its `reply`.

    link = UnixLink(sock, Session(Role.SERVER))
    link.start(on_incoming, on_lost)

The link never calls `session.end` or `session.tick`: its owner does, the former in `on_lost`.

`on_lost(error)` is called exactly once, when the link has ended: with None after our own `close()`,
with `ConnectionLost` when the peer left, with `PeerMisbehaved` when its bytes broke the protocol.

Backpressure: `queued` counts the bytes that wait to be sent. Above `HIGH_WATER` a server's link
stops reading by itself until the queue is below `LOW_WATER`, so that a peer that does not read its
replies can ask for no more; a client's reads on, or two full queues would wait for each other.
Whoever streams waits in `drained()`; a peer for whom more than `MOST_QUEUED` waits is given up.
"""

from __future__ import annotations

from virtory.lean import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from virtory.errors import VirtoryError
    from virtory.wire.session import Incoming, Session

    OnIncoming = Callable[[list[Incoming]], None]
    OnLost = Callable[[VirtoryError | None], None]

READ_SIZE = 256 * 1024
HIGH_WATER = 1 << 20
LOW_WATER = 256 * 1024
MOST_QUEUED = 256 << 20
MOST_DESCRIPTORS = 32


class Credentials(NamedTuple):
    """Who is at the other end of a UNIX socket, as the kernel says (`SO_PEERCRED`)."""

    pid: int
    uid: int
    gid: int


class Waiter(Protocol):
    """One thing waited for: an `asyncio.Future`, or a blocking link's own."""

    def done(self) -> bool: ...
    def set_result(self, result: Any, /) -> None: ...
    def set_exception(self, exception: BaseException, /) -> None: ...
    def __await__(self) -> Generator[Any, None, Any]: ...


class Link(Protocol):
    """A connection's bytes; made open, started once, closed once."""

    session: Session
    blocking: bool
    credentials: Credentials | None

    @property
    def queued(self) -> int:
        """Bytes that wait to be sent."""

    @property
    def closed(self) -> bool: ...

    def start(self, on_incoming: OnIncoming, on_lost: OnLost) -> None:
        """Begin to read; called once."""

    def flush(self) -> None:
        """Send what the session holds, now if the socket takes it; never waits, never raises."""

    def pause_reading(self) -> None:
        """Stop reading until `resume_reading`; nests with nothing."""

    def resume_reading(self) -> None: ...

    def drained(self) -> Awaitable[None]:
        """Wait until less than `LOW_WATER` bytes are queued; raises `ConnectionLost`."""

    def waiter(self) -> Waiter:
        """Something to await that the incoming side fulfils."""

    async def wait(self, waiter: Waiter, timeout_s: float | None) -> bool:
        """Wait until `waiter` is done (True) or the time is over (False); None is for ever."""

    def close(self, error: VirtoryError | None = None) -> None:
        """End the link, after one attempt to send what is queued; idempotent."""
