"""A QEMU process: spawned, recognised again, watched, ended.

The rule kept here: a process is its pid *and* its start time, and its end is told by a pidfd: a
pid that was given to another program is never signalled, and nobody polls.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
from typing import TYPE_CHECKING, NamedTuple

KILLED_S = 10.0
"""How long a killed process may take to end: it gives its memory back, and the host may be busy.

It does not end at all while it is stuck in the kernel (a dead NFS server)."""

_PIDFD_GETFD = 438  # the system call; Python has no name for it

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Identity(NamedTuple):
    """Which process: `start_time` is field 22 of /proc/PID/stat, in clock ticks since boot."""

    pid: int
    start_time: int


class Credentials(NamedTuple):
    """As whom QEMU runs when the daemon is root."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


class Spawn(NamedTuple):
    """What to execute, and in which surroundings."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: str
    log_path: str
    log_header: str = ""
    fds: Sequence[int] = ()  # stay open, under the same numbers
    credentials: Credentials | None = None
    umask: int = 0o077
    limits: Sequence[tuple[int, int]] = ()  # (resource.RLIMIT_…, value for both soft and hard)


def start_time_of(pid: int) -> int | None:
    """When the process started; None when there is none (or only its corpse).

    One whose first thread has ended is alive while others of it still end: they hold its files.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] == b"X" or (fields[0] == b"Z" and int(fields[17]) <= 1):
        return None
    return int(fields[19])


def lives_on(pid: int) -> bool:
    """Whether there is the process, and it is not ending: killed, or without its first thread.

    One that is ending holds what it had until its last thread has given that back.
    """
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            told = dict(line.split(b":", 1) for line in file)
    except OSError:
        return False
    killed = 1 << (signal.SIGKILL - 1)  # shared by its threads, it stays pending to the end
    return told[b"State"].split()[0] not in (b"Z", b"X") and not int(told[b"ShdPnd"], 16) & killed


def spawn(order: Spawn) -> Identity:
    """Start the process (blocking for a few milliseconds: call it in a thread).

    Raises OSError when it can not be executed. The log file is appended to, so that truncating it
    bounds it (see `logs`).
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    log = os.open(order.log_path, flags, 0o600)
    try:
        if order.log_header:
            os.write(log, order.log_header.encode())
        who = order.credentials
        child = subprocess.Popen(
            order.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=order.directory,
            env=order.environment,
            pass_fds=order.fds,
            start_new_session=True,
            umask=order.umask,
            user=who.uid if who else None,
            group=who.gid if who else None,
            extra_groups=who.groups if who else None,
        )
    finally:
        os.close(log)
    child.returncode = 0  # from here on the pidfd watches and reaps it, not `subprocess`
    for kind, value in order.limits:
        _limit(child.pid, kind, value)
    started = start_time_of(child.pid)
    return Identity(child.pid, -1 if started is None else started)


def _limit(pid: int, kind: int, value: int) -> None:
    """Set soft and hard limit, as far as we may: QEMU itself says what it then lacks."""
    try:
        _, hard = resource.prlimit(pid, kind)
        if os.geteuid() != 0 and hard != resource.RLIM_INFINITY:
            value = hard if value == resource.RLIM_INFINITY else min(value, hard)
        resource.prlimit(pid, kind, (value, value))
    except (ProcessLookupError, PermissionError, ValueError):
        pass


def abandon(child: Identity) -> None:
    """End a child that nobody watches; its pid can be nobody else's before it is reaped here."""
    try:
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


