"""Definitions as they are stored: what libvirt 9.0.0 stored for the same text is recorded."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from cases import CASES, DATA, defined, qemu_7_2

from virtory.driver.qemu.definition.defaults import with_defaults, with_identity
from virtory.errors import ConfigUnsupported
from virtory.model.domain import format_domain, parse_domain, without_secrets

RECORDED = [case for case in CASES if (DATA / f"{case}.defined.xml").exists()]
# A microvm has no PS/2 controller, and variables of UEFI are named when the machine starts.
OURS = {
    "microvm-virtio": {
        "-    <input type='mouse' bus='ps2'/>",
        "-    <input type='keyboard' bus='ps2'/>",
    },
    "q35-loader": {
        "-    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>"
        "/var/lib/libvirt/qemu/nvram/q35-loader_VARS.fd</nvram>",
        "+    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/>",
    },
}


def xml(case: str) -> str:
    return (DATA / f"{case}.xml").read_text()


def test_there_are_recorded_definitions() -> None:
    assert len(RECORDED) >= 15


@pytest.mark.parametrize("case", RECORDED)
def test_a_definition_is_stored_as_libvirt_stores_it(case: str) -> None:
    stored = format_domain(without_secrets(defined(xml(case), qemu_7_2())))
    libvirts = (DATA / f"{case}.defined.xml").read_text()
    lines = difflib.unified_diff(libvirts.splitlines(), stored.splitlines(), n=0, lineterm="")
    changed = {line for line in lines if not line.startswith(("---", "+++", "@@"))}
    assert changed == OURS.get(case, set())


@pytest.mark.parametrize("case", CASES)
def test_a_stored_definition_is_its_own_definition(case: str) -> None:
    stored = defined(xml(case), qemu_7_2())
    assert defined(format_domain(stored), qemu_7_2()) == stored


def test_what_is_random_is_drawn_once_and_never_replaced() -> None:
    bare = parse_domain(
        "<domain type='qemu'><name>a</name><genid/><memory>65536</memory>"
        "<os><type>hvm</type></os><devices><interface type='user'/>"
        "<interface type='user'><mac address='52:54:00:00:00:01'/></interface></devices></domain>"
    )
    first, second = with_identity(bare), with_identity(bare)
    assert first.uuid != second.uuid
    assert first.genid != second.genid
    macs = [each.mac.address for each in first.devices.interfaces if each.mac]
    assert macs[0].startswith("52:54:00:")
    assert macs[1] == "52:54:00:00:00:01"
    assert with_identity(first) == first


def test_a_machine_type_of_another_qemu_is_refused_with_a_near_one() -> None:
    domain = parse_domain(
        "<domain type='qemu'><name>a</name><memory>65536</memory>"
        "<os><type machine='pc-q35-7.9'>hvm</type></os></domain>"
    )
    with pytest.raises(ConfigUnsupported, match=r"pc-q35-7\.9") as caught:
        with_defaults(domain, qemu_7_2())
    assert caught.value.cure is not None
    assert "pc-q35-7." in caught.value.cure


def test_emulated_cpus_are_checked_less_than_virtualised_ones() -> None:
    def check(kind: str) -> str | None:
        text = xml("pc-minimal").replace("type='qemu'", f"type='{kind}'", 1)
        text = text.replace("<devices>", "<cpu><model>Nehalem</model></cpu><devices>")
        cpu = defined(text, qemu_7_2()).cpu
        assert cpu is not None
        return cpu.check

    assert check("kvm") == "partial"
    assert check("qemu") == "none"


def test_the_recordings_name_no_directory_of_this_host() -> None:
    for path in Path(DATA).glob("*.xml"):
        assert "/tmp/" not in path.read_text(), path.name
