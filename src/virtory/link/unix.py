"""UNIX sockets on asyncio: a link that owns its socket, and a listener of such sockets.

The rule kept here: the link reads with `recvmsg` in the loop's reader callback, because asyncio's
own transports drop passed descriptors; every descriptor taken in is close-on-exec. How bytes reach
the session and who calls whom is told in `link.py`.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import stat

from virtory.errors import ConnectionLost, SystemCallFailed, VirtoryError
from virtory.lean import TYPE_CHECKING
from virtory.link.descriptors import (
    ANCILLARY_SPACE,
    close_descriptors,
    peer_credentials,
    received_descriptors,
)
from virtory.link.link import HIGH_WATER, LOW_WATER, MOST_QUEUED, READ_SIZE
from virtory.link.outbox import Outbox

if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from virtory.link.link import OnIncoming, OnLost, Waiter
    from virtory.wire.session import Session


CTRUNC = int(socket.MSG_CTRUNC)
CLOEXEC = int(socket.MSG_CMSG_CLOEXEC)


class UnixLink:
    """One connected stream socket, in the running event loop."""

    blocking = False

    def __init__(
        self,
        sock: _socket.socket,
        session: Session,
        explain: Callable[[], str | None] | None = None,
    ) -> None:
        sock.setblocking(False)
        self.session = session
        self.credentials = peer_credentials(sock)
        self._explain = explain
        self._sock = sock
        self._fd = sock.fileno()
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(sock)
        self._on_incoming: OnIncoming = _ignore
        self._on_lost: OnLost = _ignore
        self._receive = session.receive
        self._recvmsg = sock.recvmsg
        self._outgoing = session.outgoing
        self._started = self._closed = self._writing = False
        self._reading = self._paused = False
        self._hang_up: select.epoll | None = None
        self._drain_waiters: list[asyncio.Future[None]] = []

    @property
    def queued(self) -> int:
        return self._outbox.queued

    @property
    def closed(self) -> bool:
        return self._closed

    def start(self, on_incoming: OnIncoming, on_lost: OnLost) -> None:
        self._on_incoming, self._on_lost = on_incoming, on_lost
        self._started = True
        self._update_reader()
        self.flush()

    def waiter(self) -> asyncio.Future[object]:
        return self._loop.create_future()

    # -- reading -------------------------------------------------------------------------
    def pause_reading(self) -> None:
        self._paused = True
        self._update_reader()
        if self._hang_up is None and not self._closed and self.session.role == "server":
            self._watch_for_hang_up()

    def resume_reading(self) -> None:
        self._paused = False
        self._forget_hang_up()
        self._update_reader()

    def _watch_for_hang_up(self) -> None:
        """Who does not read does not see the peer's end: the kernel tells of it unasked."""
        self._hang_up = select.epoll()
        self._hang_up.register(self._fd, 0)  # EPOLLHUP alone, which is always told
        self._loop.add_reader(self._hang_up.fileno(), self._hung_up)

    def _hung_up(self) -> None:
        self._end(self._lost(None))

    def _forget_hang_up(self) -> None:
        if self._hang_up is not None:
            self._loop.remove_reader(self._hang_up.fileno())
            self._hang_up.close()
            self._hang_up = None

    def _update_reader(self) -> None:
        wanted = (
            self._started
            and not self._closed
            and not self._paused
            and (
                self.session.role == "client"
                or self._outbox.queued < (HIGH_WATER if self._reading else LOW_WATER)
            )
        )
        if wanted and not self._reading:
            self._loop.add_reader(self._fd, self._readable)
        elif self._reading and not wanted:
            self._loop.remove_reader(self._fd)
        self._reading = wanted

    def _readable(self) -> None:
        try:
            data, ancillary, flags, _ = self._recvmsg(READ_SIZE, ANCILLARY_SPACE, CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(self._lost(error.strerror))
            return
        try:
            fds = received_descriptors(ancillary, flags) if ancillary or flags & CTRUNC else ()
            if not data:
                self._end(self._lost(None))
                return
            incoming = self._receive(data, fds)
            if fds:
                close_descriptors(self.session.take_strays())
            if incoming or self.session.unfinished:
                self._on_incoming(incoming)
        except VirtoryError as error:
            self.flush()
            self._end(error)
            return
        self.flush()

    def _lost(self, why: str | None) -> ConnectionLost:
        detail = (self._explain and self._explain()) or why or "the peer closed the connection"
        return ConnectionLost(f"the connection ended: {detail}")

    # -- writing -------------------------------------------------------------------------
    async def wait(self, waiter: Waiter, timeout_s: float | None) -> bool:
        done, _ = await asyncio.wait((waiter,), timeout=timeout_s)  # type: ignore[type-var]  # a Future of ours
        return bool(done)

    def flush(self) -> None:
        if self._closed:
            return
        chunks = self._outgoing()
        if not chunks:
            return
        outbox = self._outbox
        try:
            if self._writing:
                outbox.put(chunks)
            elif not outbox.offer(chunks):
                self._loop.add_writer(self._fd, self._writable)
                self._writing = True
        except OSError as error:
            self._loop.call_soon(self._end, self._lost(error.strerror))
            return
        if outbox.queued >= HIGH_WATER:
            self._congested()

    def _congested(self) -> None:
        self._update_reader()
        if self._outbox.queued > MOST_QUEUED:
            self._loop.call_soon(
                self._end,
                ConnectionLost(
                    f"the connection ended: the peer left {self._outbox.queued} bytes unread"
                ),
            )

    def _writable(self) -> None:
        try:
            if self._outbox.send():
                self._loop.remove_writer(self._fd)
                self._writing = False
        except OSError as error:
            self._end(self._lost(error.strerror))
            return
        if self._outbox.queued < LOW_WATER:
            self._update_reader()
            self._wake_drained()

    async def drained(self) -> None:
        if self._closed:
            raise ConnectionLost("the connection ended before everything was sent")
        if self._outbox.queued >= LOW_WATER:
            waiter = self._loop.create_future()
            self._drain_waiters.append(waiter)
            await waiter

    def _wake_drained(self, error: VirtoryError | None = None) -> None:
        waiters, self._drain_waiters = self._drain_waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if error:
                waiter.set_exception(error)
            else:
                waiter.set_result(None)

    # -- the end -------------------------------------------------------------------------
    def close(self, error: VirtoryError | None = None) -> None:
        if not self._closed:
            self.flush()
            self._end(error)

    def _end(self, error: VirtoryError | None) -> None:
        if self._closed:
            return
        self._closed = True
        if self._reading:
            self._loop.remove_reader(self._fd)
        if self._writing:
            self._loop.remove_writer(self._fd)
        self._reading = self._writing = False  # the number may be another link's from here on
        self._forget_hang_up()
        self._outbox.clear()
        self._sock.close()
        self._wake_drained(error or ConnectionLost("the connection was closed on this side"))
        self._on_lost(error)


class Listener:
    """Accepts connections on one or more UNIX sockets, in the running event loop.

    Args:
        on_connection: called with each connected socket; it makes the link.
    """

    def __init__(self, on_connection: Callable[[socket.socket], None]) -> None:
        self._on_connection = on_connection
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._made: list[tuple[str, int, int]] = []

    def listen(self, path: str, *, mode: int = 0o600, gid: int = -1, backlog: int = 512) -> None:
        """Make the socket `path`, taking over a stale one; raises `SystemCallFailed`.

        A socket on which somebody still answers is not taken over: that is an error.
        """
        sock = bind(path, mode=mode, gid=gid)
        status = os.stat(path)
        self._made.append((path, status.st_dev, status.st_ino))
        sock.listen(backlog)
        self._add(sock)

    def adopt(self, fd: int) -> None:
        """Listen on a socket that was bound for us (systemd's socket activation); takes `fd`."""
        self._add(socket.socket(fileno=fd))

    def close(self) -> None:
        """Stop to listen, and remove the socket files that `listen` made; idempotent."""
        for sock in self._sockets:
            self._loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()
        for path, device, inode in self._made:
            try:
                status = os.stat(path)
                if (status.st_dev, status.st_ino) == (device, inode):
                    os.unlink(path)
            except FileNotFoundError:
                pass
        self._made.clear()

    def _add(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        os.set_inheritable(sock.fileno(), False)
        self._sockets.append(sock)
        self._loop.add_reader(sock.fileno(), self._acceptable, sock)

    def _acceptable(self, listening: socket.socket) -> None:
        for _ in range(64):
            try:
                connected, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._pause(listening)
                return
            self._on_connection(connected)

    def _pause(self, listening: socket.socket) -> None:
        """Out of descriptors or memory: those who wait in the backlog are taken a second later."""
        self._loop.remove_reader(listening.fileno())

        def again() -> None:
            if listening in self._sockets:
                self._loop.add_reader(listening.fileno(), self._acceptable, listening)

        self._loop.call_later(1.0, again)


def bind(path: str, *, mode: int, gid: int = -1) -> socket.socket:
    """A socket bound to `path` with these permissions from its first moment."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        before = os.umask(0o777 & ~mode | (0o077 if gid != -1 else 0))
        try:
            sock.bind(path)
        finally:
            os.umask(before)
        if gid != -1:
            os.chown(path, -1, gid)
            os.chmod(path, mode)
    except OSError as error:
        sock.close()
        raise _bind_failure(path, error) from None
    except VirtoryError:
        sock.close()
        raise
    return sock


def _bind_failure(path: str, error: OSError) -> SystemCallFailed:
    if "too long" in str(error):
        return SystemCallFailed(
            f"cannot listen on the UNIX socket '{path}': its path has more than 107 bytes",
            cure="choose a shorter path",
        )
    return SystemCallFailed(
        f"cannot listen on the UNIX socket '{path}': {error.strerror or error}", errno=error.errno
    )


def _remove_stale(path: str) -> None:
    """Unlink a socket file on which nobody listens; whatever else is there stays."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise SystemCallFailed(
                f"cannot listen on the UNIX socket '{path}': something that is no socket is there",
                cure="move it away or choose another path",
            )
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise SystemCallFailed(
        f"cannot listen on the UNIX socket '{path}': another process listens there",
        cure="stop that process or choose another path",
    )


def _ignore(_value: object) -> None:
    return None
