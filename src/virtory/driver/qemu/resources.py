"""Taking what a plan names, and giving all of it back.

The rule kept here: `release(plan)` needs nothing but the plan, may be repeated, and does not fail:
it serves stop, a failed start and the restart after a crash at any step alike.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import socket
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from virtory.driver import new_files
from virtory.driver.qemu import taps
from virtory.driver.qemu.process import (
    Credentials,
    Identity,
    Spawn,
    find_by_variable,
    spawn,
    start_time_of,
)
from virtory.errors import FROM_STORAGE, OperationFailed, SystemCallFailed, VirtoryError

if TYPE_CHECKING:
    from virtory.driver.qemu.plan import Directory, Helper, Link, Listen, OpenFile, Pair, Plan

_OPEN = {
    "r": os.O_RDONLY,
    "rw": os.O_RDWR,
    "append": os.O_WRONLY | os.O_APPEND,
    "directory": os.O_RDONLY | os.O_DIRECTORY,
}
_HELPER_END_MS = 2000
_MARK = "VIRTORY_HELPER"
"""The variable in a helper's environment that says which it is: where its pid is written.

passt hides its own, where it is not root who asks; it ends by itself, as QEMU's end of the pair.
"""

_BACKLOG = 1  # so QEMU has it (util/qemu-sockets.c, socket_listen): two connections may wait


@dataclass(slots=True)
class Acquired:
    """What `acquire` took and QEMU needs at its birth: slot → descriptor in this process."""

    fds: dict[int, int] = field(default_factory=dict)
    helper_fds: dict[str, int] = field(default_factory=dict)

    def close(self) -> None:
        """Close this process's copies; QEMU and the helpers have their own."""
        for descriptor in (*self.fds.values(), *self.helper_fds.values()):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self.fds.clear()
        self.helper_fds.clear()


def credentials(plan: Plan) -> Credentials | None:
    """As whom the guest's processes run; None: as the daemon."""
    if plan.uid is None or plan.gid is None:
        return None
    return Credentials(plan.uid, plan.gid, plan.groups)


def acquire(plan: Plan) -> Acquired:
    """Take everything, in the plan's order; blocking: call it in a thread.

    On an error what was taken stays taken, but for descriptors: the caller releases the plan.
    """
    acquired = Acquired()
    try:
        for directory in plan.directories:
            _make(directory, plan)
        for file in plan.files:
            acquired.fds[file.slot] = _open(file)
        for listen in plan.listens:
            acquired.fds[listen.slot] = _bind(listen)
        for link in plan.links:
            _link(link)
        for pair in plan.pairs:
            _connect(pair, acquired)
        for tap in plan.taps:
            acquired.fds.update(taps.acquire(tap))
        for helper in plan.helpers:
            _start(helper, plan, acquired)
    except BaseException:
        acquired.close()
        raise
    return acquired


def release(plan: Plan, *, search: bool = False) -> None:
    """Give everything back; blocking: call it in a thread.

    `search` looks through all processes for helpers whose pid was never written down, which only
    a crash of the daemon in the middle of `acquire` can cause.
    """
    for helper in reversed(plan.helpers):
        _stop(helper, plan, search)
    for tap in plan.taps:
        taps.release(tap)
    for listen in plan.listens:
        _forget_socket(listen.path)
    for link in plan.links:
        _unlink_ours(link)
    for file in plan.files:
        if file.remove:
            _unlink(file.path)
    for directory in reversed(plan.directories):
        if directory.remove:
            _remove_tree(directory.path)


def forget_nvram(plan: Plan) -> None:
    """Let the next start find UEFI variables as new: they are made from the template again."""
    for file in plan.files:
        if file.purpose == "nvram" and file.template is not None:
            _unlink(file.path)


# -- directories and files ---------------------------------------------------------------------


def _make(directory: Directory, plan: Plan) -> None:
    try:
        os.mkdir(directory.path, directory.mode)
    except FileExistsError:
        if directory.remove:  # the rest of a guest that no release has visited
            _remove_tree(directory.path)
            os.makedirs(directory.path, directory.mode, exist_ok=True)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(directory.path), 0o711, exist_ok=True)
        os.mkdir(directory.path, directory.mode)
    except OSError as error:
        raise _refused(f"cannot make the directory '{directory.path}'", error) from None
    if directory.for_guest and plan.uid is not None and plan.gid is not None:
        _give(directory.path, plan.uid, plan.gid)


