"""The driver in memory: it behaves as a host does, refusals included."""

import asyncio
import os

import pytest

from virtory.driver.memory.driver import TEST_DOMAIN, MemoryDriver
from virtory.errors import (
    AgentUnresponsive,
    ArgumentUnsupported,
    DomainNotFound,
    InternalError,
    InvalidArgument,
    MetadataNotFound,
    OperationFailed,
    OperationInvalid,
    UnsupportedFlags,
    XmlError,
)
from virtory.model import events
from virtory.model import flags as f
from virtory.model.refs import STRING, Param

UUID = bytes.fromhex("6695eb01f6a4830479aa97f2502e193f")
SMALL = """
<domain type='test'>
  <name>small</name>
  <uuid>11111111-2222-3333-4444-555555555555</uuid>
  <memory unit='KiB'>1024</memory>
  <vcpu>1</vcpu>
  <os><type>hvm</type></os>
</domain>
"""
SMALL_UUID = bytes.fromhex("11111111222233334444555555555555")


class Clock:
    """Seconds that pass when the test says so."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def driver(clock):
    driver = MemoryDriver(clock=clock, time_ns=lambda: 1_000_000_000_000)
    await driver.start()
    yield driver
    await driver.stop()


@pytest.fixture
def domains(driver):
    return driver.domain


async def test_one_running_domain_is_there_from_the_start(domains):
    (ref,) = domains.list_all(0)
    assert ref == ("test", UUID, 1)
    assert domains.by_name("test") == domains.by_uuid(UUID) == domains.by_id(1) == ref
    assert domains.info(UUID) == (f.DomainState.RUNNING, 8388608, 2097152, 2, 0)


@pytest.mark.parametrize(
    ("lookup", "key", "message"),
    [
        ("by_name", "none", "no domain with matching name 'none'"),
        ("by_id", 77, "no domain with matching id 77"),
        (
            "by_uuid",
            bytes(16),
            "no domain with matching uuid '00000000-0000-0000-0000-000000000000'",
        ),
    ],
)
async def test_what_is_not_there_is_not_found_in_libvirts_words(domains, lookup, key, message):
    with pytest.raises(DomainNotFound) as caught:
        getattr(domains, lookup)(key)
    assert caught.value.detail == message


async def test_a_domain_is_defined_started_shut_down_and_undefined_with_its_events(driver, domains):
    event, stopped = f.DomainEventLifecycle, f.DomainEventStopped
    with driver.bus.subscribe(events.Lifecycle) as seen:
        ref = await domains.define(SMALL, 0)
        assert ref == ("small", SMALL_UUID, -1)
        started = await domains.create(SMALL_UUID, 0, None)
        assert started.id == 2
        await domains.shutdown(SMALL_UUID, 0)
        happened = [await anext(seen) for _ in range(4)]
        await domains.undefine(SMALL_UUID, 0)
        happened += seen.take()
    assert happened == [
        events.Lifecycle(ref, event.DEFINED, f.DomainEventDefined.ADDED),
        events.Lifecycle(started, event.STARTED, f.DomainEventStarted.BOOTED),
        events.Lifecycle(started, event.SHUTDOWN, f.DomainEventShutdown.GUEST),
        events.Lifecycle(ref, event.STOPPED, stopped.SHUTDOWN),
        events.Lifecycle(ref, event.UNDEFINED, f.DomainEventUndefined.REMOVED),
    ]
    with pytest.raises(DomainNotFound):
        domains.info(SMALL_UUID)


async def test_a_transient_domain_is_gone_when_it_stops(domains):
    ref = await domains.create_xml(SMALL, 0, None)
    assert (ref.name, domains.is_persistent(ref.uuid)) == ("small", False)
    for refused in (
        domains.undefine(ref.uuid, 0),
        domains.set_metadata(ref.uuid, 1, "t", None, None, f.DomainAffect.CONFIG),
    ):
        with pytest.raises(OperationInvalid, match="transient"):
            await refused
    with pytest.raises(OperationInvalid, match="transient"):
        await domains.set_autostart(ref.uuid, True)
    await domains.destroy(ref.uuid, 0)
    with pytest.raises(DomainNotFound):
        domains.by_name("small")


async def test_a_running_domain_can_lose_and_regain_its_definition(domains):
    await domains.undefine(UUID, 0)
    assert (domains.is_active(UUID), domains.is_persistent(UUID)) == (True, False)
    await domains.define(TEST_DOMAIN, 0)
    assert domains.is_persistent(UUID)
    await domains.destroy(UUID, 0)
    assert domains.state(UUID, 0) == (f.DomainState.SHUTOFF, f.DomainShutoffReason.DESTROYED)


async def test_names_and_uuids_are_unique(domains):
    await domains.define(SMALL, 0)
    with pytest.raises(OperationFailed, match="domain 'test' already exists with uuid 6695eb01"):
        await domains.define(SMALL.replace(">small<", ">test<").replace(">1111", ">2222"), 0)
    with pytest.raises(OperationFailed, match="domain 'small' is already defined with uuid 1111"):
        await domains.define(SMALL.replace(">small<", ">other<"), 0)
    with pytest.raises(OperationInvalid, match="domain 'test' is already active"):
        await domains.create_xml(TEST_DOMAIN, 0, None)


async def test_redefining_a_running_domain_changes_its_next_start(domains):
    await domains.define(TEST_DOMAIN.replace("8388608", "9000000"), 0)
    assert domains.max_memory_kib(UUID) == 8388608
    assert domains.is_updated(UUID)
    assert "9000000" in await domains.xml(UUID, f.DomainXml.INACTIVE)
    await domains.destroy(UUID, 0)
    assert domains.max_memory_kib(UUID) == 9000000


async def test_bad_xml_is_refused(domains):
    with pytest.raises(XmlError):
        await domains.define("<domain", 0)
    with pytest.raises(XmlError):
        await domains.define("<domain type='test'><name>x</name></domain>", 0)


async def test_suspend_resume_and_their_refusals(driver, domains):
    with driver.bus.subscribe(events.Lifecycle) as seen:
        await domains.suspend(UUID)
        await domains.suspend(UUID)
        assert domains.state(UUID, 0) == (f.DomainState.PAUSED, f.DomainPausedReason.USER)
        await domains.resume(UUID)
        assert [item.event for item in seen.take()] == [3, 4]
    with pytest.raises(OperationInvalid, match="domain is already running"):
        await domains.resume(UUID)
    await domains.destroy(UUID, 0)
    for refused in (domains.suspend, domains.resume):
        with pytest.raises(OperationInvalid, match="domain is not running"):
            await refused(UUID)
    for refused in (domains.destroy, domains.shutdown, domains.reboot, domains.reset):
        with pytest.raises(OperationInvalid, match="domain is not running"):
            await refused(UUID, 0)


async def test_starting_twice_is_refused_and_changes_nothing(domains):
    with pytest.raises(OperationInvalid, match="domain is already running"):
        await domains.create(UUID, 0, None)
    assert domains.by_name("test").id == 1


async def test_a_domain_that_is_suspended_uses_no_time(domains, clock):
    clock.now = 2.0
    assert domains.info(UUID).cpu_time_ns == 4_000_000_000
    await domains.suspend(UUID)
    clock.now = 10.0
    assert domains.info(UUID).cpu_time_ns == 4_000_000_000
    await domains.resume(UUID)
    clock.now = 11.0
    assert domains.info(UUID).cpu_time_ns == 6_000_000_000
    await domains.destroy(UUID, 0)
    assert domains.info(UUID).cpu_time_ns == 0


async def test_shutdown_of_a_paused_guest_does_nothing_since_it_can_not_hear(driver, domains):
    await domains.suspend(UUID)
    await domains.shutdown(UUID, 0)
    for _ in range(3):
        await asyncio.sleep(0)
    assert domains.state(UUID, 0)[0] == f.DomainState.PAUSED


async def test_what_a_connection_started_to_be_destroyed_goes_with_it(domains):
    owner, other = object(), object()
    await domains.define(SMALL, 0)
    await domains.create(SMALL_UUID, f.DomainStart.AUTODESTROY, owner)
    domains.owner_gone(other)
    assert domains.is_active(SMALL_UUID)
    domains.owner_gone(owner)
    assert not domains.is_active(SMALL_UUID)
    assert domains.is_active(UUID)


async def test_lists_filter_as_libvirt_does(domains):
    flag = f.ConnectListDomains
    await domains.define(SMALL, 0)
    await domains.set_autostart(SMALL_UUID, True)

    def names(flags):
        return [ref.name for ref in domains.list_all(flags)]

    assert names(0) == names(flag.ACTIVE | flag.INACTIVE) == ["test", "small"]
    assert names(flag.ACTIVE) == names(flag.RUNNING) == names(flag.NO_AUTOSTART) == ["test"]
    assert names(flag.INACTIVE) == names(flag.SHUTOFF) == names(flag.AUTOSTART) == ["small"]
    assert names(flag.TRANSIENT) == names(flag.PAUSED) == names(flag.HAS_SNAPSHOT) == []
    assert names(flag.OTHER | flag.RUNNING) == ["test"]
    assert names(flag.PERSISTENT | flag.NO_SNAPSHOT | flag.NO_MANAGEDSAVE) == ["test", "small"]


async def test_autostart_domains_start_with_the_driver():
    driver = MemoryDriver(domains=())
    ref = await driver.domain.define(SMALL, 0)
    await driver.domain.set_autostart(ref.uuid, True)
    await driver.start()
    assert driver.domain.is_active(ref.uuid)


async def test_a_rename_is_a_definition_under_another_name(driver, domains):
    await domains.define(SMALL, 0)
    with driver.bus.subscribe(events.Lifecycle) as seen:
        await domains.rename(SMALL_UUID, "tiny", 0)
        assert [(item.domain.name, item.event, item.detail) for item in seen.take()] == [
            ("small", f.DomainEventLifecycle.UNDEFINED, f.DomainEventUndefined.RENAMED),
            ("tiny", f.DomainEventLifecycle.DEFINED, f.DomainEventDefined.RENAMED),
        ]
    assert "<name>tiny</name>" in await domains.xml(SMALL_UUID, 0)
    for name, message in (("tiny", "to itself"), ("test", "'test' already exists")):
        with pytest.raises(OperationInvalid, match=message):
            await domains.rename(SMALL_UUID, name, 0)
    with pytest.raises(OperationInvalid, match="cannot rename active domain"):
        await domains.rename(UUID, "x", 0)


async def test_passwords_are_shown_only_on_request(domains):
    secret = TEST_DOMAIN.replace("type='vnc'", "type='vnc' passwd='hush'")
    await domains.define(secret, 0)
    assert "hush" not in await domains.xml(UUID, f.DomainXml.INACTIVE)
    assert "hush" in await domains.xml(UUID, f.DomainXml.INACTIVE | f.DomainXml.SECURE)


async def test_title_description_and_elements_are_kept(driver, domains):
    kind = f.DomainMetadata
    both = f.DomainAffect.LIVE | f.DomainAffect.CONFIG
    for number in (kind.TITLE, kind.DESCRIPTION):
        with pytest.raises(MetadataNotFound, match="Requested metadata element is not present"):
            domains.metadata(UUID, number, None, 0)
    with driver.bus.subscribe(events.MetadataChange) as seen:
        await domains.set_metadata(UUID, kind.TITLE, "A title", None, None, both)
        await domains.set_metadata(UUID, kind.DESCRIPTION, "long\ntext", None, None, 0)
        await domains.set_metadata(UUID, kind.ELEMENT, "<x y='1'/>", "app", "http://app", both)
        assert [item.metadata for item in seen.take()] == [1, 0, 2]
    assert domains.metadata(UUID, kind.TITLE, None, f.DomainAffect.CONFIG) == "A title"
    assert domains.metadata(UUID, kind.DESCRIPTION, None, 0) == "long\ntext"
    element = domains.metadata(UUID, kind.ELEMENT, "http://app", 0)
    assert element.startswith("<x") and "y=" in element
    assert "app:x" in await domains.xml(UUID, f.DomainXml.INACTIVE)
    await domains.set_metadata(UUID, kind.ELEMENT, None, None, "http://app", both)
    with pytest.raises(MetadataNotFound):
        domains.metadata(UUID, kind.ELEMENT, "http://app", 0)
    with pytest.raises(InvalidArgument, match="newlines"):
        await domains.set_metadata(UUID, kind.TITLE, "a\nb", None, None, 0)
    with pytest.raises(InvalidArgument, match="URI must be provided"):
        domains.metadata(UUID, kind.ELEMENT, None, 0)


async def test_memory_and_vcpus_change_within_their_limits(driver, domains):
    with driver.bus.subscribe(events.BalloonChange) as seen:
        await domains.set_memory(UUID, 1048576, f.DomainAffect.LIVE)
        assert [item.actual for item in seen.take()] == [1048576]
    assert domains.info(UUID).memory_kib == 1048576
    with pytest.raises(InvalidArgument, match="cannot set memory higher than max memory"):
        await domains.set_memory(UUID, 8388609, 0)
    with pytest.raises(OperationInvalid, match="maximum memory on an active domain"):
        await domains.set_memory(UUID, 1, f.DomainMemory.MAXIMUM)
    await domains.set_vcpus(UUID, 1, f.DomainAffect.LIVE | f.DomainAffect.CONFIG)
    assert domains.vcpus_flags(UUID, 0) == 1
    assert domains.vcpus_flags(UUID, f.DomainVcpu.MAXIMUM) == domains.max_vcpus(UUID) == 2
    with pytest.raises(InvalidArgument, match="allowable vcpus for the live domain: 3 > 2"):
        await domains.set_vcpus(UUID, 3, f.DomainAffect.LIVE)
    await domains.set_vcpus(UUID, 4, f.DomainVcpu.MAXIMUM | f.DomainVcpu.CONFIG)
    await domains.destroy(UUID, 0)
    assert domains.max_vcpus(UUID) == 4


async def test_a_console_echoes_and_keeps_its_history(domains):
    stream = await domains.open_console(UUID, None, 0, "me")
    await stream.write(b"root\r")
    assert await stream.read() == b"root\r\n"
    assert (await domains.console_history(UUID, "serial0", 13)).endswith(b"login: root\r\n")
    with pytest.raises(OperationFailed, match="Active console session exists"):
        await domains.open_console(UUID, "serial0", 0, "you")
    other = await domains.open_console(UUID, None, f.DomainConsole.FORCE, "you")
    assert await stream.read() == b""
    domains.owner_gone("you")
    assert await other.read() == b""
    with pytest.raises(InternalError, match="cannot find console device 'serial9'"):
        await domains.open_console(UUID, "serial9", 0, None)


async def test_a_console_ends_with_the_guest(domains):
    stream = await domains.open_console(UUID, None, 0, None)
    reader = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    await domains.destroy(UUID, 0)
    assert await reader == b""


async def test_a_typist_waits_for_a_reader_who_is_slow(domains):
    stream = await domains.open_console(UUID, None, 0, None)
    for _ in range(4):
        await stream.write(b"x" * 65536)
    writer = asyncio.ensure_future(stream.write(b"more"))
    await asyncio.sleep(0)
    assert not writer.done()
    assert len(await stream.read()) == 262120
    await writer
    assert (await stream.read()).endswith(b"more")


async def test_a_channel_is_found_by_name(domains):
    channel = await domains.open_channel(UUID, "org.qemu.guest_agent.0", 0, None)
    await channel.write(b"{}")
    assert await channel.read() == b"{}"
    with pytest.raises(InternalError, match="cannot find channel nope"):
        await domains.open_channel(UUID, "nope", 0, None)


async def test_a_screenshot_is_a_picture(domains):
    shot = await domains.screenshot(UUID, 0, 0)
    data = await shot.stream.read()
    assert (shot.mime, data[:15]) == ("image/x-portable-pixmap", b"P6\n64 48\n255\n\x00\x00")
    assert len(data) == 13 + 64 * 48 * 3
    with pytest.raises(InvalidArgument, match="screen 1"):
        await domains.screenshot(UUID, 1, 0)


async def test_the_agent_answers_where_there_is_one_and_it_can(domains):
    assert await domains.guest_hostname(UUID, 0) == "test"
    assert await domains.guest_time(UUID, 0) == (1000, 0)
    await domains.set_guest_time(UUID, 77, 5, 0)
    assert await domains.guest_time(UUID, 0) == (77, 5)
    assert await domains.agent_command(UUID, '{"execute":"guest-ping"}', -2, 0) == '{"return": {}}'
    assert await domains.fs_freeze(UUID, [], 0) == await domains.fs_thaw(UUID, [], 0) == 2
    assert [p.field for p in await domains.guest_info(UUID, f.DomainGuestInfo.HOSTNAME, 0)] == [
        "hostname"
    ]
    await domains.suspend(UUID)
    with pytest.raises(AgentUnresponsive, match="QEMU guest agent is not connected"):
        await domains.guest_hostname(UUID, 0)
    await domains.define(SMALL, 0)
    await domains.create(SMALL_UUID, 0, None)
    with pytest.raises(ArgumentUnsupported, match="QEMU guest agent is not configured") as caught:
        await domains.guest_hostname(SMALL_UUID, 0)
    assert "org.qemu.guest_agent.0" in caught.value.cure


async def test_the_monitor_answers_as_qemu_would(domains):
    status = await domains.monitor_command(UUID, '{"execute":"query-status"}', 0)
    assert '"status": "running"' in status
    unknown = await domains.monitor_command(UUID, '{"execute":"no-such"}', 0)
    assert "The command no-such has not been found" in unknown
    assert await domains.monitor_command(UUID, "info status", 1) == "VM status: running\r\n"
    with pytest.raises(InternalError, match="cannot parse json"):
        await domains.monitor_command(UUID, "{", 0)


async def test_statistics_cover_disks_and_cards_and_refuse_others(domains):
    assert (await domains.block_stats(UUID, "vda")).rd_req == 10
    assert await domains.block_stats(UUID, "/var/lib/test/test.qcow2") == (10, 40960, 5, 20480, -1)
    assert (await domains.block_info(UUID, "vda", 0)).capacity == 10 << 30
    assert (await domains.interface_stats(UUID, "testnet0")).tx_packets == 20
    (card,) = await domains.interface_addresses(UUID, 0, 0)
    assert (card.name, card.addresses[0].address) == ("testnet0", "192.168.122.1")
    with pytest.raises(InvalidArgument, match="invalid path: vdz"):
        await domains.block_stats(UUID, "vdz")
    with pytest.raises(InvalidArgument, match="'eth9' is not a known interface"):
        await domains.interface_stats(UUID, "eth9")


async def test_domstats_give_the_groups_asked_for(domains):
    await domains.define(SMALL, 0)
    test, small = await domains.stats([], f.DomainStats.STATE | f.DomainStats.BALLOON, 0)
    assert [p.field for p in test.params] == [
        "state.state",
        "state.reason",
        "balloon.current",
        "balloon.maximum",
    ]
    assert small.domain.name == "small"
    (only,) = await domains.stats([SMALL_UUID], f.DomainStats.VCPU, 0)
    assert only.params == [("vcpu.current", 2, 1), ("vcpu.maximum", 2, 1)]
    (active,) = await domains.stats([], 0, f.ConnectGetAllDomainsStats.ACTIVE)
    fields = {p.field for p in active.params}
    assert {"cpu.time", "vcpu.1.state", "net.0.rx.bytes", "block.0.rd.reqs"} <= fields


@pytest.mark.parametrize(
    "call",
    [
        lambda domains: domains.list_all(1 << 20),
        lambda domains: domains.state(UUID, 8),
        lambda domains: domains.define(SMALL, 8),
        lambda domains: domains.create(UUID, 1 << 10, None),
        lambda domains: domains.xml(UUID, 1 << 10),
    ],
)
async def test_unknown_flags_are_refused_before_anything_happens(domains, call):
    with pytest.raises(
        UnsupportedFlags, match=r"unsupported flags \(0x[0-9a-f]+\) in function test"
    ):
        outcome = call(domains)
        if asyncio.iscoroutine(outcome):
            await outcome
    assert len(domains.list_all(0)) == 1


async def test_every_method_of_the_contract_is_there(driver):
    from virtory.driver.interface.connect import ConnectDriver
    from virtory.driver.interface.domain import DomainDriver

    for contract, part in ((DomainDriver, driver.domain), (ConnectDriver, driver.connect)):
        methods = [name for name in vars(contract) if not name.startswith("_")]
        assert len(methods) > 15
        assert [name for name in methods if not callable(getattr(part, name, None))] == []


async def test_the_host_describes_itself(driver):
    connect = driver.connect
    assert connect.node_info().cpus == 8
    assert "<cells num='2'>" in await connect.capabilities()
    assert "<arch>x86_64</arch>" in await connect.domain_capabilities(None, "x86_64", None, None, 0)
    assert connect.cpu_map() == (b"\xff", 8, 8)
    assert sum(connect.cells_free_memory(0, 9)) == connect.free_memory()
    assert dict(connect.cpu_stats(-1, 0))["iowait"] == 8 * dict(connect.cpu_stats(0, 0))["iowait"]
    with pytest.raises(InvalidArgument):
        connect.cpu_stats(99, 0)
    with pytest.raises(InvalidArgument, match="virttype"):
        await connect.domain_capabilities(None, None, None, "kvm", 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda domains: domains.pin_emulator(UUID, b"\0", 0),
        lambda domains: domains.add_iothread(UUID, 0, 0),
        lambda domains: domains.block_peek(UUID, "vda", 0, 1 << 31, 0),
        lambda domains: domains.set_block_io_tune(
            UUID, "vda", [Param("total_bytes_sec", STRING, "many")], 0
        ),
    ],
)
async def test_what_has_no_sense_is_refused(domains, call):
    with pytest.raises(InvalidArgument):
        await call(domains)


async def test_a_name_with_a_control_character_is_none(domains):
    await domains.define(SMALL, 0)
    with pytest.raises(InvalidArgument, match="name"):
        await domains.rename(SMALL_UUID, "a\nb", 0)


async def test_a_pipe_or_an_endless_file_is_no_saved_machine(domains, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(OperationFailed, match="no save image"):
            await domains.restore(str(path), None, 0, object())
    with pytest.raises(XmlError):
        await domains.save(UUID, str(tmp_path / "file"), "<no", 0)
    assert domains.is_active(UUID)
