"""Devices of domains in memory: live, defined, both or neither."""

from __future__ import annotations

import pytest

from virtory.driver.memory.driver import MemoryDriver
from virtory.errors import DeviceNotFound, InvalidArgument, OperationFailed
from virtory.model.events import DeviceAdded, DeviceRemoved, Event, Tunable
from virtory.model.refs import ULLONG, Param

DISK = "<disk type='file'><source file='/b'/><target dev='vdb' bus='virtio'/></disk>"
LIVE, CONFIG, BOTH = 1, 2, 3


@pytest.fixture
def driver():
    return MemoryDriver()


@pytest.fixture
def uuid(driver):
    return driver.domain.by_name("test").uuid


@pytest.fixture
def events(driver):
    seen: list[Event] = []
    driver.bus.listen(seen.append, Event)
    return seen


async def told(driver, uuid, text):
    return [text in await driver.domain.xml(uuid, flags) for flags in (0, 2)]


@pytest.mark.parametrize(("flags", "where"), [(1, [1, 0]), (2, [0, 1]), (3, [1, 1]), (0, [1, 0])])
async def test_a_disk_comes_and_goes_where_it_was_meant_to(driver, uuid, events, flags, where):
    await driver.domain.attach_device(uuid, DISK, flags)
    assert await told(driver, uuid, "/b") == where
    await driver.domain.detach_device(uuid, DISK, flags)
    assert await told(driver, uuid, "/b") == [0, 0]
    expected = [DeviceAdded, DeviceRemoved] if where[0] else []
    assert [type(event) for event in events] == expected


async def test_both_or_neither(driver, uuid, events):
    await driver.domain.attach_device(uuid, DISK, CONFIG)
    with pytest.raises(OperationFailed, match="target vdb already exists"):
        await driver.domain.attach_device(uuid, DISK, BOTH)
    assert await told(driver, uuid, "/b") == [0, 1]
    with pytest.raises(DeviceNotFound):
        await driver.domain.detach_device(uuid, DISK, BOTH)
    assert await told(driver, uuid, "/b") == [0, 1]
    assert events == []


async def test_a_medium_is_changed_by_an_update(driver, uuid):
    drive = (
        "<disk type='file' device='cdrom'><source file='/cd'/><target dev='sda' bus='sata'/>"
        "<readonly/></disk>"
    )
    await driver.domain.update_device(uuid, drive, LIVE)
    assert await told(driver, uuid, "/cd") == [1, 0]


async def test_pins_threads_and_limits_are_read_back(driver, uuid, events):
    domain = driver.domain
    await domain.pin_vcpu(uuid, 1, b"\1", BOTH)
    assert await told(driver, uuid, "<vcpupin vcpu='1' cpuset='0'/>") == [1, 1]
    with pytest.raises(InvalidArgument):
        await domain.pin_vcpu(uuid, 9, b"\1", LIVE)
    await domain.add_iothread(uuid, 3, CONFIG)
    assert await told(driver, uuid, "<iothread id='3'/>") == [0, 1]
    await domain.delete_iothread(uuid, 3, CONFIG)
    await domain.set_block_io_tune(uuid, "vda", [Param("total_bytes_sec", ULLONG, 5)], LIVE)
    limits = {param.field: param.value for param in domain.block_io_tune(uuid, "vda", LIVE)}
    assert limits["total_bytes_sec"] == 5
    await domain.set_lifecycle_action(uuid, 1, 0, BOTH)
    assert await told(driver, uuid, "<on_reboot>destroy</on_reboot>") == [1, 1]
    assert [type(event) for event in events] == [Tunable, Tunable]
