"""Which daemon is meant, what is said when it is not there, and how our own is started."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lxml
import pytest

import virtory
from virtory import errors
from virtory.client import autostart
from virtory.client.dial import may_start
from virtory.link.uri import parse

if TYPE_CHECKING:
    from collections.abc import Iterator


PYTHONPATH = f"{Path(virtory.__file__).parents[1]}:{Path(lxml.__file__).parents[1]}"


def run_in(
    environment: dict[str, str], code: str, program: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Python code in a process of its own, with this environment only."""
    keep = {"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH}
    words = [program, "-W", "error", "-c", code]
    return subprocess.run(
        words, env={**keep, **environment}, capture_output=True, text=True, check=False, timeout=100
    )


CONNECT = """
import virtory, sys
async def work():
    try:
        async with virtory.connect({uri!r}, blocking={blocking}) as host:
            print(host.address.text, await host.hypervisor())
    except virtory.errors.VirtoryError as error:
        print(type(error).__name__, error)
if {blocking}:
    virtory.run_sync(work())
else:
    import asyncio
    asyncio.run(work())
"""


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("variable", ["VIRTORY_URI", "LIBVIRT_DEFAULT_URI"])
def test_the_environment_says_where_to(virtoryd: str, variable: str, blocking: bool) -> None:
    done = run_in({variable: virtoryd}, CONNECT.format(uri=None, blocking=blocking))
    assert (done.stdout, done.stderr) == (f"{virtoryd} TEST\n", "")


@pytest.mark.parametrize("blocking", [True, False])
def test_nobody_there_is_said_with_the_socket_and_the_cure(tmp_path: Path, blocking: bool) -> None:
    uri = f"qemu+unix:///system?socket={tmp_path}/none"
    done = run_in({}, CONNECT.format(uri=uri, blocking=blocking))
    assert done.stdout.startswith("OpenFailed failed to connect to qemu+unix")
    assert f"'{tmp_path}/none': No such file or directory; start libvirtd" in done.stdout
    assert done.stderr == ""


def test_who_named_a_daemon_that_does_not_answer_is_said(tmp_path: Path) -> None:
    uri = f"qemu+unix:///system?socket={tmp_path}/none"
    done = run_in({"LIBVIRT_DEFAULT_URI": uri}, CONNECT.format(uri=None, blocking=True))
    assert "LIBVIRT_DEFAULT_URI names it; start libvirtd" in done.stdout


def test_a_socket_on_which_nobody_listens_says_so(tmp_path: Path) -> None:
    path = str(tmp_path / "dead")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
    with pytest.raises(errors.OpenFailed, match="Connection refused; start libvirtd"):
        virtory.open_sync(f"qemu+unix:///system?socket={path}")


async def test_a_daemon_with_a_full_backlog_is_waited_for(tmp_path: Path) -> None:
    path = str(tmp_path / "busy")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(0)
        first = socket.socket(socket.AF_UNIX)
        first.connect(path)
        connecting = asyncio.create_task(_opened(f"qemu+unix:///system?socket={path}"))
        for _ in range(5):
            await asyncio.sleep(0)
        first.close()
        listening.accept()[0].close()
        listening.setblocking(False)
        loop = asyncio.get_running_loop()
        second, _ = await asyncio.wait_for(loop.sock_accept(listening), 60)
        assert len(await asyncio.wait_for(loop.sock_recv(second, 100), 60)) == 28
        second.close()
        with pytest.raises(errors.ConnectionLost):
            await connecting


async def _opened(uri: str) -> virtory.Host:
    return await virtory.connect(uri)


async def test_an_unanswered_connect_can_be_given_up(tmp_path: Path) -> None:
    path = str(tmp_path / "silent")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await virtory.connect(f"qemu+unix:///system?socket={path}")
        accepted, _ = listening.accept()
        with accepted:
            while accepted.recv(1000):
                pass


def test_ssh_that_fails_is_quoted_by_both_worlds(tmp_path: Path, drive: Any) -> None:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n")
    program.chmod(0o755)

    async def never(host: virtory.Host) -> None:
        raise AssertionError(host)

    with pytest.raises(errors.ConnectionLost, match="Host key verification failed"):
        drive(f"qemu+ssh://far/system?command={program}", never)


@pytest.mark.skipif(not shutil.which("nc"), reason="needs netcat-openbsd")
def test_a_daemon_is_reached_through_ssh(tmp_path: Path, drive: Any, virtoryd: str) -> None:
    program = tmp_path / "ssh"
    program.write_text('#!/bin/bash\nexec bash -c "${@: -1}"\n')
    program.chmod(0o755)
    path = virtoryd.partition("?socket=")[2]

    async def ask(host: virtory.Host) -> str:
        return await host.hypervisor()

    uri = f"qemu+ssh://far/system?command={program}&socket={path}&name=test:///default"
    assert drive(uri, ask) == "TEST"


# -- starting our own ------------------------------------------------------------------------------


@pytest.fixture
def own_socket(tmp_path: Path) -> Iterator[str]:
    """Where a daemon may be started; it is ended afterwards by the process id that it tells."""
    path = str(tmp_path / "run" / "test-sock")
    yield path
    try:
        with virtory.open_sync(f"test+unix:///default?socket={path}") as host:
            pid = host.daemon_info().pid
    except errors.OpenFailed:
        return
    watch = os.pidfd_open(pid)
    signal.pidfd_send_signal(watch, signal.SIGTERM)
    os.close(watch)


def test_a_daemon_is_started_and_serves_when_this_returns(own_socket: str) -> None:
    autostart.start_daemon(own_socket, "test")
    with virtory.open_sync(f"test+unix:///default?socket={own_socket}") as host:
        assert host.hypervisor() == "TEST"
        assert os.getsid(host.daemon_info().pid) != os.getsid(0)


def test_starters_at_the_same_moment_get_one_daemon(own_socket: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            autostart.start_daemon(own_socket, "test")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    pids = set()
    for thread in threads:
        thread.join()
        with virtory.open_sync(f"test+unix:///default?socket={own_socket}") as host:
            pids.add(host.daemon_info().pid)
    assert failures == []
    assert len(pids) == 1


@pytest.fixture
def closed_umask() -> Iterator[None]:
    """What is made is its owner's alone, unless it is said."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("closed_umask")
def test_a_daemon_that_does_not_come_up_says_its_last_words(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30)
    with pytest.raises(errors.OpenFailed, match="virtoryd ended with status 1") as caught:
        autostart.start_daemon(str(directory / "sock"), "test")
    assert "more than 107 bytes" in str(caught.value)
    assert "more than 107 bytes" in (directory / "testd.log").read_text()
    # The system instance lets others come as far as its sockets, whose modes decide.
    assert directory.stat().st_mode & 0o777 == (0o755 if os.geteuid() == 0 else 0o700)


def test_a_directory_that_can_not_be_made_says_which(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.OpenFailed, match="/file': File exists; check XDG_RUNTIME_DIR"):
        autostart.start_daemon(str(tmp_path / "file" / "sock"), "test")


def test_a_log_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "testd.log").symlink_to(tmp_path / "another")
    before = os.listdir("/proc/self/fd")
    with pytest.raises(errors.OpenFailed, match=r"its log '.*testd\.log'") as caught:
        autostart.start_daemon(str(tmp_path / "sock"), "test")
    assert caught.value.cure is not None
    assert os.listdir("/proc/self/fd") == before


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A Python that an unprivileged user can run, and a runtime directory of that user's."""
    if os.geteuid() != 0:
        pytest.skip("becomes another user")
    needs = "import os; os.setgid(65534); os.setuid(65534); import asyncio, json, lxml.etree"
    for program in (sys.executable, "/usr/bin/python3"):
        if run_in({}, needs, program).returncode == 0:
            break
    else:
        pytest.skip("no Python here can be run by another user")
    with tempfile.TemporaryDirectory(prefix="virtory-nobody-") as directory:
        os.chown(directory, 65534, 65534)
        yield program, Path(directory)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_user_without_a_daemon_gets_one_of_their_own(
    nobody: tuple[str, Path], blocking: bool
) -> None:
    program, directory = nobody
    code = f"""
import os, signal
os.setgroups([]); os.setgid(65534); os.setuid(65534)
{CONNECT.format(uri="test:///default", blocking=blocking)}
with virtory.open_sync('test:///default') as host:
    info = host.daemon_info()
    watch = os.pidfd_open(info.pid)
    print(info.instance, os.stat({str(directory)!r} + '/virtory/test-sock').st_uid)
    signal.pidfd_send_signal(watch, signal.SIGTERM)
import select
poll = select.poll()
poll.register(watch)
poll.poll(20000)
"""
    home = {"XDG_RUNTIME_DIR": str(directory), "HOME": str(directory)}
    done = run_in(home, code, program)
    assert (done.stdout, done.stderr) == ("test:///default TEST\nuser 65534\n", "")


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("virtory:///session", True),
        ("test:///default", True),
        ("virtory:///session?socket=/x", False),
        ("qemu:///session", False),
        ("virtory:///system", os.geteuid() == 0),
    ],
)
def test_only_ones_own_virtoryd_is_ever_started(text: str, starts: bool) -> None:
    assert may_start(parse(text)) is starts


def test_the_proxy_joins_ssh_to_the_daemon(tmp_path: Path, drive: Any, virtoryd: str) -> None:
    program = tmp_path / "virtory"
    program.write_text(
        f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "
        "'import sys; from virtory.cli.main import main; sys.exit(main())' \"$@\"\n"
    )
    program.chmod(0o755)
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/bash\nPATH={tmp_path}:$PATH exec bash -c "${{@: -1}}"\n')
    ssh.chmod(0o755)
    path = virtoryd.partition("?socket=")[2]

    async def ask(host: virtory.Host) -> str:
        return await host.hypervisor()

    uri = f"virtory+ssh://far/session?command={ssh}&socket={path}&name=test:///default"
    assert drive(uri, ask) == "TEST"
    gone = f"virtory+ssh://far/session?command={ssh}&socket={tmp_path}/none"
    with pytest.raises(
        errors.ConnectionLost, match=r"/none.: No such file or directory\s.*start virtoryd"
    ):
        drive(gone, ask)
