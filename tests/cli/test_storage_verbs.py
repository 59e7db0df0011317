"""Verbs of volumes whose answers no conversation can hold: files, and machines' volumes."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = """<domain type='test'><name>d</name><memory unit='MiB'>8</memory><os><type>hvm</type></os>
<devices>
<disk type='file' device='disk'><source file='/default-pool/a'/><target dev='vda' bus='virtio'/>
</disk>
<disk type='volume' device='disk'><source pool='default-pool' volume='b'/>
<target dev='vdb' bus='virtio'/></disk>
<disk type='file' device='disk'><source file='/elsewhere/c'/><target dev='vdc' bus='virtio'/></disk>
<disk type='file' device='cdrom'><source file='/default-pool/cd'/><target dev='sda' bus='sata'/>
</disk>
</devices></domain>"""


@pytest.mark.parametrize("sparse", [[], ["--sparse"]])
def test_a_file_goes_up_and_comes_down(virtory: Any, tmp_path: Path, sparse: list[str]) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    with source.open("wb") as file:
        file.write(os.urandom(1 << 20))
        file.seek(7 << 20)
        file.write(os.urandom(100))
        file.truncate(8 << 20)
    virtory("vol-create-as", "default-pool", "v", "8M", "--allocation", "0")
    up = virtory("vol-upload", "v", str(source), "--pool", "default-pool", *sparse)
    assert (up.status, up.err) == (0, "")
    down = virtory("vol-download", "v", str(back), "--pool", "default-pool", *sparse)
    assert (down.status, down.err) == (0, "")
    assert back.read_bytes() == source.read_bytes()
    if sparse:
        assert back.stat().st_blocks * 512 <= 2 << 20
    virtory("vol-download", "v", str(back), "default-pool", "3", "5")
    assert back.read_bytes() == source.read_bytes()[3:8]


def test_a_download_that_fails_leaves_no_file(virtory: Any, tmp_path: Path) -> None:
    ran = virtory("vol-download", "nix", str(tmp_path / "back"), "--pool", "default-pool")
    assert ran.status == 1 and "no storage vol with matching name 'nix'" in ran.err
    assert not (tmp_path / "back").exists()
    ran = virtory("vol-upload", "nix", str(tmp_path / "none"), "--pool", "default-pool")
    assert ran.status == 1


@pytest.fixture
def machine(virtory: Any, tmp_path: Path) -> str:
    """A machine with volumes, a file in no pool, and a medium."""
    for name in ("a", "b", "cd"):
        assert virtory("vol-create-as", "default-pool", name, "1M").status == 0
    (tmp_path / "d.xml").write_text(DOMAIN)
    assert virtory("define", str(tmp_path / "d.xml")).status == 0
    return "d"


def volumes(virtory: Any) -> list[str]:
    return [row["name"] for row in json.loads(virtory("vol-list", "default-pool", "--json").out)]


def test_a_machine_goes_with_its_volumes_but_not_with_its_medium(
    virtory: Any, machine: str
) -> None:
    ran = virtory("undefine", machine, "--remove-all-storage", "--wipe-storage")
    assert ran.status == 0
    assert ran.out.splitlines()[:5] == [
        "Domain 'd' has been undefined",
        "Wiping volume 'vda'(/default-pool/a) ... Done.",
        "Volume 'vda'(/default-pool/a) removed.",
        "Wiping volume 'vdb'(b) ... Done.",
        "Volume 'vdb'(b) removed.",
    ]
    assert "'vdc' (/elsewhere/c) is in no pool" in ran.err
    assert volumes(virtory) == ["cd"]


def test_only_the_volumes_that_are_named_go(virtory: Any, machine: str) -> None:
    ran = virtory("undefine", machine, "--storage", "vda,nix")
    assert ran.status == 1 and "no disk of 'd' is called nix" in ran.err
    assert volumes(virtory) == ["a", "b", "cd"]
    assert virtory("undefine", machine, "--storage", "vda").status == 0
    assert volumes(virtory) == ["b", "cd"]


def test_a_running_machine_keeps_its_volumes(virtory: Any, machine: str) -> None:
    assert virtory("start", machine).status == 0
    ran = virtory("undefine", machine, "--remove-all-storage")
    assert ran.status == 1 and "can not be deleted while it runs" in ran.err
    assert volumes(virtory) == ["a", "b", "cd"]


def test_events_of_a_pool_are_told(virtory: Any) -> None:
    ran = virtory("pool-event", "--event", "lifecycle", "--timeout", "0")
    assert (ran.status, ran.out) == (0, "event loop timed out\nevents received: 0\n\n")
    assert virtory("pool-event", "--event", "nix").status == 1
    assert virtory("pool-event").status == 1


def test_a_pools_definition_is_edited(
    virtory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's,/images,/other,' \"$1\"\n")
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    virtory("pool-define-as", "images", "dir", "--target", "/images")
    assert virtory("pool-edit", "images").out == "Pool images XML configuration edited.\n\n"
    assert "/other" in virtory("pool-dumpxml", "images").out
    assert virtory("pool-edit", "images").out == "Pool images XML configuration not changed.\n\n"
