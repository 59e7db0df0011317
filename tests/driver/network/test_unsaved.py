"""A state that can not be written down: of a network nothing is given up, all can be tried again.

The networks are bridges of the host's own, which take nothing of it.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from virtory.driver.bus import Bus
from virtory.driver.network.networks import Networks
from virtory.driver.store import Store
from virtory.errors import VirtoryError
from virtory.model.network.update import ADD_LAST, PORTGROUP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

XML = "<network><name>n</name><forward mode='bridge'/><bridge name='theirs0'/></network>"
LIVE = 1


@pytest.fixture
def networks(tmp_path: Path) -> Iterator[Networks]:
    with closing(Store(str(tmp_path))) as store:
        store.load()
        yield Networks(store, Bus(), str(tmp_path / "run"), lambda: (), lambda _: None)


def _writable(networks: Networks, yes: bool) -> None:
    networks.store._db.execute(f"PRAGMA query_only = {int(not yes)}")


async def _refused(networks: Networks, call: Any) -> None:
    _writable(networks, False)
    with pytest.raises(VirtoryError):
        await call
    _writable(networks, True)


async def test_what_could_not_be_saved_has_not_happened(networks: Networks) -> None:
    uuid = (await networks.define(XML, 0)).uuid
    await _refused(networks, networks.undefine(uuid))
    assert networks.by_name("n").uuid == uuid and networks.is_persistent(uuid)
    await _refused(networks, networks.set_autostart(uuid, True))
    assert not networks.autostart(uuid)
    await _refused(networks, networks.create(uuid))
    assert not networks.is_active(uuid)
    await networks.create(uuid)
    group = "<portgroup name='g'/>"
    await _refused(networks, networks.update(uuid, ADD_LAST, PORTGROUP, -1, group, LIVE))
    assert "portgroup" not in networks.xml(uuid, 0)
    await _refused(networks, networks.destroy(uuid))
    assert networks.is_active(uuid)
    await _refused(networks, networks.undefine(uuid))
    assert networks.is_persistent(uuid)
    await networks.destroy(uuid)
    await networks.undefine(uuid)
    assert networks.list_all(0) == []
