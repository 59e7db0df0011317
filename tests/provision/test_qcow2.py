"""What a disk's header may say before anything opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.provision.conftest import qcow2

from virtory.provision.errors import BadImage
from virtory.provision.qcow2 import backing_file, check_harmless, detect, virtual_size

if TYPE_CHECKING:
    from pathlib import Path


def _file(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(data)
    return path


def test_formats_are_told_by_content(tmp_path: Path) -> None:
    assert detect(_file(tmp_path, qcow2())) == "qcow2"
    assert detect(_file(tmp_path, b"\0" * 1024)) == "raw"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"KDMV".ljust(512), "VMDK"),
        (b"vhdxfile".ljust(512), "VHDX"),
        (b"<!DOCTYPE html><html>".ljust(512), "web page"),
        (b"PK\x03\x04".ljust(512), "ZIP"),
        (b"", "whole sectors"),
        (b"\0" * 1000, "whole sectors"),
    ],
)
def test_what_is_no_disk_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(BadImage, match=said):
        detect(_file(tmp_path, data))


def test_a_backing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="/etc/shadow"):
        check_harmless(_file(tmp_path, qcow2(backing="/etc/shadow")))


def test_an_external_data_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="external data file"):
        check_harmless(_file(tmp_path, qcow2(incompatible=1 << 2)))


def test_a_plain_image_is_harmless(tmp_path: Path) -> None:
    path = _file(tmp_path, qcow2(size=3 << 20))
    check_harmless(path)
    assert (backing_file(path), virtual_size(path)) == (None, 3 << 20)


@pytest.mark.parametrize("length", range(0, 72, 7))
def test_a_header_cut_short_is_an_error(tmp_path: Path, length: int) -> None:
    path = _file(tmp_path, qcow2(backing="x")[:length])
    if length >= 32:
        assert virtual_size(path) == 1 << 20
    else:
        with pytest.raises(BadImage, match="not a qcow2"):
            check_harmless(path)


def test_an_endless_backing_file_name_is_an_error(tmp_path: Path) -> None:
    data = bytearray(qcow2(backing="x"))
    data[16:20] = (1 << 30).to_bytes(4, "big")
    with pytest.raises(BadImage, match="not allowed"):
        backing_file(_file(tmp_path, bytes(data)))
