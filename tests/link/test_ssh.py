"""Links through ssh: the words that are run here and on the far side, and what goes wrong."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtory.errors import ConnectionLost, OpenFailed
from virtory.link import ssh
from virtory.link.unix import Listener, UnixLink
from virtory.link.uri import parse
from virtory.wire.remote import connect
from virtory.wire.session import CLIENT, SERVER, Session

if TYPE_CHECKING:
    import socket
    from pathlib import Path


def words(uri: str, *, readonly: bool = False) -> list[str]:
    return ssh.command(parse(uri), readonly=readonly)


def test_the_parameters_become_ssh_options() -> None:
    found = words("qemu+ssh://u@h:99/system?keyfile=/k&no_verify=1&no_tty=1&command=/bin/my-ssh")
    wanted = "-T -e none -p 99 -l u -i /k -o BatchMode=yes -o StrictHostKeyChecking=no -- h"
    assert found[:-1] == ["/bin/my-ssh", *shlex.split(wanted)]


def test_the_host_is_never_taken_for_an_option() -> None:
    found = words("qemu+ssh://h/system")
    assert found[found.index("h") - 1] == "--"


@pytest.mark.parametrize(
    ("uri", "readonly", "script"),
    [
        ("qemu+ssh://h/system?proxy=native", False, "exec virt-ssh-helper qemu:///system"),
        ("qemu+ssh://h/system?proxy=native", True, "exec virt-ssh-helper -r qemu:///system"),
        ("virtory+ssh://h/session", False, "exec virtory proxy session"),
        ("virtory+ssh://h/system", True, "exec virtory proxy --readonly system"),
        ("virtory+ssh://h/?socket=/a%20b", False, "exec virtory proxy '/a b'"),
    ],
)
def test_the_far_side_runs_the_right_program(uri: str, readonly: bool, script: str) -> None:
    assert ssh.far_script(parse(uri), readonly=readonly) == script
    assert words(uri, readonly=readonly)[-1] == f"sh -c {ssh.quoted(script)}"


@given(st.text(min_size=0, max_size=40).filter(lambda text: "\0" not in text))
def test_quoting_makes_exactly_one_word(text: str) -> None:
    assert shlex.split(ssh.quoted(text)) == [text]


@pytest.fixture
def fake_ssh(tmp_path: Path) -> str:
    """Stands for ssh: runs the far side's command here, by the login shell, as ssh does."""
    program = tmp_path / "ssh"
    program.write_text('#!/bin/bash\nexec bash -c "${@: -1}"\n')
    program.chmod(0o755)
    return str(program)


@pytest.fixture
async def hostname_server(tmp_path: Path, end: Any) -> Any:
    path = str(tmp_path / "it's a socket")
    ends: list[Any] = []

    def answer(session: Any, call: Any) -> None:
        session.reply(call, connect.ConnectGetHostnameRet("far away"))

    def on_connection(sock: socket.socket) -> None:
        ends.append(end(UnixLink(sock, Session(SERVER)), answer))

    listener = Listener(on_connection)
    listener.listen(path)
    yield path
    listener.close()
    for item in ends:
        item.link.close()


@pytest.mark.skipif(not shutil.which("nc"), reason="needs netcat-openbsd")
async def test_netcat_joins_us_to_a_socket_whose_name_needs_quoting(
    fake_ssh: str, hostname_server: str, end: Any, descriptors: Any
) -> None:
    before = len(descriptors())
    escaped = hostname_server.replace(" ", "%20").replace("'", "%27")
    uri = parse(f"qemu+ssh://h/system?command={fake_ssh}&socket={escaped}")
    process = ssh.SshProcess(uri, readonly=False)
    client = end(UnixLink(process.sock, Session(CLIENT), process.explain))
    client.session.call(connect.CONNECT_GET_HOSTNAME)
    client.link.flush()
    await client.until(lambda: client.values or client.losses)
    assert client.values[0].ret.hostname == "far away"
    client.link.close()
    process.close()
    assert len(descriptors()) <= before + 1


async def test_what_ssh_said_is_the_error(tmp_path: Path, end: Any) -> None:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    program.chmod(0o755)
    process = ssh.SshProcess(parse(f"qemu+ssh://h/system?command={program}"), readonly=False)
    client = end(UnixLink(process.sock, Session(CLIENT), process.explain))
    await client.until(lambda: client.losses)
    process.close()
    assert type(client.losses[0]) is ConnectionLost
    assert "ssh to h said: Permission denied (publickey)." in str(client.losses[0])


async def test_a_far_host_without_a_daemon_says_so(fake_ssh: str, tmp_path: Path, end: Any) -> None:
    uri = parse(f"qemu+ssh://h/system?command={fake_ssh}&socket={tmp_path}/none")
    process = ssh.SshProcess(uri, readonly=False)
    client = end(UnixLink(process.sock, Session(CLIENT), process.explain))
    await client.until(lambda: client.losses)
    process.close()
    assert f"no daemon listens on {tmp_path}/none" in str(client.losses[0])


def test_a_missing_ssh_says_what_to_install(descriptors: Any) -> None:
    before = descriptors()
    with pytest.raises(OpenFailed, match="install the OpenSSH client"):
        ssh.SshProcess(parse("qemu+ssh://h/system?command=/nowhere/ssh"), readonly=False)
    assert descriptors() == before


def test_closing_ends_an_ssh_that_hangs(tmp_path: Path) -> None:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\necho $$ >&2\nexec sleep 1000\n")
    program.chmod(0o755)
    process = ssh.SshProcess(parse(f"qemu+ssh://h/system?command={program}"), readonly=False)
    pid = process._process.pid
    process.sock.close()
    process.close()
    assert not os.path.exists(f"/proc/{pid}")


def test_the_netcat_script_is_a_script() -> None:
    for uri in ("qemu+ssh://h/system", "qemu+ssh://h/session?netcat=my%20nc"):
        script = ssh.far_script(parse(uri), readonly=True)
        done = subprocess.run(["sh", "-n", "-c", script], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
