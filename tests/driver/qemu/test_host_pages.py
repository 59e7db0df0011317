"""Pools of huge pages and merged memory, on files of our own in the kernel's layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from virtory.driver.interface import UINT, Param
from virtory.driver.qemu.host.host_pages import HostPages
from virtory.errors import ArgumentUnsupported, OperationFailed, OperationUnsupported

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for above in ("sys/kernel/mm", "sys/devices/system/node/node0"):
        pool = tmp_path / above / "hugepages/hugepages-2048kB"
        pool.mkdir(parents=True)
        (pool / "nr_hugepages").write_text("3\n")
        (pool / "free_hugepages").write_text("2\n")
    ksm = tmp_path / "sys/kernel/mm/ksm"
    ksm.mkdir()
    (ksm / "pages_to_scan").write_text("100\n")
    return tmp_path


def test_free_pages_are_told_by_size(root: Path) -> None:
    ordinary, huge = HostPages(str(root)).free([4, 2048], 0, 1)
    assert (ordinary > 0, huge) == (True, 2)
    with pytest.raises(OperationFailed, match="page size 16 is not available on node 0"):
        HostPages(str(root)).free([16], 0, 1)


def test_a_pool_is_made_larger_or_as_large_as_asked(root: Path) -> None:
    pages, pool = HostPages(str(root)), root / "sys/kernel/mm/hugepages/hugepages-2048kB"
    assert pages.resize([(2048, 4)], -1, 1, add=True) == 1
    assert (pool / "nr_hugepages").read_text() == "7\n"
    assert pages.resize([(2048, 4)], -1, 1, add=False) == 1
    assert (pool / "nr_hugepages").read_text() == "4\n"
    with pytest.raises(OperationUnsupported, match="system pages pool can't be modified"):
        pages.resize([(4, 4)], -1, 1, add=True)


def test_merging_is_read_and_changed_as_far_as_the_kernel_has_it(root: Path) -> None:
    pages = HostPages(str(root))
    pages.set_shared_memory([Param("shm_pages_to_scan", UINT, 200)])
    assert pages.shared_memory() == [Param("shm_pages_to_scan", UINT, 200)]
    with pytest.raises(ArgumentUnsupported, match="parameter 'shm_full_scans' not supported"):
        pages.set_shared_memory([Param("shm_full_scans", UINT, 1)])
