"""A QEMU that is stopped, as one is whose storage hangs: who asks is told, nobody else notices."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess

import pytest
from test_snapshots import asked, check, disk, image, states_in

from virtory.errors import OperationTimeout
from virtory.model.events import DeviceAdded
from virtory.model.flags import ConnectGetAllDomainsStats, DomainState

DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>"
    "<target dev='{}' bus='virtio'/></disk>"
)
ACPI = "<features><acpi/></features>"


async def test_a_machine_that_does_not_answer_holds_up_nobody_and_goes_on_where_it_was(
    driver, seen, bare, state
):
    paths = [os.path.join(state, name) for name in ("a.qcow2", "b.qcow2")]
    for path in paths:
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "8M"], check=True)
    domain = driver.domain
    ref = await domain.create_xml(bare("frozen", DISK.format(paths[0], "vda"), ACPI), 0, None)
    other = await domain.create_xml(bare("other", "<memballoon model='virtio'/>"), 0, None)
    guest = domain._table.get(ref.uuid).guest
    usual = guest.patience_s, guest.lock_timeout_s
    guest.patience_s = 0.3
    os.kill(guest.pid, signal.SIGSTOP)
    try:
        assert len(domain.list_all(0)) == 2 and domain.info(ref.uuid).state == DomainState.RUNNING
        assert "vda" in await domain.xml(ref.uuid, 0)
        with pytest.raises(OperationTimeout, match="did not answer 'stop'") as caught:
            await domain.suspend(ref.uuid)
        assert f"process {guest.pid}" in caught.value.cure
        for _ in range(3):
            told = await domain.stats([], 0, ConnectGetAllDomainsStats.NOWAIT)
            names = [{param.field for param in each.params} for each in told]
            assert all("cpu.time" in each for each in names)
            assert "balloon.last-update" in names[1]
        assert len(guest.monitor._pending) <= 5, "who asks again does not make it more"
        with pytest.raises(OperationTimeout, match="has not answered for"):
            await domain.reset(ref.uuid, 0)
        await domain.suspend(other.uuid)
        with pytest.raises(OperationTimeout, match="what was begun goes on"):
            await domain.attach_device(ref.uuid, DISK.format(paths[1], "vdb"), 1)
        guest.lock_timeout_s = 0.1
        with pytest.raises(OperationTimeout, match="held by attach device"):
            await domain.resume(ref.uuid)
    finally:
        os.kill(guest.pid, signal.SIGCONT)
    guest.patience_s, guest.lock_timeout_s = usual
    await seen.wait(lambda event: isinstance(event, DeviceAdded))
    assert "vdb" in await domain.xml(ref.uuid, 0)
    assert domain.info(ref.uuid).state == DomainState.PAUSED
    await domain.resume(ref.uuid)
    await asyncio.gather(domain.destroy(ref.uuid, 0), domain.destroy(other.uuid, 0))


async def test_a_snapshot_deleted_while_its_machine_dies_goes_and_no_later_daemon_deletes_again(
    driver, bare, tmp_path
):
    path = image(tmp_path / "a.qcow2")
    ref = await driver.domain.define(bare("m", disk(path)), 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.snapshot.create(ref.uuid, asked("one"), 0)
    guest = driver.domain._table.get(ref.uuid).guest
    os.kill(guest.pid, signal.SIGSTOP)  # it takes the order, and never carries it out
    deleting = asyncio.ensure_future(driver.snapshot.delete(ref.uuid, "one", 0))
    while not guest.held:  # noqa: ASYNC110
        await asyncio.sleep(0)
    os.kill(guest.pid, signal.SIGKILL)
    await deleting
    assert states_in(path) == [] and driver.snapshot.names(ref.uuid, 0) == []
    assert driver._store.load().intents == []
    check(path)
