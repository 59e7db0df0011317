"""Merging and rebasing images that nobody has open."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from virtory.driver import qcow2
from virtory.driver.qemu.disks import offline_chain
from virtory.driver.qemu.disks.image_chain import chain
from virtory.errors import OperationFailed

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


async def test_an_image_is_put_on_another_and_on_nothing(tmp_path: Path) -> None:
    base = made(tmp_path / "base", 1)
    mid = made(tmp_path / "mid", 2, base)
    top = made(tmp_path / "top", 3, mid)
    before = content(top)
    await offline_chain.rebase(str(top), "qcow2", str(base), "qcow2")
    assert content(top) == before
    await offline_chain.rebase(str(top), "qcow2", None, None)
    assert len(chain(str(top), "qcow2")) == 1
    assert content(top) == before


async def test_what_goes_wrong_is_told_in_qemu_imgs_words(tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match=r"cannot merge .*No such file"):
        await offline_chain.commit(str(tmp_path / "no"), "qcow2", "/none")
