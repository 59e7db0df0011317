"""How many images a disk may stand on: as many as a machine can start with."""

from __future__ import annotations

import os

import pytest
from test_snapshots import asked, disk, image

from virtory.errors import OperationUnsupported
from virtory.model.image_format import new_qcow2

MOST, DISK_ONLY = 200, 0x10


def on_each_other(directory, count):
    """The last of so many images."""
    path = image(directory / "0.qcow2")
    for number in range(1, count):
        made = new_qcow2(64 << 20, backing=os.fsencode(path), backing_format="qcow2")
        path = directory / f"{number}.qcow2"
        with path.open("wb") as file:
            for offset, piece in made.pieces:
                file.seek(offset)
                file.write(piece)
            file.truncate(made.length)
    return path


async def test_a_chain_does_not_grow_beyond_what_can_start(driver, bare, tmp_path):
    ref = await driver.domain.define(bare("m", disk(on_each_other(tmp_path, MOST - 1))), 0)
    await driver.snapshot.create(ref.uuid, asked("one"), DISK_ONLY)
    with pytest.raises(OperationUnsupported, match=f"stands on {MOST} images already"):
        await driver.snapshot.create(ref.uuid, asked("two"), DISK_ONLY)
    await driver.domain.create(ref.uuid, 0, None)
    with pytest.raises(OperationUnsupported, match="delete older snapshots"):
        await driver.snapshot.create(ref.uuid, asked("two"), DISK_ONLY)
