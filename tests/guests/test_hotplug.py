"""Devices that come and go while a guest runs and looks at them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess

import pytest
from relay import Refused, relayed

from virtory.driver.qemu.qmp import Event
from virtory.errors import (
    InternalError,
    OperationFailed,
    OperationTimeout,
    OperationUnsupported,
    SystemCallFailed,
    VirtoryError,
    XmlError,
)
from virtory.model.events import (
    BalloonChange,
    DeviceAdded,
    DeviceRemovalFailed,
    DeviceRemoved,
    DiskChange,
    MonitorEvent,
    TrayChange,
)

LIVE, CONFIG, BOTH = 1, 2, 3
PORTS = "".join("<controller type='pci' model='pcie-root-port'/>" for _ in range(7))


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


def noted(driver, uuid):
    """What the store knows of a device that is about to come."""
    return json.loads(driver.domain._table.get(uuid).saved_running.extra)["plugging"]


async def fdsets(driver, uuid):
    return await driver.domain._table.get(uuid).guest.execute("query-fdsets")


async def test_a_disk_comes_is_written_and_goes_when_the_guest_lets_go(
    driver, linux, boot, seen, image
):
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
    driver.domain._table.get(uuid).guest.unplug_timeout_s = 0.2
    await driver.domain.suspend(uuid)  # it does not answer now
    await driver.domain.detach_device(uuid, disk_xml(path), LIVE)
    assert path in await driver.domain.xml(uuid, 0)
    assert not [e for e in seen.events if isinstance(e, DeviceRemoved)]
    await driver.domain.resume(uuid)
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


CARD = (
    "<interface type='user'><mac address='52:54:00:00:00:07'/><model type='virtio'/>{}</interface>"
)


async def test_cards_channels_and_more_come_and_go_and_leave_nothing(
    driver, linux, boot, seen, image
):
    uuid, console = await boot(linux.xml("m", devices=PORTS))
    before, sets = taken(driver, uuid), await fdsets(driver, uuid)
    device_list = await driver.domain.xml(uuid, 0)
    devices = [
        CARD.format(""),
        "<channel type='unix'><target type='virtio' name='org.example.one'/></channel>",
        "<channel type='pty'><target type='virtio' name='org.example.two'/></channel>",
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
        "<input type='keyboard' bus='usb'/>",
        "<input type='tablet' bus='virtio'/>",
        "<watchdog model='i6300esb' action='reset'/>",
    ]
    plugged = []
    for device in devices[:-1]:
        await driver.domain.attach_device(uuid, device, LIVE)
        plugged.append([e for e in seen.events if isinstance(e, DeviceAdded)][-1].alias)
    assert plugged == ["net0", "channel0", "channel1", "rng0", "input2", "input3"]
    with pytest.raises(InternalError, match="No more available PCI slots; it is a device of conv"):
        await driver.domain.attach_device(uuid, devices[-1], LIVE)
    await console.type("while [ ! -d /sys/class/net/eth0 ]; do usleep 50000; done; echo CA''RD\n")
    await console.until(b"CARD")
    assert "/dev/pts/" in (await driver.domain.xml(uuid, 0)).partition("org.example.two")[0]
    down = CARD.format("<link state='down'/>")
    await driver.domain.update_device(uuid, down, LIVE)
    await console.type("ifconfig eth0 up; while [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do"
                       " usleep 50000; done; echo DO''WN\n")  # fmt: skip
    await console.until(b"DOWN")
    with pytest.raises(OperationUnsupported, match="cannot modify network device model"):
        await driver.domain.update_device(uuid, CARD.replace("virtio", "e1000").format(""), LIVE)
    for device, alias in zip(devices, plugged, strict=False):
        await driver.domain.detach_device(uuid, device, LIVE)
        await seen.wait(lambda e, a=alias: isinstance(e, DeviceRemoved) and e.alias == a)
    await driver.domain.detach_device_alias(uuid, "virtio-serial0", LIVE)
    await seen.wait(lambda e: isinstance(e, DeviceRemoved) and e.alias == "virtio-serial0")
    assert await driver.domain.xml(uuid, 0) == device_list
    assert taken(driver, uuid) == before
    assert await fdsets(driver, uuid) == sets


async def test_a_medium_is_changed_when_the_guest_lets_go_of_it(driver, linux, boot, seen, state):
    def iso(name):
        path = os.path.join(state, f"{name}.iso")
        content = os.path.join(state, name)
        with open(content, "w") as file:
            file.write(f"content of {name}")
        subprocess.run(
            ["xorriso", "-as", "mkisofs", "-quiet", "-o", path, "-r", content],
            check=True,
            capture_output=True,
        )
        return path

    def drive(path):
        source = "" if path is None else f"<source file='{path}'/>"
        return (
            f"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>{source}"
            "<target dev='sda' bus='scsi'/><readonly/></disk>"
        )

    one, two = iso("one"), iso("two")
    controller = "<controller type='scsi' model='virtio-scsi'/>"
    uuid, console = await boot(linux.xml("m", devices=controller + drive(one)))
    await console.type("mkdir /m; mount /dev/sr0 /m && cat /m/one; echo\n")
    await console.until(b"content of one")
    before = taken(driver, uuid)
    guest = driver.domain._table.get(uuid).guest
    guest.tray_timeout_s, usual_s = 0.2, guest.tray_timeout_s
    with pytest.raises(OperationFailed, match="timed out waiting to open tray of 'scsi0-0-0-0'"):
        await driver.domain.update_device(uuid, drive(two), LIVE)
    assert one in await driver.domain.xml(uuid, 0)
    assert taken(driver, uuid) == before
    guest.tray_timeout_s = usual_s
    await console.type("umount /m; echo UNMO''UNTED\n")
    await console.until(b"UNMOUNTED")
    await driver.domain.update_device(uuid, drive(two), LIVE)
    await seen.wait(lambda e: isinstance(e, TrayChange) and e.reason == 1)
    xml = await driver.domain.xml(uuid, 0)
    assert two in xml and one not in xml
    await console.type("until mount /dev/sr0 /m; do usleep 100000; done; cat /m/two; echo\n")
    await console.until(b"content of two")
    assert taken(driver, uuid) == before
    await driver.domain.update_device(uuid, drive(None), LIVE | 4)
    assert two not in await driver.domain.xml(uuid, 0)
    await driver.domain.attach_device(uuid, drive(one), LIVE)
    assert one in await driver.domain.xml(uuid, 0)
    with pytest.raises(InternalError, match="disk 'sdb' not found"):
        await driver.domain.update_device(uuid, drive(one).replace("sda", "sdb"), LIVE)


async def test_a_tray_that_is_closed_in_between_is_opened_again(driver, bare, state, seen):
    """As firmware does that looks into the drive: here by QEMU's own command, after each open."""

    def drive(name):
        path = os.path.join(state, f"{name}.iso")
        with open(path, "wb") as file:
            file.truncate(1 << 20)
        return (
            f"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
            f"<source file='{path}'/><target dev='hda' bus='ide'/><readonly/></disk>"
        )

    ref = await driver.domain.define(bare("m", drive("one")), 0)
    await driver.domain.create(ref.uuid, 1, None)
    guest = driver.domain._table.get(ref.uuid).guest
    closed = []

    async def close():
        await guest.execute("blockdev-close-tray", {"id": "/machine/peripheral/ide0-0-0"})

    def moved(event):
        if event.reason == 0 and len(closed) < 4:
            closed.append(asyncio.ensure_future(close()))

    driver.bus.listen(moved, TrayChange)
    for name in ("two", "one", "two"):
        await driver.domain.update_device(ref.uuid, drive(name), LIVE)
        assert f"{name}.iso" in await driver.domain.xml(ref.uuid, 0)
    assert closed
    await asyncio.gather(*closed)
    await driver.domain.destroy(ref.uuid, 0)


