"""What a host and its emulators offer, as real libvirt wrote it and as clients read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtory.codec import xml
from virtory.errors import XmlError
from virtory.model.capabilities import Capabilities, format_capabilities, parse_capabilities
from virtory.model.domain_capabilities import (
    DomainCapabilities,
    format_domain_capabilities,
    parse_domain_capabilities,
)

DATA = Path(__file__).resolve().parents[1] / "data" / "capabilities"
HOSTS = sorted(DATA.glob("host-*.xml"))
DOMAINS = sorted(DATA.glob("domain-*.xml"))


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=path.stem) for path in paths]


@pytest.mark.parametrize("case", named(HOSTS))
def test_a_host_is_written_back_letter_for_letter(case: Path) -> None:
    text = case.read_text()
    assert format_capabilities(xml.parse(Capabilities, text)) == text


@pytest.mark.parametrize("case", named(DOMAINS))
def test_an_offer_is_written_back_letter_for_letter(case: Path) -> None:
    text = case.read_text()
    assert format_domain_capabilities(xml.parse(DomainCapabilities, text)) == text


def test_what_clients_look_for_is_found() -> None:
    host = parse_capabilities((DATA / "host-recorded.xml").read_text())
    guest = next(guest for guest in host.guests if guest.arch.name == "x86_64")
    machines = {machine.name: machine.canonical for machine in guest.arch.machines}
    assert host.host.cpu.arch == "x86_64"
    assert machines["q35"] == "pc-q35-7.2"
    assert [domain.type for domain in guest.arch.domains] == ["qemu", "kvm"]
    assert host.host.topology is not None
    assert host.host.topology.cells.cells[0].cpus is not None

    offer = parse_domain_capabilities((DATA / "domain-q35-kvm-recorded.xml").read_text())
    custom = next(mode for mode in offer.cpu.modes if mode.name == "custom")
    assert offer.vcpu_max == 288
    assert {model.name for model in custom.models if model.usable == "yes"} == {
        "pentium3", "pentium2", "pentium", "486",
    }  # fmt: skip
    assert offer.os.loader is not None
    assert "/usr/share/OVMF/OVMF_CODE_4M.fd" in offer.os.loader.values


def test_what_a_newer_daemon_adds_is_passed_over() -> None:
    text = (DATA / "host-rare.xml").read_text().replace("</cpu>", "<novelty x='1'/></cpu>", 1)
    assert parse_capabilities(text).host.cpu.model == "host"


def test_what_is_wrong_is_still_refused() -> None:
    with pytest.raises(XmlError, match="/capabilities/host: this element is missing"):
        parse_capabilities("<capabilities/>")
