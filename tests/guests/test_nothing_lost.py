"""What a machine or a snapshot needs is neither written over nor deleted by another call."""

from __future__ import annotations

import pytest
from test_snapshots import asked, disk, image

from virtory.errors import ConfigUnsupported, OperationInvalid
from virtory.model.flags import DomainBlockCopy
from virtory.model.snapshot_flags import SnapshotCreate

MEMORY = "<memory snapshot='external' file='{}'/>"
DISKS = "<disks><disk name='vda' snapshot='external'><source file='{}'/></disk></disks>"
COPY = "<disk type='file'><source file='{}'/><driver type='qcow2'/></disk>"
POOL = "<pool type='dir'><name>p</name><target><path>{}</path></target></pool>"


async def test_files_that_are_needed_are_not_written_anew(driver, bare, tmp_path):
    path, other = image(tmp_path / "a.qcow2"), image(tmp_path / "other.qcow2")
    memory, link = tmp_path / "memory", tmp_path / "link"
    link.symlink_to(path)
    await driver.domain.define(bare("other", disk(other)).replace("11111111-", "33333333-"), 0)
    uuid = (await driver.domain.define(bare("m", disk(path)), 0)).uuid
    await driver.domain.create(uuid, 0, None)
    call, reuse = driver.domain, SnapshotCreate.REUSE_EXT
    await driver.snapshot.create(uuid, asked("one", MEMORY.format(memory)), 0)
    before = {each: each.read_bytes() for each in (other, memory)}
    for file in (path, link, other, memory):
        with pytest.raises(OperationInvalid, match=r"which would be lost"):
            await call.save(uuid, str(file), None, 0)
        with pytest.raises(OperationInvalid, match=r"which would be lost"):
            await call.core_dump(uuid, str(file), 0, 0x10)
    with pytest.raises(OperationInvalid, match="is a file of domain 'other', which would be lost"):
        flags = SnapshotCreate.DISK_ONLY | reuse
        await driver.snapshot.create(uuid, asked("two", DISKS.format(other)), flags)
    with pytest.raises(OperationInvalid, match="is a file of domain 'other', which would be lost"):
        flags = DomainBlockCopy.REUSE_EXT | DomainBlockCopy.TRANSIENT_JOB
        await call.block_copy(uuid, "vda", COPY.format(other), {}, flags)
    with pytest.raises(ConfigUnsupported, match="memory already exists"):
        await driver.snapshot.create(uuid, asked("two", MEMORY.format(memory)), 0)
    assert {each: each.read_bytes() for each in before} == before
    assert driver.domain.is_active(uuid)


async def test_volumes_that_machines_need_stay(driver, bare, tmp_path):
    pool = (await driver.storage.create_pool(POOL.format(tmp_path), 0)).uuid
    path, medium = image(tmp_path / "a.qcow2"), image(tmp_path / "cd")
    cd = disk(medium, "sda", "<readonly/>").replace("device='disk'", "device='cdrom'")
    cd = cd.replace("'virtio'", "'sata'")
    uuid = (await driver.domain.define(bare("m", disk(path) + cd), 0)).uuid
    await driver.snapshot.create(uuid, asked("one"), SnapshotCreate.DISK_ONLY)
    await driver.storage.refresh_pool(pool, 0)
    volumes = {ref.name: ref for ref in driver.storage.list_volumes(pool, 0)}
    delete = driver.storage.delete_volume
    with pytest.raises(OperationInvalid, match="below the disk vda of domain 'm'"):
        await delete(volumes["a.qcow2"], 0)
    await driver.domain.create(uuid, 0, None)
    for name in ("a.qcow2", "a.one"):
        with pytest.raises(OperationInvalid, match=r"domain 'm' runs with it, as vda"):
            await delete(volumes[name], 0)
    await delete(volumes["cd"], 0)  # a medium may go
    await driver.domain.destroy(uuid, 0)
    await driver.snapshot.delete(uuid, "one", 0)
    await driver.storage.refresh_pool(pool, 0)
    await delete(driver.storage.volume_by_name(pool, "a.qcow2"), 0)  # that is its user's to do
