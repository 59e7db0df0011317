"""The client against a real libvirtd: its test driver and its QEMU, in both worlds."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import virtory
from virtory import errors, flags

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.interop

QEMU_XML = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<serial type='pty'/><graphics type='vnc'><listen type='none'/></graphics>
<video><model type='vga'/></video>{devices}</devices></domain>"""
NETWORK_XML = (
    "<network><name>{name}</name><bridge name='vt-br7'/><ip address='192.168.177.1'/></network>"
)
POOL_XML = "<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"
VOLUME_XML = """<volume><name>{name}</name><capacity unit='bytes'>{size}</capacity>
<allocation>0</allocation><target><format type='{format}'/></target></volume>"""


@pytest.fixture
def test_driver(libvirtd: str) -> str:
    return f"test+unix:///default?socket={libvirtd}"


@pytest.fixture
def qemu(libvirtd: str) -> str:
    return f"qemu+unix:///system?socket={libvirtd}"


@contextlib.asynccontextmanager
async def defined(host: virtory.Host, name: str, devices: str = "") -> AsyncIterator[Any]:
    """A domain of QEMU, gone afterwards whatever state it is in."""
    domain = await host.define_domain(QEMU_XML.format(name=name, devices=devices))
    try:
        yield domain
    finally:
        if await domain.is_active():
            await domain.destroy()
        await domain.undefine(managed_save=True, snapshots_metadata=True, nvram=True)


@contextlib.asynccontextmanager
async def pool(host: virtory.Host, libvirtd: str) -> AsyncIterator[Any]:
    """A storage pool in a directory of its own, gone afterwards."""
    path = f"{os.path.dirname(libvirtd)}/pool"
    made = await host.define_storage_pool(POOL_XML.format(name="vt-pool", path=path))
    await made.build()
    await made.start()
    try:
        yield made
    finally:
        for volume in await made.volumes():
            await volume.delete()
        await made.destroy()
        await made.delete()
        await made.undefine()


def test_the_test_driver_answers_about_everything(test_driver: str, drive: Any) -> None:
    async def ask(host: virtory.Host) -> None:
        assert await host.hypervisor() == "TEST"
        assert await host.uri() == "test:///default"
        assert (await host.node_info()).model == "i686"
        domain = await host.domain("test")
        assert domain.id == 1
        assert (await domain.info()).state == flags.DomainState.RUNNING
        assert await host.domain_by_uuid(domain.uuid) == domain
        assert await host.domain_by_id(1) == domain
        assert await host.domain_ids() == [1]
        assert await host.count_running_domains() == 1
        assert await host.stopped_domain_names() == []
        assert "<name>test</name>" in await domain.xml()
        assert len(await domain.vcpus()) == 2
        assert (await domain.interface_addresses())[0].addresses[0].family == 4
        assert (await domain.scheduler_parameters())["weight"] == 50
        assert await domain.hostname() == "testhost"
        (network,) = await host.list_networks()
        assert await network.is_active()
        assert await host.network_by_uuid(network.uuid) == network
        (storage,) = await host.list_storage_pools()
        assert (await storage.info()).capacity > 0
        assert [device.name for device in await host.list_node_devices()]
        assert (await host.list_interfaces())[0].name == "eth1"

    drive(test_driver, ask)


def test_events_of_every_object_kind_of_the_test_driver(test_driver: str, drive: Any) -> None:
    async def watch(host: virtory.Host) -> None:
        kinds = ("lifecycle", "network.lifecycle", "storage-pool.lifecycle")
        async with host.events(*kinds) as events:
            domain = await host.domain("test")
            await domain.suspend()
            await domain.resume()
            network = await host.network("default")
            await network.destroy()
            await network.start()
            storage = await host.storage_pool("default-pool")
            await storage.destroy()
            await storage.start()
            found = [await events.next(10) for _ in range(6)]
        assert [event and event.kind for event in found] == [
            "lifecycle",
            "lifecycle",
            "network.lifecycle",
            "network.lifecycle",
            "storage-pool.lifecycle",
            "storage-pool.lifecycle",
        ]
        assert found[0] is not None
        assert found[0].details["event"] == flags.DomainEventLifecycle.SUSPENDED

    drive(test_driver, watch)


