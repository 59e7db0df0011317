"""What QEMU reports, in the order in which it can come: against a scripted peer, without a QEMU.

The rule kept here: the guest is a real one, its monitor too; only QEMU's end of it is scripted.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import socket
import subprocess

import pytest
import pytest_asyncio
from scripted import GREETING, ScriptedPeer

from virtory.driver.bus import Bus
from virtory.driver.journal import Journal, Mending
from virtory.driver.qemu import domain_jobs, events, reconnect, transfer
from virtory.driver.qemu.agent import Agent
from virtory.driver.qemu.domain_lifecycle import DomainLives
from virtory.driver.qemu.guest import Guest
from virtory.driver.qemu.logs import LogKeeper
from virtory.driver.qemu.monitor import Monitor
from virtory.driver.qemu.plan import Plan
from virtory.driver.qemu.process import Identity, Process, start_time_of
from virtory.driver.qemu.records import Records
from virtory.driver.qemu.runtime import Runtime
from virtory.driver.qemu.table import DomainTable, Entry, row_of
from virtory.driver.store import Store
from virtory.errors import OperationFailed, OperationInvalid
from virtory.model.domain import parse_domain
from virtory.model.events import MonitorEvent
from virtory.model.flags import DomainPausedReason, DomainRunningReason, DomainState

XML = (
    "<domain type='qemu'><name>m</name><memory unit='KiB'>1024</memory><vcpu>1</vcpu>"
    "<os><type arch='x86_64' machine='pc'>hvm</type></os><on_crash>restart</on_crash><devices>"
    "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/>"
    "<alias name='channel0'/></channel></devices></domain>"
)
LIMIT_S = 10


class Machine:
    """A running guest whose QEMU is the peer."""

    def __init__(self, guest, peer, lives):
        self.guest, self.peer, self.lives = guest, peer, lives
        self.uuid = guest.entry.uuid

    @property
    def state(self):
        return self.guest.entry.state, self.guest.entry.reason

    async def told(self, *messages):
        """Let QEMU say all this at once; it has been heard when this returns."""
        await self.peer.send(*messages)
        await self.peer.send({"event": "HEARD", "timestamp": {"seconds": 1, "microseconds": 2}})
        async with asyncio.timeout(LIMIT_S):
            await self.heard.get()


def event(name, **data):
    return {"event": name, "data": data, "timestamp": {"seconds": 1, "microseconds": 2}}


@pytest_asyncio.fixture
async def machine(tmp_path):
    store = Store(str(tmp_path))
    store.load()
    runtime = Runtime(
        DomainTable(), Records(store), Bus(), LogKeeper(), Mending(Journal(store), {})
    )
    domain = parse_domain(XML)
    entry = Entry("m", b"u" * 16, row_of(domain, b"u" * 16, XML))
    runtime.table.add(entry)
    plan = Plan(1, "/usr/bin/qemu", "tcg", str(tmp_path), None, None)
    guest = Guest(runtime, entry, domain, plan, None)
    runtime.table.attach(entry, guest)
    child = subprocess.Popen(["sleep", "infinity"])
    child.returncode = 0  # the pidfd watches and reaps it
    guest.process = Process(Identity(child.pid, start_time_of(child.pid)), guest.on_exit)
    ours, theirs = socket.socketpair()
    guest.monitor = Monitor(ours, guest.on_event, guest.on_monitor_gone)
    peer = ScriptedPeer(theirs)
    opening = asyncio.ensure_future(guest.monitor.open())
    await peer.send(GREETING)
    await peer.answer()
    await opening
    guest.agent = Agent(str(tmp_path / "agent"), "m")
    guest.starting = False
    entry.state, entry.reason = DomainState.RUNNING, DomainRunningReason.BOOTED
    made = Machine(guest, peer, DomainLives(runtime, None))
    made.heard = asyncio.Queue()
    runtime.bus.listen(
        lambda one: one.event == "HEARD" and made.heard.put_nowait(one), MonitorEvent
    )
    yield made
    guest.process.signal(9)
    await guest.finished
    await runtime.idle(LIMIT_S)
    peer.close()
    runtime.logs.close()
    store.close()


async def test_a_reset_is_over_when_qemu_has_made_it_and_a_reboot_after_it_is_one(machine):
    """QEMU answers `system_reset` first; its event would undo what a reboot is waiting for."""
    resetting = asyncio.ensure_future(machine.lives.reset(machine.uuid, 0))
    assert (await machine.peer.answer())["execute"] == "system_reset"
    await machine.told()
    await machine.guest.runtime.commit(machine.guest.entry)
    await machine.told()
    assert not resetting.done()
    await machine.told(event("RESET", guest=False))
    await resetting
    rebooting = asyncio.ensure_future(machine.lives.reboot(machine.uuid, 0))
    assert (await machine.peer.answer())["execute"] == "system_powerdown"
    await rebooting
    await machine.told(event("SHUTDOWN", guest=True, reason="guest-shutdown"), event("STOP"))
    assert [(await machine.peer.answer())["execute"] for _ in range(2)] == ["system_reset", "cont"]
    await machine.told(event("RESET", guest=False), event("RESUME"))
    assert machine.state == (DomainState.RUNNING, DomainRunningReason.BOOTED)


async def test_a_machine_that_was_reset_instead_of_rebooted_powers_off_for_good(machine):
    rebooting = asyncio.ensure_future(machine.lives.reboot(machine.uuid, 0))
    await machine.peer.answer()
    await rebooting
    await machine.told(event("RESET", guest=True))
    await machine.peer.send(event("SHUTDOWN", guest=True, reason="guest-shutdown"))
    await asyncio.wait_for(machine.guest.finished, LIMIT_S)
    assert machine.state[0] == DomainState.SHUTOFF


async def test_a_machine_that_is_rebooted_is_not_paused_in_between(machine):
    """It is off, and nobody can stop it: who suspends it waits, or is told so."""
    suspending = asyncio.ensure_future(machine.lives.suspend(machine.uuid))
    stop = await machine.peer.command()
    machine.guest.reboot_wanted = True
    shutdown = event("SHUTDOWN", guest=True, reason="guest-shutdown")
    await machine.told(shutdown, event("STOP"), {"return": {}, "id": stop["id"]})
    with pytest.raises(OperationInvalid, match="just being rebooted"):
        await suspending
    reset = await machine.peer.command()
    again = asyncio.ensure_future(machine.lives.suspend(machine.uuid))
    await machine.told({"return": {}, "id": reset["id"]}, event("RESET", guest=False))
    cont = await machine.peer.command()
    assert cont["execute"] == "cont"
    await machine.told(event("RESUME"), {"return": {}, "id": cont["id"]})
    stop = await machine.peer.command()
    await machine.told(event("STOP"), {"return": {}, "id": stop["id"]})
    await again
    assert machine.state == (DomainState.PAUSED, DomainPausedReason.USER)


async def test_a_machine_that_is_kept_when_it_is_off_can_be_suspended_as_it_goes_off(machine):
    machine.guest.domain = dataclasses.replace(machine.guest.domain, on_poweroff="preserve")
    suspending = asyncio.ensure_future(machine.lives.suspend(machine.uuid))
    stop = await machine.peer.command()
    shutdown = event("SHUTDOWN", guest=True, reason="guest-shutdown")
    await machine.told(shutdown, event("STOP"), {"return": {}, "id": stop["id"]})
    await suspending
    assert machine.state[0] == DomainState.SHUTDOWN and machine.guest.ending is None


async def test_a_stop_that_comes_late_does_not_take_what_the_resume_means(machine):
    """QEMU stops a machine that panicked only after it was told to reset it."""
    await machine.told(event("GUEST_PANICKED", action="pause"))
    await machine.peer.answer()
    cont = await machine.peer.command()
    await machine.told(event("STOP"), event("RESET", guest=False), event("RESUME"))
    await machine.peer.send({"return": {}, "id": cont["id"]})
    assert machine.state == (DomainState.RUNNING, DomainRunningReason.CRASHED)


async def test_a_disk_error_in_the_first_moment_of_a_machine_is_not_lost(machine):
    """It comes with the answer to `cont`, before the start is known to have succeeded."""
    guest = machine.guest
    guest.held_back = []
    stopped = event("BLOCK_IO_ERROR", action="stop", device="", operation="read"), event("STOP")
    await machine.told(event("RESUME"), *stopped)
    assert machine.state[0] == DomainState.RUNNING
    events.catch_up(guest)
    assert machine.state == (DomainState.PAUSED, DomainPausedReason.IOERROR)


async def test_an_agent_that_is_back_before_its_port_told_of_the_reset_is_there(machine):
    """QEMU tells of a port once a second: its last word may be the one that it had before."""
    opened = event("VSERPORT_CHANGE", id="channel0", open=True)
    await machine.told(opened)
    assert machine.guest.agent.connected
    await machine.told(event("RESET", guest=True))
    assert not machine.guest.agent.connected
    await machine.told(opened)
    assert machine.guest.agent.connected


async def test_who_ends_by_itself_and_takes_its_time_has_not_been_lost(machine):
    await machine.told(event("SHUTDOWN", guest=False, reason="host-signal"))
    assert machine.state[0] == DomainState.SHUTDOWN and machine.guest.ending is None
    machine.peer.close()
    await asyncio.wait_for(machine.guest.finished, LIMIT_S)
    assert machine.state[0] == DomainState.SHUTOFF
    assert machine.guest.ending.name == "STOPPED"


async def test_a_save_that_failed_is_over_when_qemu_has_closed_its_file(machine, tmp_path):
    """QEMU tells of the failure first, and takes no other memory transfer until then."""
    file = os.open(tmp_path / "image", os.O_CREAT | os.O_WRONLY, 0o600)
    saving = asyncio.ensure_future(
        transfer.write(machine.guest, file, transfer.Operation.SAVE),
    )
    for _ in range(4):
        last = await machine.peer.answer()
    assert last["execute"] == "migrate"
    await machine.told(event("MIGRATION", status="failed"))
    assert (await machine.peer.answer({"status": "paused"}))["execute"] == "query-status"
    for left in ([{"type": "migration"}], []):
        assert (await machine.peer.answer(left))["execute"] == "query-yank"
    await machine.peer.answer({"error-desc": "no room"})
    with pytest.raises(OperationFailed, match="domain save job: no room"):
        await saving
    os.close(file)


async def test_a_machine_that_powers_off_just_as_it_is_suspended_runs_after_its_reboot(machine):
    """QEMU waits for its CPUs before it tells of the stop; one of them may power off meanwhile."""
    machine.guest.reboot_wanted = True
    suspending = asyncio.ensure_future(machine.lives.suspend(machine.uuid))
    stop = await machine.peer.command()
    await machine.told(event("STOP"), {"return": {}, "id": stop["id"]})
    await suspending
    await machine.told(event("SHUTDOWN", guest=True, reason="guest-shutdown"))
    assert [(await machine.peer.answer())["execute"] for _ in range(2)] == ["system_reset", "cont"]
    await machine.told(event("RESET", guest=False), event("RESUME"))
    assert machine.state[0] == DomainState.RUNNING


async def test_a_dump_that_was_cut_off_is_waited_for_beside_and_then_the_machine_goes_on(
    machine, tmp_path
):
    """QEMU writes it to its end, however large the memory: a daemon does not begin later for it."""
    guest, file = machine.guest, tmp_path / "unfinished"
    file.touch()
    guest.entry.state, guest.entry.reason = DomainState.PAUSED, DomainPausedReason.DUMP
    step = {"domain": machine.uuid.hex(), "unfinished": str(file), "goes_on": True}
    work = await Journal(guest.runtime.records.store).begin(domain_jobs.WORK, **step)
    mending = asyncio.ensure_future(domain_jobs.mend(guest.runtime, work, step))
    assert (await machine.peer.answer({"status": "active"}))["execute"] == "query-dump"
    await asyncio.wait_for(mending, LIMIT_S)
    await machine.peer.answer()
    assert (await machine.peer.answer({"status": "active"}))["execute"] == "query-dump"
    assert guest.held[0] == "dump"
    await machine.told(event("DUMP_COMPLETED", result={"status": "completed"}))
    await machine.peer.answer({})
    await machine.peer.answer({"status": "paused"})
    await machine.peer.answer([])
    cont = await machine.peer.command()
    assert cont["execute"] == "cont" and not file.exists()
    await machine.told(event("RESUME"), {"return": {}, "id": cont["id"]})
    assert machine.state[0] == DomainState.RUNNING


@pytest.mark.parametrize("device", ["virtio-disk1", "vcpu1"])
async def test_a_device_that_goes_with_its_machine_is_no_failure(machine, caplog, device):
    guest = machine.guest
    async with guest.job("suspend"):
        await machine.told(event("DEVICE_DELETED", device=device, path="/p"))
        guest.process.signal(9)
        await guest.finished
    assert await guest.runtime.idle(LIMIT_S)
    assert complaints(caplog) == []


async def test_a_machine_that_ends_before_it_is_rebooted_is_no_failure(machine, caplog):
    guest = machine.guest
    async with guest.job("suspend"):
        guest.reboot_wanted = True
        await machine.told(event("SHUTDOWN", guest=True, reason="guest-shutdown"))
        guest.process.signal(9)
        await guest.finished
    assert await guest.runtime.idle(LIMIT_S)
    assert complaints(caplog) == []


async def test_a_machine_that_ends_as_it_is_to_run_again_is_no_failure(machine, caplog):
    guest = machine.guest
    guest.entry.state = DomainState.PMSUSPENDED
    await machine.told(event("RESET", guest=False))
    assert (await machine.peer.command())["execute"] == "cont"
    guest.process.signal(9)
    await guest.finished
    assert await guest.runtime.idle(LIMIT_S)
    assert complaints(caplog) == []


async def test_what_there_is_of_a_dump_that_was_cut_off_goes_with_its_machine(
    machine, tmp_path, caplog
):
    guest, file = machine.guest, tmp_path / "dump.virtory-part"
    file.touch()
    step = {"domain": machine.uuid.hex(), "unfinished": str(file), "goes_on": True}
    work = await Journal(guest.runtime.records.store).begin(domain_jobs.WORK, **step)
    async with guest.job("suspend"):
        mending = asyncio.ensure_future(domain_jobs.mend(guest.runtime, work, step))
        assert (await machine.peer.answer({"status": "active"}))["execute"] == "query-dump"
        await mending
        guest.process.signal(9)
        await guest.finished
    assert await guest.runtime.idle(LIMIT_S)
    assert not file.exists()
    assert complaints(caplog) == []


def complaints(caplog):
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


async def test_what_is_told_amid_the_answers_after_a_restart_is_newer_than_they_are(machine):
    catching = asyncio.ensure_future(reconnect._catch_up(machine.guest))
    status, ports = await machine.peer.command(), await machine.peer.command()
    await machine.told(
        {"return": {"status": "running", "running": True}, "id": status["id"]},
        event("STOP"),
        {"return": [], "id": ports["id"]},
    )
    await catching
    assert machine.state == (DomainState.PAUSED, DomainPausedReason.USER)


async def test_an_emulated_vcpu_that_leaves_late_is_known_to_have_left(machine):
    guest, thread = machine.guest, machine.guest.pid
    two = dataclasses.replace(guest.domain.vcpu, count=2)
    guest.domain = dataclasses.replace(guest.domain, vcpu=two)
    guest.vcpu_threads = {0: thread, 1: thread}
    left = {"device": "vcpu1", "slot": "1", "slot-type": "CPU", "source": 3, "status": 0}
    guest.unplugging["vcpu1"] = asyncio.get_running_loop().create_future()
    await machine.told(event("ACPI_DEVICE_OST", info=left))
    del guest.unplugging["vcpu1"]  # who waited for it looks, and was told that it is still there
    await machine.told(event("ACPI_DEVICE_OST", info=left | {"source": 1}))
    async with guest.job("something else"):
        for _ in range(100):  # a guest says so as often as it likes: one look is enough
            await machine.told(event("ACPI_DEVICE_OST", info=left))
    for expected in ("query-cpus-fast", "query-cpus-fast", "query-hotpluggable-cpus"):
        cpus = [{"cpu-index": 0, "thread-id": thread}]
        answer = cpus if expected == "query-cpus-fast" else []
        assert (await machine.peer.answer(answer))["execute"] == expected
    assert await guest.runtime.idle(LIMIT_S)
    assert guest.vcpu_threads == {0: thread}
