"""Real clients of libvirt against a virtoryd of our own, in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import shared

import virtory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = Path(virtory.__file__).parents[1]
SEARCHED = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
SYSTEM_PYTHON = shutil.which("python3", path="/usr/bin:/bin")


class Virtoryd:
    """A running daemon; `uri` is for libvirt's clients."""

    def __init__(self, directory: Path, driver: str, path: str, *arguments: str) -> None:
        self.quiet = not arguments
        self.socket = directory / "sock"
        self.uri = f"{path}?socket={self.socket}"
        self.errors = directory / "errors"
        if driver == "qemu":
            configuration = directory / "virtoryd.toml"
            configuration.write_text(shared.configuration())
            arguments += ("--config", str(configuration))
        ready, theirs = os.pipe()
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "virtory.daemon.main", "--driver", driver),
                    *("--state", str(directory / "state"), "--socket", str(self.socket)),
                    *("--ready-fd", str(theirs), *arguments),
                ],
                env={**os.environ, "PYTHONPATH": SEARCHED},
                pass_fds=[theirs],
                stderr=errors,
                stdin=subprocess.DEVNULL,
            )
        os.close(theirs)
        assert os.read(ready, 100) == b"READY=1\n", self.errors.read_text()
        os.close(ready)

    def stop(self) -> None:
        """End it; whatever it complained of fails the test."""
        self.process.terminate()
        assert self.process.wait(60) == 0
        if self.quiet:
            assert self.errors.read_text() == ""


@pytest.fixture
def virtoryd() -> type[Virtoryd]:
    """The class of running daemons."""
    return Virtoryd


@pytest.fixture
def memory_daemon() -> Iterator[Virtoryd]:
    with tempfile.TemporaryDirectory() as directory:
        daemon = Virtoryd(Path(directory), "memory", "test+unix:///default")
        yield daemon
        daemon.stop()


@pytest.fixture
def traced_daemon() -> Iterator[Virtoryd]:
    """A daemon that logs every call."""
    with tempfile.TemporaryDirectory() as directory:
        path = "test+unix:///default"
        daemon = Virtoryd(Path(directory), "memory", path, "--log-level", "debug")
        yield daemon
        daemon.stop()


@pytest.fixture
def virsh() -> Callable[..., tuple[int, str]]:
    """Run virsh on a URI: its exit status and everything it printed."""
    program = shutil.which("virsh")
    if program is None:
        pytest.skip("virsh is not installed")

    def run(uri: str, *words: str, script: str | None = None) -> tuple[int, str]:
        done = subprocess.run(
            [program, "-c", uri, *words],
            input=script,
            stdin=subprocess.DEVNULL if script is None else None,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def system_python() -> Callable[[str, str], str]:
    """Run a script with the system's Python and its libvirt module; what it printed."""
    if (
        SYSTEM_PYTHON is None
        or subprocess.run(
            [SYSTEM_PYTHON, "-c", "import libvirt"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("the system's Python has no libvirt module")

    def run(script: str, uri: str) -> str:
        done = subprocess.run(
            [str(SYSTEM_PYTHON), "-c", script, uri],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
