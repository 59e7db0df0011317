"""Machines of the tiny image, made, waited for, logged in to and removed, through virtoryd."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

import virtory
from virtory.errors import (
    AlreadyExists,
    DomainNotFound,
    InvalidArgument,
    NetworkNotFound,
    OperationInvalid,
    VirtoryError,
)
from virtory.model.flags import DomainClone
from virtory.model.values import Size
from virtory.provision import keys, recipes, ssh
from virtory.provision.clone import Wanted, clone
from virtory.provision.errors import ImageInUse, NotOurMachine, SshFailed
from virtory.provision.images import DISK, KERNEL, Image, ImageStore
from virtory.provision.machine import Machine, create, find, preview, remove
from virtory.provision.manifest import NAMESPACE, Manifest
from virtory.provision.order import Forward, Order
from virtory.provision.phases import Phase, Progress, State
from virtory.provision.reach import to_log_in
from virtory.provision.ready import watch
from virtory.provision.unfinished import MARK, sweep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from virtory.client.connect import Host
    from virtory.provision.steps import Step

LINKED = DomainClone.LINKED

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(
        any(shutil.which(p) is None for p in ("qemu-system-x86_64", "mke2fs", "apt-get", "ssh")),
        reason="needs QEMU, e2fsprogs, apt and ssh",
    ),
]


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """Images, machines and keys of these tests; a short path that guests may pass through."""
    path = Path(tempfile.mkdtemp(prefix="virtory-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def images(data: Path) -> ImageStore:
    store = ImageStore(data / "images", data / "machines")
    recipes.build("tiny", store)
    return store


@pytest.fixture(scope="module")
def key(data: Path) -> Path:
    (data / "keys").mkdir(mode=0o700)
    keys.generate(data / "keys" / "id", comment="test")
    return data / "keys" / "id"


@pytest.fixture(scope="module")
def socket(data: Path) -> Iterator[Path]:
    """A virtoryd of our own; every machine it runs ends with the tests."""
    path, (reader, writer) = data / "sock", os.pipe()
    argv = [sys.executable, "-m", "virtory.daemon.main", "--state", str(data / "state")]
    argv += ["--socket", str(path), "--ready-fd", str(writer)]
    daemon = subprocess.Popen(argv, pass_fds=[writer])
    os.close(writer)
    with open(reader, "rb") as ready:
        assert ready.readline(), "virtoryd ended"
    yield path
    with virtory.open_sync(f"virtory:///system?socket={path}") as host:
        for domain in host.list_domains(active=True):
            domain.destroy()
    daemon.terminate()
    daemon.wait()


@pytest_asyncio.fixture
async def host(socket: Path) -> AsyncIterator[Host]:
    async with virtory.connect(f"virtory:///system?socket={socket}") as host:
        yield host


async def ready(machine: Machine, until: Phase = Phase.CLOUD_INIT) -> list[Progress]:
    async with asyncio.timeout(240):
        return [report async for report in watch(machine, until=until)]


def run(machine: Machine, *command: str) -> str:
    """What a command says, run by ssh."""
    argv = ssh.argv(machine.manifest, command, batch=True)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_machine_is_made_becomes_ready_and_lets_its_owner_in(
    host: Host, images: ImageStore, key: Path
) -> None:
    order = Order("web", "tiny", ssh_key=key, disk_size=Size.of_gib(1), hostname="www")
    machine = await create(host, order, store=images)
    try:
        reports = await ready(machine)
        over = [r.phase for r in reports if r.state in (State.DONE, State.SKIPPED)]
        assert over == list(Phase)
        assert next(r.state for r in reports if r.phase is Phase.FIRMWARE) is State.SKIPPED
        assert run(machine, "uname", "-n") == "www\n"
        with pytest.raises(AlreadyExists, match="'web'"):
            await create(host, order, store=images)
        with pytest.raises(ImageInUse, match="web"):
            images.remove("tiny")
        found = await find(host, "web")
        assert found.manifest == machine.manifest
    finally:
        await remove(host, "web", force=True)
    assert not machine.manifest.directory.exists()


async def test_agent_disk_and_identity_are_those_that_were_asked_for(
    host: Host, images: ImageStore, key: Path
) -> None:
    order = Order("box", "tiny", ssh_key=key, disk_size=Size.of_gib(2), memory=Size.of_mib(200))
    machine = await create(host, order, store=images)
    try:
        await ready(machine)
        async with host.events("agent-lifecycle", domain=machine.domain) as events:
            if "state='connected'" not in await machine.domain.xml():
                async with asyncio.timeout(60):
                    await anext(aiter(events))
        answer = await machine.domain.agent_command('{"execute": "guest-ping"}')
        assert json.loads(answer or "") == {"return": {}}
        blocks = run(machine, "cat", "/sys/block/vda/size")
        assert int(blocks) * 512 == 2 << 30
        memory_kib = int(run(machine, "head", "-1", "/proc/meminfo").split()[1])
        assert 120_000 < memory_kib < 200 * 1024
        offered = subprocess.run(
            ["ssh-keyscan", "-T", "60", "-t", "ed25519", "-p", str(machine.manifest.port),
             "127.0.0.1"],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip
        assert machine.manifest.host_key.split()[1] in offered
    finally:
        await remove(host, "box", force=True)


async def test_a_restarted_guest_keeps_its_files_and_its_identity(
    host: Host, images: ImageStore, key: Path
) -> None:
    machine = await create(host, Order("keep", "tiny", ssh_key=key), store=images)
    try:
        await ready(machine)
        run(machine, "echo kept >/root/file; sync")
        run(machine, "until [ -e /run/acpid.pid ]; do sleep 1; done")  # who hears the button
        async with host.events("lifecycle", domain=machine.domain) as events:
            await machine.domain.shutdown(acpi=True)
            async with asyncio.timeout(60):
                async for event in events:
                    if event.event == 5:
                        break
        await machine.domain.start()
        await ready(machine)
        assert run(machine, "cat", "/root/file") == "kept\n"
    finally:
        await remove(host, "keep", force=True)


async def test_clones_are_machines_of_their_own(host: Host, images: ImageStore, key: Path) -> None:
    one = await create(host, Order("one", "tiny", ssh_key=key), store=images)
    await ready(one)
    await one.domain.create_snapshot("<domainsnapshot/>")
    with pytest.raises(OperationInvalid, match="has snapshot"):
        await clone(host, "one", Wanted("never", flags=LINKED), store=images)
    assert not (images.machines / "never").exists()
    await (await one.domain.current_snapshot()).delete()
    run(one, "echo shared >/root/file; sync")
    two = await clone(host, "one", Wanted("two"), store=images)  # of one that runs
    await one.domain.destroy()
    three = await clone(host, "one", Wanted("three", flags=LINKED), store=images)
    try:
        made = [await find(host, name) for name in ("one", "two", "three")]
        for field in ("instance", "port", "host_key", "directory"):
            assert len({getattr(each.manifest, field) for each in made}) == 3
        for each in (two, three):
            await each.domain.start()
        for each in made[1:]:
            await ready(each)
            assert run(each, "cat", "/root/file") == "shared\n"
            assert run(each, "uname", "-n") == f"{each.name}\n"
            run(each, f"echo {each.name} >/root/file; sync")
        copied = (await two.domain.xml(inactive=True)).replace("<name>two<", "<name>copy<")
        copied = copied.replace(f">{two.domain.uuid}<", f">{uuid.uuid4()}<")  # not its manifest
        copy = await host.define_domain(copied)
        with pytest.raises(NotOurMachine, match="carries the manifest of another machine"):
            await remove(host, "copy")
        await copy.undefine()
        with pytest.raises(OperationInvalid, match=r"'three' is a linked clone"):
            await remove(host, "one")
        with pytest.raises(SshFailed, match="'one' is off"):
            await to_log_in(one.domain, one.manifest)
        await two.domain.undefine()  # it runs on, and is gone once it is destroyed
    finally:
        for name in ("two", "three"):
            await remove(host, name, force=True)
        kept = (await remove(host, "one")).kept
        assert not [each for each in kept if str(one.manifest.directory) in each]
    assert not [each for each in made if each.manifest.directory.exists()]


async def test_a_reboot_during_the_wait_is_survived(
    host: Host, images: ImageStore, key: Path
) -> None:
    machine = await create(host, Order("again", "tiny", ssh_key=key), store=images)
    try:
        reports: list[Progress] = []
        is_reset = False
        async with asyncio.timeout(240):
            async for report in watch(machine):
                reports.append(report)
                if report.phase is Phase.ADDRESS and not is_reset:
                    is_reset = True
                    await machine.domain.reset()
        assert reports[-1].phase is Phase.CLOUD_INIT and reports[-1].state is State.DONE
        kernels = [r for r in reports if (r.phase, r.state) == (Phase.KERNEL, State.DONE)]
        # What it said before the reset may be read after it, and proves a kernel once more.
        assert len(kernels) >= 2
    finally:
        await remove(host, "again", force=True)


async def test_a_broken_off_wait_leaves_the_machine_running_and_a_new_one_goes_on(
    host: Host, images: ImageStore, key: Path
) -> None:
    machine = await create(host, Order("goes-on", "tiny", ssh_key=key), store=images)
    try:
        waiting = asyncio.create_task(ready(machine))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await machine.domain.is_active()
        assert (await ready(machine, Phase.SSH))[-1].state is State.DONE
    finally:
        await remove(host, "goes-on", force=True)


async def test_a_machine_that_goes_off_ends_the_wait_with_a_failure(
    host: Host, images: ImageStore, key: Path
) -> None:
    machine = await create(host, Order("off", "tiny", ssh_key=key), store=images)
    try:
        waiting = asyncio.create_task(ready(machine))
        async with host.events("lifecycle", domain=machine.domain):
            await machine.domain.destroy()
        last = (await waiting)[-1]
        assert last.state is State.FAILED and "off" in last.evidence
        assert (await ready(machine))[-1].evidence == "the machine is off"
    finally:
        await remove(host, "off")


async def test_removal_takes_what_is_the_machines_and_names_what_it_keeps(
    host: Host, images: ImageStore, key: Path
) -> None:
    machine = await create(host, Order("gone", "tiny", ssh_key=key), store=images)
    directory = machine.manifest.directory
    (directory / "notes.txt").write_text("mine")
    with pytest.raises(OperationInvalid, match=r"'gone' is running.*--force"):
        await remove(host, "gone")
    assert await machine.domain.is_active()
    removal = await remove(host, "gone", force=True)
    assert [path.name for path in directory.iterdir()] == ["notes.txt"]
    assert any("disk.qcow2" in word for word in removal.removed)
    assert any("notes.txt" in word for word in removal.kept)
    assert any("tiny" in word for word in removal.kept)
    with pytest.raises(DomainNotFound):
        await find(host, "gone")
    shutil.rmtree(directory)


async def test_removal_touches_no_directory_that_was_not_made_for_the_machine(
    host: Host, tmp_path: Path
) -> None:
    victim, identity = tmp_path / "precious", str(uuid.uuid4())
    victim.write_text("kept")
    forged = Manifest("x", tmp_path, (victim.name,), "root", "", 22, None, "", identity).to_xml()
    forged = forged.replace("<machine>", f"<machine xmlns='{NAMESPACE}'>")
    text = f"<domain type='qemu'><name>forged</name><uuid>{identity}</uuid><memory>65536</memory>"
    text += f"<metadata>{forged}</metadata><os><type>hvm</type></os></domain>"
    await host.define_domain(text)
    told = await remove(host, "forged")
    assert victim.read_text() == "kept"
    assert told.removed == ("the domain 'forged'",)
    assert f"{victim} (not virtory's)" in told.kept


async def test_a_create_that_fails_at_any_step_leaves_nothing(
    host: Host, images: ImageStore, key: Path
) -> None:
    with images.adding("broken") as place:
        shutil.copy(images.find("tiny").disk, place / DISK)
        (place / KERNEL).write_bytes(b"no kernel")
        images.publish(place, Image("broken", place, direct_boot="always", cloud_init="minimal"))
    with pytest.raises(VirtoryError):
        await create(host, Order("half", "broken", ssh_key=key), store=images)
    with pytest.raises(DomainNotFound):
        await host.domain("half")
    assert not (images.machines / "half").exists()
    images.remove("broken")


@pytest.mark.parametrize("delay_s", [0, 0.003, 0.01])
@pytest.mark.parametrize("moment", ["disk", "define", "start"])
async def test_a_create_that_is_broken_off_leaves_nothing(
    host: Host, images: ImageStore, key: Path, moment: str, delay_s: float
) -> None:
    def break_off(step: Step) -> None:
        if step.what.startswith(moment) and step.seconds is None:
            asyncio.get_running_loop().call_later(delay_s, making.cancel)

    order = Order("off", "tiny", ssh_key=key)
    making = asyncio.ensure_future(create(host, order, store=images, report=break_off))
    with pytest.raises(asyncio.CancelledError):
        await making
    with pytest.raises(DomainNotFound):
        await host.domain("off")
    assert not (images.machines / "off").exists()


KILLED = """
import asyncio, os, sys, virtory
from pathlib import Path
from virtory.provision import machine
from virtory.provision.images import ImageStore
from virtory.provision.order import Order
uri, data, key, last = sys.argv[1:]