class Process:
    """A watched process, our child or adopted after a restart.

    Args:
        identity: the process; its start time is checked.
        on_end: called once from the loop when it has ended, with its exit code as `subprocess`
            counts (negative: the signal), or None for an adopted process.

    Raises ProcessLookupError when it has ended or the pid is another program's.
    """

    def __init__(self, identity: Identity, on_end: Callable[[int | None], None]) -> None:
        self.identity = identity
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(identity.pid)
        self.ended: asyncio.Future[int | None] = self._loop.create_future()
        # A child that has ended already is still ours to reap: only strangers are turned away.
        if start_time_of(identity.pid) != identity.start_time and not self._is_dead_child():
            os.close(self._pidfd)
            raise ProcessLookupError(f"pid {identity.pid} is another process by now")
        self._loop.add_reader(self._pidfd, self._finish)

    def _is_dead_child(self) -> bool:
        try:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PIDFD, self._pidfd, flags) is not None
        except ChildProcessError:
            return False

    def signal(self, number: int) -> None:
        """Send a signal; a process that has ended is left alone."""
        if not self.ended.done():
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:
                pass

    async def end(self, grace_s: float, *, force: bool = True) -> bool:
        """SIGTERM, then after `grace_s` SIGKILL if `force`; False when it still lives then.

        SIGTERM lets QEMU flush its disks; it needs about 5 ms.
        """
        self.signal(signal.SIGTERM)
        if await self._wait(grace_s):
            return True
        if not force:
            return False
        return await self.killed()

    async def killed(self) -> bool:
        """SIGKILL; False when it is stuck in the kernel."""
        self.signal(signal.SIGKILL)
        return await self._wait(KILLED_S)

    async def _wait(self, time_limit_s: float) -> bool:
        done, _ = await asyncio.wait([self.ended], timeout=time_limit_s)
        return bool(done)

    def release(self) -> None:
        """Stop watching; the process runs on."""
        if not self.ended.done():
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self.ended.cancel()

    def _finish(self) -> None:
        self._loop.remove_reader(self._pidfd)
        code = self._reap()
        os.close(self._pidfd)
        if not self.ended.done():
            self.ended.set_result(code)
            self._on_end(code)

    def _reap(self) -> int | None:
        try:
            status = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return None  # adopted: its parent reaps it
        if status is None:
            return None
        return status.si_status if status.si_code == os.CLD_EXITED else -status.si_status


def find_by_argument(argument: str) -> Identity | None:
    """The process that has `argument` among its arguments; for one whose pid was never saved."""
    return _find("cmdline", argument)


def find_by_variable(assignment: str, directory: str | None = None) -> Identity | None:
    """The process that was started with this `NAME=value` in its environment.

    With `directory` also one that was started there and has no environment to be read: its first
    thread has ended, and others of it will, or it is just becoming the program that it is to be.
    """
    return _find("environ", assignment, directory)


def _find(file_name: str, wanted: str, directory: str | None = None) -> Identity | None:
    sought = wanted.encode()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            words = _words(f"/proc/{entry}/{file_name}")
            found = sought in words
            if directory is not None and words == _words(f"/proc/{entry}/cmdline") == [b""]:
                found = _works_in(entry, directory)
            if found and (started := start_time_of(int(entry))) is not None:
                return Identity(int(entry), started)
    return None


def _words(path: str) -> list[bytes]:
    try:
        with open(path, "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return [b""]


def _works_in(pid: str, directory: str) -> bool:
    """Whether the directory is a thread's working directory, which it has to its very end."""
    try:
        wanted = os.stat(directory)
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    for thread in threads:
        try:
            if os.path.samestat(os.stat(f"/proc/{pid}/task/{thread}/cwd"), wanted):
                return True
        except OSError:
            continue
    return False


def unlock(pid: int, number: int) -> None:
    """Give up the locks of an open file description that process `pid` has as `number`.

    They belong to the description, not to the process, so whoever has a copy can. Does nothing
    where the kernel does not let us have one, or the process has ended, and they with it.
    """
    import ctypes
    import fcntl
    import struct

    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        copy = ctypes.CDLL(None).syscall(_PIDFD_GETFD, pidfd, number, 0)
    finally:
        os.close(pidfd)
    if copy < 0:
        return
    try:
        whole = struct.pack("hhqqi4x", fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(copy, fcntl.F_OFD_SETLK, whole)
    finally:
        os.close(copy)
