"""The program: arguments, signals, sockets it takes over or leaves alone."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import virtory
from virtory.wire.frame import CALL, HEADER, OK
from virtory.wire.virtory import DAEMON_INFO, DaemonInfoRet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = Path(virtory.__file__).parents[1]
SEARCHED = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
DAEMON = [sys.executable, "-m", "virtory.daemon.main"]


def frame(
    program: int, number: int, kind: int, serial: int, status: int, body: bytes = b""
) -> bytes:
    """A message as bytes, right or wrong."""
    return HEADER.pack(28 + len(body), program, 1, number, kind, serial, status) + body


class Program:
    """A running virtoryd with the in-memory driver."""

    def __init__(self, directory: Path, arguments: list[str], environment: dict[str, str]) -> None:
        self.socket = directory / "sock"
        ready, theirs = os.pipe()
        self.process = subprocess.Popen(
            [*DAEMON, "--driver", "memory", "--ready-fd", str(theirs), *arguments],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": SEARCHED, **environment},
            pass_fds=[theirs],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(theirs)
        self.ready = os.read(ready, 100) == b"READY=1\n"
        os.close(ready)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send the signal; the exit status and everything that was logged."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def begin(*arguments: str, **environment: str) -> Program:
        own = ["--state", str(tmp_path / "state"), "--socket", str(tmp_path / "sock")]
        programs.append(
            Program(
                tmp_path, [*(own if "--socket" not in arguments else []), *arguments], environment
            )
        )
        return programs[-1]

    yield begin
    for program in programs:
        if program.process.poll() is None:
            program.process.kill()
        program.process.wait()
        program.process.stderr.close()


def ask(path: Path | str) -> Any:
    """Who serves the socket: the answer of DAEMON_INFO."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(path))
        sock.sendall(frame(DAEMON_INFO.program, DAEMON_INFO.number, CALL, 0, OK))
        return DaemonInfoRet.decode(sock.recv(4096)[28:])


def test_it_serves_when_it_says_that_it_is_ready(start: Any) -> None:
    program = start()
    assert program.ready
    assert ask(program.socket).pid == program.process.pid
    limits = Path(f"/proc/{program.process.pid}/limits").read_text()
    soft, hard = re.search(r"Max open files +(\S+) +(\S+)", limits).groups()  # type: ignore[union-attr]
    assert int(soft) == min(int(hard), 65536)


def test_what_roots_daemon_makes_lets_guests_in_whatever_the_umask_of_its_shell(start: Any) -> None:
    before = os.umask(0o077)
    try:
        program = start()
    finally:
        os.umask(before)
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    assert f"Umask:\t{'0077' if os.geteuid() else '0022'}\n" in status


def test_term_ends_it_quietly_and_removes_its_sockets(start: Any) -> None:
    program = start()
    assert program.end() == (0, "")
    assert not program.socket.exists()


def test_interrupt_ends_it_as_term_does(start: Any) -> None:
    assert start().end(signal.SIGINT) == (0, "")


