"""The `[qemu]` table, and where the driver keeps what runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from virtory.driver.qemu.driver import _make_run_directory
from virtory.driver.qemu.settings import settings_of
from virtory.errors import ConfigUnsupported, OpenFailed

if TYPE_CHECKING:
    from pathlib import Path

LONG = "/" + "long/" * 20 + "state"


@pytest.mark.parametrize("entry", ["user", "group", "first_uid"])
@pytest.mark.parametrize("value", [0, -1, (1 << 32) - 1])
def test_guests_never_run_as_root(entry: str, value: int) -> None:
    with pytest.raises(ConfigUnsupported, match="ordinary users only"):
        settings_of("/state", True, {entry: value})
    assert settings_of("/state", True, {entry: 1000})


def test_a_run_directory_in_a_place_for_all_is_one_step_below_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    directory = settings_of(LONG, False, {}).run_directory
    assert os.path.dirname(directory) == "/tmp"
    assert directory != settings_of(LONG + "2", False, {}).run_directory


def test_a_link_is_no_run_directory(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(OpenFailed, match="is a link"):
        _make_run_directory(str(tmp_path / "link"))
    _make_run_directory(str(tmp_path / "mine"))
