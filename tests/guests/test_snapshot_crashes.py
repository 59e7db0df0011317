"""The daemon is killed at each step of saving, snapshotting, going back: before or after it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from test_restart import end, no_processes, qemu_processes, restarted
from test_snapshots import asked, check, disk, image, states_in

from virtory.driver.store import Store
from virtory.errors import OperationInvalid
from virtory.model.flags import DomainState

MEMORY = "<memory snapshot='external' file='{0}/one.mem'/>"
__all__ = ["no_processes"]


def crash(state, settings, step, call, *arguments):
    daemon = str(Path(__file__).parent / "crash_snapshots.py")
    words = [json.dumps(each) for each in arguments]
    done = subprocess.run(
        [sys.executable, daemon, state, settings["cache_directory"], step, call, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


async def prepared(state, settings, bare, path, *, running, snapshots=()):
    """A daemon that has defined `m`, taken its snapshots, started it, and ended."""
    driver = await restarted(state, settings)
    ref = await driver.domain.define(bare("m", disk(path)), 0)
    if running:
        await driver.domain.create(ref.uuid, 0, None)
    for name, more, flags in snapshots:
        await driver.snapshot.create(ref.uuid, asked(name, more), flags)
    await driver.stop()
    return ref.uuid


def files_in(xml):
    return re.findall(r"<source file='([^']+)'", xml)


async def whole(driver, uuid, directory):
    """Every image that is named is there and sound; nothing else is."""
    named = set()
    for flags in (0, 2):
        named |= set(files_in(await driver.domain.xml(uuid, flags)))
    for name in driver.snapshot.names(uuid, 0):
        xml = await driver.snapshot.xml(uuid, name, 0)
        named |= set(files_in(xml)) | set(re.findall(r"file='([^']+\.mem)'", xml))
    there = {str(one) for one in directory.iterdir()}
    assert {one for one in named if one.endswith("a.qcow2")} <= there
    top = files_in(await driver.domain.xml(uuid, 2))[0]
    assert top in there
    assert there <= named | {str(directory / "image")}, "something is left"
    if not driver.domain.is_active(uuid):
        for one in there:
            if not one.endswith((".mem", "image")):
                check(one)


SAVE_STEPS = ("save begun", "save stopped", "save written", "save renamed", "save kept")
USER_SAVE_STEPS = ("save stopped", "save renamed", "save kept")


@pytest.mark.parametrize("step", SAVE_STEPS)
async def test_a_managed_save_cut_off_leaves_it_running_or_saved(
    state, settings, bare, no_processes, tmp_path, step
):
    uuid = await prepared(state, settings, bare, image(tmp_path / "a.qcow2"), running=True)
    await asyncio.to_thread(crash, state, settings, step, "managed_save", 0)
    driver = await restarted(state, settings)
    try:
        if driver.domain.has_managed_save(uuid, 0):
            assert step in ("save renamed", "save kept")
            assert driver.domain.state(uuid, 0) == (DomainState.SHUTOFF, 5)
            assert qemu_processes(state) == []
            await driver.domain.create(uuid, 0, None)
        else:
            assert not any((Path(state) / "save").glob("*"))
        assert driver.domain.state(uuid, 0)[0] == DomainState.RUNNING
        await whole(driver, uuid, tmp_path)
    finally:
        await end(driver)


@pytest.mark.parametrize("step", USER_SAVE_STEPS)
async def test_a_save_cut_off_leaves_it_running_or_saved(
    state, settings, bare, no_processes, tmp_path, step
):
    uuid = await prepared(state, settings, bare, image(tmp_path / "a.qcow2"), running=True)
    path = tmp_path / "image"
    await asyncio.to_thread(crash, state, settings, step, "save", str(path), None, 0)
    driver = await restarted(state, settings)
    try:
        if not driver.domain.is_active(uuid):
            assert step == "save kept"
            await driver.domain.restore(str(path), None, 0, None)
        assert driver.domain.state(uuid, 0)[0] == DomainState.RUNNING
        await whole(driver, uuid, tmp_path)
    finally:
        await end(driver)


CRASH, MEMORY_ONLY = 1, 0x10


@pytest.mark.parametrize(
    ("step", "flags"),
    [
        ("dump stopped", 0),
        ("dump stopped", CRASH),
        ("dump written", 0),
        ("dump under way", MEMORY_ONLY),
    ],
)
async def test_a_machine_goes_on_after_a_dump_that_was_cut_off(
    state, settings, bare, no_processes, tmp_path, step, flags
):
    uuid = await prepared(state, settings, bare, image(tmp_path / "a.qcow2"), running=True)
    path = tmp_path / "dump"
    await asyncio.to_thread(crash, state, settings, step, "core_dump", str(path), 0, flags)
    driver = await restarted(state, settings)
    try:
        async with driver.domain.runtime.table.get(uuid).guest.job("look", patient=True):
            pass  # QEMU may still have been writing: then that is waited for beside
        assert driver.domain.state(uuid, 0)[0] == DomainState.RUNNING
        assert sorted(each.name for each in tmp_path.iterdir()) == ["a.qcow2"]
        await driver.domain.core_dump(uuid, str(path), 0, flags & ~CRASH)
        assert driver.domain.state(uuid, 0)[0] == DomainState.RUNNING
    finally:
        await end(driver)


TAKING = {
    "inside, running": (True, "", 0, ("snapshot stopped", "snapshot taken", "snapshot saved")),
    "inside, off": (False, "", 0, ("snapshot state kept", "snapshot taken", "snapshot saved")),
    "disks": (True, "", 0x10, ("overlays made", "overlays switched", "overlays settled",
                               "snapshot saved")),
    "disks, off": (False, "", 0x10, ("overlays made", "snapshot saved")),
    "memory": (True, MEMORY, 0, ("snapshot memory kept", "overlays made", "overlays switched",
                                 "overlays settled", "snapshot saved")),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "step"), [(kind, step) for kind, row in TAKING.items() for step in row[3]]
)
async def test_a_snapshot_cut_off_is_taken_or_not(
    state, settings, bare, no_processes, tmp_path, kind, step
):
    running, more, flags, _ = TAKING[kind]
    path = image(tmp_path / "a.qcow2")
    uuid = await prepared(state, settings, bare, path, running=running)
    xml = asked("one", more.format(tmp_path))
    await asyncio.to_thread(crash, state, settings, step, "create", xml, flags)
    driver = await restarted(state, settings)
    try:
        taken = driver.snapshot.names(uuid, 0) == ["one"]
        assert taken == (step in ("overlays switched", "overlays settled", "snapshot saved"))
        if "inside" in kind:
            assert states_in(path) == (["one"] if taken else [])
        assert driver.domain.is_active(uuid) == running
        if running:
            assert driver.domain.state(uuid, 0)[0] == DomainState.RUNNING
            assert await driver.domain.block_info(uuid, "vda", 0)
        await whole(driver, uuid, tmp_path)
        if taken:
            await driver.snapshot.revert(uuid, "one", 0)
            await driver.snapshot.delete(uuid, "one", 0)
        await driver.snapshot.create(uuid, xml, flags)
        await whole(driver, uuid, tmp_path)
    finally:
        await end(driver)


BACK = {
    "in place": (("one", "", 0), True, ("revert stopped", "revert loaded")),
    "off": (("one", "", 0), False, ("revert applied",)),
    "branch": (("one", "", 0x10), False, ("branch made", "branch saved")),
    "memory": (("one", MEMORY, 0), True, ("branch made", "branch saved", "spawned")),
}


@pytest.mark.parametrize(
    ("kind", "step"), [(kind, step) for kind, row in BACK.items() for step in row[2]]
)
async def test_a_way_back_cut_off_is_gone_to_its_end(
    state, settings, bare, no_processes, tmp_path, kind, step
):
    (name, more, flags), running, _ = BACK[kind]
    path = image(tmp_path / "a.qcow2")
    snapshots = [(name, more.format(tmp_path), flags)]
    uuid = await prepared(state, settings, bare, path, running=running, snapshots=snapshots)
    await asyncio.to_thread(crash, state, settings, step, "revert", "one", 0)
    driver = await restarted(state, settings)
    try:
        await driver._runtime.idle()
        assert driver.snapshot.current(uuid) == "one"
        wanted = (DomainState.RUNNING, 4) if running else (DomainState.SHUTOFF, 0)
        state_now = driver.domain.state(uuid, 0)
        assert state_now[0] == wanted[0]
        await whole(driver, uuid, tmp_path)
        assert len(qemu_processes(state)) == int(running)
    finally:
        await end(driver)


@pytest.mark.parametrize(("running", "step"), [(True, "revert loaded"), (False, "revert applied")])
async def test_a_way_back_cut_off_twice_is_one_work(
    state, settings, bare, no_processes, tmp_path, caplog, running, step
):
    path = image(tmp_path / "a.qcow2")
    snapshots = [("one", "", 0)]
    uuid = await prepared(state, settings, bare, path, running=running, snapshots=snapshots)
    await asyncio.to_thread(crash, state, settings, step, "revert", "one", 0)
    await asyncio.to_thread(crash, state, settings, step, "mend")
    with closing(Store(state)) as store:
        assert len(store.load().intents) == 1
    driver = await restarted(state, settings)
    try:
        assert driver.snapshot.current(uuid) == "one" and driver.domain.is_active(uuid) == running
        await whole(driver, uuid, tmp_path)
        assert caplog.text == ""
    finally:
        await end(driver)


DELETING = {
    "inside": (False, "", 0, ("snapshot dropped",)),
    "inside, running": (True, "", 0, ("snapshot dropped",)),
    "merge, off": (False, "", 0x10, ("snapshot forgotten", "images merged",
                                     "descriptions point down")),
    "merge, running": (True, "", 0x10, ("snapshot forgotten", "block job ready",
                                        "block job saved", "block job forgotten")),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "step"), [(kind, step) for kind, row in DELETING.items() for step in row[3]]
)
async def test_a_deletion_cut_off_loses_nothing(
    state, settings, bare, no_processes, tmp_path, kind, step
):
    running, more, flags, _ = DELETING[kind]
    path = image(tmp_path / "a.qcow2")
    uuid = await prepared(
        state, settings, bare, path, running=running, snapshots=[("one", more, flags)]
    )
    await asyncio.to_thread(crash, state, settings, step, "delete", "one", 0)
    driver = await restarted(state, settings)
    try:
        await driver._runtime.idle()
        assert driver.snapshot.names(uuid, 0) == []
        assert states_in(path) == []
        assert driver.domain.is_active(uuid) == running
        if running:
            assert driver.domain.state(uuid, 0)[0] == DomainState.RUNNING
            await driver.domain.destroy(uuid, 0)
        for one in files_in(await driver.domain.xml(uuid, 2)):
            check(one)
        await driver.domain.create(uuid, 0, None)
    finally:
        await end(driver)


async def test_a_work_that_can_not_be_ended_is_told_and_keeps_the_machine_until_it_can(
    state, settings, bare, no_processes, tmp_path, caplog
):
    path = image(tmp_path / "a.qcow2")
    uuid = await prepared(state, settings, bare, path, running=False, snapshots=[("one", "", 0x10)])
    await asyncio.to_thread(crash, state, settings, "snapshot forgotten", "delete", "one", 0)
    away = Path(path).rename(tmp_path / "away")
    driver = await restarted(state, settings)
    try:
        told = f"work 'merge' was cut off and can not be ended: .*{path}"
        assert re.search(told, driver.domain.messages(uuid, 0)[0])
        assert "'merge' was cut off" in await driver.domain.inspect(uuid, 0)
        assert "'merge' was cut off" in await driver.connect.host_report()
        with pytest.raises(OperationInvalid, match=told):
            await driver.domain.create(uuid, 0, None)
        with pytest.raises(OperationInvalid, match=told):
            await driver.snapshot.create(uuid, asked("two", ""), 0)
        away.rename(path)
        await driver.domain.create(uuid, 0, None)
        assert driver.domain.messages(uuid, 0) == [] and driver.snapshot.names(uuid, 0) == []
        await whole(driver, uuid, tmp_path)
    finally:
        await end(driver)
