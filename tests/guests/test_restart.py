"""The daemon ends, by order or by SIGKILL: guests go on, and the next daemon finds them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from again import begun

from virtory.driver.qemu import reconnect
from virtory.driver.qemu.driver import QemuDriver
from virtory.driver.qemu.process import start_time_of
from virtory.errors import OpenFailed, SystemCallFailed
from virtory.model.events import AgentLifecycle
from virtory.model.flags import DomainShutoffReason, DomainState

WITHOUT_FIRST_THREAD = (
    "import ctypes, sys, threading\n"
    "threading.Thread(target=sys.stdin.read).start()\n"
    "ctypes.CDLL(None).syscall(60, 0)"  # exit(2) of x86-64: this thread alone
)
STEPS = ("planned", "acquired", "spawned", "running", "saved")


def qemu_processes(state):
    """The pids of all processes that run for this state directory."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                environment = Path(f"/proc/{entry}/environ").read_bytes()
            except OSError:
                continue
            if f"VIRTORY_RUN={state}/".encode() in environment and start_time_of(int(entry)):
                found.append(int(entry))
    return found


def leftovers(state):
    return sorted(set(os.listdir(Path(state) / "run")) - {"autostarted"})


@pytest.fixture
def no_processes(state):
    yield
    for pid in qemu_processes(state):
        with contextlib.suppress(ProcessLookupError):  # it was about to end
            os.kill(pid, signal.SIGKILL)


def crash(state, settings, step, xml):
    daemon = str(Path(__file__).parent / "crash_daemon.py")
    done = subprocess.run(
        [sys.executable, daemon, state, settings["cache_directory"], step, xml],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


async def restarted(state, settings):
    return await begun(QemuDriver(state, os.geteuid() == 0, settings))


async def end(driver):
    for ref in driver.domain.list_all(1):
        await driver.domain.destroy(ref.uuid, 0)
    await driver.stop()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", ["", "defined:"])
async def test_a_start_cut_off_at_any_step_ends_as_never_begun_or_as_done(
    state, settings, bare, no_processes, step, kind
):
    await asyncio.to_thread(crash, state, settings, kind + step, bare("m"))
    driver = await restarted(state, settings)
    try:
        known = driver.domain.list_all(0)
        if step == "saved":
            assert [(ref.name, ref.id) for ref in known] == [("m", 1)]
            assert len(qemu_processes(state)) == 1
            assert driver.domain.state(known[0].uuid, 0)[0] == DomainState.RUNNING
            await driver.domain.destroy(known[0].uuid, 0)
        else:
            assert [(ref.name, ref.id) for ref in known] == ([("m", -1)] if kind else [])
        assert qemu_processes(state) == []
        assert leftovers(state) == []
        if kind:
            ref = await driver.domain.create(driver.domain.by_name("m").uuid, 0, None)
            assert ref.id > 1
    finally:
        await end(driver)


async def test_a_start_cut_off_together_with_its_qemu_waits_for_that_ones_last_thread(
    state, settings, bare
):
    """What has no environment to be known by any more still has images and taps."""
    await asyncio.to_thread(crash, state, settings, "acquired", bare("m"))
    (name,) = leftovers(state)
    place = Path(state, "run", name)
    program = [sys.executable, "-c", WITHOUT_FIRST_THREAD]
    surroundings = {"cwd": place, "env": {"VIRTORY_RUN": str(place)}}
    with subprocess.Popen(program, stdin=subprocess.PIPE, **surroundings) as qemu:
        while b") Z " not in Path(f"/proc/{qemu.pid}/stat").read_bytes():
            pass
        driver = await restarted(state, settings)
        assert qemu.poll() is not None
        assert leftovers(state) == []
        await driver.stop()


async def test_a_guest_outlives_its_daemon_with_its_number_and_its_state(driver, bare, seen):
    running = await driver.domain.create_xml(bare("running"), 0, None)
    paused = await driver.domain.define(bare("paused"), 0)
    paused = await driver.domain.create(paused.uuid, 1, None)
    live = await driver.domain.xml(running.uuid, 0)
    states = [driver.domain.state(ref.uuid, 0) for ref in (running, paused)]
    pids = [driver.domain._table.get(ref.uuid).guest.pid for ref in (running, paused)]
    await driver.stop()
    assert all(start_time_of(pid) for pid in pids)
    await begun(driver)
    assert sorted(driver.domain.list_all(1)) == sorted([running, paused])
    assert [driver.domain.state(ref.uuid, 0) for ref in (running, paused)] == states
    assert await driver.domain.xml(running.uuid, 0) == live
    assert driver.domain.is_persistent(paused.uuid)
    assert not driver.domain.is_persistent(running.uuid)
    await driver.domain.resume(paused.uuid)
    await driver.domain.destroy(running.uuid, 0)
    third = await driver.domain.create_xml(bare("third"), 0, None)
    assert third.id == 3


async def test_a_qemu_that_is_silent_is_warned_of_when_a_busy_host_does_not_explain_it(
    driver, bare, caplog
):
    def warned():
        return [each for each in caplog.records if each.levelno >= logging.WARNING]

    caplog.set_level(logging.INFO)
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    pid = driver.domain._table.get(ref.uuid).guest.pid
    await driver.stop()
    os.kill(pid, signal.SIGSTOP)
    try:
        await driver.start()
        assert f"process {pid}, does not answer" in caplog.text and not warned()
        guest = driver.domain._table.get(ref.uuid).guest
        guest.meeting.cancel()
        guest.patience_s = 0.1
        await reconnect.adopt(guest)
        async with asyncio.timeout(10):
            while not warned():  # noqa: ASYNC110
                await asyncio.sleep(0)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert await guest.meeting
    assert f"process {pid}, does not answer" in warned()[0].getMessage()


async def test_what_happened_meanwhile_is_found_out(driver, bare, state):
    killed = await driver.domain.define(bare("killed"), 0)
    await driver.domain.create(killed.uuid, 0, None)
    transient = await driver.domain.create_xml(bare("transient"), 0, None)
    stopped = await driver.domain.create_xml(bare("stopped"), 0, None)
    table = driver.domain._table
    processes = [table.get(ref.uuid).guest.process for ref in (killed, transient)]
    pids = [process.identity.pid for process in processes]
    await table.get(stopped.uuid).guest.monitor.execute("query-status")
    await driver.stop()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED)
    await begun(driver)
    assert [ref.name for ref in driver.domain.list_all(1)] == ["stopped"]
    assert [ref.name for ref in driver.domain.list_all(0)] == ["killed", "stopped"]
    crashed = (DomainState.SHUTOFF, DomainShutoffReason.CRASHED)
    assert driver.domain.state(killed.uuid, 0) == crashed
    assert len(leftovers(state)) == 1


