"""Commit, pull and copy of disks while their machine runs, with real images."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from virtory.errors import (
    BlockCopyActive,
    ConfigUnsupported,
    InvalidArgument,
    OperationInvalid,
    VirtoryError,
)
from virtory.model.domain import parse_domain
from virtory.model.events import (
    BlockJob,
    BlockJob2,
    BlockThreshold,
    DeviceRemoved,
    MonitorEvent,
)
from virtory.model.flags import DomainBlockCommit, DomainBlockCopy, DomainBlockJob

JOB_S = 60.0
DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
MIB = 1 << 20
ABORT, PIVOT = 0, DomainBlockJob.ABORT_PIVOT


def run(*words: object) -> str:
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Images:
    """Three images on each other: base.qcow2, mid.qcow2, top.qcow2; each wrote something."""

    def __init__(self, directory: Path, *, relative: bool = False) -> None:
        self.directory = directory
        base, mid, top = (self.path(name) for name in ("base", "mid", "top"))
        run("qemu-img", "create", "-q", "-f", "qcow2", base, "24M")
        below = (base.name, mid.name) if relative else (base, mid)
        for path, under in ((mid, below[0]), (top, below[1])):
            run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", under, path)
        for number, path in enumerate((base, mid, top)):
            run("qemu-io", "-f", "qcow2", "-c", f"write -P {number + 1} {number}M 3M", path)
        self.content = self.hash("top")

    def path(self, name: str) -> Path:
        return self.directory / f"{name}.qcow2"

    def hash(self, name: str | Path, image_format: str = "qcow2") -> str:
        path = self.path(name) if isinstance(name, str) else name
        raw = self.directory / "raw.tmp"
        run("qemu-img", "convert", "-f", image_format, "-O", "raw", path, raw)
        digest = hashlib.sha256(raw.read_bytes()).hexdigest()
        raw.unlink()
        return digest

    def chain(self, name: str | Path, image_format: str = "qcow2") -> list[str]:
        """The images' names, top first, each whole by `qemu-img check`."""
        path = self.path(name) if isinstance(name, str) else name
        told = json.loads(
            run("qemu-img", "info", "--output=json", "--backing-chain", "-f", image_format, path)
        )
        for one in told:
            if one["format"] == "qcow2":
                run("qemu-img", "check", "-q", "-f", "qcow2", one["filename"])
        return [Path(one["filename"]).name for one in told]


@pytest.fixture
def images(state):
    return Images(Path(state))


async def status(seen, wanted):
    return await seen.wait(
        lambda e: isinstance(e, BlockJob2) and e.target == "vda" and e.status == wanted, JOB_S
    )


async def started(driver, bare, images, top="top"):
    ref = await driver.domain.define(bare("m", DISK.format(images.path(top))), 0)
    await driver.domain.create(ref.uuid, 0, None)
    return ref.uuid


async def described(driver, uuid, flags=0):
    return parse_domain(await driver.domain.xml(uuid, flags)).devices.disks[0]


def live_chain(disk):
    names = [Path(disk.source.file).name]
    store = disk.backing_store
    while store is not None and store.source is not None:
        names.append(Path(store.source.file).name)
        store = store.backing_store
    return names


async def open_files(driver, uuid):
    """The images that QEMU has open."""
    pid = driver.domain._table.get(uuid).guest.pid
    found = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            link = os.readlink(one)
        except OSError:
            continue
        if link.endswith((".qcow2", ".raw", " (deleted)")) and "memfd" not in link:
            found.add(Path(link).name)
    return found