async def test_what_can_not_be_plugged_leaves_everything_as_it_was(driver, bare, image, state):
    ref = await driver.domain.define(bare("m", machine="q35", devices=PORTS), 0)
    await driver.domain.create(ref.uuid, 0, None)
    uuid = ref.uuid
    live, config = await driver.domain.xml(uuid, 0), await driver.domain.xml(uuid, 2)
    before, sets = taken(driver, uuid), await fdsets(driver, uuid)
    good = image("good.qcow2")
    not_qcow2 = image("raw.qcow2", image_format="raw")
    missing = os.path.join(state, "missing.qcow2")
    cases = [
        (disk_xml(missing), SystemCallFailed, "Cannot access"),
        (disk_xml(not_qcow2), VirtoryError, None),
        (disk_xml(good).replace("virtio", "sata").replace("vdb", "sdb"), OperationUnsupported,
         "disk bus 'sata' cannot be hotplugged"),
        (disk_xml(good, more="<serial>a</serial><address type='pci' bus='0x01' slot='0x07'/>"),
         VirtoryError, None),
        ("<sound model='ich9'/>", OperationUnsupported, "live attach of device 'sound'"),
        ("<tpm model='tpm-crb'><backend type='emulator'/></tpm>", OperationUnsupported, "'tpm'"),
    ]  # fmt: skip
    for xml, error, words in cases:
        with pytest.raises(error, match=words):
            await driver.domain.attach_device(uuid, xml, BOTH if "sound" not in xml else LIVE)
        assert await driver.domain.xml(uuid, 0) == live, xml
        assert await driver.domain.xml(uuid, 2) == config, xml
        assert taken(driver, uuid) == before, xml
        assert await fdsets(driver, uuid) == sets, xml
    await driver.domain.attach_device(uuid, disk_xml(good), BOTH)
    assert good in await driver.domain.xml(uuid, 0) and good in await driver.domain.xml(uuid, 2)
    with pytest.raises(XmlError, match="target 'vdb' duplicated for disk sources"):
        await driver.domain.attach_device(uuid, disk_xml(good), LIVE)