async def test_a_guest_that_paused_itself_meanwhile_is_paused(driver, bare):
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    guest = driver.domain._table.get(ref.uuid).guest
    guest.on_event = lambda event: None
    guest.monitor._on_event = lambda event: None  # as if no daemon had been there to hear it
    await guest.monitor.execute("stop")
    await driver.stop()
    await begun(driver)
    assert driver.domain.state(ref.uuid, 0)[0] == DomainState.PAUSED


async def test_a_domain_of_a_client_that_is_gone_is_destroyed(driver, bare):
    await driver.domain.create_xml(bare("m"), 2, object())
    await driver.stop()
    await begun(driver)
    assert driver.domain.list_all(0) == []


async def test_a_damaged_row_hides_no_other(driver, bare, state):
    good = await driver.domain.create_xml(bare("good"), 0, None)
    bad = await driver.domain.create_xml(bare("bad"), 0, None)
    pid = driver.domain._table.get(bad.uuid).guest.pid
    await driver.stop()
    with sqlite3.connect(next(Path(state).glob("*.sqlite*"))) as db:
        db.execute("UPDATE running SET plan = '{' WHERE uuid = ?", (bad.uuid,))
    db.close()
    try:
        await begun(driver)
        assert [ref.name for ref in driver.domain.list_all(1)] == ["good"]
        assert driver.domain.state(good.uuid, 0)[0] == DomainState.RUNNING
        assert start_time_of(pid) is not None
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED)


async def test_two_daemons_do_not_share_a_state(driver, state, settings):
    with pytest.raises(OpenFailed):
        await QemuDriver(state, os.geteuid() == 0, settings).start()


async def test_the_agent_of_a_running_guest_is_known_again(driver, seen, linux, boot):
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    uuid, console = await boot(linux.xml("m", devices=channel))
    await seen.agent(1)
    console.close()
    await driver.stop()
    await begun(driver)
    assert isinstance(await driver.domain.guest_time(uuid, 0), tuple)
    assert "state='connected'" in await driver.domain.xml(uuid, 0)
    assert AgentLifecycle is not None


async def test_a_work_that_fails_unforeseen_does_not_keep_the_daemon_from_starting(
    driver, state, settings, bare, caplog
):
    from virtory.driver.journal import Journal
    from virtory.driver.qemu.snapshot import taking

    ref = await driver.domain.define(bare("m"), 0)
    damaged = {"step": "revert", "domain": ref.uuid.hex()}  # no word of which snapshot
    await Journal(driver._store).begin(taking.WORK, **damaged)
    await driver.stop()
    other = await restarted(state, settings)
    assert other.domain.by_name("m") == ref
    assert "work 'revert' was cut off and can not be ended" in caplog.text
    await other.stop()
    await begun(driver)


async def test_a_definition_that_can_not_be_read_does_not_take_its_snapshots_along(
    state, settings, bare
):
    """The next but one daemon has them again, once the definition has been given anew."""
    taken = "<domainsnapshot><name>s</name><state>shutoff</state></domainsnapshot>"
    texts = []
    for turn in range(4):
        driver = await restarted(state, settings)
        try:
            if turn == 0:
                ref = await driver.domain.define(bare("m"), 0)
                texts.append(await driver.domain.xml(ref.uuid, 2))
                await driver.snapshot.create(ref.uuid, taken, 1)  # redefined
            elif turn == 2:
                await driver.domain.define(texts[0], 0)
            elif turn == 3:
                assert driver.snapshot.names(ref.uuid, 0) == ["s"]
        finally:
            await driver.stop()
        if turn == 0:
            with contextlib.closing(sqlite3.connect(f"{state}/state.sqlite")) as db, db:
                db.execute("UPDATE domain SET xml = '<domain'")


async def test_a_daemon_without_a_descriptor_left_leaves_no_process_behind(driver, bare, state):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def exhaust(step):
        if step == "spawned":
            free = os.dup(0)  # the lowest number that is
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
            again = resource.RLIMIT_NOFILE, (soft, hard)
            asyncio.get_running_loop().call_soon(resource.setrlimit, *again)

    driver._runtime.checkpoint = exhaust
    with pytest.raises(SystemCallFailed, match="cannot watch process"):
        await driver.domain.create_xml(bare("m"), 0, None)
    assert qemu_processes(state) == []
    assert driver.domain.list_all(0) == []
