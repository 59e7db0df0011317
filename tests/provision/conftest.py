"""Stores and disks in temporary directories."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from virtory.provision.images import DISK, Image, ImageStore

if TYPE_CHECKING:
    from pathlib import Path


def qcow2(
    size: int = 1 << 20, *, backing: str = "", version: int = 3, incompatible: int = 0
) -> bytes:
    """The header of a qcow2 file, as far as it is read before anything opens it."""
    name = backing.encode()
    head = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb", version, 112 if name else 0, len(name), 16, size, 0, 0, 0, 0, 0, 0, 0,
        incompatible, 0, 0, 4, 112,
    )  # fmt: skip
    return (head + b"\0" * 8)[:112].ljust(112, b"\0") + name


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images", tmp_path / "machines")


def add(store: ImageStore, name: str, **facts: object) -> Image:
    with store.adding(name) as place:
        (place / DISK).write_bytes(qcow2())
        return store.publish(place, Image(name=name, directory=place, **facts))  # type: ignore[arg-type]


def machine_on(store: ImageStore, image: Image, name: str) -> Path:
    directory = store.machines / name
    directory.mkdir(parents=True)
    disk = directory / "disk.qcow2"
    disk.write_bytes(qcow2(backing=str(image.disk)))
    return disk
