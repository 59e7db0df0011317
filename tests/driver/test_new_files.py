"""Files made where somebody else may change what lies there."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from virtory.driver import new_files

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_file_is_never_made_through_a_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    link = tmp_path / "link"
    link.symlink_to(elsewhere)
    with pytest.raises(FileExistsError):
        new_files.make(str(link))
    os.close(new_files.make_anew(str(link)))
    assert not elsewhere.exists()
    assert stat.S_IMODE(link.lstat().st_mode) == 0o600
    assert stat.S_ISREG(link.lstat().st_mode)


def test_a_file_swapped_for_a_link_is_not_lengthened(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    link = tmp_path / "link"
    link.symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic"):
        new_files.lengthen(str(link), 4096)
    assert elsewhere.stat().st_size == 0


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new" + bytes(1 << 20) + b"end")
    source.chmod(0o640)
    target.write_bytes(b"old")
    (tmp_path / f"target{new_files.UNFINISHED}").write_bytes(b"left by a crash" * 1_000_000)
    new_files.replace_file(str(source), str(target))
    assert target.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


def test_only_plain_files_of_a_directory_are_carried_along(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the host")
    source = tmp_path / "source"
    source.mkdir()
    (source / "state").write_text("of the guest")
    (source / "link").symlink_to(secret)
    (source / "second-name").hardlink_to(secret)
    (source / "folder").mkdir()
    os.mkfifo(source / "pipe")
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").touch()
    new_files.replace_directory(str(source), str(target))
    assert [path.name for path in target.iterdir()] == ["state"]
    assert (target / "state").read_text() == "of the guest"
