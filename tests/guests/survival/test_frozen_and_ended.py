"""The daemon is asked to end while QEMU does not answer: it ends, and the next one goes on."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from daemon_process import answering

import virtory
from virtory.errors import ConnectionLost
from virtory.model.flags import DomainState

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon_process import DaemonProcess

ENDED_S = 10.0
DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
SNAPSHOT = (
    "<domainsnapshot><name>s</name><disks><disk name='vda' snapshot='external'>"
    "<source file='{}'/></disk></disks></domainsnapshot>"
)
DISK_ONLY = 16


async def lost(call) -> bool:
    try:
        await call
    except ConnectionLost:
        return True
    return False


async def test_what_was_under_way_is_undone_once_they_answer_again(
    daemon: DaemonProcess, bare: Callable[..., str]
):
    images = {name: daemon.directory / f"{name}.qcow2" for name in ("m0", "m1")}
    overlay = daemon.directory / "overlay.qcow2"
    for path in images.values():
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "8M"], check=True)
        path.chmod(0o666)
    async with virtory.connect(daemon.uri) as host:
        machines = []
        for name, path in images.items():
            machines.append(await host.define_domain(bare(name, DISK.format(path))))
            await machines[-1].start()
        guests = daemon.guests()
        for each in guests.values():
            each.kill(signal.SIGSTOP)
        try:
            first, second = machines
            text = SNAPSHOT.format(overlay)
            calls = [
                asyncio.ensure_future(lost(first.create_snapshot(text, flags=DISK_ONLY))),
                asyncio.ensure_future(lost(second.managed_save())),
            ]
            while not overlay.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            begun = time.monotonic()
            await asyncio.to_thread(daemon.end)
            assert time.monotonic() - begun < ENDED_S
            assert await asyncio.gather(*calls) == [True, True]
            assert daemon.guests() == guests
            await asyncio.to_thread(daemon.start)
            # That they are silent yet is no news, nor that works on them have to wait.
            assert daemon.said().splitlines()[1:] == []
        finally:
            for each in guests.values():
                each.kill(signal.SIGCONT)
    async with virtory.connect(daemon.uri) as host:
        async with host.events("lifecycle") as events:
            for name in images:
                machine = await host.domain(name)
                while (await machine.state()).state != DomainState.RUNNING:
                    assert await events.next(60)
        first, second = [await host.domain(name) for name in images]
        await answering(first)
        assert str(images["m0"]) in await first.xml() and not await second.has_managed_save()
        await first.create_snapshot(SNAPSHOT.format(overlay), flags=DISK_ONLY)
        assert str(overlay) in await first.xml()
        for each in (first, second):
            await each.destroy()
    assert daemon.guests() == {}


async def test_what_was_under_way_is_undone_though_they_never_answer_again(
    daemon: DaemonProcess, bare: Callable[..., str]
):
    image, overlay = daemon.directory / "m.qcow2", daemon.directory / "overlay.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], check=True)
    image.chmod(0o666)
    async with virtory.connect(daemon.uri) as host:
        machine = await host.define_domain(bare("m", DISK.format(image)))
        await machine.start()
        (guest,) = daemon.guests().values()
        guest.kill(signal.SIGSTOP)
        call = asyncio.ensure_future(
            lost(machine.create_snapshot(SNAPSHOT.format(overlay), flags=DISK_ONLY))
        )
        while not overlay.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.to_thread(daemon.end)
        assert await call
    await asyncio.to_thread(daemon.start)
    async with virtory.connect(daemon.uri) as host, host.events("lifecycle") as events:
        assert overlay.exists()
        guest.kill(signal.SIGKILL)
        machine = await host.domain("m")
        while (await machine.state()).state != DomainState.SHUTOFF:
            assert await events.next(60)
        while "unfinished" in str(await machine.messages()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert not overlay.exists()
