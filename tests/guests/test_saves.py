"""Saving, restoring, managed saves and dumps of real machines: the guest goes on where it was."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from again import begun
from relay import relayed

from virtory.errors import (
    ConfigUnsupported,
    DomainNotFound,
    OperationAborted,
    OperationFailed,
    OperationInvalid,
)
from virtory.model.events import MonitorEvent
from virtory.model.flags import DomainEventLifecycle as Kind
from virtory.model.flags import (
    DomainPausedReason,
    DomainRunningReason,
    DomainSaveRestore,
    DomainShutoffReason,
    DomainStart,
    DomainState,
    DomainUndefine,
)

SUSPENDED, RESUMED = (Kind.SUSPENDED, 0), (Kind.RESUMED, 0)
DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
SAVED, RESTORED = (Kind.STOPPED, 4), (Kind.STARTED, 2)


def saves(state):
    directory = Path(state) / "save"
    return sorted(os.listdir(directory)) if directory.exists() else []


async def test_a_saved_machine_goes_on_where_it_was(driver, seen, linux, boot, state, tmp_path):
    uuid, console = await boot(linux.xml("m"))
    await console.type("x=before\n")
    await console.type("echo set-$x\n")
    await console.until(b"set-before")
    seen.clear()
    path = str(tmp_path / "image")
    await driver.domain.save(uuid, path, None, 0)
    assert seen.lifecycles() == [SUSPENDED, SAVED]
    assert driver.domain.list_all(0) == []
    assert Path(path).read_bytes()[:16] == b"LibvirtQemudSave"
    assert "<name>m</name>" in await driver.domain.save_image_xml(path, 0)

    seen.clear()
    await driver.domain.restore(path, None, 0, None)
    assert seen.lifecycles() == [RESTORED, (Kind.RESUMED, 2)]
    (ref,) = driver.domain.list_all(1)
    assert driver.domain.state(uuid, 0) == (DomainState.RUNNING, DomainRunningReason.RESTORED)
    console = await type(console)(driver, ref.uuid).open()
    await console.type("echo still-$x\n")
    await console.until(b"still-before")
    console.close()
    with pytest.raises(OperationInvalid, match="already active"):
        await driver.domain.restore(path, None, 0, None)


async def test_a_managed_save_is_used_once(driver, seen, bare, state):
    ref = await driver.domain.define(bare("m"), 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.domain.managed_save(ref.uuid, 0)
    assert driver.domain.has_managed_save(ref.uuid, 0)
    saved = (DomainState.SHUTOFF, DomainShutoffReason.SAVED)
    assert driver.domain.state(ref.uuid, 0) == saved
    assert saves(state) == [f"{ref.uuid.hex()}.save"]
    with pytest.raises(OperationInvalid, match="Refusing to undefine"):
        await driver.domain.undefine(ref.uuid, 0)
    await driver.stop()
    await driver.start()
    assert driver.domain.has_managed_save(ref.uuid, 0)
    seen.__init__(driver)
    await driver.domain.create(ref.uuid, 0, None)
    assert seen.lifecycles() == [RESTORED, (Kind.RESUMED, 2)]
    assert not driver.domain.has_managed_save(ref.uuid, 0)
    assert saves(state) == []


async def test_a_machine_that_is_undefined_while_it_is_saved_goes_on(driver, bare, state):
    ref = await driver.domain.define(bare("m"), 0)
    await driver.domain.create(ref.uuid, 0, None)
    undefining = []

    def undefine(step):
        if step == "save stopped":
            undefining.append(asyncio.ensure_future(driver.domain.undefine(ref.uuid, 0)))

    driver._runtime.checkpoint = undefine
    with pytest.raises(OperationInvalid, match="undefined while it was saved"):
        await driver.domain.managed_save(ref.uuid, 0)
    await undefining[0]
    assert driver.domain.state(ref.uuid, 0)[0] == DomainState.RUNNING
    assert saves(state) == []


@pytest.mark.parametrize("later", range(8))
async def test_a_saved_machine_that_is_undefined_while_it_is_started_is_not_lost(
    driver, bare, later
):
    """Either it runs, and is known as long as that, or it is not started."""
    ref = await driver.domain.define(bare("m"), 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.domain.managed_save(ref.uuid, 0)
    starting = asyncio.create_task(driver.domain.create(ref.uuid, 0, None))
    for _ in range(later):
        await asyncio.sleep(0)
    await driver.domain.undefine(ref.uuid, DomainUndefine.MANAGED_SAVE)
    (outcome,) = await asyncio.gather(starting, return_exceptions=True)
    runs = not isinstance(outcome, BaseException)
    assert runs or isinstance(outcome, (OperationInvalid, DomainNotFound))
    assert [one.name for one in driver.domain.list_all(0)] == ["m"] * runs


async def test_a_managed_save_that_goes_before_it_is_opened_is_told_to_be_gone(driver, bare, state):
    ref = await driver.domain.define(bare("m"), 0)
    await driver.domain.create(ref.uuid, 1, None)
    await driver.domain.managed_save(ref.uuid, 0)
    loop, go_on = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    held = loop.run_in_executor(None, go_on.wait)
    starting = asyncio.create_task(driver.domain.create(ref.uuid, 0, None))
    for _ in range(10):
        await asyncio.sleep(0)
    removing = asyncio.create_task(driver.domain.remove_managed_save(ref.uuid, 0))
    while f"{ref.uuid.hex()}.save" in saves(state):  # noqa: ASYNC110
        await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(OperationInvalid, match="was removed before it was used"):
        await starting
    await asyncio.gather(held, removing)
    await driver.domain.create(ref.uuid, 1, None)


async def test_a_managed_save_can_be_dropped_or_passed_over(driver, seen, bare, state):
    ref = await driver.domain.define(bare("m"), 0)
    await driver.domain.create(ref.uuid, 1, None)
    await driver.domain.managed_save(ref.uuid, 0)
    seen.clear()
    await driver.domain.create(ref.uuid, 0, None)
    paused = (DomainState.PAUSED, DomainPausedReason.MIGRATION)
    assert driver.domain.state(ref.uuid, 0) == paused
    assert seen.lifecycles() == [RESTORED, (Kind.SUSPENDED, 4)]

    await driver.domain.managed_save(ref.uuid, DomainSaveRestore.RUNNING)
    await driver.domain.define_managed_save_xml(
        ref.uuid, await driver.domain.managed_save_xml(ref.uuid, 0), DomainSaveRestore.PAUSED
    )
    await driver.domain.remove_managed_save(ref.uuid, 0)
    assert saves(state) == []
    with pytest.raises(OperationInvalid, match="does not have managed save image"):
        await driver.domain.managed_save_xml(ref.uuid, 0)

    await driver.domain.create(ref.uuid, 0, None)
    await driver.domain.managed_save(ref.uuid, 0)
    seen.clear()
    await driver.domain.create(ref.uuid, DomainStart.FORCE_BOOT, None)
    assert seen.lifecycles()[-1] == (Kind.STARTED, 0)
    assert saves(state) == []


async def test_a_broken_image_is_refused_and_kept(driver, bare, state, tmp_path):
    ref = await driver.domain.define(bare("m"), 0)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.domain.managed_save(ref.uuid, 0)
    (name,) = saves(state)
    path = Path(state) / "save" / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Exception, match="is kept: mend the cause") as caught:
        await driver.domain.create(ref.uuid, 0, None)
    assert "force-boot" in str(caught.value)
    assert driver.domain.has_managed_save(ref.uuid, 0)
    assert path.exists()
    path.write_bytes(whole)
    await driver.domain.create(ref.uuid, 0, None)

    for content, error in (
        (b"", OperationFailed),
        (b"LibvirtQemudPart" + whole[16:], OperationInvalid),
        (whole[:16] + b"\x09" + whole[17:], ConfigUnsupported),
        (whole[:20] + b"\xff\xff\xff\x7f" + whole[24:], OperationFailed),
        (b"a text file\n" * 100, OperationFailed),
    ):
        other = tmp_path / "other"
        other.write_bytes(content)
        with pytest.raises(error):
            await driver.domain.restore(str(other), None, 0, None)


async def test_dumps_are_written_and_the_machine_goes_on(driver, seen, bare, tmp_path):
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    seen.clear()
    (tmp_path / "elf.part").write_text("somebody's")
    await driver.domain.core_dump(ref.uuid, str(tmp_path / "elf"), 0, 0x10)
    assert (tmp_path / "elf.part").read_text() == "somebody's"
    assert (tmp_path / "elf").read_bytes()[:4] == b"\x7fELF"
    assert seen.lifecycles() == [SUSPENDED, RESUMED]
    await driver.domain.core_dump(ref.uuid, str(tmp_path / "zlib"), 1, 0x10)
    assert (tmp_path / "zlib").read_bytes()[:8] == b"makedump"
    await driver.domain.core_dump(ref.uuid, str(tmp_path / "plain"), 0, 0)
    assert (tmp_path / "plain").read_bytes()[:4] == b"QEVM"
    assert driver.domain.state(ref.uuid, 0)[0] == DomainState.RUNNING
    assert await driver.domain.job_info(ref.uuid) == [0] * 12
    told = [(await driver.domain.job_stats(ref.uuid, flags))[0] for flags in (3, 1, 1)]
    assert told == [3, 3, 0]  # kept when asked
    with pytest.raises(OperationInvalid, match="no job is active"):
        await driver.domain.abort_job(ref.uuid, 0)


async def test_a_dump_can_follow_a_dump_at_once(driver, bare, tmp_path):
    """QEMU tells of a dump's end before it has closed its file and lets the memory be sent."""
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    for _ in range(20):
        await driver.domain.core_dump(ref.uuid, str(tmp_path / "elf"), 0, 0x10)
        await driver.domain.core_dump(ref.uuid, str(tmp_path / "plain"), 0, 0)
        (tmp_path / "elf").unlink()
        (tmp_path / "plain").unlink()
    assert driver.domain.state(ref.uuid, 0)[0] == DomainState.RUNNING


