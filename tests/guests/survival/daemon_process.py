"""A virtoryd in a process of its own, looked at from outside: what it holds and what it left.

The rule kept here: a process is known by its pid and start time and waited for by a pidfd; only
what carries this state directory's mark is ever ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import virtory
from virtory.driver.qemu.process import start_time_of
from virtory.model.flags import DomainControl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SOURCE = Path(virtory.__file__).parents[1]
READY_S = 60.0
MARK = b"VIRTORY_RUN="


class Seen(NamedTuple):
    """A process: `pid` alone may by now be another's."""

    pid: int
    start_time: int

    @property
    def alive(self) -> bool:
        return start_time_of(self.pid) == self.start_time

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send the signal, if it is still that process."""
        with contextlib.suppress(OSError), pidfd_of(self.pid) as pidfd:
            if self.alive:
                signal.pidfd_send_signal(pidfd, number)

    def ended(self, limit_s: float = 60) -> bool:
        """Wait until it is no more."""
        try:
            with pidfd_of(self.pid) as pidfd:
                return not self.alive or bool(select.select([pidfd], [], [], limit_s)[0])
        except ProcessLookupError:
            return True


@contextlib.contextmanager
def pidfd_of(pid: int) -> Iterator[int]:
    pidfd = os.pidfd_open(pid)
    try:
        yield pidfd
    finally:
        os.close(pidfd)


def processes_with(file_name: str, wanted: bytes) -> dict[str, Seen]:
    """Living processes that have a word beginning so in /proc/PID/`file_name`; by the word."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            words = Path(f"/proc/{entry}/{file_name}").read_bytes().split(b"\0")
        except OSError:
            continue
        started = start_time_of(int(entry))
        for word in words:
            if started is not None and word.startswith(wanted):
                found[os.fsdecode(word)] = Seen(int(entry), started)
    return found


async def answering(domain: Any) -> None:
    """Until the QEMU that a new daemon has found again answers it; no event tells of that."""
    async with asyncio.timeout(60):
        while (await domain.control_info()).state == DomainControl.ERROR:
            pass


