"""What a machine or a snapshot needs is neither written over nor deleted by another call."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_block_jobs import Images, described, live_chain, status
from test_snapshots import asked, disk, image

from virtory.driver.qemu.disks.image_chain import backing_name
from virtory.errors import ConfigUnsupported, OperationInvalid, SystemCallFailed
from virtory.model.domain import parse_domain
from virtory.model.flags import DomainBlockCopy, DomainBlockJob
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


async def test_a_disk_that_a_snapshot_left_out_stays_as_it_is(driver, bare, tmp_path):
    one, two = image(tmp_path / "one.qcow2"), image(tmp_path / "two.qcow2")
    uuid = (await driver.domain.define(bare("m", disk(one) + disk(two, "vdb")), 0)).uuid
    out = "<disks><disk name='vdb' snapshot='no'/></disks>"
    await driver.snapshot.create(uuid, asked("half", out), SnapshotCreate.DISK_ONLY)
    await driver.snapshot.create(uuid, asked("whole"), SnapshotCreate.DISK_ONLY)
    before = parse_domain(await driver.domain.xml(uuid, 2)).devices.disks
    await driver.snapshot.revert(uuid, "half", 0)
    after = parse_domain(await driver.domain.xml(uuid, 2)).devices.disks
    assert after[0].source.file not in (before[0].source.file, str(one))
    assert after[1].source.file == before[1].source.file  # not what "whole" has frozen


async def test_what_a_block_commit_has_overwritten_is_not_gone_back_to(driver, seen, bare, state):
    images = Images(Path(state))
    uuid = (await driver.domain.define(bare("m", disk(images.path("top"))), 0)).uuid
    for name in ("one", "two"):
        await driver.snapshot.create(uuid, asked(name), SnapshotCreate.DISK_ONLY)
    await driver.domain.create(uuid, 0, None)
    chain = ["top.two", "top.one", "top.qcow2", "mid.qcow2", "base.qcow2"]
    assert live_chain(await described(driver, uuid)) == chain
    await driver.domain.block_commit(uuid, "vda", "vda[3]", "vda[2]", 0, 0)
    await status(seen, DomainBlockJob.COMPLETED)
    with pytest.raises(OperationInvalid, match="'one' is no more: a block commit has written into"):
        await driver.snapshot.revert(uuid, "one", 0)
    await driver.snapshot.revert(uuid, "two", 0)  # seen through the image that was committed
    top = Path(parse_domain(await driver.domain.xml(uuid, 2)).devices.disks[0].source.file)
    assert images.hash(top) == images.content


async def test_a_pull_with_nothing_below_is_done_at_once(driver, seen, bare, tmp_path):
    uuid = (await driver.domain.define(bare("m", disk(image(tmp_path / "a.qcow2"))), 0)).uuid
    await driver.domain.create(uuid, 0, None)
    await driver.domain.block_pull(uuid, "vda", None, 0, 0)
    assert (await status(seen, DomainBlockJob.COMPLETED)).job == DomainBlockJob.TYPE_PULL
    assert await driver.domain.block_job_info(uuid, "vda", 0) is None


async def test_a_branch_beside_the_running_one_stands_on_what_its_image_was_merged_into(
    driver, bare, tmp_path
):
    path = image(tmp_path / "a.qcow2")
    uuid = (await driver.domain.define(bare("m", disk(path)), 0)).uuid
    for name in ("one", "two", "three"):
        await driver.snapshot.create(uuid, asked(name), SnapshotCreate.DISK_ONLY)
    await driver.snapshot.revert(uuid, "two", 0)  # a new branch on a.one, beside a.two
    await driver.domain.create(uuid, 0, None)
    for name in ("two", "one"):
        await driver.snapshot.delete(uuid, name, 0)
    assert not (tmp_path / "a.one").exists()
    assert backing_name(str(tmp_path / "a.two")) == str(path)
    await driver.snapshot.revert(uuid, "three", 0)  # stands on a.two
    await driver.domain.create(uuid, 0, None)
    assert live_chain(await described(driver, uuid))[1:] == ["a.two", "a.qcow2"]


async def test_a_snapshot_is_not_deleted_while_it_is_the_only_way_back(driver, bare, tmp_path):
    path = image(tmp_path / "a.qcow2")
    uuid = (await driver.domain.define(bare("m", disk(path)), 0)).uuid
    await driver.snapshot.create(uuid, asked("one"), SnapshotCreate.DISK_ONLY)
    (tmp_path / "a.one").unlink()
    with pytest.raises(SystemCallFailed, match=r"a\.one': No such file.*snapshot-revert m 'one'"):
        await driver.snapshot.delete(uuid, "one", 0)
    await driver.snapshot.revert(uuid, "one", 0)
    await driver.snapshot.delete(uuid, "one", 0)
    await driver.domain.create(uuid, 0, None)