async def test_processors_memory_and_size_change_as_the_guest_sees(
    driver, linux, boot, seen, image
):
    path = image("one.qcow2")
    more = "<currentMemory unit='MiB'>160</currentMemory>"
    xml = linux.xml("m", devices=PORTS + disk_xml(path, "vda"))
    xml = xml.replace("<vcpu>1</vcpu>", f"{more}<vcpu current='1'>3</vcpu>")
    uuid, console = await boot(xml)
    domain = driver.domain
    await domain.set_vcpus(uuid, 3, LIVE)
    await console.type(
        "while [ ! -d /sys/devices/system/cpu/cpu2 ]; do usleep 50000; done;"
        "for n in 1 2; do echo 1 > /sys/devices/system/cpu/cpu$n/online; done;"
        " echo CPUS-$(nproc)-\n"
    )
    await console.until(b"CPUS-3-")
    assert domain.info(uuid).vcpus == 3 and len(domain.vcpus(uuid)) == 3
    await domain.pin_vcpu(uuid, 2, b"\1", LIVE)
    await leaving(driver, seen, 1, domain.set_vcpu(uuid, "1", False, LIVE))
    assert [(one.number, one.affinity == b"\1") for one in domain.vcpus(uuid)] == [
        (0, False),
        (2, True),
    ]
    assert domain.vcpu_pins(uuid, LIVE)[2] == b"\1"
    await console.type("echo CPUS-$(nproc)-\n")
    await console.until(b"CPUS-2-")
    domain._table.get(uuid).guest.unplug_timeout_s = 0.05  # this one leaves late, all the same
    await leaving(driver, seen, 2, domain.set_vcpus(uuid, 1, LIVE))
    assert [one.number for one in domain.vcpus(uuid)] == [0]
    with pytest.raises(VirtoryError, match="vcpu '0' can't be unplugged"):
        await domain.set_vcpu(uuid, "0", False, LIVE)
    await domain.block_resize(uuid, "vda", 16 << 20, 1)
    await console.type(
        "while [ $(cat /sys/block/vda/size) != 32768 ]; do usleep 50000; done; echo RESI''ZED\n"
    )
    await console.until(b"RESIZED")
    assert (await domain.block_info(uuid, "vda", 0)).capacity == 16 << 20
    await domain.set_memory(uuid, 120 << 10, LIVE)
    await seen.wait(lambda e: isinstance(e, BalloonChange) and e.actual == 120 << 10)


