"""Places of devices: unique, on buses that exist, and those that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cases import defined, qemu_7_2
from hypothesis import given, settings
from hypothesis import strategies as st

from virtory.errors import XmlError
from virtory.model.domain.devices.address import DriveAddress, MmioAddress, PciAddress, UsbAddress

if TYPE_CHECKING:
    from virtory.model.domain import Domain

CAPABILITIES = qemu_7_2()


def machine(kind: str, devices: str) -> Domain:
    text = (
        "<domain type='qemu'><name>a</name><memory>65536</memory>"
        f"<os><type arch='x86_64' machine='{kind}'>hvm</type></os>"
        f"<devices>{devices}</devices></domain>"
    )
    return defined(text, CAPABILITIES)


def pci(domain: Domain) -> list[PciAddress]:
    devices = domain.devices
    rows = (
        devices.disks, devices.controllers, devices.interfaces, devices.videos, devices.rngs,
        devices.inputs, devices.sounds, devices.watchdogs, devices.serials,
    )  # fmt: skip
    found = [each.address for row in rows for each in row]
    found.append(devices.balloon.address if devices.balloon else None)
    return [each for each in found if isinstance(each, PciAddress)]


def nic(model: str = "virtio") -> str:
    return f"<interface type='user'><model type='{model}'/></interface>"


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["pc", "q35"]),
    virtio=st.integers(0, 40),
    old=st.integers(0, 40),
    screens=st.integers(0, 3),
)
def test_no_two_devices_share_a_place_and_every_bus_is_there(
    kind: str, virtio: int, old: int, screens: int
) -> None:
    video = "<video><model type='virtio'/></video>" * screens
    domain = machine(kind, nic() * virtio + nic("e1000") * old + video)
    places = [(each.bus, each.slot, each.function) for each in pci(domain)]
    assert len(places) == len(set(places))
    assert len(places) >= virtio + old + screens
    buses = {c.index for c in domain.devices.controllers if c.type == "pci"}
    assert {bus for bus, _, _ in places} <= buses
    for each in domain.devices.controllers:
        if each.type == "pci" and each.index:
            assert isinstance(each.address, PciAddress)
            assert each.address.bus != each.index


def test_a_place_that_is_asked_for_is_kept_and_others_go_around_it() -> None:
    wanted = "<address type='pci' bus='0' slot='2'/>"
    domain = machine("pc", nic() + nic().replace("</interface>", f"{wanted}</interface>"))
    first, second = (each.address for each in domain.devices.interfaces)
    assert isinstance(second, PciAddress)
    assert (second.bus, second.slot) == (0, 2)
    assert isinstance(first, PciAddress)
    assert first.slot == 3


def test_a_bus_that_is_named_but_missing_is_added() -> None:
    wanted = "<address type='pci' bus='5' slot='0'/>"
    domain = machine("q35", nic().replace("</interface>", f"{wanted}</interface>"))
    indexes = [c.index for c in domain.devices.controllers if c.type == "pci"]
    assert indexes == [0, 1, 2, 3, 4, 5]


def test_one_place_for_two_devices_is_refused_by_its_name() -> None:
    wanted = "<address type='pci' bus='0' slot='7'/>"
    twice = nic().replace("</interface>", f"{wanted}</interface>") * 2
    with pytest.raises(XmlError, match=r"0000:00:07\.0"):
        machine("pc", twice)


def test_a_full_bus_gets_a_bridge() -> None:
    domain = machine("pc", nic() * 40)
    bridges = [c for c in domain.devices.controllers if c.model == "pci-bridge"]
    assert len(bridges) == 1
    assert bridges[0].model_name == "pci-bridge"


def test_old_cards_go_behind_a_bridge_on_a_machine_with_pci_express() -> None:
    domain = machine("q35", nic("rtl8139"))
    address = domain.devices.interfaces[0].address
    assert isinstance(address, PciAddress)
    bridge = next(
        c for c in domain.devices.controllers if c.index == address.bus and c.type == "pci"
    )
    assert bridge.model == "pcie-to-pci-bridge"


def test_one_root_port_stays_free_for_hotplug() -> None:
    domain = machine("q35", nic() * 3)
    ports = {c.index for c in domain.devices.controllers if c.model == "pcie-root-port"}
    used = {each.bus for each in pci(domain)} - {0}
    assert len(ports - used) == 1


def test_drives_sit_where_their_letters_say() -> None:
    disk = "<disk><source file='/a'/><target dev='{}' bus='{}'/></disk>"
    names = (("hda", "ide"), ("hdd", "ide"), ("sdh", "sata"), ("sdq", "scsi"))
    domain = machine("pc", "".join(disk.format(*each) for each in names))
    places = {
        each.target.dev: (each.address.controller, each.address.bus, each.address.unit)
        for each in domain.devices.disks
        if isinstance(each.address, DriveAddress)
    }
    assert places == {"hda": (0, 0, 0), "hdd": (0, 1, 1), "sdh": (1, 0, 1), "sdq": (2, 0, 2)}
    indexes = [(c.type, c.index) for c in domain.devices.controllers]
    assert ("sata", 1) in indexes
    assert ("scsi", 2) in indexes


def test_a_drive_gives_way_to_one_that_named_its_place() -> None:
    domain = machine(
        "pc",
        "<disk><source file='/a'/><target dev='sda' bus='scsi'/></disk>"
        "<disk><source file='/b'/><target dev='sdb' bus='scsi'/>"
        "<address type='drive' controller='0' bus='0' target='0' unit='0'/></disk>",
    )
    units = [
        each.address.unit for each in domain.devices.disks if isinstance(each.address, DriveAddress)
    ]
    assert units == [1, 0]


def test_usb_devices_beyond_the_ports_hang_on_a_hub() -> None:
    kinds = ("tablet", "keyboard", "mouse")
    domain = machine("pc", "".join(f"<input type='{kind}' bus='usb'/>" for kind in kinds))
    ports = [
        each.address.port for each in domain.devices.inputs if isinstance(each.address, UsbAddress)
    ]
    assert ports == ["2", "1.1", "1.2"]
    assert len(domain.devices.hubs) == 1


COMPANIONS = (
    "<controller type='usb' model='ich9-ehci1'/>"
    "<controller type='usb' model='ich9-uhci1'><master startport='0'/></controller>"
    "<controller type='usb' model='ich9-uhci2'><master startport='2'/></controller>"
    "<controller type='usb' model='ich9-uhci3'><master startport='4'/></controller>"
)


@pytest.mark.parametrize(("kind", "slots"), [("q35", [0x1D, 0x1A]), ("pc", [2, 3])])
def test_a_usb_controller_and_its_companions_share_an_index_and_a_slot(
    kind: str, slots: list[int]
) -> None:
    domain = machine(kind, COMPANIONS * 2 + "<input type='tablet' bus='usb'/>")
    usb = [each for each in domain.devices.controllers if each.type == "usb"]
    assert [each.index for each in usb] == [0] * 4 + [1] * 4
    for controllers, slot in zip((usb[:4], usb[4:]), slots, strict=True):
        places = [each.address for each in controllers]
        assert [
            (each.bus, each.slot, each.function, each.multifunction)
            for each in places
            if isinstance(each, PciAddress)
        ] == [(0, slot, 7, None), (0, slot, 0, True), (0, slot, 1, None), (0, slot, 2, None)]
    assert domain.devices.inputs[0].address == UsbAddress(bus=0, port="1")


def test_a_hub_of_the_definition_has_a_port_of_its_own() -> None:
    usb = "<controller type='usb' model='qemu-xhci'/>"
    domain = machine("q35", f"{usb}<input type='tablet' bus='usb'/><hub type='usb'/>")
    (hub,), tablet = domain.devices.hubs, domain.devices.inputs[0]
    assert hub.address == UsbAddress(bus=0, port="1")
    assert tablet.address == UsbAddress(bus=0, port="2")


def test_a_microvm_maps_its_devices_into_memory() -> None:
    domain = machine("microvm", nic() + "<rng model='virtio'><backend model='random'/></rng>")
    assert isinstance(domain.devices.interfaces[0].address, MmioAddress)
    assert isinstance(domain.devices.rngs[0].address, MmioAddress)
    assert domain.devices.balloon is not None
    assert isinstance(domain.devices.balloon.address, MmioAddress)
    assert domain.devices.controllers == ()