async def test_an_active_commit_becomes_ready_and_pivots_to_the_base(driver, seen, bare, images):
    uuid = await started(driver, bare, images)
    await driver.domain.block_commit(uuid, "vda", None, None, 0, DomainBlockCommit.ACTIVE)
    with pytest.raises(BlockCopyActive, match="already in active block job"):
        await driver.domain.block_pull(uuid, "vda", None, 0, 0)
    event = await status(seen, DomainBlockJob.READY)
    assert event.job == DomainBlockJob.TYPE_ACTIVE_COMMIT
    disk = await described(driver, uuid)
    assert (disk.mirror.job, disk.mirror.ready) == ("active-commit", "yes")
    assert disk.mirror.source.file == str(images.path("base"))
    info = await driver.domain.block_job_info(uuid, "vda", 0)
    assert (info.kind, info.current) == (DomainBlockJob.TYPE_ACTIVE_COMMIT, info.end)
    await driver.domain.block_job_abort(uuid, "vda", PIVOT)
    done = await status(seen, DomainBlockJob.COMPLETED)
    assert done.job == DomainBlockJob.TYPE_ACTIVE_COMMIT
    assert [e.path for e in seen.events if isinstance(e, BlockJob)] == [
        str(images.path("top")),
        str(images.path("base")),
    ]
    disk = await described(driver, uuid)
    assert live_chain(disk) == ["base.qcow2"]
    assert disk.mirror is None
    assert await driver.domain.block_job_info(uuid, "vda", 0) is None
    stored = await described(driver, uuid, 2)
    assert stored.source.file == str(images.path("base"))
    assert await open_files(driver, uuid) == {"base.qcow2"}
    await driver.domain.destroy(uuid, 0)
    assert images.hash("base") == images.content
    assert images.chain("base") == ["base.qcow2"]


async def test_a_job_whose_bar_is_full_can_be_pivoted(driver, seen, bare, images):
    """QEMU is ready before that is on record."""
    uuid = await started(driver, bare, images)
    guest = driver.domain._table.get(uuid).guest
    slowly = DomainBlockCommit.ACTIVE | DomainBlockCommit.BANDWIDTH_BYTES
    await driver.domain.block_commit(uuid, "vda", None, None, 64 << 10, slowly)
    async with guest.job("test"):  # nothing is put on record meanwhile
        (job,) = guest.block_jobs.values()
        await guest.execute("block-job-set-speed", {"device": job.id, "speed": 0})
        await seen.wait(lambda e: isinstance(e, MonitorEvent) and '"ready"' in (e.details or ""))
        info = await driver.domain.block_job_info(uuid, "vda", 0)
        assert info.current < info.end
    await status(seen, DomainBlockJob.READY)
    info = await driver.domain.block_job_info(uuid, "vda", 0)
    assert info.current == info.end
    await driver.domain.block_job_abort(uuid, "vda", PIVOT)


async def test_images_that_came_while_it_ran_are_closed_after_a_commit(driver, seen, bare, images):
    uuid = await started(driver, bare, images, "base")
    for name in ("one", "two"):
        await driver.snapshot.create(uuid, f"<domainsnapshot><name>{name}</name></domainsnapshot>",
                                     0x14)  # fmt: skip
    await driver.domain.block_commit(uuid, "vda", None, None, 0, DomainBlockCommit.ACTIVE)
    await status(seen, DomainBlockJob.READY)
    await driver.domain.block_job_abort(uuid, "vda", PIVOT)
    assert await open_files(driver, uuid) == {"base.qcow2"}


async def test_an_active_commit_can_be_given_up_when_it_is_ready(driver, seen, bare, images):
    uuid = await started(driver, bare, images)
    await driver.domain.block_commit(uuid, "vda", None, None, 0, DomainBlockCommit.ACTIVE)
    await status(seen, DomainBlockJob.READY)
    await driver.domain.block_job_abort(uuid, "vda", ABORT)
    await status(seen, DomainBlockJob.CANCELED)
    assert live_chain(await described(driver, uuid)) == ["top.qcow2", "mid.qcow2", "base.qcow2"]
    assert (await described(driver, uuid)).mirror is None
    await driver.domain.destroy(uuid, 0)
    assert images.hash("top") == images.content
    assert images.chain("top") == ["top.qcow2", "mid.qcow2", "base.qcow2"]


async def test_an_intermediate_commit_takes_an_image_out(driver, seen, bare, images):
    uuid = await started(driver, bare, images)
    disk = await described(driver, uuid)
    middle = disk.backing_store.index
    await driver.domain.block_commit(
        uuid, "vda", None, f"vda[{middle}]", 0, DomainBlockCommit.DELETE
    )
    await status(seen, DomainBlockJob.COMPLETED)
    assert live_chain(await described(driver, uuid)) == ["top.qcow2", "base.qcow2"]
    assert not images.path("mid").exists()
    assert await open_files(driver, uuid) == {"top.qcow2", "base.qcow2"}
    await driver.domain.destroy(uuid, 0)
    assert images.hash("top") == images.content
    assert images.chain("top") == ["top.qcow2", "base.qcow2"]


