"""The order of disks and controllers; the expected ones are what libvirt 9.0 made of the same."""

from __future__ import annotations

import pytest

from virtory.model.domain import parse_domain
from virtory.model.domain.order import disk_index, ordered


def machine(devices: str) -> str:
    return (
        "<domain type='test'><name>o</name><memory>65536</memory><os><type>hvm</type></os>"
        f"<devices>{devices}</devices></domain>"
    )


def controllers(*named: str) -> str:
    pairs = [name.split(":") for name in named]
    return "".join(f"<controller type='{kind}' index='{index}'/>" for kind, index in pairs)


def disks(*named: str) -> str:
    pairs = [name.split(":") for name in named]
    return "".join(
        f"<disk><source file='/x'/><target dev='{dev}' bus='{bus}'/></disk>" for dev, bus in pairs
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            ["scsi:1", "sata:0", "scsi:0", "sata:2", "scsi:5", "scsi:3"],
            ["scsi:0", "scsi:1", "scsi:3", "scsi:5", "sata:0", "sata:2"],
        ),
        (
            ["pci:0", "scsi:0", "pci:2", "scsi:1", "pci:1"],
            ["pci:0", "pci:1", "pci:2", "scsi:0", "scsi:1"],
        ),
    ],
)
def test_controllers(given: list[str], expected: list[str]) -> None:
    domain = ordered(parse_domain(machine(controllers(*given))))
    assert [f"{c.type}:{c.index}" for c in domain.devices.controllers] == expected


def test_controllers_without_a_number_come_last_of_their_kind() -> None:
    text = "<controller type='scsi'/><controller type='scsi' index='0'/><controller type='usb'/>"
    domain = ordered(parse_domain(machine(text)))
    held = [(c.type, c.index) for c in domain.devices.controllers]
    assert held == [("scsi", 0), ("scsi", None), ("usb", None)]


def test_disks() -> None:
    given = disks("vdb:virtio", "sda:sata", "vda:virtio", "sdc:scsi", "vdc:virtio", "sdb:sata")
    domain = ordered(parse_domain(machine(given)))
    expected = ["vda", "vdb", "vdc", "sda", "sdb", "sdc"]
    assert [disk.target.dev for disk in domain.devices.disks] == expected


def test_what_is_in_order_stays_the_same_object() -> None:
    domain = parse_domain(machine(disks("vda:virtio", "vdb:virtio") + controllers("usb:0")))
    assert ordered(domain) is domain


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("vda", 0),
        ("sdz", 25),
        ("hdaa", 26),
        ("vdzz", 701),
        ("xvdaaa", 702),
        ("ubda", 0),
        ("fdb", 1),
    ],
)
def test_names_of_drives_have_a_number(name: str, index: int) -> None:
    assert disk_index(name) == index


def test_a_partition_has_its_drive_s_number() -> None:
    assert disk_index("sdb12") == 1


@pytest.mark.parametrize("name", ["", "vd", "nvme0n1", "sdA", "sd1", "vd-a", "vdé", "sdaaaaa"])
def test_other_names_have_none(name: str) -> None:
    assert disk_index(name) is None
