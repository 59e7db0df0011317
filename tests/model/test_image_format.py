"""Images told by their headers, and empty qcow2 images that QEMU finds no fault with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtory.model.image_format import HEAD_BYTES, new_qcow2, read_header

if TYPE_CHECKING:
    from pathlib import Path

needs_qemu_img = pytest.mark.skipif(
    shutil.which("qemu-img") is None, reason="qemu-img is not installed"
)


def qemu_img(*words: str) -> str:
    return subprocess.run(["qemu-img", *words], check=True, capture_output=True, text=True).stdout


@needs_qemu_img
@pytest.mark.parametrize("format", ["qcow2", "qcow", "vmdk", "vdi", "vpc", "qed"])
def test_what_qemu_img_makes_is_recognised(tmp_path: Path, format: str) -> None:
    path = str(tmp_path / "image")
    qemu_img("create", "-q", "-f", format, path, "8M")
    with open(path, "rb") as file:
        header = read_header(file.read(HEAD_BYTES))
    assert header.format == format
    size = json.loads(qemu_img("info", "--output=json", path))["virtual-size"]
    assert header.capacity == size


@needs_qemu_img
@pytest.mark.parametrize("format", ["qcow2", "qed", "vmdk"])
def test_the_image_below_is_named(tmp_path: Path, format: str) -> None:
    base, path = str(tmp_path / "base"), str(tmp_path / "image")
    below = "vmdk" if format == "vmdk" else "raw"
    qemu_img("create", "-q", "-f", below, base, "8M")
    qemu_img("create", "-q", "-f", format, "-b", base, "-F", below, path)
    with open(path, "rb") as file:
        header = read_header(file.read(HEAD_BYTES))
    assert header.backing == base
    assert header.backing_format in (below, None)


@needs_qemu_img
@pytest.mark.parametrize("capacity", [0, 1024, 1 << 20, 1 << 30, 10 << 40])
@pytest.mark.parametrize("compat", ["0.10", "1.1"])
@pytest.mark.parametrize("cluster_size", [4096, 65536, 2 << 20])
def test_an_empty_image_is_faultless(
    tmp_path: Path, capacity: int, compat: str, cluster_size: int
) -> None:
    image = new_qcow2(
        capacity, compat=compat, cluster_size=cluster_size, lazy_refcounts=compat == "1.1"
    )
    if image is None:  # too many clusters of tables for one block of reference counts
        assert (capacity, cluster_size) == (10 << 40, 4096)
        return
    path = tmp_path / "image"
    write(path, image)
    qemu_img("check", str(path))
    info: Any = json.loads(qemu_img("info", "--output=json", str(path)))
    assert info["virtual-size"] == capacity
    assert info["cluster-size"] == cluster_size
    assert info["format-specific"]["data"]["compat"] == compat
    header = read_header(path.read_bytes()[:HEAD_BYTES])
    assert (header.capacity, header.cluster_size) == (capacity, cluster_size)
    assert header.lazy_refcounts == (compat == "1.1")


@needs_qemu_img
def test_an_empty_image_reads_what_is_below_it(tmp_path: Path) -> None:
    base, path = tmp_path / "base", tmp_path / "image"
    base.write_bytes(b"virtory!" * (1 << 17))
    image = new_qcow2(1 << 20, compat="1.1", backing=os.fsencode(base), backing_format="raw")
    assert image is not None
    write(path, image)
    qemu_img("compare", "-f", "qcow2", "-F", "raw", str(path), str(base))
    qemu_img("check", str(path))


def write(path: Path, image: Any) -> None:
    with path.open("wb") as file:
        for offset, piece in image.pieces:
            os.pwrite(file.fileno(), piece, offset)
        file.truncate(image.length)


def test_an_iso_is_told_by_its_mark() -> None:
    head = bytes(32769) + b"CD001" + bytes(600)
    assert read_header(head).format == "iso"


@given(st.binary(max_size=200), st.sampled_from([b"", b"QFI\xfb", b"QED\0", b"KDMV", b"conectix"]))
def test_no_bytes_are_too_wrong_to_be_read(rest: bytes, magic: bytes) -> None:
    read_header(magic + rest)
