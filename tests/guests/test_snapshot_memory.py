"""The memory that a snapshot keeps in a file of its own."""

from __future__ import annotations

import os
import subprocess

import pytest

from virtory.errors import OperationFailed
from virtory.model.flags import DomainState


async def test_a_memory_file_that_was_cut_off_costs_nothing(driver, bare, tmp_path):
    path, memory = tmp_path / "a.qcow2", tmp_path / "one.mem"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "64M"], check=True)
    disk = (
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='{path}'/><target dev='vda' bus='virtio'/></disk>"
    )
    ref = await driver.domain.define(bare("m", disk), 0)
    await driver.domain.create(ref.uuid, 0, None)
    text = f"<name>one</name><memory snapshot='external' file='{memory}'/>"
    await driver.snapshot.create(ref.uuid, f"<domainsnapshot>{text}</domainsnapshot>", 0)
    pid, size = driver.domain._table.get(ref.uuid).guest.pid, memory.stat().st_size
    os.truncate(memory, size - 1)
    with pytest.raises(OperationFailed, match="was cut off") as refused:
        await driver.snapshot.revert(ref.uuid, "one", 0)
    assert f"{size} were written" in str(refused.value)
    assert driver.domain._table.get(ref.uuid).guest.pid == pid
    assert driver.domain.state(ref.uuid, 0)[0] == DomainState.RUNNING
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.one", "a.qcow2", "one.mem"]
    await driver.domain.destroy(ref.uuid, 0)
