"""Several clients change one network at once: whoever had to wait finds it as it is by then.

The networks are bridges of the host's own, which take nothing of it.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from virtory.driver.bus import Bus
from virtory.driver.network.networks import Networks
from virtory.driver.store import Store
from virtory.errors import NetworkNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

XML = "<network><name>{}</name><forward mode='bridge'/><bridge name='theirs0'/></network>"


@pytest.fixture
def networks(tmp_path: Path) -> Iterator[Networks]:
    with closing(Store(str(tmp_path))) as store:
        store.load()
        yield Networks(store, Bus(), str(tmp_path / "run"), lambda: (), lambda _: None)


async def in_turn(networks: Networks, uuid: bytes, *calls: Any) -> list[Any]:
    """What becomes of calls that all wait for the same network, one behind the other."""
    lock, tasks = networks.table.get(uuid).lock, []
    async with lock:
        for call in calls:
            tasks.append(asyncio.ensure_future(call))
            while len(lock._waiters or ()) < len(tasks):  # noqa: ASYNC110
                await asyncio.sleep(0)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_defined_after_an_undefine_that_came_first_is_there(networks: Networks):
    ref = await networks.define(XML.format("n"), 0)
    text = networks.xml(ref.uuid, 0)
    calls = networks.undefine(ref.uuid), networks.define(text, 0), networks.create(ref.uuid)
    assert await in_turn(networks, ref.uuid, *calls) == [None, ref, None]
    assert networks.by_name("n") == ref and networks.is_active(ref.uuid)
    (row,) = networks.store.load().objects
    assert row.name == "n"


async def test_what_waits_for_a_network_that_goes_does_not_find_it(networks: Networks):
    ref = await networks.define(XML.format("n"), 0)
    calls = networks.undefine(ref.uuid), networks.create(ref.uuid), networks.destroy(ref.uuid)
    _, *came = await in_turn(networks, ref.uuid, *calls)
    assert isinstance(came[0], NetworkNotFound)
    assert networks.list_all(0) == [] and networks.store.load().objects == []


async def test_rules_that_change_while_they_are_looked_at_are_looked_at_again(networks: Networks):
    lock = networks.table.get((await networks.define(XML.format("n"), 0)).uuid).lock

    async def waits() -> bool:
        """Whether the look has come to the network, which is held; False: it is over."""
        while not lock._waiters and not looking.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
        return not looking.done()

    await lock.acquire()
    networks._rules_changed()
    looking = networks._restoring
    assert looking is not None and await waits()
    networks._rules_changed()
    lock.release()
    await lock.acquire()  # the look that waited was first
    assert await waits()
    lock.release()
    await looking