def test_snapshots_of_the_test_driver(test_driver: str, drive: Any) -> None:
    async def snap(host: virtory.Host) -> None:
        domain = await host.domain("test")
        first = await domain.create_snapshot("<domainsnapshot><name>one</name></domainsnapshot>")
        second = await domain.create_snapshot("<domainsnapshot><name>two</name></domainsnapshot>")
        try:
            assert {item.name for item in await domain.snapshots()} == {"one", "two"}
            assert await domain.snapshot_count() == 2
            assert await second.parent() == first
            assert await first.children() == [second]
            assert await first.child_count() == 1
            assert await domain.current_snapshot() == second
            assert await second.is_current()
            assert await second.has_metadata()
            assert await domain.has_current_snapshot()
            assert "<name>one</name>" in await first.xml()
            assert (await domain.snapshot("one")).domain == domain
            await first.revert()
            assert await first.is_current()
        finally:
            await second.delete()
            await first.delete()
        with pytest.raises(errors.SnapshotNotFound):
            await domain.snapshot("one")

    drive(test_driver, snap)


def test_everything_that_qemus_driver_says_of_its_host(qemu: str, drive: Any) -> None:
    async def ask(host: virtory.Host) -> None:
        assert await host.hypervisor() == "QEMU"
        assert str(await host.library_version()) == "9.0.0"
        assert (await host.version()).major >= 7
        assert "<capabilities>" in await host.capabilities()
        assert "<domainCapabilities>" in await host.domain_capabilities(virt_type="qemu")
        assert (await host.node_info()).cpus == (await host.cpu_map()).total
        assert (await host.cpu_stats())["user"] > 0
        assert (await host.memory_stats())["total"] > 0
        assert len(await host.cells_free_memory()) >= 1
        assert "qemu64" in await host.cpu_models("x86_64")
        assert await host.max_vcpus("qemu") > 0
        assert await host.is_secure()
        assert (await host.security_model()).model == "none"
        for owned in (host.daemon_info, host.report):
            with pytest.raises(errors.NotSupported, match="known to virtoryd only"):
                await owned()

    drive(qemu, ask)


def test_a_guest_of_qemu_lives_and_is_watched(qemu: str, drive: Any) -> None:
    async def live(host: virtory.Host) -> None:
        async with defined(host, "vt-life") as domain, host.events(domain=domain) as events:
            await domain.set_title("watched", flags=flags.DomainAffect.CONFIG)
            assert await domain.title(flags=flags.DomainAffect.CONFIG) == "watched"
            await domain.start(paused=True)
            assert domain.id is not None
            assert (await domain.state()).state == flags.DomainState.PAUSED
            assert (await domain.control_info()).state == 0
            stats = await domain.stats()
            assert stats["state.state"] == flags.DomainState.PAUSED
            assert (await domain.memory_stats())["rss"] > 0
            assert len(await domain.vcpus()) == 1
            assert '"status": "prelaunch"' in await domain.monitor_command(
                '{"execute": "query-status"}'
            ) or "paused" in await domain.monitor_command("info status", human=True)
            with pytest.raises(errors.OperationInvalid, match="already running"):
                await domain.start()
            shot = await domain.screenshot()
            assert shot.data.startswith((b"P6", b"\x89PNG"))
            assert shot.mime in ("image/x-portable-pixmap", "image/png")
            async with await domain.open_console(force=True) as console:
                await console.write(b"\r")
            await domain.resume()
            with pytest.raises(errors.ArgumentUnsupported, match="agent is not configured"):
                await domain.agent_command('{"execute":"guest-ping"}')
            await domain.reset()
            await domain.suspend()
            await domain.destroy()
            numbers = []
            while (event := await events.next(10)) is not None:
                numbers.append(event.details["event"])
                if numbers[-1] == flags.DomainEventLifecycle.STOPPED:
                    break
            lives = flags.DomainEventLifecycle
            assert lives.STARTED in numbers
            assert lives.RESUMED in numbers

    drive(qemu, live)


def test_every_figure_of_a_guest_can_be_read(qemu: str, drive: Any) -> None:
    async def read(host: virtory.Host) -> None:
        async with defined(host, "vt-read") as domain:
            await domain.start(paused=True)
            cpus = list(range((await host.cpu_map()).total))
            assert await domain.emulator_pin() == cpus
            assert await domain.vcpu_pins() == [cpus]
            assert await domain.iothreads() == []
            assert all("tainted" in text for text in await domain.messages())
            assert (await domain.job_info()).type == 0
            assert (await domain.job_stats()).params == {}
            assert await domain.max_memory_kib() == 32768
            assert await domain.max_vcpus() == await domain.vcpus_count() == 1
            assert await domain.migrate_max_speed() > 0
            assert await domain.migrate_max_downtime_ms() > 0
            assert await domain.perf_events() != {}
            assert (await domain.security_label()).label == ""
            assert await domain.is_updated() is False
            assert await domain.block_stats_params() is not None
            assert (await domain.numa_parameters(flags=2))["numa_nodeset"] == ""
            with pytest.raises(errors.VirtoryError):
                await domain.interface_stats("vnet-none")
            for agent in (domain.time, domain.filesystems, domain.guest_info, domain.hostname):
                with pytest.raises(errors.VirtoryError):
                    await agent()

    drive(qemu, read)


