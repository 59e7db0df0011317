"""Keys, ports and ssh's argument vector."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from virtory.errors import InvalidArgument, ResourceBusy
from virtory.provision import keys, places, ports, ssh
from virtory.provision.errors import NotOurMachine, SshFailed
from virtory.provision.manifest import NAMESPACE, Manifest
from virtory.provision.order import Forward, Order


def _manifest(**other: object) -> Manifest:
    values: dict[str, object] = {
        "image": "tiny",
        "directory": Path("/m/web"),
        "files": ("disk.qcow2", "seed.iso"),
        "user": "root",
        "host": "127.0.0.1",
        "port": 22022,
        "key": Path("/k/id"),
        "host_key": "ssh-ed25519 AAAA web",
        "instance": "i-1",
    }
    return Manifest(**{**values, **other})  # type: ignore[arg-type]


def test_a_manifest_survives_its_xml() -> None:
    for manifest in (_manifest(), _manifest(key=None, cloud_init="minimal", user='a"<&b')):
        xml = manifest.to_xml()
        assert Manifest.from_xml(xml, "web") == manifest
        named = xml.replace("<machine>", f'<machine xmlns="{NAMESPACE}">')
        assert Manifest.from_xml(named, "web") == manifest


@pytest.mark.parametrize("name", ["../other", "a/b", "", ".."])
def test_a_manifest_whose_files_leave_its_directory_is_refused(name: str) -> None:
    xml = _manifest(files=("disk.qcow2", name)).to_xml()
    with pytest.raises(NotOurMachine, match="leaves the machine's directory"):
        Manifest.from_xml(xml, "web")


@pytest.mark.parametrize("xml", ["", "<x/>", "<virtory:machine/>", "<!DOCTYPE x><x/>"])
def test_a_broken_manifest_is_an_error_that_names_the_domain(xml: str) -> None:
    with pytest.raises(NotOurMachine, match="'web'"):
        Manifest.from_xml(xml, "web")


def test_ssh_checks_the_known_host_key_and_touches_no_file_of_the_user() -> None:
    words = ssh.argv(_manifest(), ["uname", "-a"])
    assert words[0] == "ssh"
    assert words[-4:] == ["--", "root@127.0.0.1", "uname", "-a"]
    assert "StrictHostKeyChecking=yes" in words
    assert "UserKnownHostsFile=/m/web/known_hosts" in words
    assert "GlobalKnownHostsFile=/dev/null" in words
    assert words[words.index("-i") + 1] == "/k/id"
    assert words[words.index("-p") + 1] == "22022"
    assert "BatchMode=yes" not in words and "BatchMode=yes" in ssh.argv(_manifest(), batch=True)
    assert "-i" not in ssh.argv(_manifest(key=None))


def test_no_user_is_read_as_an_option_of_ssh(tmp_path: Path) -> None:
    forged = _manifest(user=f"-oProxyCommand=touch {tmp_path}/owned;", directory=tmp_path)
    done = subprocess.run(ssh.argv(forged, ["true"]), capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["with space", "a'b\"c<&>", "100%d", "back\\slash", "tab\tin"])
def test_ssh_itself_accepts_the_options(tmp_path: Path, name: str) -> None:
    words = ssh.argv(_manifest(directory=tmp_path / name), options=["-v", "-G"])
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = (each for each in done.stdout.splitlines() if each.startswith("userknownhostsfile "))
    written = f"{tmp_path}/{name}/known_hosts"  # some versions of ssh show it escaped, some not
    assert line.removeprefix("userknownhostsfile ").replace("\\", "") == written.replace("\\", "")


def test_the_known_hosts_line_belongs_to_the_instance_not_to_the_port() -> None:
    assert ssh.known_hosts_line(_manifest()) == "virtory-i-1 ssh-ed25519 AAAA web\n"
    assert ssh.host_alias(_manifest(port=1)) == ssh.host_alias(_manifest(port=2))


def test_a_generated_key_is_private_and_its_public_half_fits(tmp_path: Path) -> None:
    keys.generate(tmp_path / "id", comment="c")
    assert stat.S_IMODE((tmp_path / "id").stat().st_mode) == 0o600
    done = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(tmp_path / "id")], capture_output=True, check=True, text=True
    )
    assert done.stdout.split()[:2] == (tmp_path / "id.pub").read_text().split()[:2]


def test_a_host_key_leaves_no_file(tmp_path: Path) -> None:
    key = keys.new_host_key(tmp_path, "web")
    assert key.private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert key.public.startswith("ssh-ed25519 ")
    assert list(tmp_path.iterdir()) == []


def test_the_users_own_key_is_taken_before_one_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VIRTORY_DATA", str(tmp_path / "data"))
    made = keys.user_key()
    assert made.private == tmp_path / "data/keys/id_ed25519"
    assert stat.S_IMODE((tmp_path / "data/keys").stat().st_mode) == 0o700
    assert keys.user_key() == made
    (tmp_path / ".ssh").mkdir()
    keys.generate(tmp_path / ".ssh/id_ed25519", comment="mine")
    assert keys.user_key().private == tmp_path / ".ssh/id_ed25519"
    assert keys.user_key(tmp_path / "data/keys/id_ed25519.pub") == made


def test_a_key_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SshFailed, match=r"none\.pub"):
        keys.user_key(tmp_path / "none")
    (tmp_path / "two.pub").write_text("ssh-rsa A\nssh-rsa B\n")
    with pytest.raises(SshFailed, match="not one OpenSSH public key"):
        keys.user_key(tmp_path / "two.pub")


def test_a_port_in_use_is_not_chosen_and_said_when_asked_for() -> None:
    name = f"{os.getpid()} of a test"  # whose port no machine of another test takes meanwhile
    first = ports.choose(name, 0, ())
    assert first == ports.choose(name, 0, ())
    assert ports.choose(name, 0, {first}) != first
    with socket.socket() as other:
        other.bind((ports.ADDRESS, first))
        other.listen()
        assert ports.choose(name, 0, ()) != first
        with pytest.raises(ResourceBusy, match=f"port {first} .*in use"):
            ports.choose(name, first, ())
    with pytest.raises(ResourceBusy, match="belongs to another machine"):
        ports.choose(name, first, {first})


def test_ports_of_machines_that_are_off_are_known(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        xml = _manifest(port=22100 + number).to_xml()
        (tmp_path / name / "machine.xml").write_text(xml)
    assert ports.taken(tmp_path) == {22100, 22101}


def test_data_lives_in_the_users_directories_or_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTORY_DATA", "/elsewhere")
    assert places.machines_directory() == Path("/elsewhere/machines")
    monkeypatch.delenv("VIRTORY_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", "/xdg")
    expected = "/var/lib/virtory" if os.geteuid() == 0 else "/xdg/virtory"
    assert places.images_directory() == Path(expected) / "images"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080:80", Forward(8080, 80)),
        ("0.0.0.0:8080:80", Forward(8080, 80, "tcp", "0.0.0.0")),
        ("5353:53/udp", Forward(5353, 53, "udp")),
    ],
)
def test_forwards_are_read(text: str, expected: Forward) -> None:
    assert Forward.parse(text) == expected


@pytest.mark.parametrize("text", ["", "80", "8080:", "70000:80", "a:b", "1:2/sctp"])
def test_what_is_no_forward_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="not a port forward"):
        Forward.parse(text)


@pytest.mark.parametrize(
    "order",
    [Order(""), Order("a/b"), Order(".."), Order("x", hostname="a_b"), Order("x", vcpus=0),
     Order("x", ssh_port=70000), Order("x", hostname="-a"), Order("x" * 200), Order(" "),
     Order("a\nb"), Order("\x1b[31m"), Order("a "), Order("-x"), Order("7"),
     Order("0c1d6a4e-8a0b-4f0e-9a53-1b6d9f6f3b11")],
)  # fmt: skip
def test_orders_that_can_not_be_are_refused(order: Order) -> None:
    with pytest.raises(InvalidArgument):
        order.checked()


def test_a_refused_name_is_told_with_the_reason_and_no_control_characters() -> None:
    with pytest.raises(InvalidArgument) as caught:
        Order("\x1b[31m").checked()
    assert "'\\x1b[31m' can not name a machine: a slash, a blank" in str(caught.value)
    with pytest.raises(InvalidArgument, match="take it for the id or UUID of another machine"):
        Order("12").checked()


def test_a_machines_name_is_made_fit_for_a_host_name() -> None:
    assert Order("My web_server.1").checked().guest_hostname == "My-web-server-1"