class Refused(Exception):
    """The daemon ended instead of serving."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"exit status {status}: {said}")
        self.status = status
        self.said = said


class DaemonProcess:
    """One state directory and the daemon that serves it, started and ended as often as wanted.

    Args:
        directory: holds the state, the socket and the log; short, and ours alone.
        user: run as this uid, with a home of its own; None: as whoever runs the tests.
        config: text of a configuration file.
        wrapper: a command that ends with executing its arguments, to run it in.
    """

    def __init__(
        self,
        directory: Path,
        *,
        user: int | None = None,
        config: str = "",
        wrapper: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.state = directory / "s"
        self.kept = self.state  # the same, as seen from here
        self.socket = directory / "sock"
        self.log = directory / "log"
        self.user = user
        self.uri = f"qemu+unix:///{'session' if user or os.geteuid() else 'system'}"
        self.uri += f"?socket={self.socket}"
        self.wrapper = list(wrapper)
        self._config = directory / "virtoryd.toml"
        self._config.write_text(config)
        self.process: subprocess.Popen[bytes] | None = None
        self.ready_s = 0.0
        for place in (directory, self.state):
            place.mkdir(exist_ok=True)
            if user is not None:
                os.chown(place, user, user)

    # -- its life ------------------------------------------------------------------------------
    def spawn(self, *more: str, emulators: str | None = None) -> int:
        """Start the process; a descriptor from which its sign of readiness can be read."""
        command = [sys.executable, "-m", "virtory.daemon.main", "--config", str(self._config)]
        command += ["--state", str(self.state), "--socket", str(self.socket), *more]
        if self.user is not None:
            ids = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
            command = ["setpriv", *ids, *command]
        environment = {
            "PATH": emulators or os.environ["PATH"],
            "PYTHONPATH": str(SOURCE),
            "HOME": str(self.directory),
            "XDG_RUNTIME_DIR": str(self.directory),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        ready, theirs = os.pipe()
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, *command, "--ready-fd", str(theirs)],
                env=environment,
                pass_fds=[theirs],
                stdin=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
            )
        os.close(theirs)
        return ready

    def start(self, *more: str, emulators: str | None = None) -> DaemonProcess:
        """Start it and wait until it serves; Refused when it does not."""
        begun = time.monotonic()
        ready = self.spawn(*more, emulators=emulators)
        try:
            assert select.select([ready], [], [], READY_S)[0], f"not ready in {READY_S:g} s"
            told = os.read(ready, 100)
        finally:
            os.close(ready)
        assert self.process is not None
        if told != b"READY=1\n":
            raise Refused(self.process.wait(60), self.said())
        self.ready_s = time.monotonic() - begun
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL, as by the kernel when memory is short."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(60)

    def end(self) -> None:
        """SIGTERM; it must end well."""
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(60)
        assert status == 0, f"exit status {status}: {self.said()}"

    def clear(self) -> None:
        """End everything that this daemon started, and itself."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for process in self.guests().values():
            process.kill()
            process.ended()

    # -- what is there -------------------------------------------------------------------------
    def said(self) -> str:
        """Everything it logged so far."""
        return self.log.read_text(errors="replace")

    def guests(self) -> dict[str, Seen]:
        """Living QEMU processes of this state directory, by the name of their run directory."""
        mark = MARK + os.fsencode(self.state / "run") + b"/"
        found = processes_with("environ", mark)
        return {word[len(mark) :]: process for word, process in found.items()}

    def run_directories(self) -> set[str]:
        return set(os.listdir(self.kept / "run")) - {"autostarted"}

    def rows(self) -> tuple[set[str], set[str], list[tuple[str, ...]]]:
        """Names of stored definitions and of stored runs, and what was found damaged."""
        with self._copy_of_store() as store:
            return self._rows_of(store)

    def _rows_of(self, store: Path) -> tuple[set[str], set[str], list[tuple[str, ...]]]:
        with contextlib.closing(sqlite3.connect(store)) as db:
            tables = (db.execute(f"SELECT name FROM {name}") for name in ("domain", "running"))
            domains, running = [{str(name) for (name,) in rows} for rows in tables]
            return domains, running, db.execute("SELECT source, name FROM damaged").fetchall()

    def works(self) -> list[str]:
        """What the state says to be half done: JSON of intents, block jobs and networks."""
        with self._copy_of_store() as store, contextlib.closing(sqlite3.connect(store)) as db:
            found = [f"{kind} {step}" for kind, step in db.execute("SELECT kind, step FROM intent")]
            for name, extra in db.execute("SELECT name, extra FROM running"):
                found += [f"{name} {job}" for job in json.loads(extra)["block_jobs"].values()]
            for name, text in db.execute("SELECT name, extra FROM object WHERE kind = 'network'"):
                extra = json.loads(text)
                if extra["plan"] is not None and not extra["active"]:
                    found.append(f"network {name}")
            return found

    @contextlib.contextmanager
    def _copy_of_store(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as copy:
            for name in ("state.sqlite", "state.sqlite-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(self.kept / name, Path(copy, name))
            yield Path(copy, "state.sqlite")

    def descriptors(self) -> list[str]:
        """What its descriptors refer to."""
        found = []
        for entry in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/{self.pid}/fd/{entry}").split(":[")[0])
        return sorted(found)

    def status(self, field: str) -> int:
        """A number of /proc/PID/status, such as VmRSS (in KiB), VmHWM, Threads."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
        raise KeyError(field)

    def corpses(self) -> list[int]:
        """Children of the daemon that ended and that it did not reap."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                    if fields[0] == "Z" and int(fields[1]) == self.pid:
                        found.append(int(entry))
        return found
