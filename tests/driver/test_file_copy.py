"""Copies of sparse files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from virtory.driver import file_copy

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    with path.open("wb") as file:
        file.truncate(32 * MIB)
        for place in (0, 5 * MIB, 31 * MIB):
            file.seek(place)
            file.write(os.urandom(MIB))
    return path


@pytest.mark.parametrize("sparse", [True, False])
def test_holes_are_kept_or_filled(source: Path, tmp_path: Path, sparse: bool) -> None:
    target = tmp_path / "target"
    target.touch()
    told: list[int] = []
    file_copy.copy(str(source), str(target), reflink="never", sparse=sparse, progress=told.append)
    assert target.read_bytes() == source.read_bytes()
    assert sum(told) == 32 * MIB
    assert (target.stat().st_blocks * 512 < 8 * MIB) is sparse


def test_an_empty_file_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "target").touch()
    file_copy.copy(str(tmp_path / "empty"), str(tmp_path / "target"))
    with pytest.raises(FileNotFoundError):
        file_copy.copy(str(tmp_path / "none"), str(tmp_path / "target"))
    with pytest.raises(FileNotFoundError):
        file_copy.copy(str(tmp_path / "empty"), str(tmp_path / "none"))
