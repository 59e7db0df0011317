"""The host's devices and interfaces, read from a tree like the kernel's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from virtory.codec import xml
from virtory.driver.interfaces import Interfaces
from virtory.driver.node_devices import NodeDevices
from virtory.driver.pci_config import bridge, express
from virtory.errors import (
    InterfaceNotFound,
    NodeDeviceNotFound,
    OperationUnsupported,
    UnsupportedFlags,
    VirtoryError,
)
from virtory.model.interface import parse_interface
from virtory.model.list_flags import ConnectListNodeDevices as Kind
from virtory.model.node_device import parse_node_device

if TYPE_CHECKING:
    from pathlib import Path

PCI = "/sys/devices/pci0000:00/0000:00:1f.2"
FUNCTION = "/sys/devices/pci0000:00/0000:00:04.0"
USB = "/sys/devices/pci0000:00/0000:00:14.0/usb1"
HOST = f"{PCI}/host0"
UNIT = f"{HOST}/target0:0:0/0:0:0:0"

FILES = {
    f"{PCI}/vendor": "0x8086",
    f"{PCI}/device": "0x2922",
    f"{PCI}/class": "0x010601",
    f"{PCI}/numa_node": "1",
    f"{FUNCTION}/vendor": "0xffff",
    f"{FUNCTION}/device": "0x0001",
    f"{FUNCTION}/class": "0x020000",
    f"{FUNCTION}/numa_node": "-1",
    f"{FUNCTION}/sriov_totalvfs": "7",
    "/sys/devices/pci0000:00/0000:00:14.0/vendor": "0x1033",
    "/sys/devices/pci0000:00/0000:00:14.0/device": "0x0194",
    "/sys/devices/pci0000:00/0000:00:14.0/class": "0x0c0330",
    f"{USB}/busnum": "1",
    f"{USB}/devnum": "1",
    f"{USB}/idVendor": "1d6b",
    f"{USB}/idProduct": "0002",
    f"{USB}/product": "xHCI Host Controller",
    f"{USB}/manufacturer": "Linux",
    f"{USB}/uevent": "MAJOR=189\nDEVNAME=bus/usb/001/001\n",
    f"{USB}/1-0:1.0/bInterfaceNumber": "00",
    f"{USB}/1-0:1.0/bInterfaceClass": "09",
    f"{USB}/1-0:1.0/bInterfaceSubClass": "00",
    f"{USB}/1-0:1.0/bInterfaceProtocol": "00",
    "/sys/class/scsi_host/host0/unique_id": "1",
    "/sys/class/fc_host/host0/node_name": "0x2001001b32a9da4e",
    "/sys/class/fc_host/host0/port_name": "0x2101001b32a9da4e",
    "/sys/class/fc_host/host0/vport_create": "",
    f"{UNIT}/type": "0",
    f"{UNIT}/scsi_generic/sg0/uevent": "DEVNAME=sg0\n",
    f"{UNIT}/block/sda/dev": "8:0",
    f"{UNIT}/block/sda/size": "2048",
    f"{UNIT}/block/sda/removable": "0",
    f"{UNIT}/block/sda/uevent": "DEVNAME=sda\n",
    f"{UNIT}/block/sda/queue/logical_block_size": "512",
    f"{UNIT}/model": "DISK",
    f"{UNIT}/vendor": "QEMU",
    "/run/udev/data/b8:0": "S:disk/by-id/x\nE:ID_TYPE=disk\nE:ID_BUS=scsi\nE:ID_SERIAL=S-1",
    "/sys/devices/virtual/block/loop0/dev": "7:0",
    "/sys/devices/virtual/block/sr0/dev": "11:0",
    "/sys/devices/virtual/block/sr0/removable": "1",
    "/sys/devices/virtual/block/sr0/size": "8",
    "/sys/devices/virtual/drm/renderD128/dev": "226:128",
    "/sys/class/dmi/id/product_name": "Standard PC",
    "/sys/class/dmi/id/sys_vendor": "QEMU",
    "/sys/class/dmi/id/product_uuid": "AAAAAAAA-0000-0000-0000-000000000001",
    "/sys/class/dmi/id/bios_vendor": "SeaBIOS",
    "/proc/net/vlan/eth9.42": "eth9.42  VID: 42\t REORDER_HDR: 1\nDevice: eth9\n",
}
CARDS = {"br9": "52:54:00:00:00:01", "eth9": "52:54:00:00:00:02", "eth9.42": "52:54:00:00:00:02"}
LINKS = {
    "/sys/bus/pci/devices/0000:00:1f.2": PCI,
    "/sys/bus/pci/devices/0000:00:04.0": FUNCTION,
    "/sys/bus/pci/devices/0000:00:14.0": "/sys/devices/pci0000:00/0000:00:14.0",
    f"{PCI}/driver": "/sys/bus/pci/drivers/ahci",
    f"{PCI}/iommu_group": "/sys/kernel/iommu_groups/5",
    "/sys/kernel/iommu_groups/5/devices/0000:00:1f.2": PCI,
    f"{FUNCTION}/virtfn0": FUNCTION.replace("04.0", "04.1"),
    "/sys/bus/usb/devices/usb1": USB,
    "/sys/bus/usb/devices/1-0:1.0": f"{USB}/1-0:1.0",
    "/sys/bus/scsi/devices/host0": HOST,
    "/sys/bus/scsi/devices/target0:0:0": f"{HOST}/target0:0:0",
    "/sys/bus/scsi/devices/0:0:0:0": UNIT,
    "/sys/class/scsi_generic/sg0": f"{UNIT}/scsi_generic/sg0",
    f"{UNIT}/block/sda/device": UNIT,
    "/sys/block/sda": f"{UNIT}/block/sda",
    "/sys/block/loop0": "/sys/devices/virtual/block/loop0",
    "/sys/block/sr0": "/sys/devices/virtual/block/sr0",
    "/sys/class/drm/renderD128": "/sys/devices/virtual/drm/renderD128",
    "/sys/class/net/br9/brif/eth9": "/sys/devices/virtual/net/eth9",
}


@pytest.fixture
def root(tmp_path: Path) -> str:
    files = dict(FILES)
    for name, mac in CARDS.items():
        for field, text in (("address", mac), ("mtu", "1500"), ("operstate", "up")):
            files[f"/sys/class/net/{name}/{field}"] = text
    files["/sys/class/net/eth9/speed"] = "1000"
    files["/sys/class/net/br9/bridge/forward_delay"] = "200"
    files["/sys/class/net/br9/bridge/stp_state"] = "1"
    for path, text in files.items():
        place = tmp_path / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text + "\n")
    for path, target in LINKS.items():
        place, end = tmp_path / path.lstrip("/"), tmp_path / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        end.mkdir(parents=True, exist_ok=True)
        os.symlink(os.path.relpath(end, place.parent), place)
    return str(tmp_path)


NAMES = {
    "block_sda_S_1": "scsi_0_0_0_0",
    "block_sr0": "computer",
    "computer": None,
    "drm_renderD128": "computer",
    "net_br9_52_54_00_00_00_01": "computer",
    "net_eth9_42_52_54_00_00_00_02": "computer",
    "net_eth9_52_54_00_00_00_02": "computer",
    "pci_0000_00_04_0": "computer",
    "pci_0000_00_14_0": "computer",
    "pci_0000_00_1f_2": "computer",
    "scsi_0_0_0_0": "scsi_target0_0_0",
    "scsi_generic_sg0": "scsi_0_0_0_0",
    "scsi_host0": "pci_0000_00_1f_2",
    "scsi_target0_0_0": "scsi_host0",
    "usb_1_0_1_0": "usb_usb1",
    "usb_usb1": "pci_0000_00_14_0",
}


async def test_every_device_has_libvirts_name_and_hangs_on_its_parent(root: str) -> None:
    devices = NodeDevices(root)
    names = await devices.list_all(0)
    assert {name: await devices.parent(name) for name in names} == NAMES
    assert await devices.is_persistent("computer")
    assert not await devices.is_persistent("usb_usb1")


async def test_what_is_described_is_what_can_be_read(root: str) -> None:
    devices = NodeDevices(root)
    for name in NAMES:
        text = await devices.xml(name, 0)
        assert xml.format(parse_node_device(text)) == text
        assert f"<name>{name}</name>" in text


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("pci_0000_00_1f_2", "<driver>\n    <name>ahci</name>\n  </driver>"),
        ("pci_0000_00_1f_2", "<numa node='1'/>"),
        (
            "pci_0000_00_1f_2",
            "<iommuGroup number='5'>\n"
            "      <address domain='0x0000' bus='0x00' slot='0x1f' function='0x2'/>",
        ),
        ("pci_0000_00_04_0", "<capability type='virt_functions' maxCount='7'>"),
        ("pci_0000_00_04_0", "<product id='0x0001'/>\n    <vendor id='0xffff'>"),
        ("usb_usb1", "<devnode type='dev'>/dev/bus/usb/001/001</devnode>"),
        ("usb_usb1", "<product id='0x0002'>xHCI Host Controller</product>"),
        ("usb_1_0_1_0", "<class>9</class>"),
        ("scsi_host0", "<wwpn>2101001b32a9da4e</wwpn>"),
        ("scsi_host0", "<capability type='vport_ops'/>"),
        ("scsi_0_0_0_0", "<type>disk</type>"),
        ("scsi_generic_sg0", "<char>/dev/sg0</char>"),
        ("block_sda_S_1", "<devnode type='link'>/dev/disk/by-id/x</devnode>"),
        ("block_sda_S_1", "<model>DISK</model>\n    <vendor>QEMU</vendor>"),
        ("block_sda_S_1", "<size>1048576</size>"),
        ("block_sr0", "<media_available>1</media_available>"),
        ("drm_renderD128", "<type>render</type>"),
        ("net_eth9_52_54_00_00_00_02", "<link speed='1000' state='up'/>"),
        ("computer", "<product>Standard PC</product>"),
    ],
)
async def test_a_description_tells(root: str, name: str, wanted: str) -> None:
    assert wanted in await NodeDevices(root).xml(name, 0)


async def test_lists_by_capability(root: str) -> None:
    devices = NodeDevices(root)
    assert await devices.list_all(Kind.USB_DEV | Kind.SYSTEM) == ["computer", "usb_usb1"]
    assert await devices.list_all(Kind.FC_HOST) == ["scsi_host0"]
    assert await devices.list_all(1 << 30) == []
    assert await devices.with_capability("drm") == ["drm_renderD128"]
    assert len(await devices.with_capability(None)) == len(NAMES)
    assert await devices.capabilities("scsi_host0") == ["scsi_host", "fc_host", "vports"]
    assert await devices.by_wwn("2001001b32a9da4e", "2101001b32a9da4e") == "scsi_host0"


async def test_what_is_not_there_or_not_done_is_said(root: str) -> None:
    devices = NodeDevices(root)
    with pytest.raises(NodeDeviceNotFound, match="no node device with matching name 'nope'"):
        await devices.xml("nope", 0)
    with pytest.raises(NodeDeviceNotFound):
        await devices.by_wwn("1", "2")
    with pytest.raises(UnsupportedFlags):
        await devices.list_all(1 << 25)
    with pytest.raises(OperationUnsupported, match="cannot detach node device 'usb_usb1'"):
        await devices.refuse_change("usb_usb1", "detach")


async def test_interfaces_are_seen_as_they_are(root: str) -> None:
    interfaces = Interfaces(root)
    assert [one.name for one in await interfaces.list_all(0)] == ["br9", "eth9", "eth9.42"]
    assert await interfaces.list_all(1) == []
    assert await interfaces.is_active("eth9")
    for name in CARDS:
        text = await interfaces.xml(name, 0)
        assert xml.format(parse_interface(text)) == text
    assert "<bridge stp='on' delay='2.00'>" in await interfaces.xml("br9", 0)
    assert "<interface type='ethernet' name='eth9'>" in await interfaces.xml("br9", 0)
    assert "<vlan tag='42'>\n    <interface name='eth9'/>" in await interfaces.xml("eth9.42", 0)


async def test_an_interface_is_found_by_its_name_or_its_only_mac(root: str) -> None:
    interfaces = Interfaces(root)
    assert (await interfaces.by_mac("52:54:00:00:00:01")).name == "br9"
    with pytest.raises(VirtoryError, match=r"multiple interfaces .*: eth9, eth9\.42") as caught:
        await interfaces.by_mac("52:54:00:00:00:02")
    assert caught.value.code == 61
    with pytest.raises(InterfaceNotFound):
        await interfaces.by_name("eth0")
    with pytest.raises(InterfaceNotFound):
        await interfaces.by_mac("00:00:00:00:00:00")


def config(express_at: int, *, kind: int, link: int = 0) -> bytes:
    """A configuration space with one capability."""
    space = bytearray(256)
    space[6], space[0x34] = 0x10, express_at
    space[express_at] = 0x10
    space[express_at + 2] = kind << 4
    space[express_at + 0x0C : express_at + 0x10] = link.to_bytes(4, "little")
    space[express_at + 0x12 : express_at + 0x14] = (link & 0xFFFF).to_bytes(2, "little")
    return bytes(space)


def test_links_of_pci_express() -> None:
    assert express(config(0x40, kind=9)) is not None
    told = express(config(0x40, kind=0, link=0x02000000 | 4 << 4 | 3))
    assert told is not None
    assert [(one.validity, one.port, one.speed, one.width) for one in told.links] == [
        ("cap", 2, "8", 4),
        ("sta", None, "8", 4),
    ]
    assert express(config(0x40, kind=0)[:64]) is None
    looped = bytearray(config(0x40, kind=0))
    looped[0x40], looped[0x41] = 5, 0x40
    assert express(bytes(looped)) is None


def test_bridges_are_known_by_their_header() -> None:
    assert bridge(bytes(14) + b"\x81") == "pci-bridge"
    assert bridge(bytes(14) + b"\x02") == "cardbus-bridge"
    assert bridge(bytes(64)) is None
    assert bridge(b"") is None