def _give(path: str, uid: int, gid: int) -> None:
    """The directory and what the guest's former user left in it are the present user's."""
    former = os.lstat(path).st_uid
    os.chown(path, uid, gid, follow_symlinks=False)
    if former in (uid, os.geteuid()):
        return
    for _, names, files, at in os.fwalk(path, follow_symlinks=False):
        for name in (*names, *files):
            status = os.stat(name, dir_fd=at, follow_symlinks=False)
            # A link to another's file is not given away with the directory.
            if status.st_uid == former and (stat.S_ISDIR(status.st_mode) or status.st_nlink == 1):
                os.chown(name, uid, gid, dir_fd=at, follow_symlinks=False)


def _open(file: OpenFile) -> int:
    """The file's descriptor; created from its template when it is missing and may be."""
    if file.mode == "memory":
        return _copy_in_memory(file)
    flags = _OPEN[file.mode] | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    try:
        try:
            descriptor = os.open(file.path, flags)
        except FileNotFoundError:
            if not file.create:
                raise
            descriptor = _create(file, flags)
    except OSError as error:
        raise _cannot_open(file, error) from None
    os.set_blocking(descriptor, True)
    return descriptor


def _copy_in_memory(file: OpenFile) -> int:
    """A sealed copy: QEMU opens it by /proc/self/fd, whatever the file's own permissions are."""
    try:
        with open(file.path, "rb") as source:
            content = source.read()
    except OSError as error:
        raise _cannot_open(file, error) from None
    descriptor = os.memfd_create(file.purpose, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as target:
        target.write(content)
    os.fchmod(descriptor, 0o444)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _create(file: OpenFile, flags: int) -> int:
    os.makedirs(os.path.dirname(file.path), 0o711, exist_ok=True)
    if file.template is None:
        return os.open(file.path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    new = file.path + new_files.UNFINISHED
    descriptor = new_files.make_anew(new)
    try:
        _fill(descriptor, file, file.template)
        os.fsync(descriptor)
        os.rename(new, file.path)
    except BaseException:
        _unlink(new)
        raise
    finally:
        os.close(descriptor)
    return os.open(file.path, flags)


def _fill(descriptor: int, file: OpenFile, template: str) -> None:
    if file.convert is not None:
        _convert(descriptor, file, template, *file.convert)
        return
    with open(template, "rb") as source:
        content = source.read()
    with open(descriptor, "wb", closefd=False) as target:
        target.write(content)


def _convert(
    descriptor: int, file: OpenFile, template: str, from_format: str, to_format: str
) -> None:
    """Fill a file in another format than its template's."""
    import subprocess

    target = f"/proc/self/fd/{descriptor}"
    command = ["qemu-img", "convert", "-f", from_format, "-O", to_format, template, target]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            pass_fds=[descriptor],
        )
    except OSError as error:
        raise _refused("cannot run qemu-img", error) from None
    if done.returncode:
        raise OperationFailed(
            f"cannot make {file.purpose} '{file.path}' from '{template}': {done.stderr.strip()}"
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _cannot_open(file: OpenFile, error: OSError) -> VirtoryError:
    cure = None
    if isinstance(error, PermissionError):
        mode = "rw" if file.mode == "rw" else "r"
        cure = (
            f"let uid {os.geteuid()} open it, for example with "
            f"'setfacl -m u:{os.geteuid()}:{mode} {file.path}'"
        )
    elif isinstance(error, FileNotFoundError):
        cure = "create the file, or change the path in the domain's definition"
    return SystemCallFailed(
        f"Cannot access {file.purpose} '{file.path}': {error.strerror}",
        errno=error.errno,
        cure=cure,
        domain=FROM_STORAGE,
    )


def _refused(attempt: str, error: OSError) -> SystemCallFailed:
    return SystemCallFailed(f"{attempt}: {error.strerror}", errno=error.errno)


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _remove_tree(path: str) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=True)


# -- sockets -----------------------------------------------------------------------------------


def _bind(listen: Listen) -> int:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        _forget_socket(listen.path)
        os.makedirs(os.path.dirname(listen.path), 0o711, exist_ok=True)
        server.bind(listen.path)
        _allow(listen.path, listen.mode)
        server.listen(_BACKLOG)
        return server.detach()
    except OSError as error:
        why = "its path is too long" if "too long" in str(error) else error.strerror
        cure = None
        if error.errno == errno.EADDRINUSE:
            cure = "remove what is there, end the program that listens on it, or name another path"
        raise SystemCallFailed(
            f"cannot listen on '{listen.path}' for {listen.purpose}: {why}",
            errno=error.errno,
            cure=cure,
        ) from None
    finally:
        server.close()


def _allow(path: str, mode: int) -> None:
    """Who may connect to a socket that was just made; somebody may put a link in its place."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            os.chmod(f"/proc/self/fd/{descriptor}", mode)
    finally:
        os.close(descriptor)


def _forget_socket(path: str) -> None:
    """Remove a socket that nobody serves any more: never another's, nor any other kind of file."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            _unlink(path)
        except OSError:
            pass  # somebody serves it, and is busy


def _link(link: Link) -> None:
    _unlink_ours(link)
    _forget_socket(link.path)
    try:
        os.makedirs(os.path.dirname(link.path), 0o711, exist_ok=True)
        os.symlink(link.target, link.path)
    except OSError as error:
        raise _refused(f"cannot make '{link.path}' for {link.purpose}", error) from None


def _unlink_ours(link: Link) -> None:
    """Remove the link, or what an earlier run of ours left: never anything else."""
    with contextlib.suppress(OSError):
        if os.path.islink(link.path) and (
            os.readlink(link.path) == link.target or not os.path.exists(link.path)
        ):
            os.unlink(link.path)


def _connect(pair: Pair, acquired: Acquired) -> None:
    if pair.listening:
        qemu, helper = _waiting_pair()
    else:
        qemu, helper = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    acquired.fds[pair.slot] = qemu.detach()
    acquired.helper_fds[pair.helper] = helper.detach()


def _waiting_pair() -> tuple[socket.socket, socket.socket]:
    """A client, and the listening socket that it is the first to wait at; no path names it."""
    helper = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    helper.bind(b"")  # a free abstract address (unix(7), autobind)
    helper.listen(1)
    qemu = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    qemu.connect(helper.getsockname())
    return qemu, helper


# -- helpers -----------------------------------------------------------------------------------


def _pid_file(helper: Helper, plan: Plan) -> str:
    return f"{plan.directory}/{helper.name}.pid"


def _log_file(helper: Helper, plan: Plan) -> str:
    return f"{plan.directory}/{helper.name}.log"


def _start(helper: Helper, plan: Plan, acquired: Acquired) -> None:
    descriptor = acquired.helper_fds.pop(helper.name, -1)
    order = Spawn(
        argv=[argument.replace("{fd}", str(descriptor)) for argument in helper.argv],
        environment={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C",
            _MARK: _pid_file(helper, plan),
        },
        directory=helper.directory,
        log_path=_log_file(helper, plan),
        fds=[descriptor] if descriptor >= 0 else [],
        credentials=credentials(plan) if helper.as_guest else None,
    )
    try:
        identity = spawn(order)
    except OSError as error:
        raise _refused(f"cannot run the helper '{helper.argv[0]}'", error) from None
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    with open(_pid_file(helper, plan), "w", opener=_private) as file:
        file.write(f"{identity.pid} {identity.start_time}\n")


def require_helpers(plan: Plan, patience_ms: int = 0) -> None:
    """Raise OperationFailed, with its last words, for a helper that has ended already. Blocking."""
    for helper in plan.helpers:
        identity = _written(_pid_file(helper, plan))
        if identity is None or not _has_ended(identity, patience_ms):
            continue
        said = ""
        with contextlib.suppress(OSError), open(_log_file(helper, plan), errors="replace") as file:
            said = file.read()[-2000:].strip()
        raise OperationFailed(
            f"the helper '{helper.argv[0]}' ended: {said or 'it does not say why'}"
        )


def _has_ended(identity: Identity, patience_ms: int) -> bool:
    try:
        pidfd = os.pidfd_open(identity.pid)
    except OSError:
        return True
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return start_time_of(identity.pid) != identity.start_time or bool(poll.poll(patience_ms))
    finally:
        os.close(pidfd)


def _stop(helper: Helper, plan: Plan, search: bool) -> None:
    identity = _written(_pid_file(helper, plan))
    if identity is None and search:
        identity = find_by_variable(f"{_MARK}={_pid_file(helper, plan)}")
    if identity is not None:
        as_daemon = plan.uid is None or not helper.as_guest
        _end(identity, os.geteuid() if as_daemon else plan.uid)


def _end(identity: Identity, uid: int | None) -> None:
    """End the process if it is still that one, and this user's."""
    try:
        pidfd = os.pidfd_open(identity.pid)
    except OSError:
        return
    try:
        user = os.stat(f"/proc/{identity.pid}").st_uid
        if start_time_of(identity.pid) == identity.start_time and user == uid:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
            if not poll.poll(_HELPER_END_MS):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                poll.poll(_HELPER_END_MS)
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except (ProcessLookupError, FileNotFoundError):
        pass
    finally:
        os.close(pidfd)


def _written(path: str) -> Identity | None:
    try:
        with open(path) as file:
            pid, started = file.read().split()
        return Identity(int(pid), int(started))
    except (OSError, ValueError):
        return None
