"""The disks that the agent tells of, found among those of the definition."""

from __future__ import annotations

from typing import Any

import pytest
from cases import defined, qemu_7_2

from virtory.driver.qemu.agent_reports import _disks, _filesystems
from virtory.driver.qemu.disks.guest_disks import target_of
from virtory.driver.qemu.domain_inside import filesystems_in

DOMAIN = defined(
    "<domain type='qemu'><name>m</name><memory unit='MiB'>64</memory>"
    "<os><type machine='q35'>hvm</type></os><devices>"
    "<controller type='scsi' index='0' model='virtio-scsi'>"
    "<address type='pci' bus='3' slot='0'/></controller>"
    "<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/>"
    "<address type='pci' bus='4' slot='0'/></disk>"
    "<disk type='file'><source file='/b'/><target dev='sda' bus='scsi'/></disk>"
    "<disk type='file'><source file='/c'/><target dev='sdb' bus='scsi'/></disk>"
    "<disk type='file'><source file='/d'/><target dev='sdc' bus='sata'/></disk>"
    "<disk type='file'><source file='/e'/><target dev='sdd' bus='usb'/><serial>S5</serial></disk>"
    "</devices></domain>",
    qemu_7_2(),
)


def told(bus: int, slot: int = 0, function: int = 0, unit: int = 0, **more: Any) -> dict[str, Any]:
    place = {"domain": 0, "bus": bus, "slot": slot, "function": function}
    return {"bus": 0, "target": 0, "unit": unit, "pci-controller": place, **more}


@pytest.mark.parametrize(
    ("address", "target"),
    [
        (told(4), "vda"),
        (told(3), "sda"),
        (told(3, unit=1), "sdb"),
        (told(3, unit=5), None),
        (told(0, 0x1F, 2, unit=2), "sdc"),
        (told(9), None),
        (told(-1, -1, -1), None),
        (told(-1, -1, -1, serial="S5"), "sdd"),
        (told(-1, -1, -1, serial="other"), None),
        ({}, None),
    ],
)
def test_a_disk_is_known_by_its_place_or_its_serial_number(
    address: dict[str, Any], target: str | None
) -> None:
    assert target_of(address, DOMAIN) == target


def test_the_guests_disks_are_told_with_their_targets() -> None:
    disks = [{"name": "/dev/vda", "partition": False, "address": told(4)}, {"name": "/dev/loop0"}]
    found = {each.field: each.value for each in _disks(disks, DOMAIN)}
    assert found["disk.0.alias"] == "vda"
    assert "disk.1.alias" not in found
    root = {"mountpoint": "/", "name": "sda1", "type": "ext4", "disk": [told(3, dev="/dev/sda")]}
    found = {each.field: each.value for each in _filesystems([root], DOMAIN)}
    assert (found["fs.0.disk.0.alias"], found["fs.0.disk.0.device"]) == ("sda", "/dev/sda")


def test_mounted_file_systems_name_the_disks_they_are_on() -> None:
    mirror = {"mountpoint": "/m", "name": "md0", "type": "xfs", "disk": [told(4), told(3, unit=1)]}
    other = {"mountpoint": "/proc", "name": "proc", "type": "proc"}
    assert filesystems_in([mirror, other], DOMAIN) == [
        ("/m", "md0", "xfs", ["vda", "sdb"]),
        ("/proc", "proc", "proc", []),
    ]
