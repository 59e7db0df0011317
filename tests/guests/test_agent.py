"""The guest agent of a real guest, and QEMU's monitor."""

from __future__ import annotations

import asyncio
import json

import pytest

from virtory.errors import AgentUnresponsive, InternalError, InvalidArgument
from virtory.model.events import AgentLifecycle, MonitorEvent
from virtory.model.flags import DomainGuestInfo

AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


@pytest.fixture
def with_agent(linux, boot, seen):
    async def booted():
        uuid, console = await boot(linux.xml("m", devices=AGENT))
        await seen.agent(1)
        return uuid, console

    return booted


async def test_the_agent_answers_all_that_is_asked(driver, seen, with_agent):
    uuid, console = await with_agent()
    assert "state='connected'" in await driver.domain.xml(uuid, 0)

    seconds, nanoseconds = await driver.domain.guest_time(uuid, 0)
    assert seconds > 1_600_000_000 and 0 <= nanoseconds < 1_000_000_000
    await driver.domain.set_guest_time(uuid, 1_700_000_000, 0, 0)
    assert 0 <= (await driver.domain.guest_time(uuid, 0))[0] - 1_700_000_000 < 60

    await console.type("hostname tiny\n")
    await console.until(b"hostname tiny")
    hostname = await driver.domain.guest_hostname(uuid, 0)
    assert hostname in ("tiny", "(none)")

    info = {p.field: p.value for p in await driver.domain.guest_info(uuid, 0, 0)}
    assert info["if.0.name"] == "lo"
    assert info["os.kernel-release"]
    only = await driver.domain.guest_info(uuid, DomainGuestInfo.HOSTNAME, 0)
    assert [p.field for p in only] == ["hostname"]

    (lo,) = await driver.domain.interface_addresses(uuid, 1, 0)
    assert lo.name == "lo"

    answer = await driver.domain.agent_command(uuid, '{"execute": "guest-ping"}', -1, 0)
    assert json.loads(answer) == {"return": {}}
    assert driver.domain.messages(uuid, 0) == [
        "tainted: custom guest agent control commands issued"
    ]
    with pytest.raises(InternalError, match="QEMU agent command 'no-such': The command no-such"):
        await driver.domain.agent_command(uuid, '{"execute": "no-such"}', -1, 0)
    await console.type(
        "mkdir -p /root /etc; echo root:x:0:0::/root:/bin/sh > /etc/passwd; echo ma''de\n"
    )
    await console.until(b"made")
    await keys_are_set_added_and_taken_away(driver, uuid)


async def keys_are_set_added_and_taken_away(driver, uuid):
    first, second = "ssh-ed25519 AAAAfirst a@b", "ssh-ed25519 AAAAsecond c@d"
    await driver.domain.set_ssh_keys(uuid, "root", [first], 0)
    assert await driver.domain.ssh_keys(uuid, "root", 0) == [first]
    await driver.domain.set_ssh_keys(uuid, "root", [second], 1)
    assert set(await driver.domain.ssh_keys(uuid, "root", 0)) == {first, second}
    await driver.domain.set_ssh_keys(uuid, "root", [first], 2)
    assert await driver.domain.ssh_keys(uuid, "root", 0) == [second]
    with pytest.raises(InvalidArgument, match="either appended or removed"):
        await driver.domain.set_ssh_keys(uuid, "root", [first], 3)
    with pytest.raises(InternalError, match="guest-ssh-get-authorized-keys"):
        await driver.domain.ssh_keys(uuid, "nobody-there", 0)


async def test_a_start_tells_that_the_agent_is_not_there_yet(driver, seen, bare):
    await driver.domain.create_xml(bare("m", AGENT), 0, None)
    first = await seen.wait(lambda event: isinstance(event, AgentLifecycle))
    assert (first.state, first.reason) == (2, 1)


async def test_many_ask_the_agent_at_once_and_each_gets_its_own_answer(driver, with_agent):
    uuid, _ = await with_agent()
    times = [driver.domain.guest_time(uuid, 0) for _ in range(5)]
    names = [driver.domain.guest_hostname(uuid, 0) for _ in range(5)]
    answers = await asyncio.gather(*times, *names)
    assert all(isinstance(answer, tuple) for answer in answers[:5])
    assert all(isinstance(answer, str) for answer in answers[5:])


async def test_an_agent_that_ends_is_told_and_no_longer_asked(driver, seen, with_agent):
    uuid, console = await with_agent()
    assert await driver.domain.guest_time(uuid, 0)
    await console.type("kill -9 $(cat /run/qemu-ga.pid)\n")
    await seen.agent(2)
    with pytest.raises(AgentUnresponsive, match="not connected"):
        await driver.domain.guest_time(uuid, 0)


async def test_an_agent_that_hangs_is_given_up_and_found_again(driver, with_agent):
    uuid, console = await with_agent()
    await console.type("kill -STOP $(cat /run/qemu-ga.pid); echo sto''pped\n")
    await console.until(b"stopped")
    with pytest.raises(AgentUnresponsive, match="not available for now"):
        await driver.domain.guest_hostname(uuid, 0)
    await console.type("kill -CONT $(cat /run/qemu-ga.pid); echo go''es-on\n")
    await console.until(b"goes-on")
    assert (await driver.domain.guest_time(uuid, 0))[0] > 0


async def test_shutdown_by_agent_ends_the_machine(driver, seen, with_agent):
    uuid, _ = await with_agent()
    seen.clear()
    await driver.domain.shutdown(uuid, 2)
    await seen.lifecycle(5, 0)
    assert seen.lifecycles() == [(6, 1), (5, 0)]


async def test_reboot_by_agent_keeps_the_machine(driver, seen, with_agent):
    uuid, console = await with_agent()
    seen.clear()
    await driver.domain.reboot(uuid, 2)
    await console.until(b"GUEST-UP")
    await seen.agent(1)
    assert driver.domain.is_active(uuid)
    assert seen.lifecycles() == []


async def test_a_refusal_by_the_agent_is_told_in_its_words(driver, with_agent):
    uuid, _ = await with_agent()
    with pytest.raises(InternalError, match="unable to execute QEMU agent command 'guest-set-user"):
        await driver.domain.set_user_password(uuid, "nobody-there", "secret", 0)


async def test_freezing_names_how_many_file_systems(driver, with_agent):
    uuid, _ = await with_agent()
    assert await driver.domain.fs_freeze(uuid, [], 0) == 0
    assert await driver.domain.fs_thaw(uuid, [], 0) == 0


async def test_the_monitor_in_both_languages(driver, seen, bare):
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    told = await driver.domain.monitor_command(ref.uuid, "info status", 1)
    assert told == "VM status: running\r\n"
    told = await driver.domain.monitor_command(ref.uuid, '{"execute":"query-status","id":"x"}', 0)
    assert json.loads(told)["return"]["status"] == "running"
    assert json.loads(told)["id"] == "x"
    told = json.loads(await driver.domain.monitor_command(ref.uuid, "no-such-command", 0))
    assert told["error"]["class"] == "CommandNotFound"
    with pytest.raises(InternalError, match="cannot parse json"):
        await driver.domain.monitor_command(ref.uuid, "{", 0)
    assert driver.domain.messages(ref.uuid, 0) == [
        "tainted: custom monitor control commands issued"
    ]
    await driver.domain.monitor_command(ref.uuid, "stop", 0)
    stopped = await seen.wait(lambda e: isinstance(e, MonitorEvent) and e.event == "STOP")
    assert stopped.domain == ref
    assert driver.domain.state(ref.uuid, 0)[0] == 3
