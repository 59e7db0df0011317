"""Key codes of every set, and logs that stay small."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from virtory.driver.qemu.console import tail
from virtory.driver.qemu.keycodes import key_number
from virtory.driver.qemu.logs import LogKeeper, truncate_keeping_end
from virtory.errors import InternalError, InvalidArgument
from virtory.model.flags import KeycodeSet as Set

if TYPE_CHECKING:
    from pathlib import Path

# One key in each set: A, F1, Enter, keypad Enter, Delete, left Windows key.
SAME_KEYS = {
    Set.LINUX: (30, 59, 28, 96, 111, 125),
    Set.XT: (0x1E, 0x3B, 0x1C, 0xE01C, 0xE053, 0xE05B),
    Set.ATSET1: (0x1E, 0x3B, 0x1C, 0xE01C, 0xE053, 0xE05B),
    Set.ATSET2: (0x1C, 0x05, 0x5A, 0xE05A, 0xE071, None),
    Set.ATSET3: (0x1C, 0x07, 0x5A, 0x79, 0x64, None),
    Set.OSX: (0x00, 0x7A, 0x24, 0x4C, 0x75, 0x37),
    Set.XT_KBD: (30, 59, 28, 284, 339, 347),
    Set.USB: (4, 58, 40, 88, 76, 227),
    Set.WIN32: (0x41, 0x70, 0x0D, None, 0x2E, 0x5B),
    Set.QNUM: (0x1E, 0x3B, 0x1C, 0x9C, 0xD3, 0xDB),
}
NUMBERS = (0x1E, 0x3B, 0x1C, 0x9C, 0xD3, 0xDB)


@pytest.mark.parametrize("codeset", SAME_KEYS)
def test_a_key_has_the_same_number_from_every_set(codeset: int) -> None:
    for code, number in zip(SAME_KEYS[codeset], NUMBERS, strict=True):
        if code is not None:
            assert key_number(codeset, code) == number


def test_codes_and_sets_that_there_are_not_are_refused() -> None:
    with pytest.raises(InternalError, match="cannot translate keycode 999 of linux codeset"):
        key_number(Set.LINUX, 999)
    with pytest.raises(InternalError):
        key_number(Set.OSX, 0xFF)
    with pytest.raises(InvalidArgument, match="Unsupported codeset '99'"):
        key_number(99, 30)


def test_the_end_of_a_long_log_is_kept_and_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(writer, b"a" * 1000 + b"b" * 100)
    truncate_keeping_end(str(path), 150)
    os.write(writer, b"after")
    os.close(writer)
    assert path.read_bytes() == b"after"
    assert (tmp_path / "log.0").read_bytes() == b"a" * 50 + b"b" * 100
    assert tail(str(path), 10) == b"bbbbbafter"
    assert tail(str(path), 3) == b"ter"
    assert tail(str(tmp_path / "none"), 3) == b""


async def test_a_log_is_bounded_when_it_grows(tmp_path: Path) -> None:
    import asyncio

    path = tmp_path / "log"
    path.write_bytes(b"")
    keeper = LogKeeper(limit=1000)
    keeper.watch([str(path), str(tmp_path / "absent")])
    with path.open("ab") as file:
        file.write(b"x" * 5000)
    await asyncio.sleep(0)
    keeper._readable()
    assert path.stat().st_size == 0
    assert (tmp_path / "log.0").stat().st_size == 1000
    keeper.forget([str(path)])
    with path.open("ab") as file:
        file.write(b"x" * 5000)
    keeper._readable()
    assert path.stat().st_size == 5000
    keeper.close()


def test_a_link_in_place_of_a_log_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"p" * 100)
    (tmp_path / "log").symlink_to(precious)
    with pytest.raises(OSError):
        truncate_keeping_end(str(tmp_path / "log"), 10)
    assert precious.stat().st_size == 100
