"""Snapshots inside images that nobody has open, and what a stopped machine has beside them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from virtory.driver.qcow2 import write_empty
from virtory.driver.qemu.snapshot import internal, kept_state
from virtory.errors import OperationFailed
from virtory.model.domain import parse_domain

if TYPE_CHECKING:
    from collections.abc import Callable

DOMAIN = (
    "<domain type='qemu'><name>m</name><memory>1024</memory><vcpu>1</vcpu>"
    "<os{}><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
)


def image(path: Path) -> str:
    path.touch()
    write_empty(str(path), 1 << 20, None, None)
    return str(path)


@pytest.fixture
def children() -> Callable[[], set[str]]:
    """Those of all threads since the test began, also the dead that nobody has waited for."""

    def all_there_are() -> set[str]:
        return {
            child
            for thread in Path("/proc/self/task").iterdir()
            for child in (thread / "children").read_text().split()
        }

    before = all_there_are()  # such as daemons that other tests left to themselves, and that ended
    return lambda: all_there_are() - before


async def test_something_is_done_while_the_programs_run(
    tmp_path: Path, children: Callable[[], set[str]]
) -> None:
    paths = [image(tmp_path / name) for name in "ab"]
    async with internal.at_work("-c", "kept", paths):
        began = len(children())
    assert began == 2
    assert await internal.with_name("kept", paths) == paths


async def test_all_have_ended_when_one_has_failed(
    tmp_path: Path, children: Callable[[], set[str]]
) -> None:
    bad, good = tmp_path / "bad", image(tmp_path / "good")
    bad.write_bytes(b"no image" * 1000)
    with pytest.raises(OperationFailed, match=r"qemu-img snapshot failed: .*not in qcow2"):
        await internal.each("-c", "kept", [str(bad), good])
    assert not children()
    assert internal.names_in(good) == ["kept"]


async def test_they_are_waited_for_when_what_is_done_meanwhile_fails(
    tmp_path: Path, children: Callable[[], set[str]]
) -> None:
    path = image(tmp_path / "a")
    with pytest.raises(KeyError):
        async with internal.at_work("-c", "kept", [path]):
            raise KeyError
    assert not children() and internal.names_in(path) == ["kept"]


async def test_a_program_may_complain_at_any_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "qemu-img"
    program.write_text("#!/bin/sh\nyes 'qemu-img: so it is' | head -c 1000000 >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(OperationFailed, match="qemu-img check failed: so it is"):
        await internal.qemu_img("check", "any")


async def test_a_machine_without_variables_and_tpm_has_nothing_that_is_looked_for() -> None:
    nobody: Any = None
    assert await kept_state.planned(nobody, parse_domain(DOMAIN.format("")), "a") == {}
    with pytest.raises(AttributeError):
        uefi = parse_domain(DOMAIN.format(" firmware='efi'"))
        await kept_state.planned(nobody, uefi, "a")
