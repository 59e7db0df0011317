"""The seed: what is on the disc, and that cloud-init and the tiny image read the same."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import threading
from typing import TYPE_CHECKING

import pycdlib
import pytest

from virtory.errors import InvalidArgument
from virtory.provision import tiny
from virtory.provision.keys import HostKey, new_host_key
from virtory.provision.order import Order
from virtory.provision.seed import NO_USER_DATA, Seed
from virtory.provision.user_data import read_user_data

if TYPE_CHECKING:
    from pathlib import Path

KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKz0 me: "who" # here'


def _seed(host_key: HostKey | None = None, user_data: bytes | None = None) -> Seed:
    return Seed("i-1", "web", (KEY,), "52:54:00:00:00:01", host_key, user_data)


def _read(disc: Path, name: str) -> bytes:
    image = pycdlib.PyCdlib()
    image.open(str(disc))
    try:
        out = io.BytesIO()
        image.get_file_from_iso_fp(out, rr_path=f"/{name}")
        return out.getvalue()
    finally:
        image.close()


def test_the_disc_is_labelled_cidata_and_holds_all_files(tmp_path: Path) -> None:
    disc = tmp_path / "seed.iso"
    seed = _seed(user_data=b"#!/bin/sh\necho hello\n")
    seed.write_disc(disc)
    assert disc.read_bytes()[32808:32840].rstrip() == b"cidata"
    assert {name: _read(disc, name) for name in seed.files()} == seed.files()
    assert _read(disc, "user-data") == b"#!/bin/sh\necho hello\n"


def test_the_disc_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    disc = tmp_path / "seed.iso"
    _seed().write_disc(disc)
    assert stat.S_IMODE(disc.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        _seed().write_disc(disc)


def test_the_smbios_serial_names_the_same_instance_and_host(tmp_path: Path) -> None:
    assert _seed().serial() == "ds=nocloud;i=i-1;h=web"
    assert _seed().meta_data().startswith("instance-id: i-1\nlocal-hostname: web\n")


def test_a_key_with_any_comment_survives_yaml(tmp_path: Path) -> None:
    (line,) = (line for line in _seed().meta_data().splitlines() if line.startswith("  - "))
    assert json.loads(line.removeprefix("  - ")) == KEY  # JSON strings are YAML strings


def test_the_network_is_found_by_mac_and_not_by_name() -> None:
    text = _seed().network_config()
    assert 'macaddress: "52:54:00:00:00:01"' in text
    assert "eth0" not in text and "ens" not in text


def test_without_user_data_an_empty_cloud_config_is_there() -> None:
    assert _seed().files()["user-data"] == NO_USER_DATA.encode()


@pytest.mark.parametrize(
    "data", [b"#cloud-config\npackages: [git]\n", b"#!/bin/sh\n", b"\x1f\x8b8"]
)
def test_user_data_that_cloud_init_knows_is_taken_byte_for_byte(
    tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "data"
    path.write_bytes(data)
    assert read_user_data(path) == data


def test_user_data_that_cloud_init_would_ignore_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("packages: [git]\n")
    with pytest.raises(InvalidArgument, match=r"would ignore.*begin it with '#cloud-config'"):
        read_user_data(path)
    with pytest.raises(InvalidArgument, match="can not be read"):
        read_user_data(tmp_path / "none")
    path.write_bytes(b"#!" + b"x" * (1 << 20))
    with pytest.raises(InvalidArgument, match="larger than"):
        read_user_data(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("packages: [git\n", r"line 3, column 1: .*expected ',' or '\]'"),
        ("users:\n\t- name: a\n", r"line 3, column 1: found character.*indents by spaces"),
        ("motd: a: b\n", "line 2, column 8: mapping values are not allowed"),
        ("a: 1\nb: !unknown c\n", "line 3, column 4: could not determine a constructor"),
        ("when: 2024-99-99\n", "month must be in 1..12"),
        ('a: !!int ""\n', "a value is not what its tag says"),
        ("a: !!bool perhaps\n", "a value is not what its tag says"),
        ("a: !!timestamp now\n", "a value is not what its tag says"),
        ("a: \x07\n", "control characters are not allowed"),
        ("- packages\n", "is a list, where it looks for settings; write settings as"),
        ("packages\n", "is a text, where"),
    ],
)
def test_settings_that_cloud_init_could_not_read_are_refused_with_their_line(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "data"
    path.write_text(f"#cloud-config\n{text}")
    with pytest.raises(InvalidArgument, match=f"cloud-init would ignore {path}.*{said}"):
        read_user_data(path)
    with pytest.raises(InvalidArgument, match="would ignore"):
        Order("a", "debian", user_data=path).checked()


@pytest.mark.parametrize(
    "text",
    [
        "#cloud-config\n",
        "#cloud-config\n{}\n",
        "#cloud-config\r\na: &x [1]\r\nb: *x\r\n",
        "#cloud-config-archive\n- type: text/cloud-config\n",
        "## template: jinja\n#cloud-config\n{% if a %}\n",
    ],
)
def test_settings_that_it_can_read_are_not_judged(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data"
    path.write_text(text)
    assert read_user_data(path) == text.encode()


def test_user_data_is_read_once_so_that_it_may_come_by_a_pipe(tmp_path: Path) -> None:
    path, data = tmp_path / "pipe", b"#cloud-config\na: 1\n"
    os.mkfifo(path)
    writing = threading.Thread(target=path.write_bytes, args=(data,))
    writing.start()
    order = Order("a", "debian", user_data=path).checked()
    writing.join()
    path.unlink()
    assert order.checked().user_data == data


@pytest.mark.skipif(shutil.which("cloud-init") is None, reason="cloud-init is not installed")
def test_cloud_inits_own_schema_accepts_vendor_data(tmp_path: Path) -> None:
    path = tmp_path / "vendor-data"
    path.write_text(_seed(new_host_key(tmp_path, "web")).vendor_data())
    done = subprocess.run(
        ["cloud-init", "schema", "--config-file", str(path)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox is not installed")
def test_the_tiny_image_reads_host_name_keys_and_host_key(tmp_path: Path) -> None:
    """The reader's awk program, run by busybox on a real seed's files."""
    host_key = new_host_key(tmp_path, "web")
    seed = _seed(host_key)
    for name, data in seed.files().items():
        (tmp_path / name).write_bytes(data)
    script = (tiny.FILES / "seed").read_text()
    program = script.partition("awk '\n")[2].partition("\n' /run/seed")[0]
    program = program.replace('"/run/', f'"{tmp_path}/out-')
    files = [str(tmp_path / name) for name in ("meta-data", "vendor-data", "user-data")]
    subprocess.run(["busybox", "awk", program, *files], check=True)
    assert (tmp_path / "out-hostname").read_text().split() == ["web"]
    assert (tmp_path / "out-host_key").read_text().strip() == host_key.private.strip()
    (line,) = (tmp_path / "out-authorized_keys").read_text().splitlines()
    assert line.split()[:2] == KEY.split()[:2]