async def test_a_job_of_which_nothing_can_be_saved_is_given_up_and_the_disk_goes_on(
    driver, seen, bare, images
):
    uuid = await started(driver, bare, images)
    middle = (await described(driver, uuid)).backing_store.index
    connections = driver._store._db, driver._store._hasty

    def allow(writing):
        for each in connections:
            each.execute(f"PRAGMA query_only = {int(not writing)}")

    driver._runtime.checkpoint = lambda step: allow(False) if step == "block job started" else None
    with pytest.raises(VirtoryError, match="readonly"):
        await driver.domain.block_commit(uuid, "vda", None, f"vda[{middle}]", 0, 0)
    await seen.wait(lambda e: isinstance(e, MonitorEvent) and '"concluded"' in (e.details or ""))
    driver._runtime.checkpoint = lambda _: None
    await driver._runtime.idle()
    assert live_chain(await described(driver, uuid)) == ["top.qcow2", "mid.qcow2", "base.qcow2"]
    allow(True)
    await driver.domain.block_commit(uuid, "vda", None, f"vda[{middle}]", 0, 0)
    await status(seen, DomainBlockJob.COMPLETED)
    await driver.domain.destroy(uuid, 0)
    assert images.hash("top") == images.content
    assert images.chain("top") == ["top.qcow2", "base.qcow2"]


async def test_a_shallow_commit_by_path_keeps_relative_names(driver, seen, bare, state):
    images = Images(Path(state), relative=True)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "top.qcow2",
        images.path("new"))  # fmt: skip
    uuid = await started(driver, bare, images, "new")
    top = str(images.path("top"))
    flags = DomainBlockCommit.SHALLOW | DomainBlockCommit.RELATIVE
    await driver.domain.block_commit(uuid, "vda", None, top, 0, flags)
    await status(seen, DomainBlockJob.COMPLETED)
    assert live_chain(await described(driver, uuid)) == ["new.qcow2", "mid.qcow2", "base.qcow2"]
    seen.clear()
    await driver.domain.block_commit(uuid, "vda", "base.qcow2", "mid.qcow2", 0, 8)
    await status(seen, DomainBlockJob.COMPLETED)
    await driver.domain.destroy(uuid, 0)
    told = json.loads(run("qemu-img", "info", "--output=json", images.path("new")))
    assert told["backing-filename"] == "base.qcow2"
    assert images.hash("new") == images.content
    assert images.chain("new") == ["new.qcow2", "base.qcow2"]


async def test_a_pull_down_to_a_base_and_then_of_everything(driver, seen, bare, images):
    uuid = await started(driver, bare, images)
    await driver.domain.block_rebase(uuid, "vda", str(images.path("base")), 0, 0)
    await status(seen, DomainBlockJob.COMPLETED)
    assert live_chain(await described(driver, uuid)) == ["top.qcow2", "base.qcow2"]
    seen.clear()
    await driver.domain.block_pull(uuid, "vda", None, 0, 0)
    assert (await status(seen, DomainBlockJob.COMPLETED)).job == DomainBlockJob.TYPE_PULL
    assert live_chain(await described(driver, uuid)) == ["top.qcow2"]
    assert await open_files(driver, uuid) == {"top.qcow2"}
    await driver.domain.destroy(uuid, 0)
    assert images.hash("top") == images.content
    assert images.chain("top") == ["top.qcow2"]
    assert images.hash("base") != images.content


