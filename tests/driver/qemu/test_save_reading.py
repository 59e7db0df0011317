"""Save images that another daemon has packed: read through the program that unpacks them."""

from __future__ import annotations

import lzma
import os
import shutil
import struct
from typing import TYPE_CHECKING

import pytest

from virtory.driver.qemu import save_image
from virtory.driver.qemu.save_reading import Reading
from virtory.errors import OperationFailed

if TYPE_CHECKING:
    from pathlib import Path

XZ = 3  # libvirt's number of it
STREAM = b"memory and devices" * 1000
XML = (
    "<domain type='qemu'><name>m</name><memory>32768</memory>"
    "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"
)


@pytest.fixture
def packed(tmp_path: Path) -> str:
    """An image whose stream is packed, as libvirt's `save_image_format = "xz"` makes them."""
    head = bytearray(save_image.head(XML, running=True, finished=True))
    struct.pack_into("=I", head, 16 + 3 * 4, XZ)
    path = tmp_path / "image"
    path.write_bytes(head + lzma.compress(STREAM))
    return str(path)


async def stream_of(path: str) -> bytes:
    """What QEMU would read."""
    async with Reading(path) as reading:
        resumption = await reading.resumption(runs=True)
        try:
            said = b""
            while data := os.read(reading.descriptor, 1 << 16):
                said += data
            return said
        finally:
            resumption.close()


@pytest.mark.skipif(shutil.which("xz") is None, reason="xz is not installed")
async def test_a_packed_stream_is_unpacked_on_its_way(packed: str) -> None:
    assert await stream_of(packed) == STREAM


async def test_a_program_that_can_not_unpack_it_is_named_and_nothing_stays_open(
    packed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OperationFailed, match="packed with xz, which is not installed") as caught:
        await stream_of(packed)
    assert caught.value.cure == "install it: apt install xz-utils"
    (tmp_path / "xz").write_text("no program")
    with pytest.raises(OperationFailed, match="packed with xz, which can not be run: Permission"):
        await stream_of(packed)
    assert os.listdir("/proc/self/fd") == before
