"""Processes known by pid and start time, watched by pidfd."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from virtory.driver.qemu.process import (
    Credentials,
    Identity,
    Process,
    Spawn,
    abandon,
    find_by_variable,
    lives_on,
    spawn,
    start_time_of,
    unlock,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLEEP = "import signal; signal.pause()"
DEAF = "import os, signal; signal.signal(15, 1); os.write({fd}, b'deaf'); signal.pause()"


class Pipe:
    """Through it a child tells that it has come so far: no sleeping, no polling."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    async def read(self) -> str:
        async with asyncio.timeout(60):
            return (await asyncio.to_thread(os.read, self.reader, 4096)).decode()

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def order(tmp_path: Path, code: str, **more: object) -> Spawn:
    fields = {
        "argv": [sys.executable, "-c", code],
        "environment": {"PATH": os.environ["PATH"]},
        "directory": "/",
        "log_path": str(tmp_path / "log"),
    }
    return Spawn(**{**fields, **more})  # type: ignore[arg-type]


class Watch:
    def __init__(self) -> None:
        self.codes: list[int | None] = []
        self.ended = asyncio.Event()

    def __call__(self, code: int | None) -> None:
        self.codes.append(code)
        self.ended.set()


async def test_the_end_of_a_child_is_told_with_its_exit_code(tmp_path: Path) -> None:
    watch = Watch()
    Process(spawn(order(tmp_path, "raise SystemExit(7)")), watch)
    async with asyncio.timeout(60):
        await watch.ended.wait()
    assert watch.codes == [7]


async def test_a_child_that_ended_before_it_was_watched_is_reaped_all_the_same(
    tmp_path: Path,
) -> None:
    identity = spawn(order(tmp_path, "pass"))
    os.waitid(os.P_PID, identity.pid, os.WEXITED | os.WNOWAIT)
    watch = Watch()
    Process(identity, watch)
    async with asyncio.timeout(60):
        await watch.ended.wait()
    assert watch.codes == [0]
    with pytest.raises(ChildProcessError):
        os.waitid(os.P_PID, identity.pid, os.WEXITED)


async def test_end_asks_first_and_kills_what_does_not_listen(tmp_path: Path, pipe: Pipe) -> None:
    watch = Watch()
    process = Process(spawn(order(tmp_path, SLEEP)), watch)
    assert await process.end(20.0)
    assert watch.codes == [-signal.SIGTERM]

    deaf_one = order(tmp_path, DEAF.format(fd=pipe.writer), fds=[pipe.writer])
    deaf = Process(spawn(deaf_one), watch)
    assert await pipe.read() == "deaf"
    assert not await deaf.end(0, force=False)
    assert await deaf.end(0), "the grace is for what it does of itself, not for its death"
    assert watch.codes[-1] == -signal.SIGKILL