def test_it_tells_the_service_manager(start: Any, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        program = start(NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert manager.recv(100) == b"READY=1"
        program.end()
        assert manager.recv(100) == b"STOPPING=1"


def test_it_serves_sockets_that_were_passed_to_it(start: Any, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "passed"))
        listening.listen()
        program = tmp_path / "activate.py"
        program.write_text(
            "import os, sys\n"
            f"os.dup2({listening.fileno()}, 3)\n"
            "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\n"
            "os.environ.update(LISTEN_FDNAMES='read-write')\n"
            f"os.execv({DAEMON[0]!r}, {DAEMON!r} + sys.argv[1:])\n"
        )
        process = subprocess.Popen(
            [sys.executable, str(program), "--driver", "memory", "--state", str(tmp_path)],
            env={"PYTHONPATH": SEARCHED},
            pass_fds=[listening.fileno(), 3] if listening.fileno() != 3 else [3],
            close_fds=True,
        )
        try:
            assert ask(tmp_path / "passed").pid == process.pid
        finally:
            process.terminate()
            assert process.wait(60) == 0
    assert (tmp_path / "passed").exists()


def test_hangup_reads_the_configuration_again(start: Any, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[log]\nlevel = "warning"\n')
    program = start("--config", str(file), "--log-json")
    file.write_text('[log]\nlevel = "info"\n')
    program.process.send_signal(signal.SIGHUP)
    line = program.process.stderr.readline()
    assert json.loads(line)["message"] == "the configuration was read again"
    file.write_text("[log\n")
    program.process.send_signal(signal.SIGHUP)
    entry = json.loads(program.process.stderr.readline())
    assert (entry["level"], entry["message"][:32]) == ("error", "the configuration stays as it wa")
    assert ask(program.socket).pid == program.process.pid


def test_every_client_is_logged_when_asked_for(start: Any) -> None:
    program = start("--log-level", "info")
    ask(program.socket)
    status, errors = program.end()
    assert status == 0
    assert f"client 1 (pid {os.getpid()}, uid {os.getuid()}): connected" in errors
    assert "Traceback" not in errors


def test_a_mistake_ends_it_with_the_cure(start: Any, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[limits]\nclient = 7\n")
    program = start("--config", str(file))
    assert not program.ready
    status, errors = program.end()
    assert status == 1
    assert "unknown entry 'limits.client'" in errors
    assert "virtoryd.toml" in errors


def test_a_socket_that_nobody_serves_is_taken_over(start: Any, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "sock"))
    program = start()
    assert ask(program.socket).pid == program.process.pid


def test_a_second_daemon_leaves_the_first_ones_socket_alone(start: Any) -> None:
    first = start()
    second = start()
    assert not second.ready
    status, errors = second.end()
    assert status == 1
    assert "another process listens there" in errors
    assert ask(first.socket).pid == first.process.pid


def test_killed_it_can_be_started_again(start: Any) -> None:
    first = start()
    first.end(signal.SIGKILL)
    second = start()
    assert ask(second.socket).pid == second.process.pid


def test_a_living_libvirtd_keeps_its_sockets(start: Any, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root's daemon would listen in the system's own directory")
    (tmp_path / "libvirt").mkdir()
    with socket.socket(socket.AF_UNIX) as libvirtd:
        libvirtd.bind(str(tmp_path / "libvirt" / "libvirt-sock"))
        libvirtd.listen()
        program = start("--libvirt-sockets", XDG_RUNTIME_DIR=str(tmp_path))
        assert not program.ready
        status, errors = program.end()
    assert status == 1
    assert "libvirt-sock': another process listens there; stop libvirtd" in errors
    assert not program.socket.exists()


def test_libvirts_clients_find_a_users_daemon(start: Any, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root's daemon would listen in the system's own directory")
    program = start("--libvirt-sockets", XDG_RUNTIME_DIR=str(tmp_path))
    for name in ("libvirt-sock", "virtqemud-sock"):
        assert ask(tmp_path / "libvirt" / name).pid == program.process.pid


def test_only_its_owner_can_connect_to_a_private_daemon(start: Any) -> None:
    program = start()
    mode = program.socket.stat().st_mode & 0o777
    assert mode in ((0o600,) if os.geteuid() else (0o600, 0o660))


def test_its_version_is_the_packages() -> None:
    done = subprocess.run(
        [*DAEMON, "--version"],
        env={"PYTHONPATH": SEARCHED},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"virtoryd {virtory.__version__}\n"


def test_a_thousand_connections_leave_no_descriptor_behind(start: Any) -> None:
    program = start()
    directory = f"/proc/{program.process.pid}/fd"
    ask(program.socket)
    before = len(os.listdir(directory))
    for _ in range(1000):
        ask(program.socket)
    assert len(os.listdir(directory)) <= before + 2
