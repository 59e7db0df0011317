"""Starting, pausing, rebooting, ending real machines, and what is announced of it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from virtory.driver.qemu.hotplug import plugging
from virtory.driver.qemu.monitor import connect
from virtory.driver.qemu.qmp import Event
from virtory.errors import (
    AgentUnresponsive,
    ArgumentUnsupported,
    DomainNotFound,
    InternalError,
    OperationAborted,
    OperationFailed,
    OperationInvalid,
    OperationTimeout,
)
from virtory.model.events import Lifecycle, Reboot
from virtory.model.flags import (
    DomainEventLifecycle as Kind,
)
from virtory.model.flags import (
    DomainPausedReason,
    DomainRunningReason,
    DomainShutoffReason,
    DomainStart,
    DomainState,
)

RESUMED, STARTED, SUSPENDED = (Kind.RESUMED, 0), (Kind.STARTED, 0), (Kind.SUSPENDED, 0)
SHUTDOWN_GUEST, SHUTDOWN_HOST = (Kind.SHUTDOWN, 1), (Kind.SHUTDOWN, 2)
STOPPED, DESTROYED, CRASHED, FAILED = [(Kind.STOPPED, n) for n in (0, 1, 2, 5)]


def pid_of(driver, uuid):
    return driver.domain._table.get(uuid).guest.pid


def leftovers(state):
    """What a run leaves in the run directory: nothing but the note of autostart."""
    return sorted(set(os.listdir(Path(state) / "run")) - {"autostarted"})


async def test_a_start_announces_and_returns_with_the_machine_running(driver, seen, bare, state):
    ref = await driver.domain.define(bare("m"), 0)
    assert ref.id == -1
    started = await driver.domain.create(ref.uuid, 0, None)
    assert started.id == 1
    assert seen.lifecycles() == [(Kind.DEFINED, 0), RESUMED, STARTED]
    assert driver.domain.state(ref.uuid, 0) == (DomainState.RUNNING, DomainRunningReason.BOOTED)
    info = driver.domain.info(ref.uuid)
    assert (info.state, info.max_memory_kib, info.memory_kib, info.vcpus) == (1, 32768, 32768, 1)
    assert info.cpu_time_ns > 0
    with pytest.raises(OperationInvalid, match="domain is already running"):
        await driver.domain.create(ref.uuid, 0, None)

    seen.clear()
    await driver.domain.destroy(ref.uuid, 0)
    assert seen.lifecycles() == [SHUTDOWN_HOST, DESTROYED]
    off = (DomainState.SHUTOFF, DomainShutoffReason.DESTROYED)
    assert driver.domain.state(ref.uuid, 0) == off
    assert leftovers(state) == []
    with pytest.raises(OperationInvalid, match="domain is not running"):
        await driver.domain.destroy(ref.uuid, 0)
    again = await driver.domain.create(ref.uuid, 0, None)
    assert again.id == 2


async def test_a_paused_start_waits_for_its_user(driver, seen, bare):
    ref = await driver.domain.create_xml(bare("m"), 1, None)
    assert seen.lifecycles() == [STARTED, SUSPENDED]
    assert driver.domain.state(ref.uuid, 0) == (DomainState.PAUSED, DomainPausedReason.USER)
    seen.clear()
    await driver.domain.resume(ref.uuid)
    await driver.domain.suspend(ref.uuid)
    await driver.domain.suspend(ref.uuid)
    assert seen.lifecycles() == [RESUMED, SUSPENDED]
    await driver.domain.resume(ref.uuid)
    with pytest.raises(OperationInvalid, match="domain is already running"):
        await driver.domain.resume(ref.uuid)


async def test_a_transient_machine_is_forgotten_when_it_ends(driver, bare):
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    assert not driver.domain.is_persistent(ref.uuid)
    with pytest.raises(OperationInvalid, match="cannot undefine transient domain"):
        await driver.domain.undefine(ref.uuid, 0)
    with pytest.raises(OperationInvalid, match="domain 'm' is already active"):
        await driver.domain.create_xml(await driver.domain.xml(ref.uuid, 2), 0, None)
    await driver.domain.destroy(ref.uuid, 0)
    with pytest.raises(DomainNotFound):
        driver.domain.by_name("m")


async def test_a_failed_start_leaves_nothing_and_quotes_qemu(driver, seen, bare, state):
    devices = "<disk type='file' device='disk'><source file='{0}'/><target dev='vda'/></disk>"
    missing = bare("m", devices.format(f"{state}/none.img"))
    with pytest.raises(Exception, match=f"{state}/none.img"):
        await driver.domain.create_xml(missing, 0, None)
    broken = Path(state) / "broken.qcow2"
    broken.write_bytes(b"QFI\xfb" + bytes(500))
    kind = "<driver name='qemu' type='raw'/>"
    arguments = (
        "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
        "<qemu:arg value='-device'/><qemu:arg value='no-such-device'/></qemu:commandline>"
    )
    xml = bare("m").replace("</domain>", arguments + "</domain>")
    with pytest.raises(InternalError, match="no-such-device"):
        await driver.domain.create_xml(xml, 0, None)
    assert kind and driver.domain.list_all(0) == []
    assert leftovers(state) == []
    assert seen.lifecycles() == []


async def test_a_killed_qemu_is_told_and_released_at_once(driver, seen, bare, state):
    ref = await driver.domain.define(bare("m"), 0)
    await driver.domain.create(ref.uuid, 0, None)
    guest = driver.domain._table.get(ref.uuid).guest
    never = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(plugging.answered(guest, never, 60))
    os.kill(guest.pid, signal.SIGKILL)
    await seen.lifecycle(*FAILED)
    with pytest.raises(OperationFailed, match=r"its QEMU ended by signal 9.*'m\.log'"):
        await waiting
    crashed = (DomainState.SHUTOFF, DomainShutoffReason.CRASHED)
    assert driver.domain.state(ref.uuid, 0) == crashed
    assert not driver.domain.is_active(ref.uuid)
    assert leftovers(state) == []


async def test_destroy_ends_a_qemu_that_does_not_answer(driver, seen, bare):
    ref = await driver.domain.define(bare("m"), 0)
    await driver.domain.create(ref.uuid, 0, None)
    os.kill(pid_of(driver, ref.uuid), signal.SIGSTOP)
    stuck = asyncio.create_task(driver.domain.suspend(ref.uuid))
    await asyncio.sleep(0)
    process = driver.domain._table.get(ref.uuid).guest.process
    ended = asyncio.create_task(driver.domain.destroy(ref.uuid, 0))
    await asyncio.sleep(0)
    process.signal(signal.SIGKILL)  # what destroy does after its grace of ten seconds
    await ended
    with pytest.raises(OperationFailed, match="domain is no longer running"):
        await stuck


async def test_many_start_and_end_at_the_same_time(driver, bare, state):
    refs = [await driver.domain.define(bare(f"m{n}"), 0) for n in range(6)]
    await asyncio.gather(*[driver.domain.create(ref.uuid, 0, None) for ref in refs])
    assert sorted(ref.id for ref in driver.domain.list_all(1)) == [1, 2, 3, 4, 5, 6]
    await asyncio.gather(*[driver.domain.destroy(ref.uuid, 0) for ref in refs])
    assert driver.domain.list_all(1) == []
    assert leftovers(state) == []


async def test_two_starts_of_one_machine_do_not_meet(driver, bare):
    ref = await driver.domain.define(bare("m"), 0)
    outcomes = await asyncio.gather(
        driver.domain.create(ref.uuid, 0, None),
        driver.domain.create(ref.uuid, 0, None),
        return_exceptions=True,
    )
    assert sorted(isinstance(one, OperationInvalid) for one in outcomes) == [False, True]


async def test_autodestroy_ends_with_its_owner_and_with_nobody_else(driver, seen, bare):
    owner, other = object(), object()
    mine = await driver.domain.create_xml(bare("mine"), 2, owner)
    await driver.domain.create_xml(bare("other"), 2, other)
    driver.domain.owner_gone(owner)
    await seen.lifecycle(*DESTROYED)
    assert [ref.name for ref in driver.domain.list_all(0)] == ["other"]
    with pytest.raises(DomainNotFound):
        driver.domain.by_uuid(mine.uuid)


async def test_a_definition_that_starts_by_itself_does_so_once_after_a_boot(driver, bare, state):
    ref = await driver.domain.define(bare("m"), 0)
    await driver.domain.set_autostart(ref.uuid, True)
    await driver.stop()
    await driver.start()
    assert driver.domain.autostart(ref.uuid) and not driver.domain.is_active(ref.uuid)
    await driver.stop()
    (Path(state) / "run" / "autostarted").unlink()
    await driver.start()
    await driver._runtime.idle()
    assert driver.domain.is_active(ref.uuid)


async def test_a_guest_that_powers_off_is_stopped(driver, seen, linux, boot):
    uuid, console = await boot(linux.xml("m"))
    seen.clear()
    await console.type("poweroff -f\n")
    await seen.lifecycle(*STOPPED)
    assert seen.lifecycles() == [SHUTDOWN_GUEST, STOPPED]
    with pytest.raises(DomainNotFound):
        driver.domain.by_uuid(uuid)


async def test_the_power_button_is_heard(driver, seen, linux, boot):
    uuid, _ = await boot(linux.xml("m"))
    await driver.domain.shutdown(uuid, 0)
    await seen.lifecycle(*STOPPED)


async def test_a_reboot_by_button_keeps_process_and_number(driver, seen, linux, boot):
    uuid, console = await boot(linux.xml("m"))
    pid, number = pid_of(driver, uuid), driver.domain.by_uuid(uuid).id
    seen.clear()
    await driver.domain.reboot(uuid, 1)
    await console.until(b"GUEST-UP")
    assert (pid_of(driver, uuid), driver.domain.by_uuid(uuid).id) == (pid, number)
    assert seen.lifecycles() == []  # as libvirt has it
    assert any(isinstance(event, Reboot) for event in seen.events)
    assert driver.domain.state(uuid, 0) == (DomainState.RUNNING, DomainRunningReason.BOOTED)


async def test_a_reset_is_a_reboot_without_asking(driver, seen, linux, boot):
    uuid, console = await boot(linux.xml("m"))
    await driver.domain.reset(uuid, 0)
    await console.until(b"GUEST-UP")
    assert any(isinstance(event, Reboot) for event in seen.events)
    assert driver.domain.state(uuid, 0)[0] == DomainState.RUNNING


async def asleep(linux, boot, seen):
    """A machine whose Linux has suspended it to memory, and says so when it goes on."""
    pm = "<pm><suspend-to-mem enabled='yes'/></pm>"
    uuid, console = await boot(linux.xml("m", more=pm))
    await console.type("echo mem > /sys/power/state; echo A''WAKE\n")
    await seen.lifecycle(Kind.PMSUSPENDED, 0)
    return uuid, console


async def test_a_machine_that_is_reset_asleep_runs(driver, seen, linux, boot):
    uuid, console = await asleep(linux, boot, seen)
    seen.clear()
    await driver.domain.reset(uuid, 0)
    await seen.lifecycle(*RESUMED)
    assert driver.domain.state(uuid, 0) == (DomainState.RUNNING, DomainRunningReason.UNPAUSED)
    await console.until(b"AWAKE")
    assert seen.lifecycles() == [RESUMED]


async def test_a_machine_reset_asleep_while_there_was_no_daemon_runs_with_the_next(
    driver, seen, linux, boot
):
    uuid, console = await asleep(linux, boot, seen)
    console.close()
    path = driver.domain._table.get(uuid).guest.plan.path("monitor")
    await driver.stop()
    was_reset = asyncio.get_running_loop().create_future()

    def on_event(event):
        if event.name == "RESET":
            was_reset.set_result(None)

    monitor = await connect(path, on_event, lambda _: None)
    await monitor.open()
    await monitor.execute("system_reset")
    await was_reset
    monitor.close()
    seen = type(seen)(driver)
    await driver.start()
    await seen.lifecycle(*RESUMED)
    assert driver.domain.state(uuid, 0) == (DomainState.RUNNING, DomainRunningReason.UNPAUSED)


async def test_a_reboot_destroys_where_the_definition_says_so(driver, seen, linux, boot):
    _, console = await boot(linux.xml("m", more="<on_reboot>destroy</on_reboot>"))
    seen.clear()
    await console.type("reboot -f\n")
    await seen.lifecycle(*STOPPED)


async def test_a_power_off_restarts_where_the_definition_says_so(driver, seen, linux, boot):
    uuid, console = await boot(linux.xml("m", more="<on_poweroff>restart</on_poweroff>"))
    await console.type("poweroff -f\n")
    await console.until(b"GUEST-UP")
    assert driver.domain.is_active(uuid)


async def test_a_panic_is_told_kept_and_ends_the_machine(driver, seen, linux, boot, state):
    devices, more = "<panic model='pvpanic'/>", "<on_crash>coredump-destroy</on_crash>"
    _, console = await boot(linux.xml("m", devices=devices, more=more, machine="q35"))
    seen.clear()
    await console.type("echo c > /proc/sysrq-trigger\n")
    await seen.lifecycle(*CRASHED)
    assert seen.lifecycles() == [(Kind.CRASHED, 0), CRASHED]
    (dump,) = (Path(state) / "dump").iterdir()
    assert dump.name.startswith("m-")
    assert dump.read_bytes()[:4] == b"\x7fELF"
    assert dump.stat().st_size > 100 << 20
    assert dump.stat().st_mode & 0o777 == 0o600


async def test_a_machine_without_agent_says_so(driver, bare):
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    with pytest.raises(ArgumentUnsupported, match="QEMU guest agent is not configured"):
        await driver.domain.shutdown(ref.uuid, 2)
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    other = await driver.domain.create_xml(bare("n", channel), 0, None)
    with pytest.raises(AgentUnresponsive, match="QEMU guest agent is not connected"):
        await driver.domain.shutdown(other.uuid, 2)


async def test_events_name_the_domain_as_it_was_known(driver, seen, bare):
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    await driver.domain.destroy(ref.uuid, 0)
    named = {(e.domain.name, e.domain.uuid) for e in seen.events if isinstance(e, Lifecycle)}
    assert named == {("m", ref.uuid)}


async def test_who_waits_too_long_for_a_domain_is_told_who_holds_it(driver, bare):
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    guest = driver.domain._table.get(ref.uuid).guest
    guest.process.signal(signal.SIGSTOP)
    stuck = asyncio.create_task(driver.domain.suspend(ref.uuid))
    await asyncio.sleep(0)
    guest.lock_timeout_s = 0.05
    with pytest.raises(OperationTimeout, match=r"change lock \(held by suspend\)"):
        await driver.domain.reset(ref.uuid, 0)
    assert driver.domain.control_info(ref.uuid, 0)[0] == 1
    assert driver.domain.info(ref.uuid).state == DomainState.RUNNING
    guest.process.signal(signal.SIGCONT)
    await stuck
    assert driver.domain.control_info(ref.uuid, 0) == (0, 0, 0)
    assert driver.domain.state(ref.uuid, 0)[0] == DomainState.PAUSED


@pytest.mark.parametrize("by_itself", [True, False])
async def test_an_end_by_itself_is_told_with_the_number_the_domain_had(
    driver, seen, bare, by_itself
):
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    if by_itself:
        await driver.domain.monitor_command(ref.uuid, "quit", 0)
    else:
        await driver.domain.destroy(ref.uuid, 0)
    stopped = await seen.wait(lambda e: isinstance(e, Lifecycle) and e.event == 5)
    assert stopped.domain.id == (ref.id if by_itself else -1)


class Left:
    """A client that has gone while its call was under way."""

    closed = True


async def test_a_machine_of_a_client_that_left_before_it_ran_does_not_stay(driver, bare, state):
    with pytest.raises(OperationAborted):
        await driver.domain.create_xml(bare("m"), DomainStart.AUTODESTROY, Left())
    assert driver.domain.list_all(0) == [] and leftovers(state) == []


async def test_a_report_of_qemus_that_is_not_understood_keeps_nothing_back(driver, bare, caplog):
    ref = await driver.domain.create_xml(bare("m"), DomainStart.PAUSED, None)
    guest = driver.domain._table.get(ref.uuid).guest
    guest.on_event(Event("RTC_CHANGE", {"offset": "soon"}, 0, 0))
    assert "event RTC_CHANGE of domain 'm' is passed over" in caplog.text
    await driver.domain.resume(ref.uuid)
    await driver.domain.destroy(ref.uuid, 0)
