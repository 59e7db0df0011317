"""What a host's helpers are good for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from virtory.driver.qemu.planning.host import forwards_reliably

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("version", "reliable"),
    [
        ("passt unknown version", False),
        ("passt 2023_03_09.7c7625d", False),
        ("passt 0.0~git20230309.7c7625d-1", False),
        ("passt 2024_02_20.1e6f92b", True),
        ("passt 0.0.20240607.8a83b53-1", True),
        ("something else", False),
    ],
)
def test_passt_is_taken_unasked_only_when_it_is_new_enough(
    tmp_path: Path, version: str, reliable: bool
) -> None:
    program = tmp_path / "passt"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    assert forwards_reliably(str(program)) is reliable


def test_a_passt_that_is_missing_or_does_not_run_is_not_taken(tmp_path: Path) -> None:
    assert forwards_reliably(None) is False
    assert forwards_reliably(str(tmp_path / "none")) is False