async def leaving(driver, seen, number, asking):
    """A vCPU is asked to go; nobody promises how soon an emulated guest lets go of it."""

    def let_go(event):
        if not isinstance(event, MonitorEvent) or event.event != "ACPI_DEVICE_OST":
            return False
        info = json.loads(event.details)["info"]
        return (info["slot"], info["source"], info["status"]) == (str(number), 3, 0)

    with contextlib.suppress(OperationTimeout):
        await asking
    await seen.wait(let_go)
    await driver._runtime.idle()


ADDING = ("add-fd", "getfd", "object-add", "blockdev-add", "chardev-add", "netdev_add",
          "device_add")  # fmt: skip


async def test_a_refusal_at_any_command_leaves_nothing(driver, bare, image, state):
    ref = await driver.domain.define(bare("m", machine="q35", devices=PORTS), 0)
    await driver.domain.create(ref.uuid, 0, None)
    guest = driver.domain._table.get(ref.uuid).guest
    countdown = refused = 0

    def refusing(command):
        nonlocal countdown
        if command["execute"] in ADDING:
            countdown -= 1
            if countdown == 0:
                raise Refused("refused for this test")

    channel = "<channel type='unix'><target type='virtio' name='org.example.one'/></channel>"
    devices = (
        disk_xml(image("one.qcow2"), "sdb").replace("virtio", "usb"),
        channel.replace("one", "two"),
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
        CARD.format("<link state='down'/>"),  # last: QEMU opens more once firmware has found it
    )
    async with relayed(guest, refusing):
        await driver.domain.attach_device(ref.uuid, channel, LIVE)  # with its controller
        await driver.domain.detach_device(ref.uuid, channel, LIVE)
        for device in devices:
            before, sets = taken(driver, ref.uuid), await fdsets(driver, ref.uuid)
            texts = [await driver.domain.xml(ref.uuid, flags) for flags in (0, 2)]
            for number in range(1, 20):
                countdown = number
                try:
                    await driver.domain.attach_device(ref.uuid, device, BOTH)
                except InternalError as error:
                    assert "refused for this test" in str(error)
                    refused += 1
                    assert [await driver.domain.xml(ref.uuid, f) for f in (0, 2)] == texts
                    assert taken(driver, ref.uuid) == before
                    assert await fdsets(driver, ref.uuid) == sets
                    assert noted(driver, ref.uuid) is None
                else:
                    break
        sets = await fdsets(driver, ref.uuid)
    assert refused == 4 + 3 + 2 + 2
    assert await fdsets(driver, ref.uuid) == sets  # QEMU is asked directly again


async def test_many_cycles_leave_nothing(driver, bare, image):
    ref = await driver.domain.create_xml(bare("m", machine="q35", devices=PORTS), 0, None)
    device = disk_xml(image("one.qcow2"), "sdb").replace("virtio", "usb")
    await driver.domain.attach_device(ref.uuid, device, LIVE)
    await driver.domain.detach_device(ref.uuid, device, LIVE)
    before, sets = taken(driver, ref.uuid), await fdsets(driver, ref.uuid)
    for _ in range(20):
        await driver.domain.attach_device(ref.uuid, device, LIVE)
        await driver.domain.detach_device(ref.uuid, device, LIVE)
    assert taken(driver, ref.uuid) == before
    assert await fdsets(driver, ref.uuid) == sets