async def test_a_copy_pivots_to_a_new_file_in_another_format(driver, seen, bare, images):
    uuid = await started(driver, bare, images)
    copy = images.directory / "copy.raw"
    xml = f"<disk type='file'><driver type='raw'/><source file='{copy}'/></disk>"
    with pytest.raises(OperationInvalid, match="domain is not transient"):
        await driver.domain.block_copy(uuid, "vda", xml, {}, 0)
    assert not copy.exists()
    await driver.domain.block_copy(uuid, "vda", xml, {}, DomainBlockCopy.TRANSIENT_JOB)
    await status(seen, DomainBlockJob.READY)
    disk = await described(driver, uuid)
    assert (disk.mirror.job, disk.mirror.ready, disk.mirror.format) == ("copy", "yes", "raw")
    await driver.domain.block_job_abort(uuid, "vda", PIVOT)
    disk = await described(driver, uuid)
    assert (live_chain(disk), disk.driver.type) == (["copy.raw"], "raw")
    stored = await described(driver, uuid, 2)
    assert (stored.source.file, stored.driver.type) == (str(copy), "raw")
    assert await open_files(driver, uuid) == {"copy.raw"}
    await driver.domain.destroy(uuid, 0)
    assert images.hash(copy, "raw") == images.content
    await driver.domain.create(uuid, 0, None)


async def test_a_shallow_copy_stands_on_the_same_images(driver, seen, bare, images):
    uuid = await started(driver, bare, images)
    copy = images.path("copy")
    xml = f"<disk type='file'><driver type='qcow2'/><source file='{copy}'/></disk>"
    flags = DomainBlockCopy.TRANSIENT_JOB | DomainBlockCopy.SHALLOW
    await driver.domain.block_copy(uuid, "vda", xml, {"bandwidth": 1 << 30}, flags)
    await status(seen, DomainBlockJob.READY)
    await driver.domain.block_job_abort(uuid, "vda", PIVOT)
    assert live_chain(await described(driver, uuid)) == ["copy.qcow2", "mid.qcow2", "base.qcow2"]
    seen.clear()
    await driver.domain.block_pull(uuid, "vda", None, 0, 0)
    await status(seen, DomainBlockJob.COMPLETED)
    await driver.domain.destroy(uuid, 0)
    assert images.hash("copy") == images.content
    assert images.chain("copy") == ["copy.qcow2"]


async def test_a_copy_that_is_given_up_leaves_a_whole_copy(driver, seen, bare, images):
    uuid = await started(driver, bare, images)
    copy = images.path("copy")
    run("qemu-img", "create", "-q", "-f", "qcow2", copy, "24M")
    xml = f"<disk type='file'><driver type='qcow2'/><source file='{copy}'/></disk>"
    with pytest.raises(ConfigUnsupported, match="already exists and is not a block device"):
        await driver.domain.block_copy(uuid, "vda", xml, {}, DomainBlockCopy.TRANSIENT_JOB)
    flags = DomainBlockCopy.TRANSIENT_JOB | DomainBlockCopy.REUSE_EXT
    flags |= DomainBlockCopy.SYNCHRONOUS_WRITES
    await driver.domain.block_copy(uuid, "vda", xml, {}, flags)
    await status(seen, DomainBlockJob.READY)
    await driver.domain.block_job_abort(uuid, "vda", ABORT)
    assert await open_files(driver, uuid) == {"top.qcow2", "mid.qcow2", "base.qcow2"}
    await driver.domain.destroy(uuid, 0)
    assert images.hash("copy") == images.content
    assert images.hash("top") == images.content


async def test_half_a_copy_that_was_made_for_it_goes_with_the_machine(driver, bare, images):
    xml = f"<disk type='file'><driver type='qcow2'/><source file='{images.path('copy')}'/></disk>"
    slowly = {"bandwidth": 64 << 10}
    uuid = await started(driver, bare, images)
    for end in ("abort", "destroy"):
        await driver.domain.block_copy(uuid, "vda", xml, slowly, DomainBlockCopy.TRANSIENT_JOB)
        assert images.path("copy").exists()
        if end == "abort":
            await driver.domain.block_job_abort(uuid, "vda", 0)
        else:
            await driver.domain.destroy(uuid, 0)
        assert not images.path("copy").exists()
    await driver.domain.create(uuid, 0, None)
    run("qemu-img", "create", "-q", "-f", "qcow2", images.path("copy"), "24M")
    flags = DomainBlockCopy.TRANSIENT_JOB | DomainBlockCopy.REUSE_EXT
    await driver.domain.block_copy(uuid, "vda", xml, slowly, flags)
    await driver.domain.destroy(uuid, 0)
    assert images.path("copy").exists()  # it was there before