def test_a_display_is_opened_by_descriptor(qemu: str, drive: Any) -> None:
    async def look(host: virtory.Host) -> None:
        async with defined(host, "vt-screen") as domain:
            await domain.start(paused=True)
            fd = await domain.open_graphics_fd()
            with os.fdopen(fd, "rb", buffering=0) as display:
                assert display.read(12).startswith(b"RFB 003.")

    drive(qemu, look)


def test_qemus_own_events_are_told(qemu: str, drive: Any) -> None:
    async def watch(host: virtory.Host) -> None:
        async with defined(host, "vt-qemu-events") as domain:
            await domain.start(paused=True)
            async with host.events("qemu", domain=domain) as events:
                await domain.resume()
                event = await events.next(10)
            assert event is not None
            assert (event.details["event"], event.details["seconds"] > 0) == ("RESUME", True)

    drive(qemu, watch)


@pytest.mark.parametrize("size", [0, 1, 262120, 3_000_001])
def test_a_volume_goes_up_and_comes_down_unchanged(
    qemu: str, libvirtd: str, drive: Any, size: int
) -> None:
    data = os.urandom(size)

    async def transfer(host: virtory.Host) -> None:
        async with pool(host, libvirtd) as storage:
            xml = VOLUME_XML.format(name="v", size=max(size, 1), format="raw")
            volume = await storage.create_volume(xml)
            async with await volume.upload() as stream:
                await stream.write(data)
            assert Path(await volume.path()).read_bytes()[:size] == data
            async with await volume.download(length=size) as stream:
                assert (await stream.read_all())[:size] == data

    drive(qemu, transfer)


def test_a_sparse_volume_keeps_its_holes_on_the_way(qemu: str, libvirtd: str, drive: Any) -> None:
    hole = 64 << 20

    async def transfer(host: virtory.Host) -> None:
        async with pool(host, libvirtd) as storage:
            xml = VOLUME_XML.format(name="sparse", size=hole + 8192, format="raw")
            volume = await storage.create_volume(xml)
            async with await volume.upload(sparse=True) as stream:
                await stream.write(b"a" * 4096)
                await stream.write_hole(hole)
                await stream.write(b"z" * 4096)
            status = os.stat(await volume.path())
            assert status.st_size == hole + 8192
            assert status.st_blocks * 512 < 1 << 20
            pieces: list[Any] = []
            async with await volume.download(sparse=True) as stream:
                while (piece := await stream.read_piece()) is not None:
                    pieces.append(piece)
            holes = sum(piece.length for piece in pieces if not isinstance(piece, bytes))
            sent = b"".join(piece for piece in pieces if isinstance(piece, bytes))
            assert holes == hole
            assert sent == b"a" * 4096 + b"z" * 4096

    drive(qemu, transfer)


def test_pools_and_volumes_are_found_in_every_way(qemu: str, libvirtd: str, drive: Any) -> None:
    async def find(host: virtory.Host) -> None:
        async with pool(host, libvirtd) as storage:
            volume = await storage.create_volume(
                VOLUME_XML.format(name="v.qcow2", size=1 << 20, format="qcow2")
            )
            path = await volume.path()
            assert await storage.volume_names() == ["v.qcow2"]
            assert await storage.volume_count() == 1
            assert await storage.volume("v.qcow2") == volume
            assert await host.volume_by_path(path) == volume
            assert await host.volume_by_key(volume.key) == volume
            assert await volume.pool() == storage
            assert await host.storage_pool_by_uuid(storage.uuid) == storage
            assert await host.storage_pool_by_path(os.path.dirname(path)) == storage
            assert (await volume.info()).capacity == 1 << 20
            await volume.resize(2 << 20)
            await storage.refresh()
            assert (await volume.info()).capacity == 2 << 20
            clone = await storage.clone_volume(
                VOLUME_XML.format(name="copy", size=2 << 20, format="raw"), volume
            )
            assert clone.name == "copy"
            await clone.wipe()
            assert not await storage.autostart()
            await storage.set_autostart()
            assert await storage.autostart()
            with pytest.raises(errors.StorageVolumeNotFound):
                await storage.volume("nothing")

    drive(qemu, find)


