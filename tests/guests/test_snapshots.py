"""Snapshots of real machines: what the guest wrote after one is gone when it goes back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from virtory.errors import (
    ConfigUnsupported,
    OperationAborted,
    OperationFailed,
    OperationInvalid,
    SnapshotNotFound,
    SystemCallFailed,
)
from virtory.model.flags import DomainEventLifecycle as Kind
from virtory.model.flags import DomainState

SUSPENDED, RESUMED = (Kind.SUSPENDED, 0), (Kind.RESUMED, 0)
DEFINED, REVERTED = (Kind.DEFINED, 3), (Kind.RESUMED, 2)


def image(path, size="64M"):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), size], check=True)
    return path


def check(path):
    done = subprocess.run(["qemu-img", "check", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def states_in(path):
    shown = subprocess.run(
        ["qemu-img", "info", "-U", "--output=json", str(path)],
        check=True,
        capture_output=True,
    ).stdout
    return [one["name"] for one in json.loads(shown).get("snapshots", [])]


def disk(path, target="vda", more=""):
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='{path}'/><target dev='{target}' bus='virtio'/>{more}</disk>"
    )


def asked(name, more=""):
    return f"<domainsnapshot><name>{name}</name>{more}</domainsnapshot>"


async def write(console, text):
    """Put a marker onto the disk, past the guest's cache."""
    await console.type(f"echo {text} | dd of=/dev/vda bs=512 conv=sync,fsync 2>/dev/null\n")
    await console.type("echo wrote-$?\n")
    await console.until(b"wrote-0")


async def keep(console, word):
    """Have the shell in the guest's memory remember a word."""
    await console.type(f"x={word}; echo ke''pt\n")
    await console.until(b"kept")


async def on_disk(console):
    await console.type("echo 3 > /proc/sys/vm/drop_caches; echo [$(head -n1 /dev/vda)]\n")
    await console.until(b"\n[")
    said = await console.until(b"]")
    return said.rstrip(b"]").decode()


async def test_a_running_machine_goes_back_with_memory_and_disk(
    driver, seen, linux, boot, tmp_path
):
    path = image(tmp_path / "a.qcow2")
    uuid, console = await boot(linux.xml("m", devices=disk(path)))
    await write(console, "first")
    await keep(console, "old")
    seen.clear()
    assert await driver.snapshot.create(uuid, asked("one"), 0) == "one"
    assert seen.lifecycles() == [SUSPENDED, RESUMED]
    assert states_in(path) == ["one"]
    await write(console, "second")
    await keep(console, "new")
    pid = driver.domain._table.get(uuid).guest.pid
    seen.clear()
    await driver.snapshot.revert(uuid, "one", 0)
    assert seen.lifecycles() == [REVERTED]
    assert driver.domain._table.get(uuid).guest.pid == pid
    assert driver.domain.state(uuid, 0) == (DomainState.RUNNING, 4)
    assert await on_disk(console) == "first"
    await console.type("echo is-$x\n")
    await console.until(b"is-old")
    xml = await driver.snapshot.xml(uuid, "one", 0)
    assert "<state>running</state>" in xml
    assert "<memory snapshot='internal'/>" in xml
    await driver.snapshot.revert(uuid, "one", 2)
    assert driver.domain.state(uuid, 0) == (DomainState.PAUSED, 7)
    console.close()
    await driver.snapshot.delete(uuid, "one", 0)
    await driver.domain.destroy(uuid, 0)
    assert states_in(path) == []
    check(path)