async def test_a_job_can_be_slowed_down_looked_at_and_stopped(driver, seen, bare, images):
    uuid = await started(driver, bare, images)
    await driver.domain.block_pull(uuid, "vda", None, 64 << 10, 0x40)
    info = await driver.domain.block_job_info(uuid, "vda", 1)
    assert (info.kind, info.bandwidth) == (DomainBlockJob.TYPE_PULL, 64 << 10)
    assert info.current < info.end
    assert (await driver.domain.block_job_info(uuid, "vda", 0)).bandwidth == 1
    await driver.domain.block_job_set_speed(uuid, "vda", 1 << 10, 1)
    assert (await driver.domain.block_job_info(uuid, "vda", 1)).bandwidth == 1 << 10
    with pytest.raises(OperationInvalid, match="does not support pivot"):
        await driver.domain.block_job_abort(uuid, "vda", PIVOT)
    await driver.domain.block_job_abort(uuid, "vda", ABORT)
    assert (await status(seen, DomainBlockJob.CANCELED)).job == DomainBlockJob.TYPE_PULL
    with pytest.raises(InvalidArgument, match="does not have an active block job"):
        await driver.domain.block_job_abort(uuid, "vda", ABORT)
    await driver.domain.destroy(uuid, 0)
    assert images.hash("top") == images.content
    assert images.chain("top") == ["top.qcow2", "mid.qcow2", "base.qcow2"]


async def test_names_that_fit_no_image_are_refused(driver, bare, images):
    uuid = await started(driver, bare, images)
    commit = driver.domain.block_commit
    for base, top, flags, words in (
        (None, None, 0, "requires active flag"),
        (None, str(images.path("base")), 0, "has no backing file"),
        ("/nowhere", None, 4, "could not find image '/nowhere'"),
        (None, "vda[77]", 0, "backing store index '77'"),
        (None, "vdb[1]", 0, "does not match target 'vda'"),
        (str(images.path("mid")), "vda[3]", 0, "has no backing file"),
    ):
        with pytest.raises(InvalidArgument, match=words.replace("[", r"\[")):
            await commit(uuid, "vda", base, top, 0, flags)
    with pytest.raises(InvalidArgument, match="disk 'vdz' not found"):
        await commit(uuid, "vdz", None, None, 0, 4)
    assert await driver.domain.block_job_info(uuid, "vda", 0) is None


async def test_a_write_beyond_a_threshold_is_told_once(driver, seen, linux, boot, images):
    uuid, console = await boot(linux.xml("m", devices=DISK.format(images.path("top"))))
    with pytest.raises(InvalidArgument, match="failed to find disk 'vdz'"):
        await driver.domain.set_block_threshold(uuid, "vdz", MIB, 0)
    await driver.domain.set_block_threshold(uuid, "vda", MIB, 0)
    await console.type("dd if=/dev/zero of=/dev/vda bs=1M seek=12 count=8 conv=fsync\n")
    event = await seen.wait(lambda e: isinstance(e, BlockThreshold) and e.device == "vda", JOB_S)
    assert (event.path, event.threshold) == (str(images.path("top")), MIB)
    assert event.excess > 0


async def test_the_disks_of_a_paused_machine_are_worked_on_all_the_same(driver, seen, bare, images):
    ref = await driver.domain.define(bare("m", DISK.format(images.path("top"))), 0)
    uuid = ref.uuid
    await driver.domain.create(uuid, 1, None)
    middle = (await described(driver, uuid)).backing_store.index
    await driver.domain.block_commit(uuid, "vda", None, f"vda[{middle}]", 0, 0)
    await status(seen, DomainBlockJob.COMPLETED)
    seen.clear()
    await driver.domain.block_commit(uuid, "vda", None, None, 0, DomainBlockCommit.ACTIVE)
    await status(seen, DomainBlockJob.READY)
    await driver.domain.block_job_abort(uuid, "vda", PIVOT)
    assert live_chain(await described(driver, uuid)) == ["base.qcow2"]
    await driver.domain.resume(uuid)
    await driver.domain.destroy(uuid, 0)
    assert images.hash("base") == images.content