async def test_a_memory_module_comes_and_a_share_and_a_port_for_lent_devices(
    driver, linux, boot, seen, state
):
    more = (
        "<maxMemory slots='4' unit='MiB'>1024</maxMemory>"
        "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
        "<cpu><numa><cell id='0' cpus='0' memory='160' unit='MiB'/></numa></cpu>"
    )
    uuid, console = await boot(linux.xml("m", devices=PORTS, more=more))
    texts = await driver.domain.xml(uuid, 0)
    module = (
        "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>"
    )
    await driver.domain.attach_device(uuid, module, LIVE)
    assert driver.domain.info(uuid).max_memory_kib == 288 << 10
    await console.type(
        "cd /sys/devices/system/memory; while [ $(ls -d memory* | wc -l) -lt 3 ]; do usleep 50000;"
        " done; for m in memory*; do echo online_movable > $m/state 2>/dev/null; done;"
        " echo ON''LINE\n"
    )
    await console.until(b"ONLINE")
    before = taken(driver, uuid)
    directory = os.path.join(state, "shared")
    os.mkdir(directory)
    share = (
        f"<filesystem type='mount'><driver type='virtiofs'/><source dir='{directory}'/>"
        "<target dir='tag'/></filesystem>"
    )
    lent = "<redirdev bus='usb' type='unix'><source mode='bind' path='{}'/></redirdev>"
    lent = lent.format(os.path.join(state, "lent.sock"))
    await driver.domain.attach_device(uuid, share, LIVE)
    await driver.domain.attach_device(uuid, lent, LIVE)
    with pytest.raises(VirtoryError, match="only virtiofs filesystems can be hotplugged"):
        await driver.domain.attach_device(uuid, share.replace("virtiofs", "path"), LIVE)
    await driver.domain.detach_device(uuid, lent, LIVE)
    await driver.domain.detach_device(uuid, share, LIVE)
    await seen.wait(lambda e: isinstance(e, DeviceRemoved) and e.alias == "fs0")
    assert taken(driver, uuid) == before
    await driver.domain.detach_device(uuid, module, LIVE)
    await seen.wait(lambda e: isinstance(e, DeviceRemoved) and e.alias == "dimm0")
    assert await driver.domain.xml(uuid, 0) == texts


async def test_a_guest_that_refuses_keeps_machine_and_definition(driver, bare, image, seen):
    ref = await driver.domain.define(bare("m", machine="q35", devices=PORTS), 0)
    await driver.domain.create(ref.uuid, 0, None)
    device = disk_xml(image("one.qcow2"))
    await driver.domain.attach_device(ref.uuid, device, BOTH)
    texts = [await driver.domain.xml(ref.uuid, flags) for flags in (0, 2)]
    guest = driver.domain._table.get(ref.uuid).guest
    refusal = Event("DEVICE_UNPLUG_GUEST_ERROR", {"device": "virtio-disk1"}, 0, 0)
    guest.runtime.checkpoint = lambda step: (
        guest.on_event(refusal) if step == "unplug: asked" else None
    )
    with pytest.raises(OperationFailed, match="unplug of device was rejected by the guest"):
        await driver.domain.detach_device(ref.uuid, device, BOTH)
    assert [await driver.domain.xml(ref.uuid, flags) for flags in (0, 2)] == texts
    await seen.wait(lambda e: isinstance(e, DeviceRemovalFailed) and e.alias == "virtio-disk1")


async def test_what_others_define_while_a_guest_takes_its_time_is_not_taken_back(
    driver, bare, image
):
    """The firmware lets go of nothing: the definition changes once the wait is over."""
    device = disk_xml(image("one.qcow2"))
    domain, others = driver.domain, []
    ref = await domain.define(bare("m", machine="q35", devices=PORTS), 0)
    await domain.create(ref.uuid, 0, None)
    domain._table.get(ref.uuid).guest.unplug_timeout_s = 0.5

    async def meanwhile(act):
        def asked(step):
            if step == "unplug: asked":
                others.append(asyncio.ensure_future(act()))

        driver._runtime.checkpoint = asked
        await domain.detach_device(ref.uuid, device, BOTH)
        await others[-1]

    async def define_anew():
        text = await domain.xml(ref.uuid, 2)
        await domain.define(text.replace("<memory", "<title>anew</title><memory", 1), 0)
        await domain.set_autostart(ref.uuid, True)

    await domain.attach_device(ref.uuid, device, BOTH)
    await meanwhile(define_anew)
    text = await domain.xml(ref.uuid, 2)
    assert "<title>anew</title>" in text and "one.qcow2" not in text
    assert domain.autostart(ref.uuid)

    device = disk_xml(image("two.qcow2"), "vdc")
    await domain.attach_device(ref.uuid, device, BOTH)
    await meanwhile(lambda: domain.undefine(ref.uuid, 0))
    assert not driver.domain._table.get(ref.uuid).is_persistent


