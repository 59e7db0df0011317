"""Pools: kept, restored, told of; and nothing half-done."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from virtory.driver.storage.directory import Directory
from virtory.errors import (
    ConfigUnsupported,
    InternalError,
    OperationFailed,
    OperationInvalid,
    StoragePoolNotFound,
    SystemCallFailed,
    UnsupportedFlags,
)
from virtory.model.list_flags import ConnectListStoragePools as F
from virtory.model.list_flags import StoragePoolCreate, StoragePoolEventKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.storage.backend import Found
    from virtory.model.storage_pool import StoragePool

POOL = "<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"


async def test_a_pool_is_as_it_was_when_the_next_daemon_starts(host: Any) -> None:
    uuid = await host.pool()
    await host.storage.set_pool_autostart(uuid, True)
    await host.volume(uuid, "v")
    other = await host.storage.define_pool(POOL.format(name="q", path=host.directory / "q"), 0)
    storage = await host.again()
    assert storage.pool_is_active(uuid) and storage.pool_autostart(uuid)
    assert host.names(uuid) == ["v"]
    assert not storage.pool_is_active(other.uuid)


async def test_after_a_reboot_only_what_starts_by_itself_runs(host: Any) -> None:
    kept, marked = await host.pool("kept"), await host.pool("marked")
    await host.storage.set_pool_autostart(marked, True)
    path = host.directory / "gone"
    transient = await host.storage.create_pool(
        POOL.format(name="gone", path=path), StoragePoolCreate.WITH_BUILD
    )
    storage = await host.again(booted=True, boot="another boot")
    assert not storage.pool_is_active(kept)
    assert storage.pool_is_active(marked)
    with pytest.raises(StoragePoolNotFound):
        storage.pool_by_uuid(transient.uuid)


async def test_a_transient_pool_outlives_the_daemon_and_ends_when_destroyed(host: Any) -> None:
    path = host.directory / "t"
    xml = POOL.format(name="t", path=path)
    uuid = (await host.storage.create_pool(xml, StoragePoolCreate.WITH_BUILD)).uuid
    storage = await host.again()
    assert storage.pool_is_active(uuid) and not storage.pool_is_persistent(uuid)
    with pytest.raises(InternalError, match="no config file"):
        await storage.set_pool_autostart(uuid, True)
    await storage.destroy_pool(uuid)
    with pytest.raises(StoragePoolNotFound):
        storage.pool_by_name("t")
    assert path.is_dir()


async def test_a_running_pool_takes_a_new_definition_when_it_stops(host: Any) -> None:
    uuid = await host.pool()
    text = host.storage.pool_xml(uuid, 1).replace(str(host.directory / "p"), "/other")
    await host.storage.define_pool(text, 0)
    assert "<path>/other<" not in host.storage.pool_xml(uuid, 0)
    assert "<path>/other<" in host.storage.pool_xml(uuid, 1)
    storage = await host.again()
    assert "<path>/other<" not in storage.pool_xml(uuid, 0)
    await storage.destroy_pool(uuid)
    assert "<path>/other<" in storage.pool_xml(uuid, 0)


async def test_each_step_of_a_pools_life_is_told(host: Any) -> None:
    uuid = await host.pool()
    await host.storage.refresh_pool(uuid, 0)
    await host.storage.destroy_pool(uuid)
    await host.storage.delete_pool(uuid, 0)
    await host.storage.undefine_pool(uuid)
    kinds = [getattr(event, "event", "refresh") for event in host.told]
    kind = StoragePoolEventKind
    expected = [kind.DEFINED, kind.CREATED, kind.STARTED, "refresh"]
    expected += [kind.STOPPED, kind.DELETED, kind.UNDEFINED]
    assert kinds == expected
    assert not (host.directory / "p").exists()


async def test_names_uuids_and_places_are_unique(host: Any) -> None:
    uuid = await host.pool()
    text = host.storage.pool_xml(uuid, 1)
    with pytest.raises(OperationFailed, match="already exists with uuid"):
        await host.storage.define_pool(POOL.format(name="p", path="/x"), 0)
    with pytest.raises(OperationFailed, match="conflict with pool: 'p'"):
        await host.storage.define_pool(POOL.format(name="q", path=host.directory / "p"), 0)
    with pytest.raises(OperationFailed, match="already defined with uuid"):
        await host.storage.define_pool(text.replace("<name>p", "<name>q"), 0)
    with pytest.raises(OperationInvalid, match="already active"):
        await host.storage.create_pool(text, 0)


async def test_what_a_pools_state_forbids_is_refused_and_changes_nothing(host: Any) -> None:
    uuid = await host.pool()
    for call in (host.storage.undefine_pool(uuid), host.storage.delete_pool(uuid, 0)):
        with pytest.raises(OperationInvalid, match="still active"):
            await call
    for call in (host.storage.start_pool(uuid, 0), host.storage.build_pool(uuid, 0)):
        with pytest.raises(OperationInvalid, match="already active"):
            await call
    await host.storage.destroy_pool(uuid)
    for call in (host.storage.destroy_pool(uuid), host.storage.refresh_pool(uuid, 0)):
        with pytest.raises(OperationInvalid, match="not active"):
            await call
    with pytest.raises(OperationInvalid, match="not active"):
        host.storage.list_volumes(uuid, 0)


async def test_a_pool_without_its_directory_does_not_start(host: Any) -> None:
    made = await host.storage.define_pool(POOL.format(name="p", path=host.directory / "no"), 0)
    with pytest.raises(SystemCallFailed, match=r"cannot open directory .*pool-build"):
        await host.storage.start_pool(made.uuid, 0)
    assert not host.storage.pool_is_active(made.uuid)


async def test_a_directory_that_holds_something_is_not_deleted(host: Any) -> None:
    uuid = await host.pool()
    await host.volume(uuid, "v")
    await host.storage.destroy_pool(uuid)
    with pytest.raises(SystemCallFailed, match="not empty"):
        await host.storage.delete_pool(uuid, 0)
    assert (host.directory / "p" / "v").exists()


async def test_a_pool_whose_directory_goes_stops_at_the_refresh(host: Any) -> None:
    uuid = await host.pool()
    os.rmdir(host.directory / "p")
    with pytest.raises(SystemCallFailed):
        await host.storage.refresh_pool(uuid, 0)
    assert not host.storage.pool_is_active(uuid)
    assert host.told[-1].event == StoragePoolEventKind.STOPPED


async def test_lists_follow_every_flag(host: Any) -> None:
    uuid = await host.pool()
    await host.storage.set_pool_autostart(uuid, True)
    await host.storage.define_pool(POOL.format(name="q", path="/q"), 0)
    for flags, names in (
        (0, ["p", "q"]),
        (F.ACTIVE, ["p"]),
        (F.INACTIVE, ["q"]),
        (F.ACTIVE | F.INACTIVE, ["p", "q"]),
        (F.TRANSIENT, []),
        (F.AUTOSTART, ["p"]),
        (F.NO_AUTOSTART, ["q"]),
        (F.DIR, ["p", "q"]),
        (F.FS | F.LOGICAL, []),
    ):
        assert [ref.name for ref in host.storage.list_pools(flags)] == names, flags
    with pytest.raises(UnsupportedFlags):
        host.storage.list_pools(1 << 25)


@pytest.mark.parametrize("kind", ["netfs", "disk", "iscsi", "rbd", "zfs", "gluster"])
async def test_a_type_that_is_not_served_is_refused_by_name(host: Any, kind: str) -> None:
    source = "<host name='h'/><device path='/d'/><dir path='/d'/><name>n</name>"
    xml = (
        f"<pool type='{kind}'><name>x</name><source>{source}</source>"
        "<target><path>/x</path></target></pool>"
    )
    with pytest.raises(ConfigUnsupported, match=f"type '{kind}' are not served"):
        await host.storage.define_pool(xml, 0)
    assert host.storage.list_pools(0) == []


@pytest.mark.skipif(
    shutil.which("vgs", path="/usr/sbin:/sbin") is not None, reason="this host has LVM"
)
async def test_a_missing_program_is_named_with_its_package(host: Any) -> None:
    xml = "<pool type='logical'><name>vg</name></pool>"
    uuid = (await host.storage.define_pool(xml, 0)).uuid
    with pytest.raises(InternalError, match="'vgs' is not installed; apt install lvm2"):
        await host.storage.start_pool(uuid, 0)
    assert not host.storage.pool_is_active(uuid)


async def test_a_row_that_can_not_be_understood_hides_no_other(host: Any, caplog: Any) -> None:
    from virtory.driver.store import ObjectRow

    uuid = await host.pool()
    await host.store.save(ObjectRow("pool", b"x" * 16, "bad", "<nix/>", "{}"))
    storage = await host.again()
    assert [ref.uuid for ref in storage.list_pools(0)] == [uuid]
    assert "'bad' can not be understood" in caplog.text


async def test_capabilities_name_what_is_served(host: Any) -> None:
    text = host.storage.pool_capabilities(0)
    assert "<pool type='dir' supported='yes'>" in text
    assert "<pool type='rbd' supported='no'>" in text


async def test_a_volume_made_while_the_directory_is_read_is_not_lost(host: Any) -> None:
    reading, made = threading.Event(), threading.Event()
    made.set()

    class Slow(Directory):
        def refresh(self, pool: StoragePool) -> Found:
            found = super().refresh(pool)
            reading.set()
            assert made.wait(60)
            return found

    pool = await host.pool()
    await host.volume(pool, "deleted")
    await host.again(backends=lambda kind: Slow())
    reading.clear()
    made.clear()
    refresh = asyncio.create_task(host.storage.refresh_pool(pool, 0))
    await asyncio.to_thread(reading.wait, 30)
    await host.volume(pool, "made")
    await host.storage.delete_volume(host.storage.volume_by_name(pool, "deleted"), 0)
    other = await host.storage.define_pool(POOL.format(name="q", path="/q"), 0)
    await host.storage.undefine_pool(other.uuid)  # no pool waits for another
    made.set()
    await refresh
    assert host.names(pool) == ["made"]
    reading.clear()
    made.clear()
    refresh = asyncio.create_task(host.storage.refresh_pool(pool, 0))
    await asyncio.to_thread(reading.wait, 30)
    refresh.cancel()  # its client is gone, or the daemon ends: the pool runs on
    made.set()
    await asyncio.wait([refresh])
    assert host.storage.pool_is_active(pool)


async def test_only_one_of_two_changes_of_a_pool_happens(host: Any) -> None:
    uuid = await host.pool()
    await host.storage.destroy_pool(uuid)
    results = await asyncio.gather(
        *(host.storage.start_pool(uuid, 0) for _ in range(3)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 1
    xml = POOL.format(name="q", path=host.directory / "q")
    results = await asyncio.gather(
        *(host.storage.create_pool(xml, StoragePoolCreate.WITH_BUILD) for _ in range(3)),
        return_exceptions=True,
    )
    assert sum(not isinstance(result, Exception) for result in results) == 1


@pytest.fixture
def in_memory() -> Iterator[str]:
    """A directory of a file system that has no choice of when it copies: a tmpfs."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="virtory-") as path:
        yield path


async def test_a_choice_that_the_file_system_lacks_is_refused(host: Any, in_memory: str) -> None:
    features = "<features><cow state='{}'/></features>"
    xml = POOL.format(name="p", path=f"{in_memory}/p").replace("<target", "{}<target")
    for state in ("yes", "no"):
        uuid = (await host.storage.define_pool(xml.format(features.format(state)), 0)).uuid
        if state == "yes":
            await host.storage.build_pool(uuid, 0)
        else:
            with pytest.raises(ConfigUnsupported, match="use btrfs"):
                await host.storage.build_pool(uuid, 0)
        await host.storage.undefine_pool(uuid)
