"""The daemon is killed while a device comes, goes or changes: before or after, never between."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from again import begun
from test_restart import restarted

STEPS = {
    "attach_device": ("plug: grown", "plug: blockdev", "plug: device", "plug: plugged",
                      "plug: saved"),
    "detach_device": ("unplug: begun", "unplug: asked", "unplug: undone", "unplug: saved"),
    "update_device": ("medium: grown", "medium: made", "medium: swapped"),
}  # fmt: skip
CASES = [(call, step) for call, steps in STEPS.items() for step in steps]


def disk(path):
    return (
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='{path}'/><target dev='sdb' bus='usb'/></disk>"
    )


def drive(path):
    return (
        "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
        f"<source file='{path}'/><target dev='sda' bus='sata'/><readonly/></disk>"
    )


async def seen_by_qemu(driver, uuid):
    """Nodes, devices and descriptors that QEMU has, and the plan's rows for them."""
    guest = driver.domain._table.get(uuid).guest
    nodes = sorted(n["node-name"] for n in await guest.execute("query-named-block-nodes"))
    children = await guest.execute("qom-list", {"path": "/machine/peripheral"})
    devices = sorted(child["name"] for child in children)
    sets = sorted(s["fdset-id"] for s in await guest.execute("query-fdsets"))
    rows = sorted(file.fdset for file in guest.plan.files)
    assert [n for n in rows if n not in sets] == [] and [n for n in sets if n not in rows] == []
    assert sorted(
        node for image in guest.plan.images for node in (image.node, image.file_node)
    ) == [node for node in nodes if node.startswith("virtory-")]
    return devices


async def told(driver, uuid, path):
    """Whether the live description and whether the definition have the file."""
    return [path in await driver.domain.xml(uuid, flags) for flags in (0, 2)]


def files(state):
    for name in ("disk.qcow2", "one.iso", "two.iso"):
        form = "qcow2" if name.endswith("qcow2") else "raw"
        path = Path(state) / name
        subprocess.run(["qemu-img", "create", "-q", "-f", form, path, "1M"], check=True)
    return [str(Path(state) / name) for name in ("disk.qcow2", "one.iso", "two.iso")]


async def stopped_with_a_guest(state, settings, xml):
    driver = await restarted(state, settings)
    ref = await driver.domain.define(xml, 0)
    await driver.domain.create(ref.uuid, 0, None)
    return driver, ref.uuid


def crash(state, settings, step, call, xml):
    daemon = str(Path(__file__).parent / "crash_devices.py")
    done = subprocess.run(
        [sys.executable, daemon, state, settings["cache_directory"], step, call, xml],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.parametrize(("call", "step"), CASES)
async def test_a_change_cut_off_at_any_step_is_done_or_never_begun(
    state, settings, bare, call, step
):
    image, one, two = files(state)
    driver, uuid = await stopped_with_a_guest(
        state, settings, bare("m", machine="q35", devices=drive(one))
    )
    try:
        before = await seen_by_qemu(driver, uuid)
        if call == "detach_device":
            await driver.domain.attach_device(uuid, disk(image), 3)
        await driver.stop()
        xml, path = (drive(two), two) if call == "update_device" else (disk(image), image)
        await asyncio.to_thread(crash, state, settings, step, call, xml)
    finally:
        driver = await restarted(state, settings)
    try:
        live, config = await told(driver, uuid, path)
        assert live is config, "the definition and the machine differ"
        devices = await seen_by_qemu(driver, uuid)
        if call == "update_device":
            assert await told(driver, uuid, one) == [not live] * 2
            await driver.domain.update_device(uuid, drive(one), 3)
        else:
            assert ("usb-disk1" in devices) is live
            if not live:
                await driver.domain.attach_device(uuid, disk(image), 3)
            await driver.domain.detach_device(uuid, disk(image), 3)
        assert await seen_by_qemu(driver, uuid) == before
        assert await told(driver, uuid, path) == [False, False]
    finally:
        await driver.domain.destroy(uuid, 0)
        await driver.stop()


async def test_a_device_that_went_while_no_daemon_ran_is_gone(state, settings, bare):
    image, one, _ = files(state)
    driver, uuid = await stopped_with_a_guest(
        state, settings, bare("m", machine="q35", devices=drive(one) + disk(image))
    )
    try:
        guest = driver.domain._table.get(uuid).guest
        guest.monitor._on_event = lambda event: None  # as if no daemon ran
        await guest.execute("device_del", {"id": "usb-disk1"})
        await driver.stop()
        await begun(driver)
        assert await told(driver, uuid, image) == [False, True]
        assert "usb-disk1" not in await seen_by_qemu(driver, uuid)
    finally:
        await driver.domain.destroy(uuid, 0)
        await driver.stop()
