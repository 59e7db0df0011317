"""Clones of machines that are off and that run, whole and linked."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from test_block_jobs import DISK, Images, live_chain, open_files, run
from test_snapshots import asked

from virtory.errors import (
    AlreadyExists,
    ConfigUnsupported,
    OperationAborted,
    OperationInvalid,
    SystemCallFailed,
)
from virtory.model.domain import format_domain, parse_domain
from virtory.model.flags import DomainBlockCommit, DomainClone
from virtory.model.snapshot_flags import SnapshotCreate
from virtory.provision.clone_description import described

UUID = "99999999-2222-3333-4444-555555555555"
CARD = "<interface type='user'><mac address='52:54:00:11:22:33'/></interface>"
AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
FREEZE_STATUS = '{"execute": "guest-fsfreeze-status"}'
FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
MIB = 1 << 20


@pytest.fixture
def images(state):
    return Images(Path(state))


async def clone_xml(driver, ref, name, files, uuid=UUID):
    original = parse_domain(await driver.domain.xml(ref.uuid, 3))
    return format_domain(described(original, name, uuid, files))


async def defined(driver, bare, images, top="top"):
    more = "<genid>11111111-2222-3333-4444-555555555555</genid>"
    xml = bare("m", DISK.format(images.path(top)) + CARD, more)
    return await driver.domain.define(xml, 0)


async def disk_of(driver, uuid, flags=2):
    return parse_domain(await driver.domain.xml(uuid, flags)).devices.disks[0]


def write(path, pattern):
    run("qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} 8M 2M", path)


async def test_a_whole_clone_of_a_machine_that_is_off_stands_alone(driver, bare, images):
    ref = await defined(driver, bare, images)
    path = images.path("clone")
    xml = await clone_xml(driver, ref, "n", {"vda": str(path)})
    new = await driver.domain.clone(ref.uuid, xml, 0)
    assert new.name == "n"
    a, b = [parse_domain(await driver.domain.xml(one.uuid, 2)) for one in (ref, new)]
    assert str(b.uuid) == UUID
    assert a.genid.uuid != b.genid.uuid
    assert a.devices.interfaces[0].mac.address != b.devices.interfaces[0].mac.address
    assert images.chain("clone") == ["clone.qcow2"]
    assert images.hash("clone") == images.content
    write(path, 77)
    assert images.hash("top") == images.content
    with pytest.raises(AlreadyExists, match="called 'n' exists"):
        await driver.domain.clone(ref.uuid, xml, 0)
    assert path.exists()


async def test_a_plain_image_is_copied_hole_by_hole(driver, bare, images):
    raw = images.directory / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(64 * MIB)
        file.seek(10 * MIB)
        file.write(os.urandom(MIB))
    disk = DISK.format(raw).replace("'qcow2'", "'raw'")
    ref = await driver.domain.define(bare("m", disk), 0)
    for name, flags in (("sparse", 0), ("full", DomainClone.NO_HOLES)):
        path = images.directory / f"{name}.raw"
        uuid = UUID[:-1] + str(flags)
        xml = await clone_xml(driver, ref, name, {"vda": str(path)}, uuid)
        await driver.domain.clone(ref.uuid, xml, flags | DomainClone.NO_REFLINK)
        assert path.read_bytes() == raw.read_bytes()
        assert (path.stat().st_blocks * 512 < 4 * MIB) == (name == "sparse")


async def test_linked_clones_are_ready_at_once_and_neither_disturbs_the_other(driver, bare, images):
    ref = await defined(driver, bare, images)
    took = []
    for number in range(3):
        path = images.path(f"clone{number}")
        xml = await clone_xml(
            driver, ref, f"n{number}", {"vda": str(path)}, UUID[:-1] + str(number)
        )
        begin = time.perf_counter()
        await driver.domain.clone(ref.uuid, xml, DomainClone.LINKED)
        took.append(time.perf_counter() - begin)
    print(f"linked clones took {[round(1000 * one, 1) for one in took]} ms")
    own = Path((await disk_of(driver, ref.uuid)).source.file)
    assert own.name == "top.overlay1.qcow2"  # only one: nothing was written between the clones
    below = ["top.qcow2", "mid.qcow2", "base.qcow2"]
    assert images.chain(own) == [own.name, *below]
    assert images.chain("clone2") == ["clone2.qcow2", *below]
    write(own, 50)
    write(images.path("clone1"), 60)
    assert images.hash("clone0") == images.hash("top") == images.content
    assert len({images.hash(one) for one in (own, "clone0", "clone1")}) == 3
    for name in ("m", "n0", "n1"):
        await driver.domain.create(driver.domain.by_name(name).uuid, 0, None)
    with pytest.raises(OperationInvalid, match="also an image of domain"):
        uuid = driver.domain.by_name("m").uuid
        await driver.domain.block_commit(uuid, "vda", None, None, 0, DomainBlockCommit.ACTIVE)


async def test_a_machine_with_snapshots_beside_its_images_can_have_a_linked_clone(
    driver, bare, images
):
    ref = await defined(driver, bare, images)
    await driver.snapshot.create(ref.uuid, asked("one", ""), SnapshotCreate.DISK_ONLY)
    await driver.snapshot.revert(ref.uuid, "one", 0)  # now on an image that was made for that
    branch = Path((await disk_of(driver, ref.uuid)).source.file)
    write(branch, 50)
    xml = await clone_xml(driver, ref, "n", {"vda": str(images.path("clone"))})
    new = await driver.domain.clone(ref.uuid, xml, DomainClone.LINKED)
    content = images.hash("clone")
    assert content != images.content
    await driver.snapshot.revert(ref.uuid, "one", 0)
    assert images.hash(Path((await disk_of(driver, ref.uuid)).source.file)) == images.content
    with pytest.raises(OperationInvalid, match="also an image of domain 'n'"):
        await driver.snapshot.delete(ref.uuid, "one", 0)
    assert branch.exists() and images.hash("clone") == content
    await driver.domain.undefine(new.uuid, 0)
    await driver.snapshot.delete(ref.uuid, "one", 0)
    await driver.snapshot.create(ref.uuid, asked("two", ""), 0)
    with pytest.raises(OperationInvalid, match="snapshot 'two' inside its images, which a linked"):
        await driver.domain.clone(ref.uuid, xml, DomainClone.LINKED)


async def test_a_whole_clone_of_a_running_machine_is_of_one_moment(
    driver, seen, linux, boot, images
):
    disk = DISK.format(images.path("top"))
    uuid, console = await boot(linux.xml("m", devices=disk + AGENT))
    await seen.agent(1)
    await console.type("echo before | dd of=/dev/vda bs=512 seek=9 conv=fsync; echo do''ne\n")
    await console.until(b"done")
    ref = driver.domain.by_uuid(uuid)
    path = images.path("clone")
    xml = await clone_xml(driver, ref, "n", {"vda": str(path)})
    await console.type("i=0; while :; do i=$((i+1)); echo $i | dd of=/dev/vda bs=512 seek=20 "
                       "conv=fsync 2>/dev/null; done &\n")  # fmt: skip
    new = await driver.domain.clone(uuid, xml, 0)
    assert "thawed" in await driver.domain.agent_command(uuid, FREEZE_STATUS, 10, 0)
    assert images.chain("clone") == ["clone.qcow2"]
    before = images.hash("clone")
    assert await open_files(driver, uuid) == {"top.qcow2", "mid.qcow2", "base.qcow2"}
    assert not driver.domain._table.get(uuid).guest.block_jobs
    await driver.domain.destroy(uuid, 0)
    assert images.hash("clone") == before
    raw = images.directory / "out.raw"
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw)
    assert raw.read_bytes()[9 * 512 :].startswith(b"before\n")
    await driver.domain.create(new.uuid, 0, None)


async def test_a_linked_clone_of_a_running_machine(driver, bare, images):
    ref = await defined(driver, bare, images)
    await driver.domain.create(ref.uuid, 0, None)
    path = images.path("clone")
    xml = await clone_xml(driver, ref, "n", {"vda": str(path)})
    new = await driver.domain.clone(ref.uuid, xml, DomainClone.LINKED)
    live = live_chain(await disk_of(driver, ref.uuid, 0))
    assert live == ["top.overlay1.qcow2", "top.qcow2", "mid.qcow2", "base.qcow2"]
    assert Path((await disk_of(driver, ref.uuid)).source.file).name == "top.overlay1.qcow2"
    await driver.domain.create(new.uuid, 0, None)
    assert await open_files(driver, new.uuid) == {"clone.qcow2", *live[1:]}
    for one in (ref, new):
        await driver.domain.destroy(one.uuid, 0)
    assert images.hash("clone") == images.hash("top") == images.content
    assert images.chain("top.overlay1") == live
    await driver.domain.create(ref.uuid, 0, None)


async def test_what_can_not_be_cloned_is_refused_and_nothing_is_made(driver, bare, images, state):
    ref = await defined(driver, bare, images)
    before = sorted(os.listdir(state))
    same = await clone_xml(driver, ref, "n", {})
    with pytest.raises(OperationInvalid, match=r"would be '.*top.qcow2', which 'm' writes"):
        await driver.domain.clone(ref.uuid, same, 0)
    there = await clone_xml(driver, ref, "n", {"vda": str(images.path("mid"))})
    with pytest.raises(ConfigUnsupported, match="exists already; a clone overwrites nothing"):
        await driver.domain.clone(ref.uuid, there, 0)
    nowhere = await clone_xml(driver, ref, "n", {"vda": "/nowhere/x.qcow2"})
    with pytest.raises(Exception, match="there is no directory '/nowhere'"):
        await driver.domain.clone(ref.uuid, nowhere, 0)
    entry = driver.domain._table.get(ref.uuid)
    entry.row = entry.row._replace(managed_save=True)
    fine = await clone_xml(driver, ref, "n", {"vda": str(images.path("clone"))})
    with pytest.raises(OperationInvalid, match="managed save image, which a linked clone"):
        await driver.domain.clone(ref.uuid, fine, DomainClone.LINKED)
    assert sorted(os.listdir(state)) == before
    assert [one.name for one in driver.domain.list_all(0)] == ["m"]


async def test_an_original_waits_with_its_start_while_it_is_copied(driver, bare, images):
    ref = await defined(driver, bare, images)
    xml = await clone_xml(driver, ref, "n", {"vda": str(images.path("clone"))})
    entry = driver.domain._table.get(ref.uuid)
    entry.busy = "cloned"  # as it is while files are copied
    with pytest.raises(OperationInvalid, match="just being cloned"):
        await driver.domain.create(ref.uuid, 0, None)
    with pytest.raises(OperationInvalid, match="just being cloned"):
        await driver.domain.clone(ref.uuid, xml, 0)
    entry.busy = None
    await driver.domain.clone(ref.uuid, xml, 0)
    await driver.domain.create(ref.uuid, 0, None)


async def test_a_clone_that_is_given_up_leaves_nothing(driver, bare, images):
    ref = await defined(driver, bare, images)
    xml = await clone_xml(driver, ref, "n", {"vda": str(images.path("clone"))})
    making = asyncio.create_task(driver.domain.clone(ref.uuid, xml, 0))
    while not making.done():
        await driver.domain.clone_give_up("n")
        await asyncio.sleep(0)
    with pytest.raises(OperationAborted, match="the clone was given up"):
        await making
    assert not images.path("clone").exists()
    assert [one.name for one in driver.domain.list_all(0)] == ["m"]
    await driver.domain.clone(ref.uuid, xml, 0)


async def test_a_disk_of_a_pool_is_found_and_cloned(driver, bare, images, state):
    pool = f"<pool type='dir'><name>p</name><target><path>{state}</path></target></pool>"
    await driver.storage.create_pool(pool, 0)
    disk = (
        "<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>"
        "<source pool='p' volume='top.qcow2'/><target dev='vda' bus='virtio'/></disk>"
    )
    ref = await driver.domain.define(bare("m", disk), 0)
    same = await clone_xml(driver, ref, "n", {})
    with pytest.raises(OperationInvalid, match=r"would be '.*top.qcow2', which 'm' writes"):
        await driver.domain.clone(ref.uuid, same, 0)
    xml = await clone_xml(driver, ref, "n", {"vda": str(images.path("clone"))})
    await driver.domain.clone(ref.uuid, xml, 0)
    assert images.hash("clone") == images.content
    await driver.domain.create(ref.uuid, 0, None)
    await driver.domain.block_pull(ref.uuid, "vda", None, 0, 0)


@pytest.mark.skipif(not FIRMWARE[0].exists(), reason="needs OVMF")
async def test_uefi_variables_and_the_tpms_state_go_along(driver, bare, images, state):
    code, template = FIRMWARE
    tpm = "<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>"
    acpi = "<features><acpi/></features>"
    xml = bare("m", DISK.format(images.path("top")) + tpm, acpi, "q35").replace(
        "</os>",
        f"<loader readonly='yes' type='pflash'>{code}</loader><nvram template='{template}'/></os>",
    )
    ref = await driver.domain.define(xml, 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.domain.destroy(ref.uuid, 0)
    variables = next(Path(state, "nvram").iterdir())
    with variables.open("r+b") as file:
        file.seek(1000)
        file.write(b"changed")
    (Path(state, "tpm", str(parse_domain(await driver.domain.xml(ref.uuid, 2)).uuid)) / "x").touch()
    xml = await clone_xml(driver, ref, "n", {"vda": str(images.path("clone"))})
    new = await driver.domain.clone(ref.uuid, xml, DomainClone.LINKED)
    other = next(path for path in Path(state, "nvram").iterdir() if path != variables)
    assert UUID in other.name
    assert other.read_bytes() == variables.read_bytes()
    assert (Path(state, "tpm", UUID) / "x").exists()
    await driver.domain.create(new.uuid, 0, None)
    await driver.domain.destroy(new.uuid, 0)
    await driver.domain.undefine(new.uuid, 4)
    assert variables.exists()


@pytest.mark.parametrize("running", [False, True], ids=["off", "running"])
async def test_all_disks_or_none(driver, bare, images, running):
    second = DISK.format(images.path("second")).replace("vda", "vdb")
    run("qemu-img", "create", "-q", "-f", "qcow2", images.path("second"), "8M")
    run("qemu-io", "-f", "qcow2", "-c", "write -P 9 1M 1M", images.path("second"))
    content = images.hash("second")
    ref = await driver.domain.define(bare("m", DISK.format(images.path("top")) + second), 0)
    if running:
        await driver.domain.create(ref.uuid, 0, None)
    for number, flags in enumerate((0, DomainClone.LINKED)):
        files = {"vda": str(images.path(f"a{number}")), "vdb": "/nowhere/b.qcow2"}
        xml = await clone_xml(driver, ref, f"n{number}", files, UUID[:-1] + str(number))
        with pytest.raises(SystemCallFailed, match="there is no directory"):
            await driver.domain.clone(ref.uuid, xml, flags)
        assert not images.path(f"a{number}").exists()
        xml = xml.replace("/nowhere/b.qcow2", str(images.path(f"b{number}")))
        await driver.domain.clone(ref.uuid, xml, flags)
        assert images.hash(f"a{number}") == images.content
        assert images.hash(f"b{number}") == content
    if running:
        names = {"top", "second", "top.overlay1", "second.overlay1", "mid", "base"}
        assert await open_files(driver, ref.uuid) == {f"{name}.qcow2" for name in names}
