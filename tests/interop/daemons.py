"""Whole daemons of our own, ours and the real libvirtd, each with a network and files for itself.

The rule kept here: a daemon runs in a network namespace and a mount namespace that end with it, so
that no bridge, rule or file of the host is seen or touched; only what was started here is ended.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests import shared

import virtory

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(virtory.__file__).parents[1]
READY_S = 60.0
_TRACE = re.compile(r"^\S+ \S+ (DEBUG|INFO) .*\n", re.MULTILINE)
PLACES = (
    "/etc/libvirt",
    "/var/lib/libvirt",
    "/var/cache/libvirt",
    "/var/log/libvirt",
    "/run/libvirt",
)

ISOLATED = ("unshare", "--net", "--mount", "--propagation", "private", "bash", "-c")
_SET_UP = """
set -e
umount --recursive --lazy /sys
mount -t sysfs sysfs /sys
ip link set lo up
mkdir -p {root}/lib/boot {root}/lib/images {root}/home
mount --bind {root}/lib /var/lib/libvirt
"""

# Adopts and reaps what a daemon leaves behind, as init does, and ends it at its own end.
_REAPER = """
import contextlib, ctypes, os, signal, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
child = subprocess.Popen(sys.argv[2:], pass_fds=[int(sys.argv[1])] if int(sys.argv[1]) else [])
if int(sys.argv[1]):
    os.close(int(sys.argv[1]))
def below():
    text = open(f"/proc/self/task/{os.getpid()}/children").read()
    return [int(pid) for pid in text.split()]
status = None
def end(*_):
    with contextlib.suppress(ProcessLookupError):  # reaped a moment ago
        if status is None:
            os.kill(child.pid, signal.SIGTERM)  # not by Popen, which might reap it here
signal.signal(signal.SIGTERM, end)
while True:
    try:
        pid, ended = os.wait()
    except ChildProcessError:
        sys.exit(status)
    if pid == child.pid:
        status = os.waitstatus_to_exitcode(ended) & 0xff
    if status is not None:
        for pid in below():
            os.kill(pid, signal.SIGKILL)
"""

_LIBVIRTD = """
cd {root}
mkdir -p etc log run sock
printf 'unix_sock_dir = "{root}/sock"\\nauth_unix_rw = "none"\\n' > libvirtd.conf
printf 'stdio_handler = "file"\\nuser = "root"\\ngroup = "root"\\n' > etc/qemu.conf
printf 'remember_owner = 0\\nsecurity_driver = "none"\\n' >> etc/qemu.conf
mount --bind etc /etc/libvirt
mount --bind {cache} /var/cache/libvirt
mount --bind log /var/log/libvirt
mount --bind run /run/libvirt
exec libvirtd --config {root}/libvirtd.conf --pid-file {root}/libvirtd.pid > daemon.out 2>&1
"""


class Daemon:
    """One that runs: its directory, its URI for libvirt's clients, and its namespaces."""

    def __init__(
        self,
        directory: Path,
        uri: str,
        process: subprocess.Popen[bytes],
        become: tuple[str, ...] = (),
    ) -> None:
        self.directory = directory
        self.uri = uri
        self.process = process
        self._become = become

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    @property
    def pid(self) -> int:
        """The daemon itself; `process` is what reaps for it."""
        reaper = self.process.pid
        return int(Path(f"/proc/{reaper}/task/{reaper}/children").read_text().split()[0])

    @property
    def entered(self) -> tuple[str, ...]:
        """The beginning of a command that is to run in the daemon's namespaces."""
        return ("nsenter", "--target", str(self.pid), "--net", "--mount", *self._become)

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the daemon's namespaces."""
        return subprocess.run(
            [*self.entered, *command], capture_output=True, text=True, check=False
        )


def lacking() -> str:
    """Why a real libvirtd can not be run in a namespace of its own here; empty: it can."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("libvirtd", "unshare", "nsenter", "ip", "bash"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return next((f"{place} does not exist" for place in PLACES if not os.path.isdir(place)), "")


def _directory() -> Path:
    """Short, since sockets are below it, and open to guests that run as other users."""
    path = Path(tempfile.mkdtemp(prefix="v-", dir="/tmp"))
    path.chmod(0o711)
    return path


@contextlib.contextmanager
def libvirtd() -> Iterator[Daemon]:
    """A real libvirtd."""
    root = _directory()
    script = (_SET_UP + _LIBVIRTD).format(root=root, cache=shared.cache("libvirt"))
    process = subprocess.Popen([sys.executable, "-c", _REAPER, "0", *ISOLATED, script])
    daemon = Daemon(root, f"qemu+unix:///system?socket={root}/sock/libvirt-sock", process)
    try:
        _await_socket(root / "sock/libvirt-sock", process)
        yield daemon
    finally:
        daemon.end()
        shutil.rmtree(root)


def _await_socket(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Until libvirtd has its socket: it is made in a directory, which inotify would tell; asked."""
    import socket
    import time

    deadline = time.monotonic() + READY_S
    pidfd = os.pidfd_open(process.pid)
    try:
        while time.monotonic() < deadline:
            with socket.socket(socket.AF_UNIX) as tried:
                if tried.connect_ex(str(path)) == 0:
                    return
            ended = select.select([pidfd], [], [], 0.02)[0]
            assert not ended, (path.parents[1] / "daemon.out").read_text()
    finally:
        os.close(pidfd)
    raise TimeoutError(path)


@contextlib.contextmanager
def virtoryd(*arguments: str, user: int | None = None) -> Iterator[Daemon]:
    """A virtoryd of the QEMU driver, root's or a user's; what it complains of fails the test.

    What one that is asked for a trace only tells is no complaint.
    """
    root = _directory()
    (root / "state").mkdir(mode=0o711)  # open to dnsmasq: then all files are below it
    ready, theirs = os.pipe()
    become: tuple[str, ...] = ()
    if user is None:
        (root / "virtoryd.toml").write_text(shared.configuration())
        arguments += ("--config", f"{root}/virtoryd.toml")
    else:
        (root / "home").mkdir()
        os.chown(root / "home", user, user)
        os.chown(root / "state", user, user)
        os.chown(root, user, user)
        ids = (f"--reuid={user}", f"--regid={user}", "--clear-groups")
        places = (f"HOME={root}/home", f"XDG_RUNTIME_DIR={root}/home")
        become = ("setpriv", *ids, "env", *places)
    command = (
        f"exec {' '.join(become)} {shlex.quote(sys.executable)} -m virtory.daemon.main "
        f"--state {root}/state --socket {root}/sock --ready-fd {theirs} {' '.join(arguments)}"
    )
    with (root / "errors").open("w") as errors:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _REAPER,
                str(theirs),
                *ISOLATED,
                _SET_UP.format(root=root) + command,
            ],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            pass_fds=[theirs],
            stderr=errors,
            stdin=subprocess.DEVNULL,
        )
    os.close(theirs)
    kind = "system" if user is None else "session"
    daemon = Daemon(root, f"qemu+unix:///{kind}?socket={root}/sock", process, become)
    try:
        assert select.select([ready], [], [], READY_S)[0], "not ready"
        assert os.read(ready, 100) == b"READY=1\n", (root / "errors").read_text()
        yield daemon
        complaints = _TRACE.sub("", (root / "errors").read_text())
        assert complaints == "", complaints
    finally:
        os.close(ready)
        daemon.end()
        shutil.rmtree(root)
