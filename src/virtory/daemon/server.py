"""The daemon as a whole: listening sockets, connected clients, the driver behind them.

The rule kept here: a client's fault ends that client alone, and nothing here ends a guest. Start
opens the driver before the sockets, so that whoever connects is answered with what is known.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from virtory.daemon.peer import Peer
from virtory.daemon.unfinished import Unfinished
from virtory.errors import PeerMisbehaved, SystemCallFailed, VirtoryError
from virtory.link.unix import Listener, UnixLink
from virtory.wire.session import SERVER, Session

if TYPE_CHECKING:
    import logging
    import socket
    from collections.abc import Coroutine

    from virtory.daemon.config import Config
    from virtory.daemon.places import Places
    from virtory.driver.interface import Driver
    from virtory.link.link import Link

_DEBUG = 10
_KEPT_SHARE = 10
_LEAVING_S = 2.0
"""How long calls under way may take to finish when the daemon ends."""


class Server:
    """One instance, in the running event loop.

    Args:
        driver: what is served; started and stopped with the server.
        config: limits, keepalive and socket permissions.
        log: where clients and their faults are told.
        state: the directory that holds what the driver knows, for showing it.
        private: only this user (and root) may connect, whatever the sockets' modes say.
    """

    def __init__(
        self,
        driver: Driver,
        config: Config,
        log: logging.Logger,
        *,
        state: str = "",
        private: bool = False,
    ) -> None:
        self.driver = driver
        self.log = log
        self.state = state
        self.private = private
        self.peers: set[Peer] = set()
        self.unfinished = Unfinished()
        self._calls: set[asyncio.Task[None]] = set()
        self._streams: set[asyncio.Task[None]] = set()
        self._listeners: list[Listener] = []
        self._paused = False
        self._count = 0
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self.reload(config)

    # -- life ------------------------------------------------------------------------------
    async def start(self, places: Places, passed: list[tuple[int, str]] | None = None) -> None:
        """Open the driver, then listen: on the sockets that were passed, else on our own."""
        await self.driver.start()
        try:
            self._listen(places, passed or [])
        except VirtoryError:
            await self.stop()
            raise

    def reload(self, config: Config) -> None:
        """Take over what may change while clients are connected: limits, keepalive, log level."""
        self.config = config
        self.limits = config.limits
        self.unfinished.most = config.limits.unfinished_bytes
        self.tracing = self.log.isEnabledFor(_DEBUG)

    async def stop(self) -> bool:
        """Say goodbye to every client and let go of the driver; guests keep running.

        False: a call has not come to its end in time. It is neither cancelled nor waited for: what
        it was about is as at a crash, for the next daemon, and the process has to end at once.
        """
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        if self._calls:
            await asyncio.wait(set(self._calls), timeout=_LEAVING_S)
        for peer in list(self.peers):
            peer.link.close()  # its streams end with it
        if self._streams:
            await asyncio.wait(set(self._streams))
        if self._calls:
            self.log.warning("%d calls have not ended and are left as they are", len(self._calls))
            self.driver.leave()
            return False
        return await self.driver.stop()

    def call(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what a client asked for in a task that the server keeps until it is done."""
        self._keep(work, self._calls)

    def stream(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Carry a stream in a task that is cancelled when its client leaves."""
        return self._keep(work, self._streams)

    def _keep(
        self, work: Coroutine[Any, Any, None], where: set[asyncio.Task[None]]
    ) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        where.add(task)
        task.add_done_callback(where.discard)
        return task

    def uptime(self) -> float:
        """Seconds since this instance began."""
        return self._loop.time() - self._started

    # -- clients ---------------------------------------------------------------------------
    def serve(self, link: Link, *, read_only: bool = False) -> Peer:
        """Serve a client at the other end of `link`, whose session has the server's role."""
        self._count += 1
        who = link.credentials
        name = f"client {self._count}"
        if who is not None:
            name += f" (pid {who.pid}, uid {who.uid})"
        peer = Peer(self, link, read_only=read_only, name=name)
        self.peers.add(peer)
        self.log.info("%s: connected%s", name, " read-only" if read_only else "")
        peer.start()
        return peer

    def session(self) -> Session:
        """A server's session with the configured keepalive."""
        keepalive = self.config.keepalive
        return Session(
            SERVER, keepalive_interval=keepalive.interval_s, keepalive_count=keepalive.tries
        )

    def left(self, peer: Peer, error: VirtoryError | None) -> None:
        """A client's connection has ended and has been cleaned up."""
        self.peers.discard(peer)
        self.unfinished.forget(peer)
        if isinstance(error, PeerMisbehaved):
            self.log.warning("%s: broke the protocol: %s", peer.name, error)
        else:
            self.log.info("%s: left", peer.name)

    def _connected(self, sock: socket.socket, *, read_only: bool) -> None:
        places = self.limits.clients
        if read_only:  # whom anybody on the host may open: some places are left for who may write
            places -= places // _KEPT_SHARE
        if len(self.peers) >= places:
            self.log.warning("a client was turned away: %d are connected", len(self.peers))
            sock.close()
            return
        link = UnixLink(sock, self.session())
        who = link.credentials
        if self.private and who is not None and who.uid not in (0, os.geteuid()):
            self.log.warning("uid %d was turned away from a private instance", who.uid)
            link.close()
            return
        self.serve(link, read_only=read_only)

    # -- sockets ---------------------------------------------------------------------------
    def _listen(self, places: Places, passed: list[tuple[int, str]]) -> None:
        writing = Listener(partial(self._connected, read_only=False))
        reading = Listener(partial(self._connected, read_only=True))
        self._listeners = [writing, reading]
        for fd, name in passed:
            (reading if "read-only" in name else writing).adopt(fd)
        own = [] if passed else [(places.socket, False)]
        if places.read_only_socket and not passed:
            own.append((places.read_only_socket, True))
        for path, read_only in own:
            self._listen_on(path, reading if read_only else writing, read_only, places)
        for path, read_only in places.libvirt_sockets:
            try:
                self._listen_on(path, reading if read_only else writing, read_only, places)
            except SystemCallFailed as error:
                error.cure = "stop libvirtd and its sockets, or do without --libvirt-sockets"
                raise

    def _listen_on(self, path: str, listener: Listener, read_only: bool, places: Places) -> None:
        mode, gid = self._permissions(read_only)
        _make_directory(os.path.dirname(path), 0o755 if places.privileged else 0o700)
        listener.listen(path, mode=mode, gid=gid)

    def _permissions(self, read_only: bool) -> tuple[int, int]:
        """Mode and group of a socket: a private instance's belong to its user alone."""
        if self.private:
            return 0o600, -1
        sockets = self.config.sockets
        if read_only:
            return int(sockets.read_only_mode, 8), -1
        gid = _group(sockets.group)
        return int(sockets.mode, 8) if gid != -1 else 0o600, gid


def _group(name: str) -> int:
    """The group that may use the read-write socket, -1 for none."""
    import grp

    for candidate in [name] if name else ["virtory", "libvirt"]:
        try:
            return grp.getgrnam(candidate).gr_gid
        except KeyError:
            continue
    if name:
        raise SystemCallFailed(
            f"the group '{name}' of the configuration's sockets.group does not exist",
            cure=f"create it with: groupadd --system {name}",
        )
    return -1


def _make_directory(path: str, mode: int) -> None:
    try:
        os.makedirs(path, mode, exist_ok=True)
    except OSError as error:
        raise SystemCallFailed(
            f"cannot make the directory {path} for a socket: {error.strerror}", errno=error.errno
        ) from error