def test_networks_secrets_and_filters(qemu: str, drive: Any) -> None:
    async def manage(host: virtory.Host) -> None:
        network = await host.define_network(NETWORK_XML.format(name="vt-net"))
        try:
            assert network in await host.list_networks(active=False)
            assert await network.bridge_name() == "vt-br7"
            assert not await network.is_active()
            assert await network.is_persistent()
            assert await network.dhcp_leases() == []
            await network.update(
                3, 10, "<host ip='192.168.177.9'><hostname>a</hostname></host>", flags=2
            )
            assert "192.168.177.9" in await network.xml(inactive=True)
        finally:
            await network.undefine()
        with pytest.raises(errors.NetworkNotFound):
            await host.network("vt-net")
        secret = await host.define_secret("<secret><description>d</description></secret>")
        try:
            await secret.set_value(b"\x00\xffvalue")
            assert await secret.value() == b"\x00\xffvalue"
            assert await host.secret(secret.uuid) == secret
            assert b"value" not in repr(secret).encode()
        finally:
            await secret.undefine()
        rules = await host.define_nwfilter("<filter name='vt-filter'/>")
        assert rules in await host.list_nwfilters()
        await rules.undefine()

    drive(qemu, manage)


def test_a_wrong_definition_is_refused_with_libvirts_words(qemu: str, drive: Any) -> None:
    async def define(host: virtory.Host) -> None:
        with pytest.raises(errors.XmlError):
            await host.define_domain("<domain type='qemu'><name>x</name></domain>")
        with pytest.raises(errors.VirtoryError) as caught:
            await host.define_domain("<no-xml")
        assert caught.value.code == 35
        with pytest.raises(errors.ConfigUnsupported):
            await host.define_domain(
                QEMU_XML.format(name="x", devices="").replace("x86_64'", "riscv64'")
            )

    drive(qemu, define)


def test_a_read_only_connection_is_refused_what_changes(qemu: str, drive: Any) -> None:
    async def change(host: virtory.Host) -> None:
        assert isinstance(await host.list_domains(), list)
        with pytest.raises(errors.OperationDenied):
            await host.define_domain(QEMU_XML.format(name="never", devices=""))

    drive(qemu, change, readonly=True)


def test_a_saved_guest_is_restored(qemu: str, libvirtd: str, drive: Any) -> None:
    path = f"{os.path.dirname(libvirtd)}/saved"

    async def save(host: virtory.Host) -> None:
        async with defined(host, "vt-save") as domain:
            await domain.start(paused=True)
            await domain.managed_save(flags=4)
            assert await domain.has_managed_save()
            assert "<name>vt-save</name>" in await domain.managed_save_xml()
            await domain.remove_managed_save()
            await domain.start(paused=True)
            await domain.save(path, flags=4)
            assert "<name>vt-save</name>" in await host.saved_xml(path)
            await host.restore_domain(path, flags=4)
            assert (await domain.state()).state == flags.DomainState.PAUSED
            await domain.refresh()
            assert domain.id is not None

    try:
        drive(qemu, save)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def test_disks_of_a_running_guest(qemu: str, libvirtd: str, drive: Any) -> None:
    async def work(host: virtory.Host) -> None:
        async with pool(host, libvirtd) as storage:
            volume = await storage.create_volume(
                VOLUME_XML.format(name="d.qcow2", size=1 << 20, format="qcow2")
            )
            disk = f"""<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
            <source file='{await volume.path()}'/><target dev='vda' bus='virtio'/></disk>"""
            async with defined(host, "vt-disk", disk) as domain:
                await domain.start(paused=True)
                assert (await domain.block_info("vda")).capacity == 1 << 20
                assert (await domain.block_stats("vda")).errors == -1
                assert "rd_bytes" in await domain.block_stats_params("vda")
                assert await domain.disk_errors() == {}
                assert await domain.block_job("vda") is None
                await domain.block_resize("vda", 2 << 20)
                assert (await domain.block_info("vda")).capacity == 2 << 20
                await domain.set_block_io_tune("vda", {"total_iops_sec": 500})
                assert (await domain.block_io_tune("vda"))["total_iops_sec"] == 500
                with pytest.raises(errors.VirtoryError):
                    await domain.block_info("vdz")

    drive(qemu, work)


def test_a_connection_that_the_daemon_closes_ends_what_waits(qemu: str, drive: Any) -> None:
    async def lose(host: virtory.Host) -> None:
        await host.register_close_callback()
        await host.unregister_close_callback()
        host.caller.close()
        with pytest.raises(errors.ConnectionLost):
            await host.hostname()

    drive(qemu, lose)
