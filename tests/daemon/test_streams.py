"""Streams: consoles both ways, screenshots, backpressure, and how they end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from virtory.driver.memory.domain import MemoryDomains
from virtory.driver.memory.driver import MemoryDriver
from virtory.errors import OperationFailed, OperationInvalid, VirtoryError
from virtory.wire.remote import domain, domain_device, domain_state
from virtory.wire.virtory import DOMAIN_CONSOLE_HISTORY, DomainConsoleHistoryArgs


async def running(client: Any, text: str) -> Any:
    args = domain_state.DomainCreateXmlArgs(text, 0)
    return (await client.call(domain_state.DOMAIN_CREATE_XML, args)).dom


async def console(client: Any, dom: Any, flags: int = 0) -> int:
    serial = client.send(
        domain_device.DOMAIN_OPEN_CONSOLE, domain_device.DomainOpenConsoleArgs(dom, None, flags)
    )
    await client.reply(serial)
    return int(serial)


def write(client: Any, serial: int, data: bytes) -> None:
    client.session.send_data(serial, data)
    client.link.flush()


async def test_a_console_carries_bytes_both_ways(daemon: Any, xml: Any) -> None:
    client = await daemon.open()
    serial = await console(client, await running(client, xml("a")))
    write(client, serial, b"hello\r")
    await client.until(lambda: b"hello\r\n" in client.streamed.get(serial, b""))
    client.session.finish(serial)
    client.link.flush()
    await client.until(lambda: client.ended.get(serial) == "finished")


async def test_what_a_console_printed_before_can_be_read(daemon: Any, xml: Any) -> None:
    client = await daemon.open()
    dom = await running(client, xml("a"))
    history = await client.call(DOMAIN_CONSOLE_HISTORY, DomainConsoleHistoryArgs(dom, None, 7))
    assert history.data == b"login: "


async def test_a_console_that_is_open_is_not_opened_twice_without_force(
    daemon: Any, xml: Any
) -> None:
    first, second = await daemon.open(), await daemon.open()
    dom = await running(first, xml("a"))
    serial = await console(first, dom)
    with pytest.raises((OperationFailed, OperationInvalid)):
        await console(second, dom)
    await console(second, dom, 1)
    await first.until(lambda: serial in first.ended)


async def test_a_client_that_gives_up_a_console_frees_it(daemon: Any, xml: Any) -> None:
    client = await daemon.open()
    dom = await running(client, xml("a"))
    serial = await console(client, dom)
    client.session.abort(serial)
    client.link.flush()
    await client.until(lambda: serial in client.ended)
    await console(client, dom)


async def test_a_client_that_vanishes_frees_its_console(daemon: Any, xml: Any) -> None:
    first, second = await daemon.open(), await daemon.open()
    dom = await running(first, xml("a"))
    await console(first, dom)
    first.close()
    await daemon.until(lambda: len(daemon.server.peers) == 1)
    await console(second, dom)


async def test_a_console_ends_with_its_domain(daemon: Any, xml: Any) -> None:
    client = await daemon.open()
    dom = await running(client, xml("a"))
    serial = await console(client, dom)
    await client.call(domain_state.DOMAIN_DESTROY, domain_state.DomainDestroyArgs(dom))
    await client.until(lambda: client.ended.get(serial) == "end of data")


async def test_a_megabyte_typed_comes_back_whole(daemon: Any, xml: Any) -> None:
    client = await daemon.open()
    serial = await console(client, await running(client, xml("a")))
    typed = bytes(range(32, 127)) * 50_000
    write(client, serial, typed)
    await client.until(lambda: len(client.streamed.get(serial, b"")) >= len(typed))
    assert bytes(client.streamed[serial][-len(typed) :]) == typed


async def test_a_client_that_does_not_read_its_console_stops_the_typist(
    daemon: Any, xml: Any
) -> None:
    client = await (await daemon.connect_unix()).open()
    serial = await console(client, await running(client, xml("a")))
    client.link.pause_reading()

    async def type_on() -> None:
        for _ in range(256):
            write(client, serial, bytes(1 << 18))
            await client.link.drained()

    typing = asyncio.create_task(type_on())
    peer = next(iter(daemon.server.peers))
    await daemon.until(lambda: peer._holds)
    assert peer.link.queued < 4 << 20
    assert not typing.done()
    client.link.resume_reading()
    await typing
    await client.until(lambda: len(client.streamed.get(serial, b"")) >= 64 << 20)


class Full:
    """A console whose other end takes nothing until it is let go."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def read(self, limit: int = 0) -> bytes:
        await self.closed.wait()
        return b""

    async def write(self, data: bytes) -> None:
        await self.closed.wait()

    def close(self) -> None:
        self.closed.set()


class FullConsoles(MemoryDomains):
    """Domains with such consoles."""

    async def open_console(self, uuid: bytes, device: Any, flags: int, owner: Any) -> Any:
        return Full()


async def test_a_flood_of_single_bytes_counts_for_what_it_takes_in_memory(
    start_daemon: Any, xml: Any
) -> None:
    driver = MemoryDriver()
    driver.domain = FullConsoles(driver._host)
    daemon = await start_daemon(driver)
    client = await (await daemon.connect_unix()).open()
    serial = await console(client, await running(client, xml("a")))
    for _ in range(200_000):
        client.session.send_data(serial, b"x")
    client.link.flush()
    (peer,) = daemon.server.peers
    await daemon.until(lambda: peer._holds)
    assert len(peer.streams[serial]._inbox) < 16_000
    client.close()
    await daemon.until(lambda: not daemon.server.peers)
    await daemon.server.stop()


async def test_a_screenshot_is_read_to_its_end(daemon: Any, xml: Any) -> None:
    client = await daemon.open()
    dom = await running(client, xml("a"))
    serial = client.send(
        domain_device.DOMAIN_SCREENSHOT, domain_device.DomainScreenshotArgs(dom, 0, 0)
    )
    assert (await client.reply(serial)).ret.mime.startswith("image/")
    await client.until(lambda: client.ended.get(serial) == "end of data")
    assert len(client.streamed[serial]) > 10
    client.session.finish(serial)
    client.link.flush()
    await client.until(lambda: client.ended[serial] == "finished")


async def test_a_console_of_a_domain_that_is_off_is_refused(daemon: Any, xml: Any) -> None:
    client = await daemon.open()
    args = domain.DomainDefineXmlArgs(xml("off"))
    dom = (await client.call(domain.DOMAIN_DEFINE_XML, args)).dom
    with pytest.raises(VirtoryError):
        await console(client, dom)
    assert not next(iter(daemon.server.peers)).streams
