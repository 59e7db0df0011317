"""The client against virtoryd with pretended machines, on asyncio and without an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import virtory
from virtory import errors, flags

if TYPE_CHECKING:
    from collections.abc import Iterator

XML = """<domain type='test'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>
<os><type>hvm</type></os><devices><console type='pty'/></devices></domain>"""


@pytest.fixture
def name(request: pytest.FixtureRequest, virtoryd: str) -> Iterator[str]:
    """A name for one domain, which is gone afterwards."""
    chosen = f"t{abs(hash(request.node.nodeid)) % 10**8}"
    yield chosen
    with virtory.open_sync(virtoryd) as host:
        for change, state in (("destroy", {"active": True}), ("undefine", {"active": False})):
            for domain in host.list_domains(**state):
                if domain.name.startswith(chosen):
                    getattr(domain, change)()


def test_the_life_of_a_domain(virtoryd: str, drive: Any, name: str) -> None:
    async def live(host: virtory.Host) -> None:
        domain = await host.define_domain(XML.format(name=name))
        assert (domain.name, domain.id) == (name, None)
        assert domain in await host.list_domains(active=False)
        assert await domain.info() == (flags.DomainState.SHUTOFF, 65536, 65536, 2, 0)
        async with host.events("lifecycle", domain=domain) as events:
            await domain.start(paused=True)
            assert domain.id is not None
            assert (
                await domain.state()
                == (
                    flags.DomainState.PAUSED,
                    flags.DomainPausedReason.STARTING_UP,
                )
                or (await domain.state()).state == flags.DomainState.PAUSED
            )
            await domain.resume()
            await domain.suspend()
            await domain.destroy()
            kinds = []
            while (event := await events.next(10)) is not None:
                kinds.append(event.details["event"])
                if kinds[-1] == flags.DomainEventLifecycle.STOPPED:
                    break
        assert kinds[0] == flags.DomainEventLifecycle.STARTED
        assert flags.DomainEventLifecycle.RESUMED in kinds
        assert domain.id is None
        with pytest.raises(errors.OperationInvalid):
            await domain.suspend()
        await domain.rename(f"{name}-renamed")
        assert (await host.domain(f"{name}-renamed")).uuid == domain.uuid
        await domain.undefine()
        with pytest.raises(errors.DomainNotFound):
            await host.domain_by_uuid(domain.uuid)

    drive(virtoryd, live)


def test_definition_and_metadata(virtoryd: str, drive: Any, name: str) -> None:
    async def define(host: virtory.Host) -> None:
        domain = await host.define_domain(XML.format(name=name))
        assert f"<name>{name}</name>" in await domain.xml(inactive=True)
        assert not await domain.autostart()
        await domain.set_title("A title")
        assert await domain.title() == "A title"
        with pytest.raises(errors.MetadataNotFound):
            await domain.description()
        assert await domain.is_persistent()
        assert not await domain.is_active()
        assert await domain.os_type() == "hvm"

    drive(virtoryd, define)


def test_the_host_answers_about_itself(virtoryd: str, drive: Any) -> None:
    async def ask(host: virtory.Host) -> None:
        assert await host.hypervisor() == "TEST"
        assert await host.hostname()
        assert await host.uri() == "test:///default"
        assert str(await host.library_version()).count(".") == 2
        assert (await host.node_info()).cpus > 0
        assert len((await host.cpu_map()).online) > 0
        assert "<capabilities>" in await host.capabilities()
        assert "kernel" in await host.cpu_stats()
        assert (await host.memory_stats())["total"] > 0
        assert await host.free_memory() > 0
        assert await host.is_secure()

    drive(virtoryd, ask)


def test_our_own_program_answers(virtoryd: str, drive: Any, name: str) -> None:
    async def ask(host: virtory.Host) -> None:
        info = await host.daemon_info()
        assert info.version == virtory.__version__
        assert info.pid > 1
        assert isinstance(await host.report(), dict)

    drive(virtoryd, ask)


def test_statistics_of_one_and_of_all(virtoryd: str, drive: Any, name: str) -> None:
    async def ask(host: virtory.Host) -> None:
        domain = await host.create_domain(XML.format(name=name))
        assert not await domain.is_persistent()
        one = await domain.stats(flags.DomainStats.STATE)
        assert one["state.state"] == flags.DomainState.RUNNING
        everyone = {item.domain: item.params for item in await host.domain_stats()}
        assert "balloon.current" in everyone[domain]
        assert (await domain.memory_stats())["actual"] == 65536
        assert [vcpu.number for vcpu in await domain.vcpus()] == [0, 1]

    drive(virtoryd, ask)


def test_a_read_only_connection_changes_nothing(virtoryd: str, drive: Any, name: str) -> None:
    async def change(host: virtory.Host) -> None:
        assert await host.list_domains()
        with pytest.raises(errors.OperationDenied, match="read only"):
            await host.define_domain(XML.format(name=name))

    drive(virtoryd, change, readonly=True)


def test_a_console_talks_back_or_is_refused_clearly(virtoryd: str, drive: Any, name: str) -> None:
    async def talk(host: virtory.Host) -> None:
        domain = await host.create_domain(XML.format(name=name))
        async with await domain.open_console() as console:
            await console.write(b"hello\n")
            assert await console.read()
            with pytest.raises(errors.VirtoryError):
                await domain.open_console()
        assert isinstance(await domain.console_history(), bytes)

    drive(virtoryd, talk)


def test_objects_of_the_plain_interface_are_objects_of_the_client(virtoryd: str, name: str) -> None:
    with virtory.open_sync(virtoryd) as host:
        domain = host.define_domain(XML.format(name=name))
        assert domain.info().vcpus == 2
        assert domain in host.list_domains()
        assert host.domain_stats(domains=[domain])[0].domain == domain
        assert "list_domains" in dir(host)
        assert host.list_domains.__doc__.startswith("`CONNECT_LIST_ALL_DOMAINS`")
        with host.events() as events:
            domain.start()
            for event in events:
                assert event.domain.name == name
                break
        domain.destroy()
        with pytest.raises(errors.DomainNotFound):
            host.domain("nobody")
    assert host.is_closed
    with pytest.raises(errors.ConnectionLost):
        host.hostname()
