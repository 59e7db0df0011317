"""Several clients change one machine at once: each finds the definition as the former left it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess

from virtory.driver.publishing import Forward
from virtory.model.events import BlockJob2
from virtory.model.flags import DomainAffect, DomainBlockJob, DomainMetadata

DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>"
    "<target dev='vda' bus='virtio'/></disk><interface type='user'><model type='virtio'/>"
    "</interface>"
)
CDROM = (
    "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
    "<target dev='hdc' bus='ide'/><readonly/></disk>"
)
BOTH = DomainAffect.LIVE | DomainAffect.CONFIG
DISK_ONLY = 16
SNAPSHOT = (
    "<domainsnapshot><name>s</name><disks><disk name='vda' snapshot='external'>"
    "<source file='{}'/></disk></disks></domainsnapshot>"
)


async def test_what_waits_for_a_snapshot_does_not_bring_the_former_disk_back(driver, bare, state):
    base, overlay = (os.path.join(state, name) for name in ("base.qcow2", "overlay.qcow2"))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "8M"], check=True)
    domain, waiting = driver.domain, []
    ref = await domain.define(bare("m", DISK.format(base)), 0)
    await domain.create(ref.uuid, 0, None)
    forward = Forward("tcp", "127.0.0.1", 0, 80)
    calls = (
        lambda: domain.pin_emulator(ref.uuid, b"\x01", BOTH),
        lambda: domain.set_metadata(ref.uuid, DomainMetadata.TITLE, "new", None, None, BOTH),
        lambda: domain.publish(ref.uuid, forward._replace(host_port=20080), BOTH),
    )

    def begin(_):
        if not waiting:
            waiting.extend(asyncio.ensure_future(call()) for call in calls)

    driver._runtime.checkpoint = begin
    await driver.snapshot.create(ref.uuid, SNAPSHOT.format(overlay), DISK_ONLY)
    driver._runtime.checkpoint = lambda _: None
    assert len(waiting) == len(calls)
    await asyncio.gather(*waiting)
    for flags in (0, 2):
        text = await domain.xml(ref.uuid, flags)
        assert f"<source file='{overlay}'" in text and "<title>new</title>" in text
        assert "emulatorpin" in text and "20080" in text


async def test_machines_that_are_started_together_get_screens_on_ports_of_their_own(driver, bare):
    screens = "<graphics type='vnc' autoport='yes'/><graphics type='spice' autoport='yes'/>"
    starts = [driver.domain.create_xml(bare(f"m{n}", screens), 0, None) for n in range(3)]
    await asyncio.gather(*starts)
    assert len(driver.domain._table.display_ports()) == 6


async def test_a_machine_undefined_while_a_device_comes_stays_undefined(driver, bare, state):
    path = os.path.join(state, "base.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "8M"], check=True)
    ref = await driver.domain.define(bare("m", more="<features><acpi/></features>"), 0)
    await driver.domain.create(ref.uuid, 0, None)
    undefining = []

    def undefine(step):
        if step == "plug: grown":
            undefining.append(asyncio.ensure_future(driver.domain.undefine(ref.uuid, 0)))

    driver._runtime.checkpoint = undefine
    disk = DISK.format(path).partition("<interface")[0]
    await driver.domain.attach_device(ref.uuid, disk, BOTH)
    await undefining[0]
    assert "base.qcow2" in await driver.domain.xml(ref.uuid, 0)
    assert not driver.domain._table.get(ref.uuid).is_persistent


async def test_a_machine_that_is_off_keeps_its_definition_while_it_is_snapshotted(
    driver, bare, state
):
    base, overlay = (os.path.join(state, name) for name in ("base.qcow2", "overlay.qcow2"))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "8M"], check=True)
    domain, others = driver.domain, []
    ref = await domain.define(bare("m", DISK.format(base)), 0)
    text = await domain.xml(ref.uuid, 0)
    titled = text.replace("<memory", "<title>new</title><memory", 1)
    calls = (
        lambda: domain.define(titled, 0),
        lambda: domain.undefine(ref.uuid, 0),
        lambda: domain.rename(ref.uuid, "other", 0),
        lambda: domain.pin_emulator(ref.uuid, b"\x01", DomainAffect.CONFIG),
    )

    def begin(_):
        if not others:
            others.extend(asyncio.ensure_future(call()) for call in calls)

    driver._runtime.checkpoint = begin
    await driver.snapshot.create(ref.uuid, SNAPSHOT.format(overlay), DISK_ONLY)
    came = await asyncio.gather(*others, return_exceptions=True)
    assert all("domain is just being" in str(each) for each in came), came
    text = await domain.xml(ref.uuid, 0)
    assert f"<source file='{overlay}'/>" in text and "<name>m</name>" in text
    await domain.define(text.replace("<memory", "<title>new</title><memory", 1), 0)


def while_it_waits(driver, step, work):
    """`work` done to its end at this step: QEMU is stopped meanwhile, so that nothing overtakes."""
    done = []

    def at(name):
        if name == step and not done:
            (guest,) = driver.domain._table.guests()
            os.kill(guest.pid, signal.SIGSTOP)
            done.append(asyncio.ensure_future(work()))
            done[0].add_done_callback(lambda _: os.kill(guest.pid, signal.SIGCONT))

    driver._runtime.checkpoint = at
    return done


async def test_what_is_defined_while_the_machine_is_changed_is_kept_and_so_is_the_change(
    driver, bare, state
):
    base, disc = (os.path.join(state, name) for name in ("base.qcow2", "disc.iso"))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "8M"], check=True)
    subprocess.run(["truncate", "-s", "1M", disc], check=True)
    domain = driver.domain
    text = bare("m", CDROM, "<features><acpi/></features>")
    ref = await domain.define(text.replace("<vcpu>1", "<vcpu current='1'>2"), 0)
    await domain.create(ref.uuid, 1, None)
    disk = DISK.format(base).partition("<interface")[0]
    medium = CDROM.replace("<target", f"<source file='{disc}'/><target")
    changes = {
        "plug: grown": (lambda: domain.attach_device(ref.uuid, disk, BOTH), base),
        "vcpu: plugged": (lambda: domain.set_vcpus(ref.uuid, 2, BOTH), "'static'>2</vcpu>"),
        "medium: made": (lambda: domain.update_device(ref.uuid, medium, BOTH), disc),
    }
    for step, (change, trace) in changes.items():
        text = re.sub("<title>.*</title>", "", await domain.xml(ref.uuid, 2))
        text = text.replace("</name>", f"</name><title>{step}</title>")
        done = while_it_waits(driver, step, lambda text=text: domain.define(text, 0))
        await change()
        await done[0]
        text = await domain.xml(ref.uuid, 2)
        assert f"<title>{step}</title>" in text and trace in text, step


async def test_a_snapshot_goes_once_the_job_that_lets_go_of_its_image_has_ended(
    driver, bare, seen, state
):
    """The new chain is on record before QEMU has closed what is no longer part of it."""
    base = os.path.join(state, "a.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "8M"], check=True)
    ref = await driver.domain.define(bare("m", DISK.format(base)), 0)
    await driver.domain.create(ref.uuid, 1, None)
    for name in ("one", "two"):
        xml = f"<domainsnapshot><name>{name}</name></domainsnapshot>"
        await driver.snapshot.create(ref.uuid, xml, DISK_ONLY)
    (guest,) = driver.domain._table.guests()
    deleting = []

    def at(step):
        if step == "block job saved" and not deleting:
            os.kill(guest.pid, signal.SIGSTOP)
            deleting.append(asyncio.ensure_future(driver.snapshot.delete(ref.uuid, "one", 0)))
            given = asyncio.ensure_future(asyncio.wait(deleting, timeout=2))
            given.add_done_callback(lambda _: os.kill(guest.pid, signal.SIGCONT))

    driver._runtime.checkpoint = at
    await driver.domain.block_pull(ref.uuid, "vda", None, 0, 0)
    await seen.wait(lambda e: isinstance(e, BlockJob2) and e.status == DomainBlockJob.COMPLETED)
    await deleting[0]
    assert driver.snapshot.names(ref.uuid, 0) == ["two"]
