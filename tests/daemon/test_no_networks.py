"""A daemon that may make no bridges: it has no networks, and says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from virtory.driver.memory.driver import MemoryDriver
from virtory.errors import ConfigUnsupported, NetworkNotFound
from virtory.wire.remote import network

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_lists_are_empty_and_the_cure_is_named(start_daemon: Callable[..., Any]) -> None:
    driver = MemoryDriver()
    driver.network = None
    daemon = await start_daemon(driver)
    client = await daemon.open()
    listed = await client.call(
        network.CONNECT_LIST_ALL_NETWORKS, network.ConnectListAllNetworksArgs(1, 0)
    )
    assert listed.nets == []
    assert (await client.call(network.CONNECT_NUM_OF_NETWORKS)).num == 0
    with pytest.raises(NetworkNotFound):
        await client.call(
            network.NETWORK_LOOKUP_BY_NAME, network.NetworkLookupByNameArgs("default")
        )
    with pytest.raises(ConfigUnsupported) as refused:
        await client.call(network.NETWORK_DEFINE_XML, network.NetworkDefineXmlArgs("<network/>"))
    assert "qemu:///system" in str(refused.value) and "type 'user'" in str(refused.value)
    client.close()
    await daemon.until(lambda: not daemon.server.peers)
    await daemon.server.stop()
