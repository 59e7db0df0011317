"""Which device a client's XML means, and a machine with one device more, less or changed."""

from __future__ import annotations

import pytest

from virtory.driver import device_edit
from virtory.driver.device_match import found, with_alias
from virtory.errors import DeviceNotFound, InternalError, OperationFailed
from virtory.model.domain import format_domain, parse_device, parse_domain

MACHINE = """<domain type='qemu'><name>m</name><memory>65536</memory><os><type>hvm</type></os>
<devices>
<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/></disk>
<disk type='file'><source file='/c'/><target dev='vdc' bus='virtio'/></disk>
<disk type='file'><source file='/s'/><target dev='sda' bus='scsi'/></disk>
<controller type='scsi' index='0' model='virtio-scsi'/>
<controller type='scsi' index='2' model='virtio-scsi'/>
<interface type='user'><mac address='52:54:00:00:00:01'/><alias name='net0'/>
<address type='pci' slot='0x03'/></interface>
<interface type='user'><mac address='52:54:00:00:00:02'/><alias name='net1'/>
<address type='pci' slot='0x04'/></interface>
<channel type='unix'><source mode='bind' path='/one'/><target type='virtio' name='one'/></channel>
<channel type='unix'><target type='virtio' name='two'/></channel>
<input type='tablet' bus='usb'/><input type='tablet' bus='virtio'/>
<rng model='virtio'><backend model='random'>/dev/random</backend></rng>
<rng model='virtio'><rate bytes='10'/><backend model='random'>/dev/urandom</backend></rng>
<memballoon model='virtio'/>
</devices></domain>"""

FOUND = [
    ("<disk><target dev='vdc'/></disk>", "disks", 1),
    ("<interface type='user'><mac address='52:54:00:00:00:02'/></interface>", "interfaces", 1),
    ("<interface type='user'><address type='pci' slot='0x03'/></interface>", "interfaces", 0),
    ("<interface type='user'><alias name='net1'/></interface>", "interfaces", 1),
    ("<controller type='scsi' index='2'/>", "controllers", 1),
    ("<channel type='unix'><target type='virtio' name='two'/></channel>", "channels", 1),
    ("<input type='tablet' bus='virtio'/>", "inputs", 1),
    (
        "<rng model='virtio'><rate bytes='10'/><backend model='random'>/dev/urandom</backend>"
        "</rng>",
        "rngs",
        1,
    ),
    ("<memballoon model='virtio'><stats period='5'/></memballoon>", "balloon", 0),
]


@pytest.mark.parametrize(("xml", "field", "position"), FOUND)
def test_a_device_is_found_by_what_names_it(xml: str, field: str, position: int) -> None:
    one = found(parse_domain(MACHINE), parse_device(xml))
    assert (one.field, one.position) == (field, position)


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ("<disk><target dev='vdb'/></disk>", "disk vdb not found; its disks are vda, vdc, sda"),
        (
            "<interface type='user'><mac address='52:54:00:00:00:09'/></interface>",
            "no device matching MAC address 52:54:00:00:00:09 found; its interfaces are",
        ),
        ("<controller type='usb' index='0'/>", "controller usb:0 not found"),
        ("<watchdog model='i6300esb'/>", "matching watchdog device not found"),
        ("<input type='mouse' bus='usb'/>", "matching input device not found"),
    ],
)
def test_a_device_that_is_not_there_is_named(xml: str, words: str) -> None:
    with pytest.raises(DeviceNotFound) as error:
        found(parse_domain(MACHINE), parse_device(xml))
    assert words in str(error.value)


@pytest.mark.parametrize(
    "xml", ["<interface type='user'/>", "<rng model='virtio'><backend model='random'/></rng>"]
)
def test_several_that_fit_are_no_answer(xml: str) -> None:
    with pytest.raises(OperationFailed, match="multiple devices"):
        found(parse_domain(MACHINE), parse_device(xml))


def test_an_alias_names_one_device() -> None:
    domain = parse_domain(MACHINE)
    assert with_alias(domain, "net1").position == 1
    with pytest.raises(InternalError, match="no device found with alias net9"):
        with_alias(domain, "net9")


def test_disks_and_controllers_come_to_their_places() -> None:
    domain = parse_domain(MACHINE)
    disk = parse_device("<disk><source file='/b'/><target dev='vdb' bus='virtio'/></disk>")
    more = device_edit.added(domain, disk)
    assert [each.target.dev for each in more.devices.disks] == ["vda", "vdb", "vdc", "sda"]
    controller = parse_device("<controller type='scsi' index='1' model='virtio-scsi'/>")
    more = device_edit.added(more, controller)
    assert [each.index for each in more.devices.controllers] == [0, 1, 2]


@pytest.mark.parametrize("xml", [xml for xml, _, _ in FOUND])
def test_what_is_added_and_removed_again_leaves_no_trace(xml: str) -> None:
    domain, device = parse_domain(MACHINE), parse_device(xml)
    field = device_edit.field_of(device, domain.devices)
    if field == "balloon":
        without = device_edit.removed(domain, found(domain, device))
        assert without.devices.balloon is None
        assert device_edit.added(without, device).devices.balloon == device
        return
    more = device_edit.added(domain, device)
    assert len(getattr(more.devices, field)) == len(getattr(domain.devices, field)) + 1
    (new,) = [one for one in device_edit.held(more.devices, field) if one.device is device]
    assert format_domain(device_edit.removed(more, new)) == format_domain(domain)


def test_a_module_of_memory_is_part_of_the_memory() -> None:
    domain = parse_domain(
        MACHINE.replace("<memory>", "<currentMemory>32768</currentMemory><memory>")
    )
    module = parse_device(
        "<memory model='dimm'><target><size unit='KiB'>131072</size><node>0</node></target>"
        "</memory>"
    )
    more = device_edit.added(domain, module)
    assert (more.memory.kib, more.current_memory.kib) == (196608, 163840)
    (one,) = device_edit.held(more.devices, "memories")
    assert device_edit.removed(more, one) == domain