def die(step):
    if step.what.startswith(last) and step.seconds is not None:
        os._exit(9)

async def main():
    async with virtory.connect(uri) as host:
        store = ImageStore(Path(data) / "images", Path(data) / "machines")
        order = Order("gone", "tiny", ssh_key=Path(key))
        await machine.create(host, order, store=store, report=die)

asyncio.run(main())
"""


async def test_what_a_killed_create_left_is_swept_by_the_next_one(
    host: Host, socket: Path, images: ImageStore, key: Path, data: Path
) -> None:
    uri = f"virtory:///system?socket={socket}"
    words = [sys.executable, "-c", KILLED, uri, str(data), str(key)]
    left = images.machines / "gone"
    for last, defined in (("disk", False), ("define", True)):
        killed = await asyncio.create_subprocess_exec(*words, last)
        assert await killed.wait() == 9
        assert (left / MARK).exists()
        async with virtory.connect(uri) as again:
            await sweep(again, images.machines)
        assert left.exists() == defined, "files of a machine that is there stay with it"
        assert not (left / MARK).exists()
    await remove(host, "gone")
    assert not left.exists()


async def test_a_preview_makes_nothing(host: Host, images: ImageStore, key: Path) -> None:
    order = Order("idea", "tiny", ssh_key=key, forwards=(Forward(8080, 80),), graphics=True)
    xml = await preview(host, order, store=images)
    assert "<name>idea</name>" in xml and "<range start='8080' to='80'/>" in xml
    assert "<graphics type='vnc'" in xml
    assert not (images.machines / "idea").exists()
    with pytest.raises(DomainNotFound):
        await host.domain("idea")
    with pytest.raises(InvalidArgument, match="less than 96 MiB"):
        await preview(host, Order("idea", "tiny", memory=Size.of_mib(95)), store=images)
    with pytest.raises(NetworkNotFound):
        await preview(host, Order("idea", "tiny", network="none"), store=images)
