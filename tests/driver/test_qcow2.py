"""qcow2 images written directly, judged by qemu-img."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from virtory.driver import qcow2
from virtory.driver.qemu.snapshot import internal

if TYPE_CHECKING:
    from pathlib import Path


def made(path: Path, size: int, *below: str) -> Path:
    path.touch()
    qcow2.write_empty(str(path), size, *below)
    return path


def told(path: Path) -> dict[str, object]:
    words = ["qemu-img", "info", "--output=json", "-f", "qcow2", str(path)]
    answer: dict[str, object] = json.loads(subprocess.check_output(words))
    return answer


@pytest.mark.parametrize("size", [0, 512, 10 << 20, (1 << 40) + 512, 64 << 40])
def test_an_empty_image_of_any_size_is_whole(tmp_path: Path, size: int) -> None:
    path = made(tmp_path / "image", size)
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", path], check=True)
    assert told(path)["virtual-size"] == size == qcow2.virtual_size(str(path))


def test_an_overlay_names_what_is_below_with_its_format(tmp_path: Path) -> None:
    (tmp_path / "below").write_bytes(bytes(1 << 20))
    path = made(tmp_path / "image", 1 << 20, str(tmp_path / "below"), "raw")
    answer = told(path)
    assert answer["backing-filename"] == str(tmp_path / "below")
    assert answer["backing-filename-format"] == "raw"
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", path], check=True)


def test_an_overlay_is_empty_until_something_is_written(tmp_path: Path) -> None:
    (tmp_path / "below").write_bytes(bytes(1 << 20))
    path = made(tmp_path / "image", 1 << 20, str(tmp_path / "below"), "raw")
    assert qcow2.is_empty_overlay(str(path))
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 64k 512", path], check=True)
    assert not qcow2.is_empty_overlay(str(path))
    assert not qcow2.is_empty_overlay(str(tmp_path / "below"))


@pytest.mark.parametrize("place", [1 << 40, (1 << 64) - 1])
def test_tables_beyond_the_end_are_not_looked_for(tmp_path: Path, place: int) -> None:
    path = made(tmp_path / "image", 1 << 20)
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), struct.pack(">Q", place), 40)
        assert not qcow2.is_empty_overlay(str(path))
        os.pwrite(file.fileno(), struct.pack(">IQ", 1, place), 60)
    assert internal.names_in(str(path)) == []


def test_what_the_format_can_not_hold_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image").touch()
    for size in (1, -512, (64 << 40) + 512):
        with pytest.raises(ValueError, match="are no size of a disk"):
            qcow2.write_empty(str(tmp_path / "image"), size)
    with pytest.raises(ValueError, match="longer than 1023 bytes"):
        qcow2.write_empty(str(tmp_path / "image"), 512, "x" * 1024, "raw")
    with pytest.raises(ValueError, match="no qcow2 image"):
        qcow2.virtual_size(str(tmp_path / "image"))
