"""Calls: what is answered when, to whom, and with which words."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from virtory.daemon.config import Config, Limits
from virtory.daemon.handlers.connect import LIBRARY_VERSION
from virtory.driver.memory.connect import MemoryConnect
from virtory.driver.memory.domain import MemoryDomains
from virtory.driver.memory.driver import TEST_DOMAIN, MemoryDriver
from virtory.errors import (
    DomainNotFound,
    InternalError,
    NotSupported,
    OperationDenied,
    RpcError,
    VirtoryError,
)
from virtory.wire.procedure import REMOTE, VIRTORY, Procedure
from virtory.wire.remote import auth, connect, domain, domain_migration, domain_state, node
from virtory.wire.remote.types import NonnullDomain
from virtory.wire.virtory import DAEMON_INFO


async def lookup(client: Any, name: str = "test") -> NonnullDomain:
    ret = await client.call(domain.DOMAIN_LOOKUP_BY_NAME, domain.DomainLookupByNameArgs(name))
    return ret.dom


async def test_the_sequence_of_every_libvirt_client_is_answered(daemon: Any) -> None:
    client = daemon.connect()
    assert (await client.call(auth.AUTH_LIST)).types == [0]
    feature = connect.CONNECT_SUPPORTS_FEATURE
    args = connect.ConnectSupportsFeatureArgs
    assert (await client.call(feature, args(10))).supported == 1
    await client.open()
    assert [(await client.call(feature, args(n))).supported for n in range(1, 18)] == [
        int(n in (8, 9, 10, 11, 14, 15, 16)) for n in range(1, 18)
    ]
    assert await client.call(connect.CONNECT_REGISTER_CLOSE_CALLBACK) is None
    assert (await client.call(connect.CONNECT_GET_URI)).uri == "test:///default"
    assert (await client.call(connect.CONNECT_GET_LIB_VERSION)).lib_ver == LIBRARY_VERSION
    assert (await client.call(connect.CONNECT_IS_SECURE)).secure == 1
    assert await client.call(connect.CONNECT_UNREGISTER_CLOSE_CALLBACK) is None
    assert await client.call(connect.CONNECT_CLOSE) is None
    await client.gone.wait()


async def test_a_call_before_open_is_refused(daemon: Any) -> None:
    client = daemon.connect()
    with pytest.raises(InternalError, match="internal error: hypervisor connection not open"):
        await client.call(connect.CONNECT_GET_HOSTNAME)
    with pytest.raises(InternalError, match="hypervisor connection not open"):
        await client.call(connect.CONNECT_SUPPORTS_FEATURE, connect.ConnectSupportsFeatureArgs(14))


async def test_our_own_program_says_who_answers_before_open(daemon: Any) -> None:
    info = await daemon.connect().call(DAEMON_INFO)
    assert info.instance == "user"
    assert info.version


async def test_a_second_open_is_refused(daemon: Any) -> None:
    client = await daemon.open()
    with pytest.raises(InternalError, match="connection already open"):
        await client.open()


async def test_open_without_a_name_takes_the_daemons_own(daemon: Any) -> None:
    client = await daemon.connect().open(None)
    assert (await client.call(connect.CONNECT_GET_URI)).uri == "test:///default"


@pytest.mark.parametrize(
    ("uri", "code", "words"),
    [
        ("xen:///system", 5, "no connection driver available for xen:///system"),
        ("qemu:///system", 5, "no connection driver available for qemu:///system"),
        ("test:///other", 1, "unexpected TEST URI path '/other', try test:///default"),
        ("test://", 1, "unexpected TEST URI path"),
    ],
)
async def test_a_wrong_uri_is_refused_with_libvirts_code(
    daemon: Any, uri: str, code: int, words: str
) -> None:
    client = daemon.connect()
    with pytest.raises(VirtoryError) as caught:
        await client.open(uri)
    assert words in str(caught.value)
    assert caught.value.code == code


async def test_open_ignores_the_bits_that_libvirts_library_leaves_in_its_flags(daemon: Any) -> None:
    client = await daemon.connect().open(flags=6)
    dom = await lookup(client)
    await client.call(domain_state.DOMAIN_DESTROY, domain_state.DomainDestroyArgs(dom))


async def test_a_known_procedure_that_nobody_serves_is_not_supported(daemon: Any) -> None:
    client = await daemon.open()
    dom = await lookup(client)
    with pytest.raises(NotSupported, match=r"virDomainMigrateGetCompressionCache$"):
        await client.call(
            domain_migration.DOMAIN_MIGRATE_GET_COMPRESSION_CACHE,
            domain_migration.DomainMigrateGetCompressionCacheArgs(dom, 0),
        )


async def test_a_number_that_does_not_exist_is_called_unknown(daemon: Any) -> None:
    client = await daemon.open()
    for program in (REMOTE, VIRTORY):
        later = Procedure[None, None](program.number, 1, 4444, "LATER")
        with pytest.raises(RpcError, match=r"^unknown procedure: 4444$"):
            await client.call(later)


async def test_a_domain_that_is_gone_is_named_as_the_client_named_it(daemon: Any) -> None:
    client = await daemon.open()
    uuid = UUID("11111111-2222-3333-4444-555555555555")
    with pytest.raises(
        DomainNotFound,
        match=r"Domain not found: no domain with matching uuid '11111111-.*5' \(lost\)",
    ):
        await client.call(
            domain_state.DOMAIN_GET_INFO,
            domain_state.DomainGetInfoArgs(NonnullDomain("lost", uuid.bytes, -1)),
        )


async def test_arguments_that_can_not_be_decoded_leave_the_connection_alive(daemon: Any) -> None:
    client = await daemon.open()
    truncated = Procedure(REMOTE.number, 1, 16, "DOMAIN_GET_INFO", None, None)
    with pytest.raises(RpcError, match="Unable to decode message payload"):
        await client.call(truncated)
    assert (await client.call(connect.CONNECT_GET_TYPE)).type


async def test_a_read_only_socket_lets_nothing_be_changed(daemon: Any) -> None:
    client = await daemon.open(read_only=True)
    dom = await lookup(client)
    with pytest.raises(OperationDenied, match="read only access prevents virDomainDestroy"):
        await client.call(domain_state.DOMAIN_DESTROY, domain_state.DomainDestroyArgs(dom))
    xml = domain.DOMAIN_GET_XML_DESC
    assert (await client.call(xml, domain.DomainGetXmlDescArgs(dom, 0))).xml
    with pytest.raises(OperationDenied, match="virDomainGetXMLDesc with secure flag"):
        await client.call(xml, domain.DomainGetXmlDescArgs(dom, 1))
    assert (
        await client.call(domain_state.DOMAIN_GET_INFO, domain_state.DomainGetInfoArgs(dom))
    ).state


async def test_the_read_only_flag_of_open_binds_on_any_socket(daemon: Any) -> None:
    client = await daemon.connect().open(flags=1)
    with pytest.raises(OperationDenied, match="read only access prevents virDomainDefineXML"):
        await client.call(domain.DOMAIN_DEFINE_XML, domain.DomainDefineXmlArgs("<domain/>"))


class SlowDomains(MemoryDomains):
    """Domains whose descriptions wait until the test opens the gate."""

    def __init__(self, host: Any) -> None:
        super().__init__(host)
        self.gate = asyncio.Event()
        self.begun = self.under_way = self.most = 0

    async def xml(self, uuid: bytes, flags: int) -> str:
        self.begun += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.gate.wait()
        self.under_way -= 1
        return await super().xml(uuid, flags)


class Slow(MemoryDriver):
    """The in-memory driver with slow domains."""

    domain: SlowDomains

    def __init__(self) -> None:
        super().__init__(())
        self.domain = SlowDomains(self._host)
        self.domain.adopt(TEST_DOMAIN, running=True)


async def test_a_quick_reply_overtakes_a_slow_one(start_daemon: Any) -> None:
    driver = Slow()
    daemon = await start_daemon(driver)
    client = await daemon.open()
    dom = await lookup(client)
    slow = client.send(domain.DOMAIN_GET_XML_DESC, domain.DomainGetXmlDescArgs(dom, 0))
    await client.call(node.NODE_GET_INFO)
    assert client.order[-1] == "NODE_GET_INFO"
    driver.domain.gate.set()
    assert (await client.reply(slow)).ret.xml
    client.close()
    await daemon.server.stop()


async def test_calls_over_the_limit_wait_for_those_before(start_daemon: Any) -> None:
    driver = Slow()
    daemon = await start_daemon(driver, Config(limits=Limits(calls_per_client=2)))
    client = await daemon.open()
    dom = await lookup(client)
    args = domain.DomainGetXmlDescArgs(dom, 0)
    serials = [client.send(domain.DOMAIN_GET_XML_DESC, args) for _ in range(100)]
    last = client.send(connect.CONNECT_GET_HOSTNAME)
    await daemon.until(lambda: driver.domain.begun == 2)
    driver.domain.gate.set()
    assert all([(await client.reply(serial)).ret.xml for serial in serials])
    assert (await client.reply(last)).ret.hostname
    assert (driver.domain.begun, driver.domain.most) == (100, 2)
    client.close()
    await daemon.server.stop()


async def test_of_long_calls_that_wait_no_more_are_read_than_fit(start_daemon: Any) -> None:
    driver = Slow()
    daemon = await start_daemon(driver)
    client = await daemon.open()
    dom = (await lookup(client))._replace(name="x" * (4 << 20))
    args = domain.DomainGetXmlDescArgs(dom, 0)
    serials = [client.send(domain.DOMAIN_GET_XML_DESC, args) for _ in range(24)]
    last = client.send(connect.CONNECT_GET_HOSTNAME)
    await daemon.until(lambda: driver.domain.begun == 16)
    driver.domain.gate.set()
    assert all([(await client.reply(serial)).ret.xml for serial in serials])
    assert (await client.reply(last)).ret.hostname
    assert driver.domain.most == 16
    client.close()
    await daemon.server.stop()


async def test_work_goes_on_when_its_client_leaves(start_daemon: Any) -> None:
    driver = Slow()
    daemon = await start_daemon(driver)
    client = await daemon.open()
    dom = await lookup(client)
    client.send(domain.DOMAIN_GET_XML_DESC, domain.DomainGetXmlDescArgs(dom, 0))
    await daemon.until(lambda: driver.domain.begun == 1)
    client.close()
    await daemon.until(lambda: not daemon.server.peers)
    driver.domain.gate.set()
    other = await daemon.open()
    assert (await other.call(connect.CONNECT_GET_HOSTNAME)).hostname
    other.close()
    await daemon.server.stop()


class BrokenConnect(MemoryConnect):
    """A host with a fault that nobody foresaw, and an answer that the protocol can not carry."""

    def hostname(self) -> str:
        raise KeyError("secret of the house")

    def version(self) -> int:
        return -1


class BrokenDomains(MemoryDomains):
    """Domains with a fault that shows only after a while."""

    async def xml(self, uuid: bytes, flags: int) -> str:
        await asyncio.sleep(0)
        raise ZeroDivisionError("secret of the house")


class Broken(MemoryDriver):
    """The in-memory driver with faults."""

    def __init__(self) -> None:
        super().__init__(())
        self.connect = BrokenConnect()
        self.domain = BrokenDomains(self._host)
        self.domain.adopt(TEST_DOMAIN, running=True)


async def test_what_nobody_foresaw_is_logged_and_told_without_detail(
    start_daemon: Any, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = await start_daemon(Broken())
    client = await daemon.open()
    for procedure, args in (
        (connect.CONNECT_GET_HOSTNAME, None),
        (connect.CONNECT_GET_VERSION, None),
        (domain.DOMAIN_GET_XML_DESC, domain.DomainGetXmlDescArgs(await lookup(client), 0)),
    ):
        with pytest.raises(VirtoryError) as caught:
            await client.call(procedure, args)
        assert "secret" not in str(caught.value)
    assert "ZeroDivisionError" in caplog.text
    assert "secret of the house" in caplog.text
    assert (await client.call(connect.CONNECT_GET_TYPE)).type
    client.close()
    await daemon.server.stop()
