"""The daemon killed while volumes are made, copied and wiped: before or after, never between."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import select
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from virtory.driver.storage.wiping import KIND as WIPE

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("virsh") is None, reason="virsh is not installed"),
]

SIZE = 24 << 20
KILLS = 8


class Killed:
    """A daemon that is killed and started again on the same state, and a pool of its."""

    def __init__(self, directory: Path, virtoryd: Any) -> None:
        self.directory = directory
        self.pool = directory / "pool"
        self._virtoryd = virtoryd
        self.start()

    def start(self) -> None:
        self.daemon = self._virtoryd(self.directory, "qemu", "qemu+unix:///system")

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        """A call that is not waited for."""
        command = ["virsh", "-q", "-c", self.daemon.uri, *words]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)

    def virsh(self, *words: str) -> str:
        command = ["virsh", "-q", "-c", self.daemon.uri, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def kill_during(self, after_s: float, *words: str) -> bool:
        """Whether the call was answered before the kill; the next daemon runs afterwards."""
        call = self.begin(*words)
        try:
            call.wait(after_s)
        except subprocess.TimeoutExpired:
            pass
        self.daemon.process.kill()
        self.daemon.process.wait()
        answered = call.wait(60) == 0
        with self._wipe_to_its_end():
            self.start()
        return answered

    @contextlib.contextmanager
    def _wipe_to_its_end(self) -> Iterator[None]:
        """A wipe that was begun goes on beside all else: until the next daemon closes the file."""
        if not self._wiping():
            yield
            return
        libc = ctypes.CDLL(None)
        watch = libc.inotify_init1(os.O_CLOEXEC)
        try:
            assert libc.inotify_add_watch(watch, os.fsencode(self.pool / "source"), 8) > 0
            yield  # 8: IN_CLOSE_WRITE
            assert select.select([watch], [], [], 60)[0], "the wipe goes on"
        finally:
            os.close(watch)

    def _wiping(self) -> bool:
        """Whether the state of the daemon that was killed says so."""
        with tempfile.TemporaryDirectory() as copy:
            for path in (self.directory / "state").glob("state.sqlite*"):
                shutil.copyfile(path, Path(copy, path.name))
            with contextlib.closing(sqlite3.connect(Path(copy, "state.sqlite"))) as store:
                return bool(store.execute("SELECT 1 FROM intent WHERE kind = ?", [WIPE]).fetchall())

    def volumes(self) -> set[str]:
        """What the pool lists, which must be what its directory holds."""
        self.virsh("pool-refresh", "p")
        listed = {line.split()[0] for line in self.virsh("vol-list", "p").splitlines()}
        assert listed == set(os.listdir(self.pool))
        return listed


@pytest.fixture
def killed(virtoryd: Any) -> Iterator[Killed]:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="v-") as directory:
        killed = Killed(Path(directory), virtoryd)
        killed.virsh("pool-create-as", "p", "dir", "--target", str(killed.pool), "--build")
        killed.virsh("vol-create-as", "p", "source", str(SIZE), "--allocation", "0")
        (killed.pool / "source").write_bytes(os.urandom(SIZE))
        yield killed
        killed.daemon.stop()


def test_a_copy_is_whole_or_not_there(killed: Killed) -> None:
    content = (killed.pool / "source").read_bytes()
    chance = random.Random(1)
    for number in range(KILLS):
        answered = killed.kill_during(
            chance.uniform(0.02, 0.2), "vol-clone", "source", f"copy{number}", "--pool", "p"
        )
        volumes = killed.volumes()
        if answered or f"copy{number}" in volumes:
            assert (killed.pool / f"copy{number}").read_bytes() == content
        assert (killed.pool / "source").read_bytes() == content
        assert volumes <= {"source", *(f"copy{n}" for n in range(number + 1))}


def test_a_volume_that_is_made_is_whole_or_not_there(killed: Killed) -> None:
    chance = random.Random(2)
    for number in range(KILLS):
        words = ("vol-create-as", "p", f"v{number}", "1G", "--format", "qcow2")
        killed.kill_during(chance.uniform(0.02, 0.1), *words)
        if f"v{number}" in killed.volumes():
            image = str(killed.pool / f"v{number}")
            subprocess.run(["qemu-img", "check", "-q", image], check=True)


def test_a_wipe_is_whole_or_has_not_begun(killed: Killed) -> None:
    chance = random.Random(3)
    source = killed.pool / "source"
    for _ in range(KILLS):
        before = source.read_bytes()
        killed.kill_during(chance.uniform(0.02, 0.1), "vol-wipe", "source", "--pool", "p")
        after = source.read_bytes()
        assert after in (before, bytes(SIZE))
        if after != before:
            source.write_bytes(os.urandom(SIZE))