async def test_what_a_guest_writes_before_during_and_after_is_there(
    driver, seen, linux, boot, images
):
    uuid, console = await boot(linux.xml("m", devices=DISK.format(images.path("top"))))
    written = 0

    async def write():
        nonlocal written
        written += 1
        await console.type(
            f"echo mark-{written} | dd of=/dev/vda bs=512 seek={written} conv=fsync 2>/dev/null;"
            f" echo w''rote {written}\n"
        )
        await console.until(f"wrote {written}\r".encode())

    await write()
    await driver.domain.block_commit(uuid, "vda", None, None, 64, DomainBlockCommit.ACTIVE)
    await write()
    await status(seen, DomainBlockJob.READY)
    await write()
    await driver.domain.block_job_abort(uuid, "vda", PIVOT)
    await write()
    seen.clear()
    copy = images.directory / "copy.raw"
    xml = f"<disk type='file'><driver type='raw'/><source file='{copy}'/></disk>"
    flags = DomainBlockCopy.SYNCHRONOUS_WRITES
    await driver.domain.block_copy(uuid, "vda", xml, {"bandwidth": 64 * MIB}, flags)
    await write()
    await status(seen, DomainBlockJob.READY)
    await write()
    await driver.domain.block_job_abort(uuid, "vda", PIVOT)
    await write()
    await driver.domain.destroy(uuid, 0)
    content = copy.read_bytes()
    for number in range(1, written + 1):
        assert content[number * 512 :].startswith(f"mark-{number}\n".encode())
    base = images.directory / "base.raw"
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", images.path("base"), base)
    assert base.read_bytes()[6 * 512 :].startswith(b"mark-6\n")
    assert base.read_bytes()[16 * MIB :] == content[16 * MIB :]


async def test_a_disk_whose_images_changed_can_be_unplugged(driver, seen, linux, boot, images):
    uuid, _ = await boot(linux.xml("m", devices=DISK.format(images.path("top"))))
    await driver.domain.block_commit(uuid, "vda", None, None, 0, DomainBlockCommit.ACTIVE)
    await status(seen, DomainBlockJob.READY)
    with pytest.raises(BlockCopyActive, match="already in active block job"):
        await driver.domain.detach_device(uuid, DISK.format(images.path("top")), 1)
    await driver.domain.block_job_abort(uuid, "vda", PIVOT)
    await driver.domain.detach_device(uuid, DISK.format(images.path("base")), 1)
    await seen.wait(lambda e: isinstance(e, DeviceRemoved), JOB_S)
    plan = driver.domain._table.get(uuid).guest.plan
    assert not plan.images
    assert not [file.purpose for file in plan.files if file.purpose.startswith("disk:")]
    assert await open_files(driver, uuid) == set()


async def test_a_disk_with_a_thread_of_its_own(driver, seen, linux, boot, images):
    """The guest has taken over its disk: QEMU (7.2) can end when that comes amid a pivot."""
    disk = DISK.format(images.path("top")).replace("type='qcow2'/>", "type='qcow2' iothread='1'/>")
    uuid, _ = await boot(linux.xml("m", devices=disk, more="<iothreads>1</iothreads>"))
    await driver.domain.block_rebase(uuid, "vda", str(images.path("base")), 0, 0)
    await status(seen, DomainBlockJob.COMPLETED)
    seen.clear()
    await driver.domain.block_commit(uuid, "vda", None, None, 0, DomainBlockCommit.ACTIVE)
    await status(seen, DomainBlockJob.READY)
    await driver.domain.block_job_abort(uuid, "vda", PIVOT)
    seen.clear()
    xml = f"<disk type='file'><source file='{images.path('copy')}'/></disk>"
    await driver.domain.block_copy(uuid, "vda", xml, {}, DomainBlockCopy.TRANSIENT_JOB)
    await status(seen, DomainBlockJob.READY)
    await driver.domain.block_job_abort(uuid, "vda", PIVOT)
    assert live_chain(await described(driver, uuid)) == ["copy.qcow2"]
    await driver.domain.destroy(uuid, 0)
    assert images.hash("copy") == images.content
