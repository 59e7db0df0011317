"""Starts the user's own virtoryd when nobody answers on its socket.

The rule kept here: whoever comes second waits for the first. A lock file beside the socket decides
between several clients that start at once, and the daemon outlives them all: own session, no
terminal, nothing inherited. What it logs is in a file beside its socket; when it does not come up,
its last words there are the error.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import subprocess
import sys
import time

from virtory.errors import OpenFailed

START_TIMEOUT_S = 30.0
MOST_QUOTED = 2000
MOST_LOG = 1 << 20


def start_daemon(path: str, driver: str = "virtory", timeout_s: float = START_TIMEOUT_S) -> None:
    """Return once a daemon accepts connections on `path`; raises `OpenFailed`.

    `driver` "test" starts it with pretended machines.
    """
    directory = os.path.dirname(path)
    try:
        # The system instance has other users, whom its sockets' own modes let in or not.
        _make_directory(directory, 0o755 if os.geteuid() == 0 else 0o700)
        lock = os.open(f"{path}.starting", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OpenFailed(
            f"cannot start virtoryd: '{error.filename or directory}': {error.strerror}",
            cure="check XDG_RUNTIME_DIR, or start virtoryd --socket PATH yourself",
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _answers(path):
            _spawn(path, driver, timeout_s)
    finally:
        os.close(lock)


def _make_directory(path: str, mode: int) -> None:
    """With this mode, whatever the umask; one that is there stays as it is."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    else:
        os.chmod(path, mode)


def command(path: str, driver: str, ready_fd: int) -> list[str]:
    """The words that start the daemon."""
    words = [sys.executable, "-m", "virtory.daemon.main", "--socket", path]
    words += ["--ready-fd", str(ready_fd)]
    return [*words, "--driver", "memory"] if driver == "test" else words


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(path)
        except OSError:
            return False
        return True


def _spawn(path: str, driver: str, timeout_s: float) -> None:
    words = _log(f"{os.path.dirname(path)}/{driver}d.log")
    ready, told = os.pipe()
    before = os.fstat(words).st_size
    try:
        process = subprocess.Popen(
            command(path, driver, told),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            pass_fds=(told,),
            start_new_session=True,
            cwd="/",
            env=_environment(),
        )
        os.close(told)
        told = -1
        _wait(ready, process, words, before, timeout_s)
    except OSError as error:
        raise OpenFailed(f"cannot start virtoryd: {error}") from None
    finally:
        for fd in (ready, told, words):
            if fd >= 0:
                os.close(fd)


def _log(path: str) -> int:
    """Where the daemon writes its log; one that has become too long begins anew."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        words = os.open(path, flags, 0o600)
    except OSError as error:
        raise OpenFailed(
            f"cannot start virtoryd: its log '{path}': {error.strerror}",
            cure="let that be a file of yours, or start virtoryd yourself",
        ) from None
    if os.fstat(words).st_size > MOST_LOG:
        os.ftruncate(words, 0)
    return words


def _environment() -> dict[str, str]:
    """Ours, and where this very package is, for a Python that would not find it from `/`."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = dict(os.environ)
    paths = [package, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment


def _wait(
    ready: int, process: subprocess.Popen[bytes], words: int, before: int, timeout_s: float
) -> None:
    """Until the daemon says that it serves; then nobody waits for its end any more."""
    poll = select.poll()
    poll.register(ready, select.POLLIN)
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0:
        if not poll.poll(left * 1000):
            continue
        if os.read(ready, 64):
            process.returncode = 0  # it lives on: no warning when this object goes
            return
        process.wait()
        raise OpenFailed(
            f"virtoryd ended with status {process.returncode} when it was started"
            f"{_said(words, before)}",
            cure="run virtoryd in a terminal to see more",
        )
    process.kill()
    process.wait()
    raise OpenFailed(
        f"virtoryd did not come up within {timeout_s:.0f} s{_said(words, before)}",
        cure="run virtoryd in a terminal to see what it waits for",
    )


def _said(words: int, before: int) -> str:
    begin = max(before, os.fstat(words).st_size - MOST_QUOTED)
    text = os.pread(words, MOST_QUOTED, begin).decode(errors="replace").strip()
    return f": {text}" if text else ", without a word"
