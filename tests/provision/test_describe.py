"""The domain of an order: complete, without problems, and the same after its XML."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from virtory.errors import InvalidArgument
from virtory.model.domain import format_domain, parse_domain, problems
from virtory.model.values import Size
from virtory.provision.describe import Choice, describe
from virtory.provision.images import Image
from virtory.provision.manifest import Manifest
from virtory.provision.order import Forward, Order

UUID = "11112222-3333-4444-5555-666677778888"


def described(order: Order, *, kvm: bool = False, direct: bool = False, firmware: str = "uefi"):  # type: ignore[no-untyped-def]
    image = Image("x", Path("/images/x"), firmware=firmware, cmdline="console=ttyS0")
    manifest = Manifest(
        "x",
        Path("/m/web"),
        ("disk.qcow2",),
        "root",
        "127.0.0.1",
        22022,
        None,
        "ssh-ed25519 A",
        UUID,
    )
    return describe(order, image, manifest, Choice(kvm, direct, UUID, "52:54:00:00:00:01", "ds=x"))


@pytest.mark.parametrize(
    ("kvm", "direct", "graphics", "firmware"),
    list(itertools.product((False, True), (False, True), (False, True), ("uefi", "bios"))),
)
def test_every_kind_of_machine_is_a_domain_without_problems(
    kvm: bool, direct: bool, graphics: bool, firmware: str
) -> None:
    order = Order("web", forwards=(Forward(8080, 80),), graphics=graphics)
    domain = described(order, kvm=kvm, direct=direct, firmware=firmware)
    assert problems(domain) == []
    assert format_domain(parse_domain(format_domain(domain))) == format_domain(domain)
    assert domain.type == ("kvm" if kvm else "qemu")
    assert (domain.os.kernel is None) == (not direct)
    assert domain.os.firmware_auto == ("efi" if firmware == "uefi" and not direct else None)
    assert len(domain.devices.graphics) == graphics


def test_the_manifest_in_the_domains_metadata_is_found_again() -> None:
    text = parse_domain(format_domain(described(Order("web")))).metadata
    assert text is not None
    inner = text[text.index("<virtory:machine") : text.rindex("</metadata>")]
    assert Manifest.from_xml(inner, "web").port == 22022


def test_ssh_is_forwarded_from_the_loopback_and_the_rest_as_asked() -> None:
    order = Order("web", forwards=(Forward(5353, 53, "udp", "0.0.0.0"),))
    (card,) = described(order).devices.interfaces
    found = [(f.proto, f.address, f.ranges[0].start, f.ranges[0].to) for f in card.port_forwards]
    assert found == [("tcp", "127.0.0.1", 22022, 22), ("udp", "0.0.0.0", 5353, 53)]


def test_a_port_of_the_host_leads_to_one_place() -> None:
    twice = (Forward(8080, 80), Forward(8080, 81))
    for refused in (Order("web", forwards=twice), Order("web", ssh_port=8080, forwards=twice[:1])):
        with pytest.raises(
            InvalidArgument, match=r"tcp port 8080 of 127\.0\.0\.1 is asked for twice"
        ):
            refused.checked()
    both = (Forward(53, 53), Forward(53, 53, "udp"), Forward(0, 80), Forward(0, 81))
    assert Order("web", forwards=both).checked()


def test_on_a_network_it_has_an_address_of_its_own_and_no_port_of_the_host() -> None:
    (card,) = described(Order("web", network="default")).devices.interfaces
    assert card.source is not None
    assert (card.type, card.source.network, card.port_forwards) == ("network", "default", ())
    for refused in (Order("web", network=""), Order("web", network="default", ssh_port=22000)):
        with pytest.raises(InvalidArgument):
            refused.checked()


def test_there_are_ports_for_devices_plugged_in_while_it_runs() -> None:
    devices = described(Order("web", graphics=True)).devices
    ports = [each for each in devices.controllers if each.model == "pcie-root-port"]
    used = [*devices.interfaces, *devices.disks, *devices.rngs, *devices.videos]
    assert len(ports) >= len(used) + len(("balloon", "serial ports")) + 6


def test_memory_and_processors_are_those_asked_for() -> None:
    domain = described(Order("web", vcpus=3, memory=Size.of_mib(700)))
    assert (domain.vcpu.count, domain.memory, domain.current_memory) == (3, 700 << 20, 700 << 20)
