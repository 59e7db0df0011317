"""Merging and rebasing images that nobody has open."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from virtory.driver import qcow2
from virtory.driver.qcow2 import write_empty
from virtory.driver.qemu.disks import offline_chain
from virtory.driver.qemu.disks.image_chain import chain
from virtory.errors import ConfigUnsupported, OperationFailed, SystemCallFailed

if TYPE_CHECKING:
    from pathlib import Path


def made(path: Path, pattern: int, below: Path | None = None) -> Path:
    path.touch()
    qcow2.write_empty(str(path), 8 << 20, str(below) if below else None, "qcow2" if below else None)
    write = f"write -P {pattern} {pattern}M 1M"
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", write, path], check=True, capture_output=True)
    return path


def content(path: Path) -> bytes:
    raw = path.with_suffix(".raw")
    words = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw]
    subprocess.run(words, check=True)
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", path], check=True)
    return raw.read_bytes()


async def test_an_image_is_merged_down_and_the_one_above_named_anew(tmp_path: Path) -> None:
    base = made(tmp_path / "base", 1)
    mid = made(tmp_path / "mid", 2, base)
    top = made(tmp_path / "top", 3, mid)
    before = content(top)
    seen: list[float] = []
    await offline_chain.commit(str(mid), "qcow2", str(base), seen.append)
    await offline_chain.commit(str(mid), "qcow2", str(base))
    assert seen[-1] == 1.0
    assert content(top) == before
    await offline_chain.rename_backing(str(top), "qcow2", str(base), "qcow2")
    assert [link.path for link in chain(str(top), "qcow2")] == [str(top), str(base)]
    assert content(top) == before


async def test_an_image_below_whose_format_is_not_named_is_not_probed(tmp_path: Path) -> None:
    base = made(tmp_path / "base", 1)
    top = tmp_path / "top"
    top.touch()
    write_empty(str(top), 1 << 20, str(base))
    with pytest.raises(ConfigUnsupported, match=r"but not its format"):
        await offline_chain.commit(str(top), "qcow2", str(base))


async def test_what_goes_wrong_is_told_in_qemu_imgs_words(tmp_path: Path) -> None:
    top = made(tmp_path / "top", 3, made(tmp_path / "base", 1))
    with pytest.raises(OperationFailed, match=r"cannot merge .*Did not find '/none'"):
        await offline_chain.commit(str(top), "qcow2", "/none")
    with pytest.raises(SystemCallFailed, match="No such file"):
        await offline_chain.commit(str(tmp_path / "no"), "qcow2", "/none")