async def test_a_stopped_machine_goes_back(driver, seen, bare, tmp_path):
    path = image(tmp_path / "a.qcow2")
    ref = await driver.domain.define(bare("m", disk(path)), 0)
    await driver.snapshot.create(ref.uuid, asked("off"), 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.snapshot.create(ref.uuid, asked("on"), 0)
    assert driver.snapshot.parent(ref.uuid, "on") == "off"
    assert driver.snapshot.current(ref.uuid) == "on"
    seen.clear()
    await driver.snapshot.revert(ref.uuid, "off", 0)
    assert seen.lifecycles() == [(Kind.STOPPED, 6), DEFINED]
    assert driver.domain.state(ref.uuid, 0) == (DomainState.SHUTOFF, 7)
    seen.clear()
    await driver.snapshot.revert(ref.uuid, "on", 0)
    assert seen.lifecycles() == [(Kind.STARTED, 3), REVERTED, DEFINED]
    await driver.domain.destroy(ref.uuid, 0)
    with pytest.raises(OperationInvalid, match="inactive domain with 2 snapshots"):
        await driver.domain.undefine(ref.uuid, 0)
    with pytest.raises(OperationInvalid, match="rename a domain with snapshots"):
        await driver.domain.rename(ref.uuid, "other", 0)
    await driver.stop()
    await driver.start()
    assert driver.snapshot.names(ref.uuid, 0) == ["off", "on"]
    assert driver.snapshot.current(ref.uuid) == "on"
    seen.__init__(driver)
    await driver.snapshot.revert(ref.uuid, "off", 1)
    assert seen.lifecycles() == [(Kind.STARTED, 3), RESUMED, DEFINED]
    await driver.domain.destroy(ref.uuid, 0)
    await driver.snapshot.delete(ref.uuid, "off", 1)
    assert driver.snapshot.names(ref.uuid, 0) == []
    assert states_in(path) == []
    with pytest.raises(SnapshotNotFound):
        await driver.snapshot.revert(ref.uuid, "off", 0)
    check(path)


async def test_what_can_not_be_taken_is_refused_before_anything_is_touched(
    driver, seen, bare, tmp_path
):
    path = image(tmp_path / "a.qcow2")
    raw = tmp_path / "b.raw"
    raw.write_bytes(bytes(1 << 20))
    second = disk(raw, "vdb").replace("type='qcow2'", "type='raw'")
    ref = await driver.domain.define(bare("m", disk(path) + second), 0)
    take = driver.snapshot.create
    for live in (False, True):
        if live:
            await driver.domain.create(ref.uuid, 0, None)
            seen.clear()
        with pytest.raises(ConfigUnsupported, match="disk vdb unsupported for storage type raw"):
            await take(ref.uuid, asked("one"), 0)
        none = "<disks><disk name='vda' snapshot='no'/><disk name='vdb' snapshot='no'/></disks>"
        with pytest.raises(ConfigUnsupported, match="nothing selected"):
            await take(ref.uuid, asked("one", none), 0)
        mixed = none.replace("'no'", "'internal'", 1).replace("'no'", "'external'")
        with pytest.raises(ConfigUnsupported, match="mixing internal and external"):
            await take(ref.uuid, asked("one", mixed), 0)
    assert seen.lifecycles() == []
    assert driver.snapshot.names(ref.uuid, 0) == []
    left = asked("one", "<disks><disk name='vdb' snapshot='no'/></disks>")
    await take(ref.uuid, left, 0)
    with pytest.raises(OperationFailed, match="domain moment one already exists"):
        await take(ref.uuid, left, 0)
    await driver.domain.destroy(ref.uuid, 0)
    subprocess.run(["qemu-img", "snapshot", "-c", "theirs", str(path)], check=True)
    with pytest.raises(OperationFailed, match="already, that no daemon made"):
        await take(ref.uuid, asked("theirs", "<disks><disk name='vdb' snapshot='no'/></disks>"), 0)
    assert states_in(path) == ["one", "theirs"]
    check(path)


async def test_an_external_snapshot_freezes_the_image_and_can_be_gone_back_to(
    driver, seen, linux, boot, tmp_path
):
    path, memory = image(tmp_path / "a.qcow2"), tmp_path / "one.mem"
    definition = linux.xml("m", devices=disk(path))
    ref = await driver.domain.define(definition, 0)
    uuid, console = await boot(definition.replace("<name>", f"<uuid>{_uuid(ref)}</uuid><name>"))
    await write(console, "first")
    await keep(console, "old")
    seen.clear()
    more = f"<memory snapshot='external' file='{memory}'/>"
    await driver.snapshot.create(uuid, asked("one", more), 0)
    assert seen.lifecycles() == [SUSPENDED, RESUMED]
    assert memory.read_bytes()[:16] == b"LibvirtQemudSave"
    for flags in (0, 2):
        xml = await driver.domain.xml(uuid, flags)
        assert f"<source file='{tmp_path}/a.one'" in xml
        assert f"<source file='{path}'" in xml  # in its backingStore
    await write(console, "second")
    before = path.read_bytes()
    await driver.snapshot.create(uuid, asked("two"), 0x10)
    assert driver.domain.state(uuid, 0)[0] == DomainState.RUNNING
    await write(console, "third")
    assert path.read_bytes() == before
    assert driver.snapshot.names(uuid, 0x200) == ["one", "two"]

    seen.clear()
    console.close()
    await driver.snapshot.revert(uuid, "one", 0)
    assert seen.lifecycles() == [(Kind.STOPPED, 6), (Kind.STARTED, 3), REVERTED, DEFINED]
    console = await type(console)(driver, uuid).open()
    assert await on_disk(console) == "first"
    await console.type("echo is-$x\n")
    await console.until(b"is-old")
    assert not (tmp_path / "a.two").exists()  # nothing stood in it but what was given up
    assert (tmp_path / "a.one").exists()  # the snapshot `two` is in it
    await write(console, "fourth")

    await driver.snapshot.delete(uuid, "two", 0)
    await driver.snapshot.delete(uuid, "one", 0)
    assert await on_disk(console) == "fourth"
    console.close()
    assert not memory.exists()
    await driver.domain.destroy(uuid, 0)
    assert driver.snapshot.names(uuid, 0) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.qcow2"]
    check(path)
    assert f"<source file='{path}'/>" in await driver.domain.xml(uuid, 0)


def _uuid(ref):
    return ref.uuid.hex()


async def test_external_snapshots_of_a_stopped_machine_merge_in_any_order(driver, bare, tmp_path):
    path = image(tmp_path / "a.qcow2")
    ref = await driver.domain.define(bare("m", disk(path)), 0)
    for name in ("one", "two", "three"):
        await driver.snapshot.create(ref.uuid, asked(name), 0x10)
        top = tmp_path / f"a.{name}"
        fill = f"write -P {len(name)} 0 1M"
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", fill, str(top)], check=True, stdout=-3)
    with pytest.raises(ConfigUnsupported, match="already exists"):
        disks = f"<disks><disk name='vda'><source file='{path}'/></disk></disks>"
        await driver.snapshot.create(ref.uuid, asked("four", disks), 0x10)
    await driver.snapshot.delete(ref.uuid, "two", 0)
    assert not (tmp_path / "a.two").exists()
    xml = await driver.snapshot.xml(ref.uuid, "three", 0)
    assert f"<source file='{tmp_path}/a.one'/>" in xml
    assert driver.snapshot.parent(ref.uuid, "three") == "one"
    await driver.snapshot.revert(ref.uuid, "three", 0)
    (top,) = [one for one in tmp_path.iterdir() if one.name not in ("a.qcow2", "a.one")]
    read = ["qemu-io", "-r", "-f", "qcow2", "-c", "read -P 3 0 1M", str(top)]
    said = subprocess.run(read, check=True, capture_output=True, text=True).stdout
    assert "failed" not in said
    await driver.snapshot.delete(ref.uuid, "one", 1)
    assert driver.snapshot.names(ref.uuid, 0) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.qcow2"]
    check(path)
    read[-1] = str(path)
    said = subprocess.run(read, check=True, capture_output=True, text=True).stdout
    assert "failed" not in said
    assert f"<source file='{path}'/>" in await driver.domain.xml(ref.uuid, 0)
    await driver.domain.create(ref.uuid, 0, None)


async def test_uefi_variables_go_back_with_their_machine(driver, bare, state, tmp_path):
    path = image(tmp_path / "a.qcow2")
    acpi = "<features><acpi/></features>"
    xml = bare("m", disk(path), acpi, machine="q35").replace("<os>", "<os firmware='efi'>")
    ref = await driver.domain.define(xml, 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.snapshot.create(ref.uuid, asked("running"), 0)
    await driver.snapshot.revert(ref.uuid, "running", 0)
    await driver.domain.destroy(ref.uuid, 0)
    (variables,) = (Path(state) / "nvram").iterdir()
    with variables.open("r+b") as file:
        file.seek(-16, 2)
        file.write(b"before a change")
    old = variables.read_bytes()
    await driver.snapshot.create(ref.uuid, asked("off"), 0)
    variables.write_bytes(old.replace(b"before", b"after!"))
    await driver.snapshot.revert(ref.uuid, "off", 0)
    assert variables.read_bytes() == old
    await driver.snapshot.revert(ref.uuid, "running", 0)
    assert driver.domain.state(ref.uuid, 0)[0] == DomainState.RUNNING
    await driver.domain.destroy(ref.uuid, 0)
    await driver.snapshot.delete(ref.uuid, "running", 1)
    assert not list((Path(state) / "snapshot").rglob("nvram"))
    check(path)


POOL = "<pool type='dir'><name>p</name><target><path>{0}</path></target></pool>"
VOLUME = (
    "<volume><name>a.qcow2</name><capacity unit='MiB'>8</capacity>"
    "<target><format type='qcow2'/></target></volume>"
)


async def test_a_volume_of_a_pool_is_snapshotted_like_any_image(driver, bare, tmp_path):
    directory = tmp_path / "pool"
    directory.mkdir()
    pool = await driver.storage.create_pool(POOL.format(directory), 0)
    await driver.storage.create_volume(pool.uuid, VOLUME, 0)
    path = directory / "a.qcow2"
    named = disk("x").replace("type='file' device", "type='volume' device")
    named = named.replace("<source file='x'/>", "<source pool='p' volume='a.qcow2'/>")
    ref = await driver.domain.define(bare("m", named), 0)
    await driver.snapshot.create(ref.uuid, asked("off"), 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.snapshot.create(ref.uuid, asked("on"), 0)
    assert states_in(path) == ["off", "on"]
    await driver.snapshot.revert(ref.uuid, "on", 0)
    await driver.snapshot.revert(ref.uuid, "off", 0)
    assert "<source pool='p' volume='a.qcow2'/>" in await driver.domain.xml(ref.uuid, 2)
    await driver.snapshot.delete(ref.uuid, "off", 1)
    assert states_in(path) == []
    await driver.domain.create(ref.uuid, 0, None)
    await driver.snapshot.create(ref.uuid, asked("beside"), 0x10)
    assert f"<source file='{directory}/a.beside'/>" in await driver.domain.xml(ref.uuid, 2)
    await driver.snapshot.delete(ref.uuid, "beside", 0)
    await driver.domain.destroy(ref.uuid, 0)
    assert sorted(one.name for one in directory.iterdir()) == ["a.qcow2"]
    check(path)
    await driver.domain.create(ref.uuid, 0, None)


async def test_an_image_that_other_snapshots_stand_on_is_not_written(driver, bare, tmp_path):
    path = image(tmp_path / "a.qcow2")
    ref = await driver.domain.define(bare("m", disk(path)), 0)
    await driver.snapshot.create(ref.uuid, asked("inside"), 0)
    await driver.snapshot.create(ref.uuid, asked("beside"), 0x10)
    await driver.snapshot.create(ref.uuid, asked("above"), 0)
    assert states_in(tmp_path / "a.beside") == ["above"]
    with pytest.raises(OperationInvalid, match="below snapshot 'beside'"):
        await driver.snapshot.revert(ref.uuid, "inside", 0)
    await driver.snapshot.revert(ref.uuid, "above", 0)
    await driver.snapshot.delete(ref.uuid, "beside", 0)
    assert states_in(tmp_path / "a.beside") == ["above"]  # it holds a state: not merged away
    with pytest.raises(OperationInvalid, match="below snapshot 'above'"):
        await driver.snapshot.revert(ref.uuid, "inside", 0)
    await driver.snapshot.delete(ref.uuid, "above", 0)
    await driver.snapshot.revert(ref.uuid, "inside", 0)
    assert f"<source file='{path}'/>" in await driver.domain.xml(ref.uuid, 2)
    await driver.snapshot.delete(ref.uuid, "inside", 0)
    check(path)


async def test_a_machine_with_a_device_on_its_way_out_goes_back_in_a_new_process(
    driver, bare, seen, tmp_path
):
    """QEMU would wait for itself for ever; firmware alone does not let go of a device."""
    path, other = image(tmp_path / "a.qcow2"), image(tmp_path / "b.qcow2")
    acpi = "<features><acpi/></features>"
    ref = await driver.domain.define(bare("m", disk(path), acpi), 0)
    await driver.domain.create(ref.uuid, 0, None)
    driver.domain._table.get(ref.uuid).guest.unplug_timeout_s = 0.1
    await driver.domain.attach_device(ref.uuid, disk(other, "vdb"), 1)
    await driver.domain.detach_device(ref.uuid, disk(other, "vdb"), 1)
    await driver.snapshot.create(ref.uuid, asked("one"), 0)
    seen.clear()
    await driver.snapshot.revert(ref.uuid, "one", 0)
    again = [(Kind.STOPPED, 6), (Kind.STARTED, 3), REVERTED, DEFINED]
    assert seen.lifecycles() == again
    await driver.snapshot.revert(ref.uuid, "one", 0)  # its memory still has the device going
    assert seen.lifecycles() == again * 2
    assert str(other) in await driver.domain.xml(ref.uuid, 0)


async def test_a_disk_that_only_the_running_machine_had_comes_back_with_it(driver, bare, tmp_path):
    path, other = image(tmp_path / "a.qcow2"), image(tmp_path / "b.qcow2")
    acpi = "<features><acpi/></features>"
    ref = await driver.domain.define(bare("m", disk(path), acpi), 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.domain.attach_device(ref.uuid, disk(other, "vdb"), 1)
    more = f"<memory snapshot='external' file='{tmp_path}/memory'/>"
    await driver.snapshot.create(ref.uuid, asked("one", more), 0)
    await driver.domain.destroy(ref.uuid, 0)
    await driver.snapshot.revert(ref.uuid, "one", 0)
    assert driver.domain.state(ref.uuid, 0)[0] == DomainState.RUNNING
    assert f"<source file='{other}'" in await driver.domain.xml(ref.uuid, 0)  # below its new image
    assert "vdb" not in await driver.domain.xml(ref.uuid, 2)


@pytest.mark.parametrize("end", ["destroyed", "killed"])
async def test_a_machine_that_ends_while_one_is_taken_keeps_nothing_of_it(
    driver, bare, tmp_path, end
):
    path = image(tmp_path / "a.qcow2")
    ref = await driver.domain.define(bare("m", disk(path)), 0)
    await driver.domain.create(ref.uuid, 0, None)
    guest = driver.domain._table.get(ref.uuid).guest
    execute, ends = guest.execute, []

    async def watched(name, *more, **options):
        answer = await execute(name, *more, **options)
        if name == "job-dismiss":  # the state is in the image, and the snapshot not yet on record
            if end == "destroyed":
                ends.append(asyncio.ensure_future(driver.domain.destroy(ref.uuid, 0)))
            else:
                os.kill(guest.pid, signal.SIGKILL)
            await guest.process.ended
            raise OperationFailed("domain is no longer running")
        return answer

    guest.execute = watched
    with pytest.raises(OperationFailed, match="no longer running"):
        await driver.snapshot.create(ref.uuid, asked("one"), 0)
    await asyncio.gather(*ends)
    await guest.finished
    assert states_in(path) == [] and driver.snapshot.names(ref.uuid, 0) == []
    check(path)
    await driver.snapshot.create(ref.uuid, asked("one"), 0)


async def test_an_image_that_is_gone_is_named_when_one_is_to_be_put_on_it(driver, bare, tmp_path):
    ref = await driver.domain.define(bare("m", disk(tmp_path / "gone.qcow2")), 0)
    with pytest.raises(SystemCallFailed, match=r"gone.qcow2'.* No such file .*; create it"):
        await driver.snapshot.create(ref.uuid, asked("one"), 0x10)
    (tmp_path / "gone.qcow2").write_bytes(bytes(512))
    with pytest.raises(OperationFailed, match="is no qcow2 image; set the <driver type>"):
        await driver.snapshot.create(ref.uuid, asked("one"), 0x10)
    assert driver.snapshot.names(ref.uuid, 0) == []


async def test_a_transient_machine_keeps_its_snapshots_in_a_new_process(driver, bare, tmp_path):
    path = image(tmp_path / "a.qcow2")
    ref = await driver.domain.create_xml(bare("m", disk(path)), 0, None)
    await driver.snapshot.create(ref.uuid, asked("one"), 0)
    driver.domain._table.get(ref.uuid).guest.asked_to_go.add("a device")
    await driver.snapshot.revert(ref.uuid, "one", 0)
    assert driver.domain.by_name("m").id == ref.id + 1
    assert driver.snapshot.names(ref.uuid, 0) == ["one"]
    assert driver.snapshot.current(ref.uuid) == "one"
    await driver.domain.destroy(ref.uuid, 0)
    again = await driver.domain.define(
        bare("m", disk(path)).replace("<name>", f"<uuid>{_uuid(ref)}</uuid><name>"), 0
    )
    assert driver.snapshot.names(again.uuid, 0) == []


async def test_a_way_back_that_qemu_never_answers_ends_with_a_destroy(driver, bare, seen, tmp_path):
    ref = await driver.domain.define(bare("m", disk(image(tmp_path / "a.qcow2"))), 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.snapshot.create(ref.uuid, asked("one"), 0)
    guest = driver.domain._table.get(ref.uuid).guest
    guest.end_grace_s = 0.1
    stuck = asyncio.Event()

    def freeze(step):
        if step == "revert stopped":
            os.kill(guest.pid, signal.SIGSTOP)
            stuck.set()

    driver._runtime.checkpoint = freeze
    going = asyncio.ensure_future(driver.snapshot.revert(ref.uuid, "one", 0))
    freezing = asyncio.ensure_future(stuck.wait())
    await asyncio.wait([going, freezing], return_when=asyncio.FIRST_COMPLETED)
    freezing.cancel()
    assert not going.done(), going.exception()
    assert guest.held[0] == "revert"
    await driver.domain.destroy(ref.uuid, 0)
    with pytest.raises(OperationAborted, match="destroyed while it went back"):
        await going
    assert not driver.domain.is_active(ref.uuid)


async def test_a_destroy_while_the_former_process_ends_for_a_way_back_holds(driver, bare, tmp_path):
    ref = await driver.domain.define(bare("m", disk(image(tmp_path / "a.qcow2"))), 0)
    await driver.domain.create(ref.uuid, 0, None)
    more = f"<memory snapshot='external' file='{tmp_path}/memory'/>"
    await driver.snapshot.create(ref.uuid, asked("one", more), 0)
    guest = driver.domain._table.get(ref.uuid).guest
    end_process, others = guest.end_process, []

    async def end(*arguments, **options):
        if not others:
            others.append(asyncio.ensure_future(driver.domain.destroy(ref.uuid, 0)))
            await asyncio.sleep(0)
        return await end_process(*arguments, **options)

    guest.end_process = end
    with pytest.raises(OperationAborted, match="destroyed while it went back"):
        await driver.snapshot.revert(ref.uuid, "one", 0)
    await asyncio.gather(*others)
    assert not driver.domain.is_active(ref.uuid)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.one", "a.qcow2", "memory"]
    await driver.snapshot.revert(ref.uuid, "one", 0)
    assert driver.domain.is_active(ref.uuid)


async def test_what_is_missing_for_a_way_back_is_found_before_anything_is_given_up(
    driver, bare, tmp_path
):
    path, medium = image(tmp_path / "a.qcow2"), tmp_path / "cd.iso"
    medium.write_bytes(bytes(1 << 20))
    cd = (
        f"<disk type='file' device='cdrom'><source file='{medium}'/>"
        f"<target dev='hdc' bus='ide'/><readonly/></disk>"
    )
    ref = await driver.domain.define(bare("m", disk(path) + cd), 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.snapshot.create(ref.uuid, asked("inside"), 0)
    await driver.domain.destroy(ref.uuid, 0)
    medium.unlink()
    other = bare("m", disk(path)).replace("<name>", f"<uuid>{_uuid(ref)}</uuid><name>")
    await driver.domain.create_xml(other, 0, None)
    with pytest.raises(SystemCallFailed, match=r"cd\.iso"):
        await driver.snapshot.revert(ref.uuid, "inside", 0)
    assert driver.domain.is_active(ref.uuid)
    await driver.snapshot.delete(ref.uuid, "inside", 0)

    await driver.domain.destroy(ref.uuid, 0)
    medium.write_bytes(bytes(1 << 20))
    await driver.domain.create(ref.uuid, 0, None)
    more = f"<memory snapshot='external' file='{tmp_path}/memory'/>"
    await driver.snapshot.create(ref.uuid, asked("beside", more), 0)
    await driver.domain.managed_save(ref.uuid, 0)
    medium.unlink()
    before = await driver.domain.xml(ref.uuid, 2)
    with pytest.raises(SystemCallFailed, match=r"cd\.iso"):
        await driver.snapshot.revert(ref.uuid, "beside", 0)
    assert driver.domain.has_managed_save(ref.uuid, 0)
    assert await driver.domain.xml(ref.uuid, 2) == before
    medium.write_bytes(bytes(1 << 20))
    await driver.domain.create(ref.uuid, 0, None)


async def test_processors_that_were_plugged_in_are_plugged_in_again(driver, bare, tmp_path):
    """What else a guest sees, as the queues of a disk, goes by how many there were at first."""
    xml = bare("m", disk(image(tmp_path / "a.qcow2")), "<features><acpi/></features>", "q35")
    ref = await driver.domain.define(xml.replace("<vcpu>1<", "<vcpu current='1'>3<"), 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.domain.set_vcpus(ref.uuid, 3, 1)
    assert "<vcpu id='2' enabled='yes' hotpluggable='yes' order='3'/>" in (
        await driver.domain.xml(ref.uuid, 0)
    )
    await driver.snapshot.create(ref.uuid, asked("three"), 0)
    await driver.domain.managed_save(ref.uuid, 0)
    await driver.domain.create(ref.uuid, 0, None)
    assert driver.domain.state(ref.uuid, 0)[0] == DomainState.RUNNING
    assert driver.domain.info(ref.uuid).vcpus == len(driver.domain.vcpus(ref.uuid)) == 3
    await driver.domain.destroy(ref.uuid, 0)
    await driver.domain.create(ref.uuid, 0, None)
    assert driver.domain.info(ref.uuid).vcpus == 1
    await driver.snapshot.revert(ref.uuid, "three", 0)
    assert driver.domain.info(ref.uuid).vcpus == len(driver.domain.vcpus(ref.uuid)) == 3
    assert "<vcpus>" not in await driver.domain.xml(ref.uuid, 2)


async def test_an_older_one_goes_and_the_chains_of_the_newer_ones_are_known(driver, bare, tmp_path):
    ref = await driver.domain.define(bare("m", disk(image(tmp_path / "a.qcow2"))), 0)
    for name in ("one", "two", "three"):
        await driver.snapshot.create(ref.uuid, asked(name), 0x10)
    await driver.snapshot.delete(ref.uuid, "one", 0)
    assert "a.one" not in await driver.domain.xml(ref.uuid, 2)
    assert "a.one" not in await driver.snapshot.xml(ref.uuid, "three", 0)
    for name in ("two", "three", "two"):
        await driver.snapshot.revert(ref.uuid, name, 0)
        for left in tmp_path.iterdir():
            check(left)
    for name in ("three", "two"):
        await driver.snapshot.delete(ref.uuid, name, 0)
    assert [one.name for one in tmp_path.iterdir()] == ["a.qcow2"]


async def test_what_several_clients_do_to_one_machines_snapshots_is_done_in_turn(
    driver, bare, tmp_path
):
    path = image(tmp_path / "a.qcow2")
    ref = await driver.domain.define(bare("m", disk(path)), 0)
    for name in ("one", "two", "three"):
        await driver.snapshot.create(ref.uuid, asked(name), 0x10)
    done = await asyncio.gather(
        driver.snapshot.revert(ref.uuid, "one", 0),
        driver.snapshot.delete(ref.uuid, "two", 0),
        driver.snapshot.delete(ref.uuid, "two", 0),
        driver.snapshot.revert(ref.uuid, "three", 0),
        driver.snapshot.create(ref.uuid, asked("four"), 0x10),
        driver.snapshot.delete(ref.uuid, "one", 0),
        driver.domain.create(ref.uuid, 0, None),
        return_exceptions=True,
    )
    expected = OperationInvalid | OperationAborted | SnapshotNotFound
    problems = [one for one in done if isinstance(one, BaseException)]
    assert [one for one in problems if not isinstance(one, expected)] == []
    assert "three" in driver.snapshot.names(ref.uuid, 0)
    if not driver.domain.is_active(ref.uuid):
        await driver.domain.create(ref.uuid, 0, None)
    await driver.domain.destroy(ref.uuid, 0)
    for left in tmp_path.iterdir():
        check(left)