async def test_a_machine_that_was_to_end_with_its_dump_goes_on_when_there_is_none(
    driver, seen, bare, tmp_path
):
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    seen.clear()
    with pytest.raises(OperationFailed, match="domain core dump job: win-dump"):  # no Windows runs
        await driver.domain.core_dump(ref.uuid, str(tmp_path / "dump"), 4, 0x11)
    assert seen.lifecycles() == [SUSPENDED, RESUMED]
    assert list(tmp_path.iterdir()) == []


async def test_who_was_paused_while_its_memory_was_written_runs_before_it_is_written_to(
    driver, bare, state
):
    """QEMU ends itself when it writes to an image that it counts as another's."""
    disk = os.path.join(state, "disk.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "8M"], check=True)
    ref = await driver.domain.define(bare("m", DISK.format(disk)), 0)
    await driver.domain.create(ref.uuid, 1, None)
    domain, uuid = driver.domain, ref.uuid
    snapshot = "<domainsnapshot><name>s</name></domainsnapshot>"
    works = (
        lambda: domain.block_resize(uuid, "vda", 16 << 20, 1),
        lambda: domain.core_dump(uuid, os.path.join(state, "again"), 0, 0),
        lambda: driver.snapshot.create(uuid, snapshot, 0),
        lambda: domain.managed_save(uuid, 0),
    )
    await domain.core_dump(uuid, os.path.join(state, "dump"), 0, 0)
    await domain.reset(uuid, 0)
    for work in works:
        with pytest.raises(OperationInvalid, match="written to a file while it was paused"):
            await work()
    await driver.stop()
    await begun(driver)
    domain = driver.domain
    with pytest.raises(OperationInvalid, match="written to a file while it was paused"):
        await domain.block_resize(uuid, "vda", 16 << 20, 1)
    await domain.resume(uuid)
    await domain.suspend(uuid)
    await domain.block_resize(uuid, "vda", 16 << 20, 1)
    await domain.managed_save(uuid, 0)


async def test_a_save_can_be_watched_and_given_up(driver, seen, bare, tmp_path):
    """Its speed is limited, so that it lasts."""
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    guest = driver.domain._table.get(ref.uuid).guest
    seen.clear()
    path = tmp_path / "image"

    def slowing(command):
        if "max-bandwidth" in command.get("arguments", {}):
            command["arguments"]["max-bandwidth"] = 4096

    async with relayed(guest, slowing):
        saving = asyncio.ensure_future(driver.domain.save(ref.uuid, str(path), None, 0))
        await seen.wait(lambda e: isinstance(e, MonitorEvent) and '"active"' in (e.details or ""))
        numbers = await driver.domain.job_info(ref.uuid)
        assert numbers[0] == 2 and numbers[3] > 32 << 20
        kind, params = await driver.domain.job_stats(ref.uuid, 0)
        assert kind == 2 and ("operation", 1, 2) in params
        assert guest.held is not None and guest.held[0] == "save"
        await driver.domain.abort_job(ref.uuid, 0)
        with pytest.raises(OperationAborted, match="domain save job: canceled by client"):
            await saving
    assert driver.domain.state(ref.uuid, 0) == (DomainState.RUNNING, 7)
    assert seen.lifecycles() == [SUSPENDED, RESUMED]
    assert list(tmp_path.iterdir()) == []


async def test_autostart_goes_on_from_a_managed_save(driver, bare, state):
    ref = await driver.domain.define(bare("m"), 0)
    await driver.domain.set_autostart(ref.uuid, True)
    await driver.domain.create(ref.uuid, 0, None)
    await driver.domain.managed_save(ref.uuid, 0)
    await driver.stop()
    (Path(state) / "run" / "autostarted").unlink()  # as after the host booted
    await driver.start()
    await driver._runtime.idle()
    assert driver.domain.state(ref.uuid, 0) == (DomainState.RUNNING, DomainRunningReason.RESTORED)
    assert saves(state) == []
