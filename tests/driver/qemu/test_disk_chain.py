"""The chain of a running disk as values."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from virtory.driver.qemu import growth
from virtory.driver.qemu.disks import disk_chain
from virtory.driver.qemu.plan import Image, OpenFile, Plan
from virtory.errors import SystemCallFailed

if TYPE_CHECKING:
    from pathlib import Path


def plan_of(depth: int) -> Plan:
    files = tuple(
        OpenFile(slot, f"/images/{slot}", "rw" if slot == 1 else "r", slot, f"disk:vda:{slot - 1}")
        for slot in range(1, depth + 1)
    )
    images = tuple(
        Image("vda", n, n + 1, f"/images/{n + 1}", "qcow2", False, read_only=n > 0, slot=n + 1)
        for n in range(depth)
    )
    return Plan(1, "/usr/bin/qemu", "tcg", "/run/guest", None, None, files=files, images=images)


def test_an_image_put_on_top_deepens_the_others(tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    plan = plan_of(2)
    more = disk_chain.beside(plan, "vda", os.fspath(tmp_path / "new"), "qcow2")
    grown = growth.joined(plan, more)
    assert grown.chain("vda") == plan.chain("vda")
    assert [i.index for i in disk_chain.images_beside(grown, "vda")] == [3]
    stacked = disk_chain.rechained(grown, "vda", [*more.images, *plan.chain("vda")])
    assert [(i.index, i.depth, i.read_only) for i in stacked.chain("vda")] == [
        (3, 0, False),
        (1, 1, True),
        (2, 2, True),
    ]
    assert [f.purpose for f in stacked.files] == ["disk:vda:1", "disk:vda:2", "disk:vda:0"]


def test_images_taken_out_stand_beside_until_they_are_given_back() -> None:
    plan = plan_of(3)
    top, _, base = plan.chain("vda")
    cut = disk_chain.rechained(plan, "vda", [top, base])
    assert [i.index for i in cut.chain("vda")] == [1, 3]
    gone = disk_chain.images_beside(cut, "vda")
    assert [i.index for i in gone] == [2]
    less = growth.without(cut, disk_chain.rows_of(cut, gone))
    assert [f.slot for f in less.files] == [1, 3]
    assert Plan.from_json(less.to_json()) == less


def test_an_image_that_is_not_there_is_named() -> None:
    with pytest.raises(SystemCallFailed, match="'/nowhere/x'"):
        disk_chain.beside(plan_of(1), "vda", "/nowhere/x", "qcow2")