async def test_another_process_of_the_same_pid_is_refused(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", SLEEP])
    try:
        started = start_time_of(child.pid)
        assert started is not None
        with pytest.raises(ProcessLookupError):
            Process(Identity(child.pid, started + 1), Watch())
        adopted = Process(Identity(child.pid, started), Watch())
        adopted.release()
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


async def test_a_released_process_runs_on_and_tells_nothing(tmp_path: Path) -> None:
    watch = Watch()
    identity = spawn(order(tmp_path, SLEEP))
    Process(identity, watch).release()
    assert start_time_of(identity.pid) == identity.start_time
    os.kill(identity.pid, signal.SIGKILL)
    os.waitid(os.P_PID, identity.pid, os.WEXITED)
    assert watch.codes == []


async def test_only_the_descriptors_asked_for_are_inherited(tmp_path: Path) -> None:
    kept, other = os.open("/dev/null", os.O_RDONLY), os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(other, True)
    watch = Watch()
    code = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd')), flush=True)"
    Process(spawn(order(tmp_path, code, fds=[kept])), watch)
    async with asyncio.timeout(60):
        await watch.ended.wait()
    os.close(kept)
    os.close(other)
    listed = (tmp_path / "log").read_text()
    assert str(kept) in listed.strip("[]\n").split(", ")
    assert str(other) not in listed.strip("[]\n").split(", ")


async def test_limits_and_surroundings_are_those_of_the_order(tmp_path: Path, pipe: Pipe) -> None:
    code = (
        "import os, signal; told = [os.getcwd(), os.getsid(0) == os.getpid(), os.umask(0),"
        f" sorted(os.environ)]; os.write({pipe.writer}, repr(told).encode()); signal.pause()"
    )
    environment = {"A": "b", "LC_CTYPE": "C"}
    limits = [(resource.RLIMIT_CORE, 0)]
    spawned = spawn(
        order(
            tmp_path,
            code,
            fds=[pipe.writer],
            limits=limits,
            directory="/usr",
            umask=0o027,
            environment=environment,
        )
    )
    process = Process(spawned, Watch())
    assert await pipe.read() == repr(["/usr", True, 0o027, ["A", "LC_CTYPE"]])
    assert resource.prlimit(process.identity.pid, resource.RLIMIT_CORE) == (0, 0)
    assert await process.end(20.0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")
async def test_root_runs_it_as_somebody_else_without_any_of_its_rights(tmp_path: Path) -> None:
    watch = Watch()
    who = Credentials(1_900_000_123, 1_900_000_123, (36,))
    argv = ["/bin/cat", "/proc/self/status"]
    Process(spawn(order(tmp_path, "", argv=argv, credentials=who)), watch)
    async with asyncio.timeout(60):
        await watch.ended.wait()
    fields = dict(
        line.split(":\t", 1)
        for line in (tmp_path / "log").read_text().splitlines()
        if ":\t" in line
    )
    assert fields["Uid"].split() == ["1900000123"] * 4
    assert fields["Gid"].split() == ["1900000123"] * 4
    assert fields["Groups"].split() == ["36"]
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0


async def test_a_process_is_found_by_its_mark(tmp_path: Path, pipe: Pipe) -> None:
    mark = f"VIRTORY_TEST={tmp_path}"
    assert find_by_variable(mark) is None
    code = f"import os, signal; os.write({pipe.writer}, b'here'); signal.pause()"
    environment = {"VIRTORY_TEST": str(tmp_path)}
    spawned = spawn(order(tmp_path, code, environment=environment, fds=[pipe.writer]))
    process = Process(spawned, Watch())
    try:
        assert await pipe.read() == "here"
        assert find_by_variable(mark) == process.identity
    finally:
        await process.end(20.0)


def test_a_program_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        spawn(order(tmp_path, "", argv=["/nonexistent/qemu"]))


def test_a_child_that_can_not_be_watched_is_ended_and_reaped(tmp_path: Path):
    child = spawn(order(tmp_path, SLEEP))
    abandon(child)
    assert start_time_of(child.pid) is None
    abandon(child)  # nothing is left to end


WITHOUT_FIRST_THREAD = (
    "import ctypes, sys, threading\n"
    "threading.Thread(target=sys.stdin.read).start()\n"
    "ctypes.CDLL(None).syscall(60, 0)"  # exit(2) of x86-64: this thread alone
)


def test_a_process_is_there_until_its_last_thread_has_ended(tmp_path: Path):
    """Its first one may have: the others hold its files, and the locks on them."""
    command = [sys.executable, "-c", WITHOUT_FIRST_THREAD]
    surroundings = {"cwd": tmp_path, "env": {"VIRTORY_TEST": str(tmp_path)}}
    with subprocess.Popen(command, stdin=subprocess.PIPE, **surroundings) as child:
        while b") Z " not in (stat := _stat(child.pid)):
            assert stat
        started = start_time_of(child.pid)
        assert started is not None
        assert not lives_on(child.pid)
        mark = f"VIRTORY_TEST={tmp_path}"
        assert find_by_variable(mark) is None  # it can not be read any more
        assert find_by_variable(mark, str(tmp_path)) == Identity(child.pid, started)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert start_time_of(child.pid) is None
        assert find_by_variable(mark, str(tmp_path)) is None


def test_a_killed_process_does_not_live_on_though_it_has_not_ended():
    libc = ctypes.CDLL(None)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    with subprocess.Popen([sys.executable, "-c", SLEEP]) as child:
        assert lives_on(child.pid)
        held = libc.ptrace(0x4206, child.pid, None, 0x40) == 0  # PTRACE_SEIZE, …_O_TRACEEXIT
        child.kill()
        assert not lives_on(child.pid)
        assert not held or start_time_of(child.pid) is not None
        libc.ptrace(17, child.pid, None, None)  # PTRACE_DETACH
    assert not lives_on(child.pid)


def test_a_process_that_has_ended_has_no_locks_to_give_up():
    child = subprocess.Popen(["true"])
    child.wait(60)
    unlock(child.pid, 0)


def _stat(pid: int) -> bytes:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read()