async def test_what_an_update_can_not_change_is_named(driver, bare, image):
    path = image("one.qcow2")
    disk = disk_xml(path, "sdb").replace("virtio", "usb")
    ref = await driver.domain.create_xml(bare("m", devices=disk + CARD.format("")), 0, None)
    text = await driver.domain.xml(ref.uuid, 0)
    for xml, words in (
        (disk.replace("name='qemu'", "name='qemu' cache='none'"), "cannot modify field 'driver'"),
        (disk.replace("</disk>", "<serial>x</serial></disk>"), "cannot modify field 'serial'"),
        (disk.replace("</disk>", "<readonly/></disk>"), "cannot modify field 'readonly'"),
        (disk.replace(path, image("two.qcow2")), "disk source can be changed only in removable"),
        (CARD.format("<mtu size='1400'/>"), "cannot modify field 'mtu'"),
        (CARD.format("<driver queues='2'/>"), "cannot modify field 'driver'"),
        (CARD.format("<bandwidth><inbound average='9'/></bandwidth>"), "setting bandwidth on"),
        (CARD.format("").replace("user", "bridge").replace(
            "<mac", "<source bridge='b'/><mac"), "unable to change config on 'user'"),
        ("<rng model='virtio'><backend model='random'/></rng>", "matching RNG device not found"),
        ("<memballoon model='none'/>", "cannot modify field 'model'"),
    ):  # fmt: skip
        with pytest.raises(VirtoryError, match=words):
            await driver.domain.update_device(ref.uuid, xml, LIVE)
        assert await driver.domain.xml(ref.uuid, 0) == text
    await driver.domain.update_device(ref.uuid, disk, LIVE)
    await driver.domain.update_device(ref.uuid, "<memballoon model='virtio'><stats period='2'/>"
                                      "</memballoon>", LIVE)  # fmt: skip
    assert "<stats period='2'/>" in await driver.domain.xml(ref.uuid, 0)


async def test_a_machine_that_ends_meanwhile_keeps_nobody_waiting(driver, bare, image, state):
    ref = await driver.domain.define(bare("m", machine="q35", devices=PORTS), 0)
    await driver.domain.create(ref.uuid, 0, None)
    device = disk_xml(image("one.qcow2"))
    await driver.domain.attach_device(ref.uuid, device, BOTH)
    guest = driver.domain._table.get(ref.uuid).guest
    guest.unplug_timeout_s = 3600.0

    def asked(step):
        if step == "unplug: asked":
            guest.process.signal(9)

    guest.runtime.checkpoint = asked
    with pytest.raises(OperationFailed, match="domain is no longer running"):
        async with asyncio.timeout(60):
            await driver.domain.detach_device(ref.uuid, device, BOTH)
    await guest.finished
    assert "one.qcow2" in await driver.domain.xml(ref.uuid, 0)  # the definition is as it was
    assert sorted(os.listdir(os.path.join(state, "run"))) == ["autostarted"]


async def test_an_optional_medium_that_is_missing_is_told_and_can_be_put_in(
    driver, bare, image, seen, state
):
    missing = os.path.join(state, "missing.iso")
    drive = (
        "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
        "<source file='{}' startupPolicy='optional'/><target dev='sda' bus='sata'/></disk>"
    )
    machine = bare("m", machine="q35", devices=drive.format(missing))
    ref = await driver.domain.create_xml(machine, 1, None)
    event = await seen.wait(lambda e: isinstance(e, DiskChange))
    assert (event.old_path, event.new_path, event.alias, event.reason) == (
        missing, None, "sata0-0-0", 0,
    )  # fmt: skip
    there = image("there.iso", image_format="raw")
    await driver.domain.update_device(ref.uuid, drive.format(there), LIVE)
    assert there in await driver.domain.xml(ref.uuid, 0)


async def test_a_display_gets_another_password(driver, bare):
    screen = "<graphics type='vnc' passwd='{}'><listen type='socket'/></graphics>"
    ref = await driver.domain.create_xml(bare("m", devices=screen.format("old")), 0, None)
    await driver.domain.update_device(ref.uuid, screen.format("new"), LIVE)
    assert "passwd='new'" in await driver.domain.xml(ref.uuid, 1)
    assert "passwd" not in await driver.domain.xml(ref.uuid, 0)
    with pytest.raises(OperationUnsupported, match="cannot change keymap setting"):
        changed = screen.replace("type='vnc'", "type='vnc' keymap='de'").format("new")
        await driver.domain.update_device(ref.uuid, changed, LIVE)
