"""Devices that come and go while a guest runs and looks at them."""

from __future__ import annotations

import os
import subprocess

import pytest

from virtory.model.events import DeviceAdded, DeviceRemoved

LIVE, CONFIG, BOTH = 1, 2, 3
PORTS = "".join("<controller type='pci' model='pcie-root-port'/>" for _ in range(6))


def disk_xml(path, target="vdb", more=""):
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='{path}'/><target dev='{target}' bus='virtio'/>{more}</disk>"
    )


@pytest.fixture
def image(state):
    """Makes qcow2 images."""

    def make(name, size="8M", image_format="qcow2"):
        path = os.path.join(state, name)
        subprocess.run(["qemu-img", "create", "-q", "-f", image_format, path, size], check=True)
        return path

    return make


def taken(driver, uuid):
    """What a guest holds: descriptors of its process, QEMU's sets of them, the plan's rows."""
    guest = driver.domain._table.get(uuid).guest
    rows = len(guest.plan.files) + len(guest.plan.listens) + len(guest.plan.images)
    return len(os.listdir(f"/proc/{guest.pid}/fd")), rows, len(os.listdir("/proc/self/fd"))


async def fdsets(driver, uuid):
    return await driver.domain._table.get(uuid).guest.execute("query-fdsets")


async def test_a_disk_comes_is_written_and_goes(driver, linux, boot, seen, image):
    uuid, console = await boot(linux.xml("m", devices=PORTS))
    before, sets = taken(driver, uuid), await fdsets(driver, uuid)
    path = image("one.qcow2")
    await driver.domain.attach_device(uuid, disk_xml(path), LIVE)
    await seen.wait(lambda e: isinstance(e, DeviceAdded) and e.alias == "virtio-disk1")
    xml = await driver.domain.xml(uuid, 0)
    assert "<alias name='virtio-disk1'/>" in xml and path in xml
    await console.type(
        "while [ ! -b /dev/vda ]; do usleep 50000; done; echo hello > /dev/vda; sync;"
        " head -c 5 /dev/vda; echo -DONE\n"
    )
    await console.until(b"hello-DONE")
    await driver.domain.detach_device(uuid, disk_xml(path), LIVE)
    await seen.wait(lambda e: isinstance(e, DeviceRemoved) and e.alias == "virtio-disk1")
    assert path not in await driver.domain.xml(uuid, 0)
    await console.type("while [ -b /dev/vda ]; do usleep 50000; done; echo GO''NE\n")
    await console.until(b"GONE")
    assert taken(driver, uuid) == before
    assert await fdsets(driver, uuid) == sets
    read = subprocess.run(
        ["qemu-io", "-r", "-c", "read -v 0 16", path], capture_output=True, check=True
    )
    assert b"hello" in read.stdout
    subprocess.run(["qemu-img", "check", "-q", path], check=True)
