"""Ports of the host that lead into a real guest; a page is fetched through one."""

from __future__ import annotations

import asyncio
import socket

import pytest

from virtory.driver.publishing import Forward, card_of, published
from virtory.errors import OperationUnsupported
from virtory.model.domain import parse_domain
from virtory.model.flags import DomainAffect

CARD = "<interface type='user'><model type='virtio'/></interface>"
SERVER = (
    "ifconfig eth0 10.0.2.15 up; mkdir -p /www; echo a-page > /www/index.html; "
    "httpd -p 80 -h /www; echo ser''ving\n"
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def fetched(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    page = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    await writer.wait_closed()
    return page


async def test_a_page_of_the_guest_is_read_through_a_published_port(driver, linux, boot):
    uuid, console = await boot(linux.xml("m", devices=CARD))
    await console.type(SERVER)
    await console.until(b"serving")
    forward = Forward("tcp", "127.0.0.1", free_port(), 80)
    await driver.domain.publish(uuid, forward, DomainAffect.LIVE)
    assert list(published(card_of(parse_domain(await driver.domain.xml(uuid, 0))))) == [forward]
    assert b"a-page" in await fetched(forward.host_port)
    xml = await driver.domain.xml(uuid, 0)
    shown = await driver.connect.domain_xml_to_native("qemu-argv", xml, 0)
    assert "-name guest=" in shown  # its ports are taken, by itself: nothing is to be had

    await driver.domain.unpublish(uuid, forward, DomainAffect.LIVE)
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await fetched(forward.host_port)


async def test_a_card_with_a_name_of_the_users_own_takes_ports_too(driver, bare):
    card = CARD.replace("<model", "<alias name='ua-card'/><model")
    ref = await driver.domain.create_xml(bare("m", card), 0, None)
    forward = Forward("tcp", "127.0.0.1", free_port(), 80)
    await driver.domain.publish(ref.uuid, forward, DomainAffect.LIVE)
    await driver.domain.unpublish(ref.uuid, forward, DomainAffect.LIVE)


async def test_a_card_that_is_not_qemus_own_takes_ports_only_at_its_start(driver, bare):
    ref = await driver.domain.define(
        bare("m", "<interface type='user'><backend type='passt'/></interface>"), 0
    )
    forward = Forward("tcp", "127.0.0.1", free_port(), 80)
    await driver.domain.create(ref.uuid, 0, None)
    with pytest.raises(OperationUnsupported, match="takes forwards only when it starts"):
        await driver.domain.publish(ref.uuid, forward, DomainAffect.LIVE)
    await driver.domain.publish(ref.uuid, forward, DomainAffect.CONFIG)
    kept = await driver.domain.xml(ref.uuid, 2)
    assert f"<range start='{forward.host_port}' to='80'/>" in kept
